import type pg from 'pg';
import { putBytes } from './archive-store.js';
import { FORMAT_DESCRIPTION } from './format-description.js';
import { DIGESTS_KEPT_YEARS, longestYears } from './object-retention.sql.js';
import type { ObjectStore } from './object-store.js';

/** More than what names it is locked for, so that its lock is moved on once a year. */
const MORE_YEARS = 2;

/**
 * Puts the description of the formats into the store, unless it is there, locked until after everything that is written
 * within a year. `leastYears` is what records are kept for at least. Throws ObjectConflict, StoreUnavailable.
 */
export async function keepFormatDescription(pool: pg.Pool, store: ObjectStore, leastYears: number): Promise<void> {
  const { key, sha256, bytes, contentType } = FORMAT_DESCRIPTION;
  const years = (await longestYears(pool, leastYears)) + DIGESTS_KEPT_YEARS;
  const lastly = inYears(years + MORE_YEARS);
  const metadata = { 'record-class': 'format', reason: 'regulatory' };
  const version =
    (await store.versionsOf(key)).find(({ isDeleteMarker }) => !isDeleteMarker) ??
    (await putBytes(store, bytes, { key, contentType, metadata, retainUntil: lastly }));
  const { retainUntil, isCompliance } = await store.describe(version);
  if (!retainUntil || !isCompliance) throw new Error(`${store.location}${key} (${sha256}) is not locked`);
  if (retainUntil < inYears(years + MORE_YEARS - 1)) await store.extendRetention(version, lastly);
}

/** Whole seconds, as S3 keeps them. */
function inYears(years: number): Date {
  const until = new Date();
  until.setUTCFullYear(until.getUTCFullYear() + years);
  return new Date(Math.ceil(until.getTime() / 1000) * 1000);
}
