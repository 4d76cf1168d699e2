import type pg from 'pg';
import { putBytes } from './archive-store.js';
import { FORMAT_DESCRIPTION } from './format-description.js';
import { DIGESTS_KEPT_YEARS, longestYears } from './object-retention.sql.js';
import { ObjectConflict, StoreUnavailable, type ObjectStore, type ObjectVersion } from './object-store.js';

/** More than what names it is locked for, so that its lock is moved on once a year. */
const MORE_YEARS = 2;

/**
 * Puts the description of the formats into the store, unless it is there, locked until after everything that is written
 * within a year. `leastYears` is what records are kept for at least. Gives the key where something else stands under it:
 * nobody can put that right, and events need not wait for it. Throws StoreUnavailable.
 */
export async function keepFormatDescription(
  pool: pg.Pool,
  store: ObjectStore,
  leastYears: number,
): Promise<string | undefined> {
  const { key, bytes, contentType } = FORMAT_DESCRIPTION;
  const years = (await longestYears(pool, leastYears)) + DIGESTS_KEPT_YEARS;
  const lastly = inYears(years + MORE_YEARS);
  const metadata = { 'record-class': 'format', reason: 'regulatory' };
  const found = (await store.versionsOf(key)).find(({ isDeleteMarker }) => !isDeleteMarker);
  let version: ObjectVersion;
  try {
    version = found ?? (await putBytes(store, bytes, { key, contentType, metadata, retainUntil: lastly }));
  } catch (error) {
    if (error instanceof ObjectConflict) return key; // somebody was faster
    throw error;
  }
  const { bytes: size, retainUntil, isCompliance } = await store.describe(version);
  if (size !== bytes.length || !(await store.readRange(version, 0, size)).equals(bytes)) return key;
  const isShort = !retainUntil || retainUntil < inYears(years + MORE_YEARS - 1);
  try {
    if (isShort || !isCompliance) await store.extendRetention(version, isShort ? lastly : retainUntil);
    return undefined;
  } catch (error) {
    if (error instanceof StoreUnavailable && retainUntil && !isCompliance) return key; // a lock that its owner can take off
    throw error;
  }
}

/** Whole seconds, as S3 keeps them. */
function inYears(years: number): Date {
  const until = new Date();
  until.setUTCFullYear(until.getUTCFullYear() + years);
  return new Date(Math.ceil(until.getTime() / 1000) * 1000);
}
