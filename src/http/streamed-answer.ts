import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from './problem.js';
import { SlowTaker } from './slow-takers.js';

const CLIENT_GONE = new Error('the client has gone away');

/** Aborted, with the reason, when the client has gone away or the service stops. To be made before anything is awaited. */
export function goneSignal(reply: FastifyReply, stopping: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const stop = (): void => gone.abort(new Problem('shutting-down', 'The replica is stopping: ask again'));
  if (stopping.aborted) stop();
  stopping.addEventListener('abort', stop, { signal: gone.signal });
  reply.raw.once('close', () => gone.abort(CLIENT_GONE));
  return gone.signal;
}

/**
 * Sends the pieces of an answer at the client's own speed, as long as it takes each of them in time (ANSWER_TIMEOUT):
 * until then it holds memory, and a place that others wait for. What fails before the first is thrown, to become a problem;
 * what fails later, and `gone`, cut the connection, since an answer must not end as if it were whole. `headers` are those
 * of the whole answer, and of no problem.
 */
export async function sendPieces(
  request: FastifyRequest,
  reply: FastifyReply,
  pieces: AsyncGenerator<Uint8Array>,
  gone: AbortSignal,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  let first: IteratorResult<Uint8Array>;
  try {
    first = await pieces.next();
  } catch (error) {
    if (gone.reason === CLIENT_GONE) return; // nobody is there to be told
    throw error;
  }
  const leave = async (): Promise<void> => void (await pieces.return(undefined));
  if (gone.aborted) {
    await leave();
    if (gone.reason === CLIENT_GONE) return;
    throw gone.reason;
  }
  const taker = new SlowTaker(request, reply, request.server.answerTimeoutMs);
  async function* all(): AsyncGenerator<Uint8Array> {
    let before = 0; // bytes of the piece that the connection still has when the next one is asked for
    try {
      for (let piece = first; !piece.done; piece = await pieces.next()) {
        taker.watch(before + piece.value.length);
        yield piece.value;
        taker.pause();
        before = piece.value.length;
      }
      taker.watch(before); // of the last one
    } catch (error) {
      if (!gone.aborted) request.log.error({ err: error }, 'a streamed answer failed and was cut off');
      throw error;
    }
  }
  const answer = Readable.from(all(), { objectMode: true, highWaterMark: 1, signal: gone });
  // not in a `finally` of the generator above: destroyed before it began, it would never get there
  answer.once('close', () => void leave());
  void reply.headers(headers).send(answer);
}

/** What HEAD gets: the headers of the answer, and none of its length, which nobody knows before it is made. */
export function sendHead(reply: FastifyReply, headers: Readonly<Record<string, string>>): void {
  reply.hijack();
  const all = { ...reply.getHeaders(), ...headers } as Record<string, string>;
  reply.raw.writeHead(200, all).end();
}
