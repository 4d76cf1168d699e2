import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { POOL } from '../database/tokens.js';
import { LOGGER } from '../operation/logger.js';
import { wantedMonths, type Month } from './months.js';
import * as sql from './partitions.sql.js';

/** How long a month is left open after its end: a clock may have to be set back by a little. */
const CLOSED_AFTER = '1 hour';
/** Of a step that waits for readers to end their statements: so often, each time behind whoever came meanwhile. */
const LOCK_ATTEMPTS = 20;
const LOCK_PAUSE_MS = 500;

/** What became of the months that were to leave PostgreSQL. */
export interface DroppedMonths {
  retired: Month[];
  dropped: Month[];
  /** those that stay for now, and why */
  kept: { month: Month; reason: string }[];
}

/** A month that cannot be moved on, and why, for the operator. */
export interface StuckMonth {
  month: Month;
  reason: string;
}

/** Takes months through their life: made ahead of the clock, closed, sealed, retired, dropped. */
@Injectable()
export class PartitionManager {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Makes the months that are missing; returns those that it made. Safe on several replicas at once. */
  async ensureMonths(): Promise<Month[]> {
    const [times, known] = await Promise.all([sql.clockAndFloors(this.pool), sql.knownMonths(this.pool)]);
    const made: Month[] = [];
    for (const month of wantedMonths(times)) {
      if (known.has(month)) continue;
      if (await sql.createMonth(this.pool, month)) made.push(month);
    }
    if (made.length > 0) this.logger.info({ months: made }, 'months made');
    return made;
  }

  /**
   * Closes the months that are over, and seals those that are closed. One that cannot be, as it is not whole or its state was
   * set by hand, is in `stuck`, with a sentence for the operator: the others go on, as far as their order lets them. Throws
   * 55P03 when readers left no room.
   */
  async closeAndSeal(signal: AbortSignal): Promise<{ closed: Month[]; sealed: Month[]; stuck: StuckMonth[] }> {
    const stuck: StuckMonth[] = [];
    const moveOn = async (state: sql.MonthState, step: typeof sql.closeMonth): Promise<Month[]> => {
      const moved: Month[] = [];
      for (const month of await sql.monthsToMoveOn(this.pool, state, CLOSED_AFTER)) {
        try {
          if (await this.whenUnlocked(() => step(this.pool, month), signal)) moved.push(month);
        } catch (error) {
          const why = WHY_STUCK[sqlState(error) ?? ''];
          // one that waits for another is no news where that is told
          if (sqlState(error) === SqlState.outOfTurn && stuck.length > 0) continue;
          if (why === undefined) throw error;
          stuck.push({ month, reason: `month ${month} is ${state}, and ${why}: ${(error as Error).message}` });
        }
      }
      return moved;
    };
    const closed = await moveOn('open', sql.closeMonth);
    const sealed = await moveOn('closed', sql.sealMonth);
    if (closed.length + sealed.length > 0) this.logger.info({ closed, sealed }, 'months closed and sealed');
    return { closed, sealed, stuck };
  }

  /** Months that are to leave PostgreSQL now: they ended `months` ago or earlier, and are still here. */
  async leaving(months: number): Promise<Month[]> {
    const age = `${months} months`;
    return [
      ...(await sql.monthsToMoveOn(this.pool, 'retired', age)),
      ...(await sql.monthsToMoveOn(this.pool, 'sealed', age)),
    ];
  }

  /** Retires and drops the months that ended `months` ago or earlier, as far as they may; `onLeft` hears of each at once. */
  async retireAndDrop(
    months: number,
    signal: AbortSignal,
    onLeft: (month: Month, action: 'retire' | 'drop') => Promise<void>,
  ): Promise<DroppedMonths> {
    const outcome: DroppedMonths = { retired: [], dropped: [], kept: [] };
    const moveOn = async (
      state: sql.MonthState,
      step: typeof sql.closeMonth,
      moved: Month[],
      action: 'retire' | 'drop',
    ): Promise<void> => {
      for (const month of await sql.monthsToMoveOn(this.pool, state, `${months} months`)) {
        try {
          if (await this.whenUnlocked(() => step(this.pool, month), signal)) {
            moved.push(month);
            await onLeft(month, action);
          }
        } catch (error) {
          if (!REASONS_TO_STAY.has(sqlState(error) ?? '')) throw error;
          outcome.kept.push({ month, reason: (error as Error).message });
          return; // months leave in order
        }
      }
    };
    const retire = async (pool: pg.Pool, month: Month): Promise<boolean> => {
      // all of the month is read for it, which must not be done under the locks of the next step
      await sql.listLateExecutions(pool, month);
      return sql.retireMonth(pool, month);
    };
    await moveOn('sealed', retire, outcome.retired, 'retire');
    await moveOn('retired', sql.dropMonth, outcome.dropped, 'drop');
    const { retired, dropped } = outcome;
    if (retired.length + dropped.length > 0) this.logger.info({ retired, dropped }, 'months retired and dropped');
    return outcome;
  }

  /** All months, the first one first, and what each holds of the ledgers. */
  async list(): Promise<(sql.CataloguedMonth & { ranges: Omit<sql.MonthRange, 'month'>[] })[]> {
    const [months, ranges] = await Promise.all([sql.listMonths(this.pool), sql.listMonthRanges(this.pool)]);
    return months.map((month) => ({
      ...month,
      ranges: ranges.filter((range) => range.month === month.month).map(({ month: _, ...range }) => range),
    }));
  }

  /** Tries a step again for as long as somebody holds a lock that it needs. */
  private async whenUnlocked<T>(step: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        return await step();
      } catch (error) {
        if (sqlState(error) !== SqlState.lockNotAvailable || attempt === LOCK_ATTEMPTS) throw error;
        await pause(LOCK_PAUSE_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

const SET_BY_HAND =
  'its state was set by hand, as it was sealed before. Start the job schema-check, and see docs/archive.md, Months that are stuck';
/** What the database says of a month that it does not close or seal, by SQLSTATE. */
const WHY_STUCK: Readonly<Record<string, string>> = {
  [SqlState.monthDamaged]: 'is not whole. Verify the ledger, and see docs/archive.md, Months that are stuck',
  [SqlState.outOfTurn]:
    'may not be moved on now. Start the job schema-check, and see docs/archive.md, Months that are stuck',
  [SqlState.duplicateObject]: SET_BY_HAND,
  [SqlState.uniqueViolation]: SET_BY_HAND,
  [SqlState.undefinedTable]: `has no table: ${SET_BY_HAND}`,
};

const REASONS_TO_STAY: ReadonlySet<string> = new Set([
  SqlState.outOfTurn,
  SqlState.monthMustStay,
  SqlState.monthUnverified,
  SqlState.lockNotAvailable,
]);
