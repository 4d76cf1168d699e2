import pg from 'pg';
import type { Logger } from 'pino';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { AnchorError, anchorKey, type Anchor } from '../integrity/anchor.js';
import { parseCheckpoint } from '../integrity/checkpoint.js';
import { parseSuccession, readSuccession } from '../integrity/key-succession.js';
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
  /**
   * What stands under the name of the next one and is none of ours: nothing can be signed while it is there, and it says
   * nothing of what was. null where there is none.
   */
  foreign: SigningRefused | null;
}

/**
 * Takes up anchors that are in the store and not in the database: written before a crash, or after the backup that was
 * restored. A ledger that they name and the database lacks is made, empty: from then on it is behind its anchor. Safe at
 * once on several replicas. After the first they are taken up by the hundred, each hundred in one transaction: years of
 * them follow a rebuild. Throws SigningRefused for the first that does not follow although this log has signed it,
 * AnchorError for one that was changed, StoreUnavailable; those before it are taken up all the same, in their order.
 */
export async function takeUpAnchors(database: Database, anchors: AnchorStore, log: Logger): Promise<TakenUp> {
  const taken: TakenUp = { anchors: 0, intruders: [], foreign: null };
  const ledgers = new LedgersByOrigin(database);
  for (;;) {
    const last = await sql.readLastAnchor(database);
    const first = (last?.number ?? 0n) + 1n;
    let stored: StoredAnchor[];
    try {
      stored = taken.anchors === 0 ? await oneOrNone(anchors, first) : await anchors.readHundredFrom(first);
    } catch (error) {
      if (!(error instanceof AnchorError) || !last || (await anchors.mayHideOthers(first))) throw error;
      return {
        ...taken,
        foreign: toldOf(new SigningRefused(`${error.message}. Nothing is signed`, { cause: error }), log),
      };
    }
    if (stored.length === 0) return taken;
    const { followers, refusal } = await followersOf(last, stored, database, anchors, ledgers);
    const outOfTurn = await catalogueAllBut(database, followers);
    if (outOfTurn && followers.length === 0) {
      // somebody else may have taken up some of them since we asked for the last
      if (await hasMoved(database, last)) continue;
      const object = `${anchors.location}${anchorKey(outOfTurn.anchor.number)}`;
      const refused = new SigningRefused(`${object} is not taken up: ${outOfTurn.message}. Nothing is signed`, {
        cause: outOfTurn,
      });
      if (!(await isForeign(database, anchors, stored[0]!, first))) throw refused;
      return { ...taken, foreign: toldOf(refused, log) };
    }
    for (const { number } of followers) {
      log.info({ anchor: String(number) }, 'an anchor that was in the store and not in the database is catalogued now');
    }
    taken.anchors += followers.length;
    for (const each of stored.slice(0, followers.length)) {
      const intruder = intruderOf(anchors, each);
      if (intruder !== undefined) taken.intruders.push(intruder);
    }
    if (refusal && followers.length === 0 && !(await hasMoved(database, last))) {
      if (!(await isForeign(database, anchors, stored[0]!, first))) throw refusal;
      return { ...taken, foreign: toldOf(refusal, log) };
    }
  }
}

/**
 * Whether an anchor that does not follow holds nothing that this log has signed and the database does not know: then
 * whoever may write into the bucket has made it, and it is no sign of another history.
 */
async function isForeign(
  database: Database,
  anchors: AnchorStore,
  { anchor }: StoredAnchor,
  number: bigint,
): Promise<boolean> {
  const keys = await sql.readSigningKeys(database);
  if (keys.length === 0 || (await anchors.mayHideOthers(number))) return false;
  try {
    const notes = verifyAnchor(anchor, keys).checkpoints.map(({ note }) => note);
    return (await sql.countKnownNotes(database, notes)) === notes.length;
  } catch (error) {
    if (error instanceof NoteError) return true;
    throw error;
  }
}

function toldOf(foreign: SigningRefused, log: Logger): SigningRefused {
  log.error(
    { reason: foreign.message, alarm: 'anchor-invalid' },
    'what stands under the next anchor’s name is none of ours',
  );
  return foreign;
}

async function oneOrNone(anchors: AnchorStore, number: bigint): Promise<StoredAnchor[]> {
  const stored = await anchors.read(number);
  return stored ? [stored] : [];
}

async function hasMoved(database: Database, last: sql.LastAnchor | undefined): Promise<boolean> {
  return (await sql.readLastAnchor(database))?.number !== last?.number;
}

