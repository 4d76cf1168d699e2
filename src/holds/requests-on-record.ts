import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { inOneAct } from '../database/one-act.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { recordAct } from './recorded-act.js';
import * as sql from './legal-holds.sql.js';
import type { HoldSelection } from './legal-holds.sql.js';

/** What became of a hold of which the request alone is on record, and that was not seen in the database. */
export type RequestFate =
  /** it came about just now */
  | 'there'
  | 'put back'
  /** a ledger that it is of is not there, or what is left of it is in the way */
  | 'impossible';

/**
 * Holds of which the request alone is on record. It is there before it takes effect: where the hold is not in the
 * database, its request was interrupted between the two, or somebody has removed it, and nothing tells which. A hold
 * keeps from its request on, so that it is made again as it was asked for, under its id: who does not want it has it
 * rejected. That it was put back is an act as well, recorded after it is: a removal from then on is no longer open to doubt.
 */
@Injectable()
export class RequestsOnRecord {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /** `recorded`: the hold as its request has it on record. Throws the database's errors. */
  async putBack(id: string, recorded: JsonObject): Promise<RequestFate> {
    const {
      requested_by: principal,
      reason,
      ...selection
    } = recorded as unknown as HoldSelection & {
      requested_by: string;
      reason: string;
    };
    try {
      const hold = await inOneAct(this.url, 'truetrail legal hold', async (client) => {
        // waits for a request that is being made at this moment
        await sql.requestHold(client, { ...selection, id, reason, principal });
        return (await sql.findHold(client, id))!;
      });
      // its request is on record; that it was put back is recorded once it is so, or its absence would be told as a removal
      await recordAct(this.serviceLedger, principal, 'request', hold, { put_back: true });
      return 'put back';
    } catch (error) {
      const state = sqlState(error);
      if (state !== SqlState.uniqueViolation && state !== SqlState.noSuchLedger) throw error;
      return (await sql.findHold(this.pool, id)) ? 'there' : 'impossible';
    }
  }
}
