import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { actsOnRecord } from '../archive/acts-on-record.js';
import { ARCHIVED_EVENTS, type ArchivedEvents, type ArchivedSearch } from '../archive/archived-events.js';
import { POOL } from '../database/tokens.js';
import { serviceLine } from '../events/service-line.js';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import * as sql from './legal-holds.sql.js';
import type { HoldFacts, HoldState } from './legal-holds.sql.js';

const KEEPING: ReadonlySet<string> = new Set<HoldState>(['requested', 'active', 'release-requested']);
/** Of acts on all holds, read at once. */
const PAGE_ROWS = 1_000;
const PAGE_BYTES = 16 * 1024 * 1024;

/** A hold that the database has otherwise than the last act on record leaves it. */
export interface ContradictedHold {
  id: string;
  /** in words */
  how: string;
  /** of one that is not in the database and of which the request alone is on record: as that has it */
  request?: JsonObject;
}

/**
 * Holds of the database beside the acts in the service's own ledgers, which are chained and signed: whoever owns the tables
 * could end a hold there, or make it keep less, and no act would say so. An act is on record before it takes effect, so
 * what ended without one, or is not there any more, was changed past the service.
 */
@Injectable()
export class RecordedHolds {
  /** what was found to agree, as it was then: an ended hold never changes again, and what a hold selects never does */
  private readonly agreed = new Map<string, string>();
  /** of each of the service's ledgers, how many acts on each hold it has up to a sequence that has left the database */
  private readonly archivedActs = new Map<string, { to: bigint; acts: Map<string, number> }>();

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(ARCHIVED_EVENTS) private readonly archive: ArchivedEvents,
  ) {}

  /** Throws what the archive throws. */
  async contradicted(): Promise<ContradictedHold[]> {
    // before the holds: one that is made meanwhile is not missing
    const acts = await this.actsOnRecord();
    const all = await sql.readHolds(this.pool);
    return [...(await this.removed(acts, all)), ...(await this.changed(all))];
  }

  /**
   * Those that the last act on record left in force and that are not there. A request alone may also be the record of one
   * that was interrupted before it took effect: an act that follows it would show that the hold was there.
   */
  private async removed(acts: ReadonlyMap<string, number>, holds: readonly HoldFacts[]): Promise<ContradictedHold[]> {
    const there = new Set(holds.map(({ id }) => id));
    const absent = [...acts.keys()].filter((id) => !there.has(id));
    if (absent.length === 0) return [];
    const last = await this.lastActs(absent);
    return absent.flatMap((id) => {
      const act = last.get(id);
      const state = act?.state as string | undefined;
      if (act === undefined || state === undefined || !KEEPING.has(state)) return [];
      const how = `it is not in the database, and the last act on record left it ${state}`;
      return [{ id, how, ...(acts.get(id) === 1 && state === 'requested' ? { request: act } : {}) }];
    });
  }

  /** How many acts on each hold are on record: what the archive has is read once. */
  private async actsOnRecord(): Promise<Map<string, number>> {
    const acts = new Map<string, number>();
    const add = (id: string, count: number): void => void acts.set(id, (acts.get(id) ?? 0) + count);
    for (const { ledger, archivedTo } of await serviceLine(this.pool)) {
      const archived = this.archivedActs.get(ledger) ?? { to: 0n, acts: new Map<string, number>() };
      this.archivedActs.set(ledger, archived);
      while (archived.to < archivedTo) {
        const { rows, cut } = await this.archive.search(searchAfter(ledger, archived.to, archivedTo));
        for (const { entity_id: id } of rows) archived.acts.set(id, (archived.acts.get(id) ?? 0) + 1);
        archived.to = cut && rows.length > 0 ? BigInt(rows.at(-1)!.sequence) : archivedTo;
      }
      for (const [id, count] of archived.acts) add(id, count);
      for (const { id, acts: count } of await sql.countRecordedActs(this.pool, ledger, archivedTo)) add(id, count);
    }
    return acts;
  }

  private async changed(all: readonly HoldFacts[]): Promise<ContradictedHold[]> {
    const holds = all.filter((hold) => this.agreed.get(hold.id) !== signatureOf(hold));
    if (holds.length === 0) return [];
    const last = await this.lastActs(holds.map(({ id }) => id));
    const contradicted: ContradictedHold[] = [];
    for (const hold of holds) {
      const act = last.get(hold.id);
      // the records of an old one may have been deleted at the end of their own retention
      const how = act && contradiction(hold, act);
      if (how !== undefined) contradicted.push({ id: hold.id, how });
      else if (act) this.agreed.set(hold.id, signatureOf(hold));
    }
    return contradicted;
  }

  /** The hold as each one's last act left it. The record of one that was given up may land after that of a later one. */
  private async lastActs(ids: readonly string[]): Promise<Map<string, JsonObject>> {
    const last = new Map<string, JsonObject>();
    const times = new Map<string, string>();
    const acts = await actsOnRecord(this.pool, this.archive, sql.LEGAL_HOLD, ids);
    for (const { entity_id: id, new_state: state, metadata } of acts) {
      const actedAt = (readJson(metadata) as JsonObject).acted_at as string;
      if (actedAt < (times.get(id) ?? '')) continue;
      times.set(id, actedAt);
      last.set(id, readJson(state) as JsonObject);
    }
    return last;
  }
}

/** Acts on holds of one of the service's ledgers that have left the database, after a sequence. */
function searchAfter(ledger: string, after: bigint, upTo: bigint): ArchivedSearch {
  return {
    ledger,
    query: {
      equal: [['entity_type', sql.LEGAL_HOLD]],
      metadata: [],
      ...{ from: undefined, to: undefined, recordedFrom: undefined, recordedTo: undefined },
      ...{ fromSequence: after + 1n, toSequence: upTo, sort: 'sequence', order: 'asc' },
    },
    upTo,
    after: undefined,
    maxRows: PAGE_ROWS,
    maxBytes: PAGE_BYTES,
  };
}

function contradiction(hold: HoldFacts, act: JsonObject): string | undefined {
  const { id: _, state, ...selection } = hold;
  const recordedState = act.state as string;
  if (KEEPING.has(recordedState) && !KEEPING.has(state)) {
    return `it is ${state} in the database, and the last act on record left it ${recordedState}`;
  }
  for (const [name, value] of Object.entries(selection)) {
    const recorded = act[name] ?? null;
    if (JSON.stringify(value) !== JSON.stringify(recorded)) {
      return `its ${name} is ${JSON.stringify(value)} in the database, and ${JSON.stringify(recorded)} on record`;
    }
  }
  return undefined;
}

function signatureOf(hold: HoldFacts): string {
  return JSON.stringify(hold);
}