/** Those that follow the last one that the database knows and each other, ready for the catalogue; why the next does not. */
async function followersOf(
  last: sql.LastAnchor | undefined,
  stored: readonly StoredAnchor[],
  database: Database,
  anchors: AnchorStore,
  ledgers: LedgersByOrigin,
): Promise<{ followers: sql.NewAnchor[]; refusal?: SigningRefused }> {
  const followers: sql.NewAnchor[] = [];
  const keys = await sql.readSigningKeys(database);
  if (keys.length === 0) keys.push(...keysOf(stored[0]));
  let number = last?.number ?? 0n;
  let sha256 = last?.sha256 ?? null;
  for (const each of stored) {
    number += 1n;
    if (each.anchor.number !== number || !isSame(each.anchor.previous, sha256)) {
      const refusal = new SigningRefused(
        `${anchors.location}${anchorKey(number)} does not follow what this database knows: it is of another history. ` +
          'Nothing is signed. See docs/checkpoints.md',
      );
      return { followers, refusal };
    }
    try {
      const follower = await newAnchor(anchors, each, keys, ledgers);
      followers.push(follower);
      if (!follower.publicKey.equals(keys.at(-1)!)) keys.push(follower.publicKey);
    } catch (error) {
      if (error instanceof SigningRefused) return { followers, refusal: error };
      throw error;
    }
    sha256 = each.sha256;
  }
  return { followers };
}

/** The catalogue does not take an anchor after those that it has. */
class OutOfTurn extends Error {
  constructor(
    readonly anchor: sql.NewAnchor,
    cause: Error,
  ) {
    super(cause.message, { cause });
  }
}

/**
 * Catalogues those before the first that the catalogue does not take, and takes the others out of the list: those before
 * it are as good as they were. Gives why it was not taken.
 */
async function catalogueAllBut(database: Database, anchors: sql.NewAnchor[]): Promise<OutOfTurn | undefined> {
  let outOfTurn: OutOfTurn | undefined;
  for (;;) {
    try {
      await catalogueAll(database, anchors);
      return outOfTurn;
    } catch (error) {
      if (!(error instanceof OutOfTurn)) throw error;
      outOfTurn = error;
      anchors.splice(anchors.indexOf(error.anchor));
    }
  }
}

/** All of them or none. Throws OutOfTurn. */
async function catalogueAll(database: Database, anchors: readonly sql.NewAnchor[]): Promise<void> {
  const [only, ...more] = anchors;
  if (only && more.length === 0) return catalogueNext(database, only);
  const client = database instanceof pg.Pool ? await database.connect() : undefined;
  const connection = client ?? database;
  try {
    await connection.query('BEGIN');
    try {
      for (const anchor of anchors) await catalogueNext(connection, anchor);
      await connection.query('COMMIT');
    } catch (error) {
      await connection.query('ROLLBACK');
      throw error;
    }
  } finally {
    client?.release();
  }
}

async function catalogueNext(database: Database, anchor: sql.NewAnchor): Promise<void> {
  try {
    await sql.catalogueAnchor(database, anchor);
  } catch (error) {
    if (sqlState(error) !== SqlState.anchorOutOfTurn) throw error;
    throw new OutOfTurn(anchor, error as Error);
  }
}

/**
 * Puts an anchor of the store into the catalogue, or finds it there. `keys` are those that signed before it, the last one
 * last. Gives what is wrong with its versions, if anything. Throws SigningRefused.
 */
export async function catalogueAnchor(
  database: Database,
  anchors: AnchorStore,
  stored: StoredAnchor,
  keys: readonly Buffer[],
): Promise<string | undefined> {
  try {
    await sql.catalogueAnchor(database, await newAnchor(anchors, stored, keys, new LedgersByOrigin(database)));
  } catch (error) {
    const wasFaster = sqlState(error) === SqlState.anchorOutOfTurn && (await isCatalogued(database, stored));
    if (!wasFaster) throw error;
  }
  return intruderOf(anchors, stored);
}

/** What the catalogue will say of an anchor, verified. Throws SigningRefused. */
async function newAnchor(
  anchors: AnchorStore,
  stored: StoredAnchor,
  keys: readonly Buffer[],
  ledgers: LedgersByOrigin,
): Promise<sql.NewAnchor> {
  const { anchor } = stored;
  const object = `${anchors.location}${anchorKey(anchor.number)}`;
  try {
    const { publicKey, checkpoints, successions } = verifyAnchor(anchor, keys);
    const ledgerOf = await ledgers.of(object, checkpoints);
    return {
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
    };
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new SigningRefused(`${object} is not as this service signs: ${error.message}. Nothing is signed`, {
      cause: error,
    });
  }
}

