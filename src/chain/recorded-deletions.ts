import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import { CARRIED_RECORD } from '../archive/retention-records.js';
import { lesser } from '../events/sequences.js';
import { serviceLine } from '../events/service-line.js';
import { readJson } from '../integrity/strict-json.js';
import type { StoredRow } from '../integrity/stored-event.js';
import * as sql from './recorded-deletions.sql.js';

const DELETION = 'month_deletion';
/** The act from which on what a month held is taken for deleted. */
const BEGIN = 'begin';
const MAX_ACTS = 1_000;
const PAGE = { maxRows: 1_000, maxBytes: 4_000_000 };

/**
 * Of deletions of months those whose beginning stands in the service's own ledgers, as it was made or as it was carried on
 * when its own month was to be deleted. What the database says beside them anybody could have written who has it; these are
 * chained and signed. Throws what the archive throws.
 */
export async function recordedDeletions(
  pool: pg.Pool,
  archive: ArchivedEvents,
  ids: readonly string[],
): Promise<Set<string>> {
  const recorded = new Set<string>();
  const take = ({
    action,
    entity_id: id,
    entity_type: type,
  }: Pick<StoredRow, 'action' | 'entity_id' | 'entity_type'>) => {
    if (type === DELETION && action === BEGIN) recorded.add(id);
  };
  const areAllFound = (): boolean => ids.every((id) => recorded.has(id));
  const ledgers = await serviceLine(pool);
  for (const row of await sql.deletionActs(pool, ledgers, DELETION, ids)) take(row);
  for (const { ledger, archivedTo } of ledgers) {
    if (areAllFound()) return recorded;
    const lives = ids.map((entityId) => ({ entityType: DELETION, entityId, after: 0n, upTo: archivedTo }));
    for (const row of archivedTo > 0n ? (await archive.lives(ledger, lives, MAX_ACTS)).flat() : []) take(row);
  }
  if (areAllFound()) return recorded;
  for (const row of await sql.carriedRecords(pool, ledgers, CARRIED_RECORD)) take(carriedIn(row.new_state));
  for (const { ledger, archivedTo } of ledgers) {
    for (let from = 1n; from <= archivedTo && !areAllFound();) {
      const { rows, cut } = await archive.search({
        ...{ ledger, upTo: archivedTo, after: undefined, ...PAGE },
        query: {
          ...{ equal: [['entity_type', CARRIED_RECORD]], metadata: [], from: undefined, to: undefined },
          ...{ recordedFrom: undefined, recordedTo: undefined },
          ...{ fromSequence: from, toSequence: archivedTo, sort: 'sequence', order: 'asc' },
        },
      });
      for (const row of rows) take(carriedIn(row.new_state));
      if (!cut && rows.length < PAGE.maxRows) break;
      from = lesser(BigInt(rows.at(-1)!.sequence), archivedTo) + 1n;
    }
  }
  return recorded;
}

/** The act that a record carries on; of another record none. */
function carriedIn(newState: string): Pick<StoredRow, 'action' | 'entity_id' | 'entity_type'> {
  return readJson(newState, { form: 'stored' }) as Pick<StoredRow, 'action' | 'entity_id' | 'entity_type'>;
}
