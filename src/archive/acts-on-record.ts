import type pg from 'pg';
import { serviceLine } from '../events/service-line.js';
import { readActs, type RecordedAct } from './acts-on-record.sql.js';
import type { ArchivedEvents } from './archived-events.js';

export type { RecordedAct } from './acts-on-record.sql.js';

/** On one thing: what was interrupted is rejected and asked for again many times. */
const MAX_ACTS = 10_000;

/**
 * The acts on some things of one type in the service's own ledgers, which are chained and signed, in the order in which
 * they were recorded, wherever they are by now. What the database says beside them whoever owns the tables could have
 * changed. Throws what the archive throws.
 */
export async function actsOnRecord(
  pool: pg.Pool,
  archive: ArchivedEvents,
  entityType: string,
  ids: readonly string[],
): Promise<RecordedAct[]> {
  const acts: RecordedAct[] = [];
  for (const { ledger, archivedTo } of await serviceLine(pool)) {
    const lives = ids.map((entityId) => ({ entityType, entityId, after: 0n, upTo: archivedTo }));
    if (archivedTo > 0n) acts.push(...(await archive.lives(ledger, lives, MAX_ACTS)).flat());
    acts.push(...(await readActs(pool, ledger, { entityType, ids }, archivedTo)));
  }
  return acts;
}