/** The key of which an object says that it signed it: none where it says nothing. */
export function keysOf(stored: StoredAnchor | undefined): Buffer[] {
  return stored?.publicKey ? [stored.publicKey] : [];
}

function intruderOf(anchors: AnchorStore, { anchor, intruders }: StoredAnchor): string | undefined {
  if (intruders.length === 0) return undefined;
  return `${anchors.location}${anchorKey(anchor.number)} has later versions: ${intruders.join(', ')}`;
}

async function isCatalogued(database: Database, { anchor, sha256 }: StoredAnchor): Promise<boolean> {
  return (await sql.findAnchor(database, anchor.number))?.sha256.equals(sha256) ?? false;
}

/** The ledgers by their origins, which never change: read once for many anchors. */
class LedgersByOrigin {
  private byOrigin: Map<string, string> | undefined;

  constructor(private readonly database: Database) {}

  /** Those of some checkpoints; the ones that are missing are made. Throws SigningRefused for one that cannot be ours. */
  async of(object: string, checkpoints: readonly { origin: string }[]): Promise<(origin: string) => string> {
    this.byOrigin ??= new Map(
      (await sql.readSignedLedgers(this.database)).map(({ ledger, origin }) => [origin, ledger] as const),
    );
    const { byOrigin } = this;
    const missing = checkpoints.filter(({ origin }) => !byOrigin.has(origin));
    const logOrigin = missing.length === 0 ? '' : await sql.readLogOrigin(this.database);
    for (const { origin } of missing) {
      const ledger = origin.startsWith(`${logOrigin}/`) ? origin.slice(logOrigin.length + 1) : undefined;
      if (ledger === undefined || (await sql.makeLedger(this.database, ledger, origin)) !== origin) {
        throw new SigningRefused(
          `${object} holds a checkpoint of ${origin}, which is not of this database. See docs/recovery.md`,
        );
      }
      byOrigin.set(origin, ledger);
    }
    return (origin) => byOrigin.get(origin)!;
  }
}

/**
 * What an anchor says, verified with the key that signed before it, or with one that succeeds that in the anchor itself.
 * `keys` are all that signed before it, the last one last; the first anchor's own for that. Throws NoteError.
 */
export function verifyAnchor(anchor: Anchor, keys: readonly Buffer[]) {
  const { line, successions } = followedKeys(anchor.successions, keys);
  const publicKey = line.at(-1)!;
  const checkpoints = anchor.checkpoints.map(({ note }) => {
    const parsed = parseNote(note);
    const { origin, size, rootHash } = parseCheckpoint(parsed.text);
    verifyNote(parsed, [new VerifierKey(origin, ED25519, publicKey)]);
    return { origin, size, rootHash, note };
  });
  const sizes = new Map(checkpoints.map(({ origin, size }) => [origin, size]));
  for (const { origin, fromSize } of successions) {
    const size = sizes.get(origin);
    if (size === undefined || fromSize > size) {
      throw new NoteError(`the succession of the key of ${origin} is of another checkpoint than the one beside it`);
    }
  }
  return { publicKey, checkpoints, successions: successions.map(({ origin, note }) => ({ origin, note })) };
}

/**
 * The keys that signed, one after the other, with the one that succeeds the last of them in these notes, if one does; and
 * the notes. Those of a ledger lead from one key of this line to the next, and at last to the one that signs now: several
 * of them where it was not signed since a key before. Throws NoteError.
 */
function followedKeys(notes: readonly string[], keys: readonly Buffer[]) {
  const last = keys.at(-1);
  if (!last) throw new NoteError('nothing says with which key it was signed');
  const successions = notes.map((note) => ({ note, ...parseSuccession(note) }));
  const line = [...keys];
  const position = ({ publicKey }: VerifierKey): number => line.findIndex((key) => key.equals(publicKey));
  for (const { successor } of successions) {
    if (position(successor) >= 0) continue;
    if (line.length > keys.length) throw new NoteError('two keys succeed the last one');
    line.push(successor.publicKey);
  }
  const reached = new Map<string, number>();
  for (const { note, origin, successor } of successions) {
    const at = position(successor);
    if (at === 0 || !readSuccession(note, new VerifierKey(origin, ED25519, line[at - 1]!))) {
      throw new NoteError(`the succession of the key of ${origin} is not signed by both keys`);
    }
    if ((reached.get(origin) ?? at - 1) !== at - 1)
      throw new NoteError(`the keys of ${origin} do not lead to each other`);
    reached.set(origin, at);
  }
  for (const [origin, at] of reached) {
    if (at !== line.length - 1) throw new NoteError(`the keys of ${origin} do not lead to the one that signs`);
  }
  return { line, successions };
}

function isSame(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
