import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Principal } from '../access/principal.js';
import { POOL } from '../database/tokens.js';
import { Ledgers } from './ledgers.js';
import { acceptClockAhead, floorOf } from './ledgers.sql.js';
import { ServiceLedger } from './service-ledger.js';

/** The administrator's act that lets appends go on when a ledger ends ahead of the clock. */
@Injectable()
export class LedgerClock {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly ledgers: Ledgers,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /** Accepts the head's recorded_at as it is and records who did so and why. Throws ledger-not-found. */
  async acceptAhead(ledger: string, reason: string, caller: Principal): Promise<void> {
    await this.ledgers.state(ledger);
    const recordedAt = await floorOf(this.pool, ledger);
    const isOwn = this.serviceLedger.isCurrent(ledger);
    // Recorded first, as every act; but the service's own ledger cannot take the record before it is opened again.
    if (isOwn) await acceptClockAhead(this.pool, ledger);
    await this.serviceLedger.record({
      event_type: 'clock',
      entity_type: 'ledger',
      entity_id: ledger,
      action: 'accept_ahead',
      user_id: caller.id,
      new_state: { head_recorded_at: recordedAt },
      metadata: { reason },
    });
    if (!isOwn) await acceptClockAhead(this.pool, ledger);
  }
}
