import { Problem } from './problem.js';

/** A line of a body, without its end; `undefined` bytes for one that is longer than the limit. */
export interface Line {
  /** from 1 */
  number: number;
  bytes: Buffer | undefined;
}

const LF = 0x0a;
const CR = 0x0d;

/**
 * The lines of a stream of bytes, in groups as they arrive, so that a thousand short lines cost one turn of the event
 * loop. A line past the limit is skipped without being held. A last line without an end counts; an empty one after the
 * last end does not.
 */
export async function* linesOf(stream: AsyncIterable<Buffer>, maxLineBytes: number): AsyncGenerator<Line[]> {
  let parts: Buffer[] = [];
  let size = 0;
  let number = 0;
  const take = (): Line => {
    const bytes = size > maxLineBytes ? undefined : parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    parts = [];
    size = 0;
    number += 1;
    return { number, bytes: bytes?.at(-1) === CR ? bytes.subarray(0, -1) : bytes };
  };
  for await (const chunk of stream) {
    const lines: Line[] = [];
    let from = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      add(chunk.subarray(from, end));
      lines.push(take());
      from = end + 1;
    }
    if (from < chunk.length) add(chunk.subarray(from));
    if (lines.length > 0) yield lines;
  }
  if (size > 0) yield [take()];

  function add(part: Buffer): void {
    size += part.length;
    if (size <= maxLineBytes) parts.push(part);
    else parts = [];
  }
}

/** What is thrown for a line past the limit. */
export function lineTooLong(maxLineBytes: number): Problem {
  return new Problem('payload-too-large', `a line may have ${maxLineBytes} bytes`);
}
