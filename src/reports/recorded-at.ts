import { envelopeOf, type StoredRow } from '../integrity/stored-event.js';

/** RFC 3339 with six digits. Throws DamagedRowError. */
export function recordedAt(row: StoredRow): string {
  return envelopeOf(row, '').recorded_at;
}
