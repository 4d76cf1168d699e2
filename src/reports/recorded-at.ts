import { envelopeOf, microsOf, type StoredRow } from '../integrity/stored-event.js';
import type { ReportRun } from './report.js';

/** RFC 3339 with six digits. Throws DamagedRowError. */
export function recordedAt(row: StoredRow): string {
  return envelopeOf(row, '').recorded_at;
}

/** When the event at `asOf` was recorded, in microseconds since 1970; 0 where there is none, or it was deleted. */
export async function recordedAtOfHead({ ledger, asOf, read, archive }: ReportRun): Promise<number> {
  if (asOf === 0n) return 0;
  const online = await read(async (client) => {
    const { rows } = await client.query<{ recorded_at: string }>({
      text: `SELECT recorded_at FROM audit_events
               WHERE ledger = $1 AND sequence BETWEEN $2 AND $2 ORDER BY sequence LIMIT 1`,
      values: [ledger, String(asOf)],
    });
    return rows[0]?.recorded_at;
  });
  const last = online ?? (await archive.at(ledger, [String(asOf)]))[0]?.recorded_at;
  return last === undefined ? 0 : microsOf(last);
}
