/** An event's place and time; `recordedAt` in microseconds since 1970, NaN for an infinity. */
export interface RecordedEvent {
  sequence: bigint;
  recordedAt: number;
}

/** The first event from a sequence on; undefined when there is none. */
export type FindEvent = (from: bigint) => Promise<RecordedEvent | undefined>;

/**
 * The sequences of the events recorded at `recordedFrom` or later and before `recordedTo` in a ledger of `size` events,
 * both ends included, and **one event more on each side** where there is one. null stands for no bound.
 *
 * The ends are looked up by halving, since recorded_at never falls along a ledger; a changed recorded_at can lead that
 * astray. But where it does, the changed event is one of the two between which the range was cut, so these are part of
 * the range and its verification shows them.
 */
export async function sequencesRecorded(
  recordedFrom: number | null,
  recordedTo: number | null,
  size: bigint,
  find: FindEvent,
): Promise<{ from: bigint; to: bigint }> {
  const first = recordedFrom === null ? 1n : await firstRecordedAtOrAfter(recordedFrom, size, find);
  const end = recordedTo === null ? size + 1n : await firstRecordedAtOrAfter(recordedTo, size, find);
  // `first` follows an event or begins the ledger; but events may be missing from `end` on.
  const after = end > size ? undefined : await find(end);
  return {
    from: first > 1n ? first - 1n : 1n,
    to: after === undefined || after.sequence > size ? size : after.sequence,
  };
}

/** The sequence before which every event was recorded before `time`; `size + 1` when that is so of all. */
async function firstRecordedAtOrAfter(time: number, size: bigint, find: FindEvent): Promise<bigint> {
  let low = 1n;
  let high = size + 1n;
  while (low < high) {
    const middle = (low + high) / 2n;
    const event = await find(middle);
    if (event === undefined || event.sequence >= high || event.recordedAt >= time) high = middle;
    else low = event.sequence + 1n;
  }
  return low;
}
