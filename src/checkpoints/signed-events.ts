import type pg from 'pg';
import { archiveReadSettings } from '../archive/archive-reading.js';
import type { Config } from '../config/config.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { readSignedLedgers, type SignedLedger } from './anchors.sql.js';
import { TreeThread } from './tree-thread.js';

const LOCK_TIMEOUT_MS = 10_000;
/** A round of signing may grow the same trees at the same time. */
const MAX_ATTEMPTS = 3;

/** Of ledgers that were signed and lack nothing of that, those whose events do not lead to it, and why. */
export async function faultsOf(
  { url, config }: { url: string; config: Config },
  ledgers: readonly SignedLedger[],
): Promise<Map<string, string>> {
  const faults = new Map<string, string>();
  if (ledgers.length === 0) return faults;
  const thread = new TreeThread({ url, lockTimeoutMs: LOCK_TIMEOUT_MS, archive: archiveReadSettings(config) });
  try {
    const wanted = ledgers.map(({ ledger, signed }) => ({ ledger, size: signed!.size, signed }));
    for (let attempt = 1; ; attempt++) {
      try {
        for (const [at, root] of (await thread.findRoots(wanted)).entries()) {
          if ('fault' in root) faults.set(ledgers[at]!.ledger, root.fault);
        }
        return faults;
      } catch (error) {
        if (sqlState(error) !== SqlState.treeOutOfTurn || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  } finally {
    await thread.close();
  }
}

/** Of the open ledgers that lack nothing in length. */
export async function faultsOfOpenLedgers(
  at: { url: string; config: Config },
  database: pg.Pool,
): Promise<Map<string, string>> {
  const ledgers = await readSignedLedgers(database);
  return faultsOf(
    at,
    ledgers.filter((each) => each.isOpen && lacksNothing(each)),
  );
}

/** Of what was signed; false also where nothing was. */
function lacksNothing({ size, signed }: SignedLedger): boolean {
  return signed !== null && signed.size > 0n && signed.size <= size;
}

/** Where a ledger and what was signed of it part. */
export interface SignedDifference {
  ledger: string;
  /** how many events it has */
  size: bigint;
  /** signed, and not there; both ends included; null where none is missing */
  missing: { from: bigint; to: bigint } | null;
  /** there, and not signed: nothing shows who made them; both ends included; null for none */
  unsigned: { from: bigint; to: bigint } | null;
  /** why its events are not those that were signed; null where they are, as far as they go */
  fault: string | null;
}

/** Open ledgers that lack what was signed of them, have more than that, or are not that. */
export async function differencesFromSigned(
  at: { url: string; config: Config },
  database: pg.Pool,
): Promise<SignedDifference[]> {
  const ledgers = (await readSignedLedgers(database)).filter(({ isOpen }) => isOpen);
  const faults = await faultsOf(at, ledgers.filter(lacksNothing));
  return ledgers.flatMap(({ ledger, size, signed }) => {
    const end = signed?.size ?? 0n;
    const missing = end > size ? { from: size + 1n, to: end } : null;
    const unsigned = end < size ? { from: end + 1n, to: size } : null;
    const fault = faults.get(ledger) ?? null;
    return missing || unsigned || fault !== null ? [{ ledger, size, missing, unsigned, fault }] : [];
  });
}
