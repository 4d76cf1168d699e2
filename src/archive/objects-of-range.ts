import type pg from 'pg';
import { isEventsKind } from './archive-format.js';
import * as sql from './archive-catalogue.sql.js';

/** Where events are archived, as the catalogue has it, without what changes from day to day. */
export type CataloguedCopy = Omit<sql.CataloguedRange, 'verified_at'>;

const PAGE_OBJECTS = 500;

/** The objects that hold events of a ledger, of those that `holds` wants, in the order in which they were written. */
export async function listCopies(
  pool: pg.Pool,
  ledger: string,
  holds: (fromSequence: bigint, toSequence: bigint) => boolean,
): Promise<CataloguedCopy[]> {
  const found: CataloguedCopy[] = [];
  for (let from = 1n; ;) {
    const objects = await sql.listRangesOfLedger(pool, ledger, from, PAGE_OBJECTS);
    for (const { verified_at: _, ...object } of objects) {
      const { kind, from_sequence: first, to_sequence: last } = object;
      if (isEventsKind(kind) && holds(BigInt(first), BigInt(last))) found.push(object);
    }
    if (objects.length < PAGE_OBJECTS) return found;
    from = BigInt(objects.at(-1)!.number) + 1n;
  }
}
