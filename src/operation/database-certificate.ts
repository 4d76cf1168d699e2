import { TLSSocket } from 'node:tls';
import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import { connectionOptions } from '../database/connection.js';
import { DATABASE_URL } from '../database/tokens.js';
import { firstEnd } from './certificate-end.js';
import { Metrics } from './metrics.js';

/** A server takes up another certificate without ending connections, so the one of a kept connection says nothing of it. */
const LOOK_EVERY_MS = 3_600_000;
const LOCK_TIMEOUT_MS = 2_000;

/**
 * When the certificate by which PostgreSQL is known ends, or the CA of it that this replica trusts: from then on no
 * connection can be made. Seen at a scrape, on a connection of its own, once an hour.
 */
@Injectable()
export class DatabaseCertificate {
  private lookedAt = -Infinity;
  /** ms of the epoch; undefined without TLS, or before the first look */
  private endsAt: number | undefined;

  constructor(
    @Inject(DATABASE_URL) private readonly url: string,
    metrics: Metrics,
  ) {
    metrics.gauge(
      'truetrail_database_certificate_remaining_seconds',
      'Time until the certificate of PostgreSQL expires, or the CA that it is trusted by, whichever is first',
      [],
      async () => {
        if (performance.now() - this.lookedAt > LOOK_EVERY_MS) await this.look();
        return this.endsAt === undefined ? [] : [{ value: (this.endsAt - Date.now()) / 1_000 }];
      },
    );
  }

  /** A server that cannot be reached is told of otherwise; what was seen last stands, also once it has expired. */
  private async look(): Promise<void> {
    const client = new pg.Client(
      connectionOptions({
        url: this.url,
        asService: false,
        applicationName: 'truetrail certificate',
        lockTimeoutMs: LOCK_TIMEOUT_MS,
      }),
    );
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { stream } = (client as unknown as { connection: { stream: unknown } }).connection;
      this.endsAt = stream instanceof TLSSocket ? firstEnd(stream.getPeerCertificate(true)) : undefined;
      this.lookedAt = performance.now();
    } catch {
      // the next scrape looks again
    } finally {
      client.end().catch(() => undefined); // not waited for: a server that is gone by now would hold up the scrape
    }
  }
}
