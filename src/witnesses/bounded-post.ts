/** What came back of a POST. */
export interface Answer {
  status: number;
  /** in lower case, without parameters; '' when there is none */
  contentType: string;
  body: Buffer;
}

/** Nobody answered in time, or not in a way that can be read; `message` is a sentence that says what happened. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

export interface PostOptions {
  contentType: string;
  /** from the connection to the last byte */
  timeoutMs: number;
  maxBytes: number;
  /** what ends it besides */
  signal: AbortSignal;
}

/**
 * Posts bytes to somebody who is not trusted: bounded in time and size, and led nowhere else. Throws NoAnswer, and the
 * signal's reason.
 */
export async function postBytes(url: string, body: Buffer, options: PostOptions): Promise<Answer> {
  const { contentType, timeoutMs, maxBytes, signal } = options;
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body: new Uint8Array(body),
      redirect: 'manual',
      signal: AbortSignal.any([signal, limit]),
    });
    const [type = ''] = (response.headers.get('content-type') ?? '').toLowerCase().split(';');
    return { status: response.status, contentType: type.trim(), body: await readBody(response, maxBytes) };
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw new NoAnswer(`there was no answer within ${timeoutMs} ms`, { cause: error });
    if (error instanceof NoAnswer) throw error;
    const { cause, message } = error as Error;
    throw new NoAnswer(cause instanceof Error ? cause.message : message, { cause: error });
  }
}

async function readBody(response: Response, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // leaving the loop early cancels what is still to come
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new NoAnswer(`the answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
