import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { actsOnRecord } from '../archive/acts-on-record.js';
import { ARCHIVED_EVENTS, type ArchivedEvents } from '../archive/archived-events.js';
import { POOL } from '../database/tokens.js';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import { MONTH_DELETION, type MonthDeletion } from './month-deletions.sql.js';

/**
 * Deletions of the database beside the acts in the service's own ledgers, which are chained and signed: whoever owns the
 * tables could have a month deleted that nobody has asked for, or that one person alone wants to be rid of. An act is on
 * record before it takes effect, so a deletion without them was made past the service.
 */
@Injectable()
export class DeletionsOnRecord {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(ARCHIVED_EVENTS) private readonly archive: ArchivedEvents,
  ) {}

  /** Why a deletion is not to be carried out, in words; undefined where one principal has asked for it and another agreed. Throws what the archive throws. */
  async contradiction({ id, month }: Pick<MonthDeletion, 'id' | 'month'>): Promise<string | undefined> {
    const acts = await actsOnRecord(this.pool, this.archive, MONTH_DELETION, [id]);
    const request = acts.find(({ action }) => action === 'request');
    if (!request) return 'nobody has asked for it on record';
    const decision = acts.findLast(({ action }) => action === 'approve' || action === 'reject');
    if (decision?.action !== 'approve') {
      return decision ? 'it was rejected on record' : 'nobody has agreed to it on record';
    }
    if (decision.user_id === request.user_id) return 'who has agreed to it on record is who asked for it';
    const recorded = (readJson(decision.new_state) as JsonObject).month as string | undefined;
    if (recorded !== month) return `it is of the month ${recorded ?? 'none'} on record`;
    return undefined;
  }
}
