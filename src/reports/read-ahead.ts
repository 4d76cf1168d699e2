/**
 * The same items, the next of which is already being read while one is worked on: the database and this thread then work
 * at the same time. One is in memory beside the one in use. Ends, also early, when nothing is being read any more.
 */
export async function* readAhead<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  const begin = (): Promise<IteratorResult<T>> => {
    const begun = items.next();
    begun.catch(() => undefined); // told when its turn comes
    return begun;
  };
  let next = begin();
  try {
    for (;;) {
      const result = await next;
      if (result.done) return;
      next = begin();
      yield result.value;
    }
  } finally {
    await items.return(undefined);
  }
}
