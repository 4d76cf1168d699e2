import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Principal } from '../access/principal.js';
import { POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { lastArchived, sequencesOfIds } from './archive-catalogue.sql.js';
import { readDeletedSpans, type DeletedSpan } from './deleted-ranges.js';
import { ARCHIVED_EVENTS, type ArchivedEvents, type AuditedEvent } from './archived-events.js';

export interface ArchiveAuditOutcome {
  id: string;
  verdict: 'valid' | 'invalid';
  /** the events were drawn from 1 to this sequence */
  archived: string;
  ms: number;
  events: AuditedEvent[];
}

/** Of an audit's faults, in its record. */
const RECORDED_FAULTS = 100;

/** Random audits: events drawn over all that is archived, each fetched from the store, recomputed and timed. */
@Injectable()
export class ArchiveAudit {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(ARCHIVED_EVENTS) private readonly archive: ArchivedEvents,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /** Throws archive-unavailable, read-timeout; and when the audit cannot be recorded. */
  async run(ledger: string, count: number, caller: Principal): Promise<ArchiveAuditOutcome> {
    const startedAt = performance.now();
    const [last, spans] = await Promise.all([lastArchived(this.pool, ledger), readDeletedSpans(this.pool, ledger)]);
    const deleted = spans.filter(({ from }) => from <= last);
    const drawn = drawSequences(count, last, deleted);
    const audited = drawn.length === 0 ? [] : await this.archive.audit(ledger, drawn);
    const events = await this.withKeys(ledger, audited);
    const faults = events.filter(({ fault }) => fault !== null);
    const outcome: ArchiveAuditOutcome = {
      id: uuidv7(),
      verdict: faults.length > 0 ? 'invalid' : 'valid',
      archived: String(last),
      ms: Math.round((performance.now() - startedAt) * 1000) / 1000,
      events,
    };
    await this.serviceLedger.record({
      event_type: 'archive_audit',
      entity_type: 'ledger',
      entity_id: ledger,
      action: 'done',
      user_id: caller.id,
      new_state: {
        audit: outcome.id,
        verdict: outcome.verdict,
        archived: outcome.archived,
        events: String(events.length),
        ms: outcome.ms,
        sequences: events.map(({ sequence }) => sequence),
        faults: faults
          .slice(0, RECORDED_FAULTS)
          .map(({ sequence, object_key, fault }) => ({ sequence, object_key, fault })),
      },
    });
    return outcome;
  }

  /** That the key of each event leads to it. */
  private async withKeys(ledger: string, audited: AuditedEvent[]): Promise<AuditedEvent[]> {
    const ids = audited.flatMap(({ event_id }) => (event_id === null ? [] : [event_id]));
    const sequences = await sequencesOfIds(this.pool, ledger, ids);
    return audited.map((event) => {
      if (event.fault !== null || sequences.get(event.event_id!) === event.sequence) return event;
      return { ...event, fault: 'its key is missing, or leads to another event' };
    });
  }
}

/**
 * Different sequences from 1 to `last`, but for what was deleted, each as likely as any other; all of them when there are
 * no more.
 */
export function drawSequences(
  count: number,
  last: bigint,
  deleted: readonly Pick<DeletedSpan, 'from' | 'to'>[],
): string[] {
  const total = deleted.reduce((sum, { from, to }) => sum - (to - from + 1n), last);
  const drawn = new Set<bigint>();
  if (total <= BigInt(count)) {
    for (let place = 1n; place <= total; place++) drawn.add(place);
  } else {
    // 128 random bits: what they favour of 2^63 nobody can see
    while (drawn.size < count) drawn.add((BigInt(`0x${randomBytes(16).toString('hex')}`) % total) + 1n);
  }
  // the n-th of those that are left
  return [...drawn].map((place) =>
    String(
      deleted.reduce((sequence, { from, to }) => (sequence >= from ? sequence + (to - from + 1n) : sequence), place),
    ),
  );
}
