import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Principal } from '../access/principal.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import { reasonOf } from '../jobs/verification-run.js';
import { LOGGER } from '../operation/logger.js';
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

/**
 * Events that are asked for at once: what is found of them is known when the next ones fail. Each part reads the footers of
 * its objects anew: with parts of 50, 500 events took more than twice as long as at once.
 */
const PART_EVENTS = 250;
/** Of an audit's faults, in its record. */
const RECORDED_FAULTS = 100;

/** Random audits: events drawn over all that is archived, each fetched from the store, recomputed and timed. */
@Injectable()
export class ArchiveAudit {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(ARCHIVED_EVENTS) private readonly archive: ArchivedEvents,
    private readonly serviceLedger: ServiceLedger,
    @Inject(CONFIG) private readonly config: Pick<Config, 'READ_TIMEOUT'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Throws archive-unavailable, read-timeout; and when the audit cannot be recorded. What was found by then is on record
   * all the same, with `action` `stopped`: the next audit draws others.
   */
  async run(ledger: string, count: number, caller: Principal): Promise<ArchiveAuditOutcome> {
    const startedAt = performance.now();
    const [last, spans] = await Promise.all([lastArchived(this.pool, ledger), readDeletedSpans(this.pool, ledger)]);
    const deleted = spans.filter(({ from }) => from <= last);
    const drawn = drawSequences(count, last, deleted);
    const audited = new Map<string, AuditedEvent>();
    const outcome = (): ArchiveAuditOutcome => {
      const events = drawn.flatMap((sequence) => audited.get(sequence) ?? []);
      return {
        id,
        verdict: faultsOf(events).length > 0 ? 'invalid' : 'valid',
        archived: String(last),
        ms: Math.round((performance.now() - startedAt) * 1000) / 1000,
        events,
      };
    };
    const id = uuidv7();
    try {
      for (const part of inParts(drawn)) {
        if (performance.now() - startedAt > this.config.READ_TIMEOUT) throw tooLong(this.config);
        for (const event of await this.withKeys(ledger, await this.archive.audit(ledger, part))) {
          audited.set(event.sequence, event);
        }
      }
    } catch (error) {
      const found = outcome();
      if (found.verdict === 'invalid') {
        await this.record(ledger, found, caller, reasonOf(error)).catch((failure: unknown) =>
          this.logger.error({ err: failure, found: faultsOf(found.events) }, 'faults of an audit are not on record'),
        );
      }
      throw error;
    }
    const whole = outcome();
    await this.record(ledger, whole, caller);
    return whole;
  }

  private async record(
    ledger: string,
    { id, verdict, archived, events, ms }: ArchiveAuditOutcome,
    caller: Principal,
    stoppedBy?: string,
  ): Promise<void> {
    await this.serviceLedger.record({
      event_type: 'archive_audit',
      entity_type: 'ledger',
      entity_id: ledger,
      action: stoppedBy === undefined ? 'done' : 'stopped',
      user_id: caller.id,
      new_state: {
        audit: id,
        verdict,
        archived,
        events: String(events.length),
        ms,
        sequences: events.map(({ sequence }) => sequence),
        faults: faultsOf(events)
          .slice(0, RECORDED_FAULTS)
          .map(({ sequence, object_key, fault }) => ({ sequence, object_key, fault })),
        ...(stoppedBy === undefined ? {} : { stopped_by: stoppedBy }),
      },
    });
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

function faultsOf(events: readonly AuditedEvent[]): AuditedEvent[] {
  return events.filter(({ fault }) => fault !== null);
}

/** In ascending order, so that events of one row group are mostly in one part. */
function* inParts(sequences: readonly string[]): Generator<string[]> {
  const ascending = sequences.map(BigInt).sort((a, b) => (a < b ? -1 : 1));
  for (let at = 0; at < ascending.length; at += PART_EVENTS) yield ascending.slice(at, at + PART_EVENTS).map(String);
}

function tooLong({ READ_TIMEOUT: ms }: Pick<Config, 'READ_TIMEOUT'>): Problem {
  return new Problem('read-timeout', `The events were not all fetched within ${ms} ms (READ_TIMEOUT)`);
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
