import type pg from 'pg';
import type { Config } from '../config/config.js';
import { longestYears } from './object-retention.sql.js';

/** Until when what is written now is locked: as long as any event is kept that it proves, which were all recorded before. */
export async function retainUntil(pool: pg.Pool, { ARCHIVE_RETENTION_YEARS }: Config): Promise<Date> {
  const years = await longestYears(pool, ARCHIVE_RETENTION_YEARS);
  const until = new Date();
  until.setUTCFullYear(until.getUTCFullYear() + years);
  until.setUTCMilliseconds(0); // S3 keeps whole seconds
  return until;
}
