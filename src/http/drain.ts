import type { FastifyInstance } from 'fastify';

const SWEEP_MS = 20;

/**
 * Lets connections end once a shutdown has begun: an answer says `Connection: close`, and what is left without a
 * request is closed. Without this a client that keeps its connection open would hold up the shutdown until its end.
 */
export function drainConnections(fastify: Pick<FastifyInstance, 'addHook' | 'server'>, stopping: AbortSignal): void {
  let inFlight = 0;
  fastify.addHook('onRequest', (_request, reply, done) => {
    inFlight += 1;
    reply.raw.once('close', () => (inFlight -= 1)); // answered, or given up by its client
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
