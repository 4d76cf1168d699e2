import { readDeletedSpans, spanAt } from '../archive/deleted-ranges.js';
import { queryBounded } from '../database/bounded-query.js';
import { STREAM_PAGE_BYTES } from '../events/event-search.js';
import { STORED_COLUMNS } from '../events/stored-events.js';
import { DamagedRowError, type StoredRow } from '../integrity/stored-event.js';
import type { ReportRun } from './report.js';

/** Events that are read at once. */
const AT_ONCE = 50;

/**
 * The events at sequences of a run's ledger, in the order in which they are asked for, wherever they are; undefined for one
 * that was deleted. Holds a page of them. Throws DamagedRowError.
 */
export async function* eventsAt(run: ReportRun, sequences: readonly string[]): AsyncGenerator<StoredRow | undefined> {
  for (let at = 0; at < sequences.length;) {
    const asked = sequences.slice(at, at + AT_ONCE);
    const { rows, cut, archivedTo, deleted } = await run.read(async (client, extent) => ({
      ...(await queryBounded<StoredRow>(
        client,
        {
          text: `SELECT event.* FROM unnest($2::bigint[]) WITH ORDINALITY AS wanted (place, i)
                   CROSS JOIN LATERAL (
                     SELECT ${STORED_COLUMNS} FROM audit_events
                       WHERE ledger = $1 AND sequence = wanted.place AND sequence > $3 LIMIT 1
                   ) AS event
                   ORDER BY wanted.i`,
          values: [run.ledger, asked, String(extent.archivedTo)],
        },
        AT_ONCE,
        STREAM_PAGE_BYTES,
      )),
      archivedTo: extent.archivedTo,
      deleted: extent.archivedTo === 0n ? [] : await readDeletedSpans(client, run.ledger),
    }));
    const isDeleted = (sequence: string): boolean => spanAt(deleted, BigInt(sequence)) !== undefined;
    const archived = asked.filter((sequence) => BigInt(sequence) <= archivedTo && !isDeleted(sequence));
    const before = archived.length === 0 ? [] : await run.archive.at(run.ledger, [...new Set(archived)]);
    const found = new Map([...before, ...rows].map((row) => [row.sequence, row]));
    const readTo = cut ? asked.lastIndexOf(rows.at(-1)!.sequence) : asked.length - 1;
    for (const [i, sequence] of asked.entries()) {
      const row = found.get(sequence);
      if (!row && i > readTo && BigInt(sequence) > archivedTo) break; // the next page begins with it
      if (!row && !isDeleted(sequence)) {
        throw new DamagedRowError(sequence, 'sequence', 'is known by its key, and its row is not there');
      }
      at += 1;
      yield row;
    }
  }
}
