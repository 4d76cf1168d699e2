import type pg from 'pg';
import * as trail from './trail.sql.js';

/** Slugs of all ledgers, sorted. */
export function ledgerNames(pool: pg.Pool): Promise<string[]> {
  return trail.listLedgerNames(pool);
}

/** How many events a ledger has by its head; where that is gone, the last sequence that there is. */
export async function ledgerSize(pool: pg.Pool, ledger: string): Promise<bigint> {
  const facts = await trail.readLedgerFacts(pool, ledger);
  return BigInt(facts?.size ?? (await trail.readLedgerEnds(pool, ledger)).last_sequence ?? 0);
}
