import type pg from 'pg';
import type { Logger } from 'pino';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { anchorKey, type Anchor } from '../integrity/anchor.js';
import { parseCheckpoint } from '../integrity/checkpoint.js';
import { readSuccession } from '../integrity/key-succession.js';
import { ED25519, NoteError, parseNote, VerifierKey, verifyNote } from '../integrity/signed-note.js';
import type { AnchorStore, StoredAnchor } from './anchor-store.js';
import * as sql from './anchors.sql.js';

type Database = pg.Pool | pg.ClientBase;

/** What makes a round impossible until somebody looks: the message is for the operator. */
export class SigningRefused extends Error {
  override name = 'SigningRefused';
}

export interface TakenUp {
  /** anchors that the database did not know */
  anchors: number;
  /** of them, those that have later versions: a sentence each */
  intruders: string[];
}

/**
 * Takes up anchors that are in the store and not in the database: written before a crash, or after the backup that was
 * restored. A ledger that they name and the database lacks is made, empty: from then on it is behind its anchor. Safe at
 * once on several replicas. Throws SigningRefused for what does not follow, StoreUnavailable.
 */
export async function takeUpAnchors(database: Database, anchors: AnchorStore, log: Logger): Promise<TakenUp> {
  const taken: TakenUp = { anchors: 0, intruders: [] };
  for (;;) {
    const last = await sql.readLastAnchor(database);
    const number = (last?.number ?? 0n) + 1n;
    const stored = await anchors.read(number);
    if (!stored) return taken;
    if (stored.anchor.number !== number || !isSame(stored.anchor.previous, last?.sha256 ?? null)) {
      // somebody else may have taken up one of this number since we asked for the last
      if ((await sql.readLastAnchor(database))?.number !== last?.number) continue;
      throw new SigningRefused(
        `${anchors.location}${anchorKey(number)} does not follow what this database knows: it is of another history. ` +
          'Nothing is signed. See docs/checkpoints.md',
      );
    }
    const [key] = (await sql.readSigningKeys(database)).slice(-1);
    const intruder = await catalogueAnchor(database, anchors, stored, key ?? stored.publicKey);
    if (intruder !== undefined) taken.intruders.push(intruder);
    taken.anchors += 1;
    log.info({ anchor: String(number) }, 'an anchor that was in the store and not in the database is catalogued now');
  }
}

/**
 * Puts an anchor of the store into the catalogue, or finds it there. `key` is the one that signed before it. Gives what
 * is wrong with its versions, if anything. Throws SigningRefused.
 */
export async function catalogueAnchor(
  database: Database,
  anchors: AnchorStore,
  stored: StoredAnchor,
  key: Buffer | undefined,
): Promise<string | undefined> {
  const { anchor } = stored;
  const object = `${anchors.location}${anchorKey(anchor.number)}`;
  try {
    const { publicKey, checkpoints, successions } = verifyAnchor(anchor, key);
    const ledgerOf = await ledgersOf(database, object, checkpoints);
    await sql.catalogueAnchor(database, {
      number: anchor.number,
      previous: anchor.previous,
      sha256: stored.sha256,
      bytes: stored.bytes.length,
      location: anchors.location,
      objectKey: anchorKey(anchor.number),
      versionId: stored.versionId,
      publicKey,
      checkpoints: checkpoints.map(({ origin, ...rest }) => ({ ledger: ledgerOf(origin), ...rest })),
      successions: successions.map(({ origin, note }) => ({ ledger: ledgerOf(origin), note })),
    });
  } catch (error) {
    if (error instanceof NoteError) {
      throw new SigningRefused(`${object} is not as this service signs: ${error.message}. Nothing is signed`, {
        cause: error,
      });
    }
    const wasFaster = sqlState(error) === SqlState.anchorOutOfTurn && (await isCatalogued(database, stored));
    if (!wasFaster) throw error;
  }
  return stored.intruders.length > 0 ? `${object} has later versions: ${stored.intruders.join(', ')}` : undefined;
}

async function isCatalogued(database: Database, { anchor, sha256 }: StoredAnchor): Promise<boolean> {
  return (await sql.findAnchor(database, anchor.number))?.sha256.equals(sha256) ?? false;
}

/** The ledgers by their origins; those that are missing are made. Throws SigningRefused for one that cannot be ours. */
async function ledgersOf(
  database: Database,
  object: string,
  checkpoints: readonly { origin: string }[],
): Promise<(origin: string) => string> {
  const byOrigin = new Map((await sql.readSignedLedgers(database)).map(({ ledger, origin }) => [origin, ledger]));
  const missing = checkpoints.filter(({ origin }) => !byOrigin.has(origin));
  const logOrigin = missing.length === 0 ? '' : await sql.readLogOrigin(database);
  for (const { origin } of missing) {
    const ledger = origin.startsWith(`${logOrigin}/`) ? origin.slice(logOrigin.length + 1) : undefined;
    if (ledger === undefined || (await sql.makeLedger(database, ledger, origin)) !== origin) {
      throw new SigningRefused(
        `${object} holds a checkpoint of ${origin}, which is not of this database. See docs/recovery.md`,
      );
    }
    byOrigin.set(origin, ledger);
  }
  return (origin) => byOrigin.get(origin)!;
}

/**
 * What an anchor says, verified with the key that signed before it, or with one that succeeds that in the anchor itself.
 * `key` undefined: the anchor is the first one, and whoever reads it has no key yet. Throws NoteError.
 */
export function verifyAnchor(anchor: Anchor, key: Buffer | undefined) {
  if (!key) throw new NoteError('nothing says with which key it was signed');
  const successions = new Map<string, { note: string; key: Buffer }>();
  for (const note of anchor.successions) {
    const origin = parseNote(note).text.split('\n')[1] ?? '';
    const succession = readSuccession(note, new VerifierKey(origin, ED25519, key));
    if (!succession) throw new NoteError(`the succession of the key of ${origin} is not signed by both keys`);
    successions.set(origin, { note, key: succession.successor.publicKey });
  }
  const [first] = successions.values();
  const publicKey = first?.key ?? key;
  const checkpoints = anchor.checkpoints.map(({ note }) => {
    const parsed = parseNote(note);
    const { origin, size, rootHash } = parseCheckpoint(parsed.text);
    const signedBy = successions.get(origin)?.key ?? publicKey;
    if (!signedBy.equals(publicKey)) throw new NoteError('two keys have signed it');
    verifyNote(parsed, [new VerifierKey(origin, ED25519, signedBy)]);
    return { origin, size, rootHash, note };
  });
  return {
    publicKey,
    checkpoints,
    successions: [...successions].map(([origin, { note }]) => ({ origin, note })),
  };
}

function isSame(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
