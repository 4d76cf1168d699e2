import type { Server } from 'node:net';
import type { Logger } from 'pino';
import type { Metrics } from '../operation/metrics.js';

/** The log tells of connections that were not taken so often at most. */
const TELL_EVERY_MS = 60_000;

/**
 * Takes so many connections and no more: each costs memory and a file descriptor before anybody has said who they are.
 * When there is no room for another those on which nothing is asked are closed, so that the next one finds some.
 */
export function limitConnections(
  server: Server & { closeIdleConnections(): void },
  most: number,
  metrics: Metrics,
  logger: Pick<Logger, 'warn'>,
): void {
  let told = -Infinity;
  server.maxConnections = most;
  server.on('drop', () => {
    metrics.countRefusedConnection();
    server.closeIdleConnections();
    if (performance.now() - told < TELL_EVERY_MS) return;
    told = performance.now();
    logger.warn({ most }, 'a connection was not taken: there are as many as MAX_CONNECTIONS allows');
  });
  metrics.gauge('truetrail_http_connections', 'Connections to the API that are open', [], async () => [
    { value: await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count ?? 0))) },
  ]);
}
