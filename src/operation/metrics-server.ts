import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { LOGGER } from './logger.js';
import { Metrics } from './metrics.js';

const REQUEST_TIMEOUT_MS = 5_000;

/** `/metrics` on METRICS_PORT, for a scraper that has no key; nothing else is there. */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private server: Server | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: Metrics,
  ) {}

  /** Rejects when the port cannot be had. */
  async onApplicationBootstrap(): Promise<void> {
    const { METRICS_PORT: port, HOST: host } = this.config;
    if (port === 0) return;
    const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
      if (request.url !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('only GET /metrics is here\n');
        return;
      }
      this.metrics.render().then(
        (text) => response.writeHead(200, { 'content-type': this.metrics.contentType }).end(text),
        (error: unknown) => {
          this.logger.error({ err: error }, 'the metrics could not be written');
          response.writeHead(500).end();
        },
      );
    });
    server.listen(port, host);
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw new Error(`METRICS_PORT ${port} cannot be had: ${(cause as Error).message}`, { cause });
    }
    this.server = server;
    this.logger.info({ port, host }, 'metrics are served');
  }

  /** Last of all, so that a shutdown can be watched to its end. */
  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}
