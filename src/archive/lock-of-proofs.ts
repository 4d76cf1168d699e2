import type pg from 'pg';
import type { Config } from '../config/config.js';
import { longestYears, readProofRetention, type ProofRetention } from './object-retention.sql.js';

export type { ProofRetention };

/** Until when what is written now is locked: as long as any event is kept that it proves, which were all recorded before. */
export async function retainUntil(pool: pg.Pool, { ARCHIVE_RETENTION_YEARS }: Config): Promise<Date> {
  return yearsAfter(new Date(), await longestYears(pool, ARCHIVE_RETENTION_YEARS));
}

/** For how long what was written before has to be locked, by what there is now. */
export function proofRetention(pool: pg.Pool, { ARCHIVE_RETENTION_YEARS }: Config): Promise<ProofRetention> {
  return readProofRetention(pool, ARCHIVE_RETENTION_YEARS);
}

/** Whole seconds, as S3 keeps them. */
export function yearsAfter(time: Date, years: number): Date {
  const until = new Date(time);
  until.setUTCFullYear(until.getUTCFullYear() + years);
  until.setUTCMilliseconds(0);
  return until;
}
