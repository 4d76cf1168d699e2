import type { FastifyInstance } from 'fastify';

const SWEEP_MS = 20;
/** How long a client that is answered may still send what nobody reads any more. */
const LINGER_MS = 1_000;

/**
 * Lets connections end once a shutdown has begun: an answer says `Connection: close`, and what is left without a
 * request is closed. Without this a client that keeps its connection open would hold up the shutdown until its end.
 */
export function drainConnections(fastify: Pick<FastifyInstance, 'addHook' | 'server'>, stopping: AbortSignal): void {
  let inFlight = 0;
  fastify.addHook('onRequest', (request, reply, done) => {
    inFlight += 1;
    let open = true;
    const end = (): void => {
      if (open) inFlight -= 1;
      open = false;
    };
    // answered, or given up by its client
    reply.raw.once('close', () => {
      if (request.raw.complete || request.raw.destroyed) return end();
      // answered before its body's end: cutting a client off while it sends can cost it the answer
      setTimeout(end, LINGER_MS).unref();
      request.raw.resume().once('close', end);
    });
    done();
  });
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (stopping.aborted) void reply.header('connection', 'close');
    done();
  });
  stopping.addEventListener('abort', () => {
    const sweep = setInterval(() => {
      if (inFlight > 0) fastify.server.closeIdleConnections();
      else if (!fastify.server.listening) {
        // also connections on which nothing was asked yet
        fastify.server.closeAllConnections();
        clearInterval(sweep);
      }
    }, SWEEP_MS);
    sweep.unref();
  });
}
