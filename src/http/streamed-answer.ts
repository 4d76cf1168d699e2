import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from './problem.js';

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
 * Sends the pieces of an answer at the client's own speed. What fails before the first is thrown, to become a problem;
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
  if (request.method === 'HEAD') {
    void reply.headers(headers).send('');
    return;
  }
  let first: IteratorResult<Uint8Array>;
  try {
    first = await pieces.next();
  } catch (error) {
    if (gone.reason === CLIENT_GONE) return; // nobody is there to be told
    throw error;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (!first.done) yield first.value;
      yield* pieces;
    } catch (error) {
      if (!gone.aborted) request.log.error({ err: error }, 'a streamed answer failed and was cut off');
      throw error;
    } finally {
      await pieces.return(undefined);
    }
  }
  void reply.headers(headers).send(Readable.from(all(), { objectMode: true, highWaterMark: 1, signal: gone }));
}
