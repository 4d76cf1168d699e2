import type pg from 'pg';
import { listServiceLedgers } from './ledgers.sql.js';

/** A ledger of the service's own. */
export interface OwnLedger {
  ledger: string;
  /** how far its events have left the database */
  archivedTo: bigint;
}

/** The service's own ledger and those that succeeded it, in order. */
export async function serviceLine(pool: pg.Pool): Promise<OwnLedger[]> {
  return (await listServiceLedgers(pool)).map(({ ledger, archived_to: archivedTo }) => ({
    ledger,
    archivedTo: BigInt(archivedTo),
  }));
}
