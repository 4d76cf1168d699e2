import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { Logger } from 'pino';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';

/** The log has one line for so long, however many there are. */
const TELL_EVERY_MS = 60_000;
/** Addresses that are told apart, and that a line names. */
const MOST_ADDRESSES = 1_000;
const MOST_NAMED = 10;
const OTHERS = '(others)';

/**
 * Keys and tokens that are none, have expired or were revoked: counted, for an alarm, and told once a minute with the
 * addresses from which they came. Nobody is locked out: there is nothing to guess in 256 random bits, and behind a proxy
 * all callers have one address, so that whoever sends wrong keys would keep everybody from recording.
 */
@Injectable()
export class RefusedCredentials implements OnModuleDestroy {
  private readonly counts = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: Metrics,
  ) {}

  onModuleDestroy(): void {
    this.tell();
  }

  /** `address`: of the other end of the connection. */
  note(address: string): void {
    this.metrics.countRefusedCredentials();
    const known = this.counts.has(address) || this.counts.size < MOST_ADDRESSES ? address : OTHERS;
    this.counts.set(known, (this.counts.get(known) ?? 0) + 1);
    this.timer ??= setTimeout(() => this.tell(), TELL_EVERY_MS).unref();
  }

  private tell(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.counts.size === 0) return;
    const most = [...this.counts].sort(([, a], [, b]) => b - a);
    const refused = most.reduce((sum, [, count]) => sum + count, 0);
    const addresses = Object.fromEntries(most.slice(0, MOST_NAMED));
    this.counts.clear();
    this.logger.warn({ refused, addresses }, 'credentials were refused: unknown, expired or revoked');
  }
}
