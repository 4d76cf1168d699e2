import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { invalidParameters, queryError, type Parameters } from '../http/parameters.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import type { Report, VersionedTable } from '../reports/report.js';
import { ReportingBook } from './reporting-book.js';
import * as sql from './reporting-book.sql.js';
import { AT, NONE, RECEIVER, REPORTING_AS_OF, TIME_ZONE } from './reporting-parameters.js';

/** Fixes runs of reports that ask what was sent and answered: to an act, an instant, and an authority with its time zone. */
@Injectable()
export class ReportingStanding {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly book: ReportingBook,
  ) {}

  /**
   * What a run adds to its parameters and tables, so that the same question gets the same answer whatever was sent,
   * answered or set since: of firms whose entry says no zone and no receiver those of the installation. Left out, `at` is now, or the time of the event at `as_of` where that was asked for
   * (`recordedAt`); and the last act counts, or the last one up to an `at` that was not left out. Throws
   * invalid-parameter for an act that is yet to come.
   */
  async of(
    report: Report,
    parameters: Parameters,
    recordedAt: string | undefined,
  ): Promise<{ parameters: Parameters; tables: VersionedTable[] }> {
    const asks = (name: string): boolean => report.parameters.some((each) => each.name === name);
    if (!asks(REPORTING_AS_OF)) return { parameters: {}, tables: [] };
    const last = await this.book.catchUp();
    const then = parameters[AT] ?? recordedAt;
    const at = parseTimestamp(then ?? (await sql.now(this.pool))).canonical;
    const given = parameters[REPORTING_AS_OF];
    if (given !== undefined && Number(given) > last) {
      const rest = `must be no more than the number of the last act of transaction reporting, ${last}`;
      throw invalidParameters([queryError(REPORTING_AS_OF, 'range', rest)]);
    }
    const act = given !== undefined ? Number(given) : then === undefined ? last : await sql.lastActUpTo(this.pool, at);
    const place = await sql.placeOfAct(this.pool, act);
    return {
      parameters: {
        ...(asks(AT) ? { [AT]: at } : {}),
        [REPORTING_AS_OF]: String(act),
        ...(asks(TIME_ZONE) ? { [TIME_ZONE]: parameters[TIME_ZONE] ?? this.config.REPORTING_TIME_ZONE ?? NONE } : {}),
        ...(asks(RECEIVER) ? { [RECEIVER]: parameters[RECEIVER] ?? this.config.REPORTING_RECEIVER ?? NONE } : {}),
      },
      tables: place
        ? [{ name: 'transaction-reporting', version: `${act} (event ${place.sequence} of ${place.ledger})` }]
        : [],
    };
  }
}
