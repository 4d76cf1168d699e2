import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from './problem.js';

const NDJSON = 'application/x-ndjson';

/**
 * Whether a caller asks for lines rather than one JSON document: yes if it names them and wants nothing else more.
 * Throws not-acceptable when it wants neither.
 */
export function wantsLines(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return false;
  let json = 0;
  let lines = 0;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
    const q = Number(weight) || 0;
    if (type === NDJSON) lines = Math.max(lines, q);
    if (type === 'application/json' || type === 'application/*' || type === '*/*') json = Math.max(json, q);
  }
  if (lines === 0 && json === 0) {
    throw new Problem('not-acceptable', `This operation answers in application/json or ${NDJSON}`);
  }
  return lines > 0 && lines >= json;
}

/** One page of a streamed answer. */
export interface Page {
  events: readonly object[];
  as_of: string;
}

/**
 * Pages as pieces of NDJSON: a line an event, then `{"end": {"events", "as_of"}}`, without which the answer is not whole.
 * `beforeFirst` is awaited once the first page is there and before any of it is given out.
 */
export async function* linesOfPages(
  pages: AsyncIterable<Page>,
  beforeFirst: (asOf: string) => Promise<void>,
): AsyncGenerator<string> {
  let count = 0;
  let asOf: string | undefined;
  for await (const page of pages) {
    if (asOf === undefined) await beforeFirst(page.as_of);
    asOf = page.as_of;
    count += page.events.length;
    let text = '';
    for (const event of page.events) text += `${JSON.stringify(event)}\n`;
    if (text !== '') yield text;
  }
  yield `${JSON.stringify({ end: { events: String(count), as_of: asOf } })}\n`;
}

/**
 * Sends pieces of NDJSON at the client's own speed: the next piece is made when the last has gone out, so that memory
 * holds two. What fails before the first is thrown, to become a problem. What fails later, and `stopping`, cut the
 * connection: an answer must not end as if it were whole. When the client goes away no more is made.
 */
export async function sendLines(
  request: FastifyRequest,
  reply: FastifyReply,
  pieces: AsyncGenerator<string>,
  stopping: AbortSignal,
): Promise<void> {
  void reply.header('content-type', `${NDJSON}; charset=utf-8`).header('vary', 'accept');
  if (request.method === 'HEAD') {
    await pieces.return(undefined);
    void reply.send('');
    return;
  }
  const first = await pieces.next();
  async function* rest(): AsyncGenerator<string> {
    try {
      if (!first.done) yield first.value;
      yield* pieces;
    } catch (error) {
      request.log.error({ err: error }, 'a streamed answer failed and was cut off');
      throw error;
    } finally {
      await pieces.return(undefined);
    }
  }
  void reply.send(Readable.from(rest(), { objectMode: true, highWaterMark: 1, signal: stopping }));
}
