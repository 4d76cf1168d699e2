import type pg from 'pg';
import type { Logger } from 'pino';
import { ArchiveObjectError } from '../archive/archive-format.js';
import { ArchivedRangeCheck } from '../archive/archived-range-check.js';
import { insertRows, makeMonths, readMissingRows, type FoundEvents } from '../archive/missing-events.js';
import type { ObjectStore } from '../archive/object-store.js';
import { takeRecoveredHolds, type RecoveredHold } from '../archive/recovered-holds.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { uuidv7 } from '../database/uuidv7.js';
import { readStoredRows } from '../events/stored-events.js';
import { leafHash } from '../integrity/event.js';
import { microsOf, type StoredRow } from '../integrity/stored-event.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { GrowingTree } from '../integrity/tiles.js';
import { formatMicros } from '../integrity/timestamp.js';
import { takeUpAnchors } from './anchor-intake.js';
import { AnchorStore } from './anchor-store.js';
import * as anchors from './anchors.sql.js';
import { compareWithCheckpoints } from './checkpoint-comparison.js';
import * as sql from './recovery.sql.js';
import { readTrees } from './tree.sql.js';
import { readHashesAnywhere, type ReadArchivedHashes } from './tree-tiles.js';

/** What a recovery works with. */
export interface RecoveryMeans {
  /** a connection of the login that owns the schema: no other can put a row back */
  owner: pg.Client;
  store: ObjectStore;
  /** for a file at a time */
  folder: string;
  archived: ReadArchivedHashes;
  /**
   * Whether nothing is taken from objects of the archive past the last root that was signed: what is there is whole, and
   * yet nothing shows who made it, since whoever may write into the bucket can make an object.
   */
  signedOnly: boolean;
  /** the principal that it is recorded as done by */
  operator: string;
  log: (message: string) => void;
}

/** Events that somebody still has, by the origin of their ledger, then by sequence. */
export type KeptEvents = ReadonlyMap<string, ReadonlyMap<bigint, StoredRow<number>>>;

/** Sequences, both ends included. */
interface Range {
  from: bigint;
  to: bigint;
}

/** What became of a ledger. Both ends of ranges included. */
export interface RecoveredLedger {
  ledger: string;
  /** false where it was closed before: it is not brought back, whatever it lacks */
  isOpen: boolean;
  /** brought back now; null for none */
  recovered: { from: bigint; to: bigint } | null;
  /** of what was brought back, that for which no root was signed; null for none */
  unsigned: { from: bigint; to: bigint } | null;
  /** legal holds as the acts left them that were among what was brought back */
  holds: RecoveredHold[];
  /** of the events that were signed, those that nobody has; null when all are there */
  missing: { from: bigint; to: bigint } | null;
  /** it is as long as it was signed, or longer, and its events are others */
  differs: boolean;
  /** why nothing was brought back although there was something, or how it differs */
  refusal: string | null;
}

/** What is there does not give what was signed: nothing of it is taken. */
class RecoveryRefused extends Error {
  override name = 'RecoveryRefused';
}

/** Events up to `upTo` are not those that were signed, or do not lead there; those up to the root before, `proven`, are. */
class WrongEvents extends RecoveryRefused {
  constructor(
    message: string,
    readonly proven: bigint,
    readonly upTo: bigint,
    /** nothing says that they are wrong but that an object which holds the next event does not go on there */
    readonly isShort = false,
  ) {
    super(message);
  }
}

/** Which object was taken to go on with from a sequence, and the others that say that they hold that event, too. */
interface TakenObject {
  from: bigint;
  object: FoundEvents;
  others: readonly FoundEvents[];
}

const PAGE_EVENTS = 25_600n;
const PAGE_CHECKPOINTS = 1_000;
const PAGE_ROWS = 1_000;
const SERVICE = /^_/;
/** Whoever may write into the bucket may put many objects there that hold the same events. */
const MAX_ATTEMPTS = 100;

/** Takes up the anchors of the store; the ledgers that they name and the database lacks are made, empty. */
export async function takeUpAllAnchors(
  owner: pg.Client,
  store: ObjectStore,
  logger: Logger,
  log: (message: string) => void,
): Promise<void> {
  const { foreign } = await takeUpAnchors(owner, new AnchorStore(store), logger);
  if (foreign) log(foreign.message);
}

/**
 * Brings back what the ledgers lack, the service's own first: each in a transaction of its own, so that a recovery that
 * is killed has brought back some of them, and goes on when it is begun again. Events come in bit for bit as they were,
 * recomputed from where the ledger ends, and are committed only if they give every root that was signed over them.
 */
export async function recoverLedgers(
  means: RecoveryMeans,
  objects: readonly FoundEvents[],
  kept: KeptEvents,
): Promise<RecoveredLedger[]> {
  const { owner, signedOnly, log } = means;
  const known = new Set(await sql.listLedgerNames(owner)); // those that anchors name among them
  const logOrigin = await anchors.readLogOrigin(owner);
  for (const { ledger, origin } of objects.flatMap(({ ranges }) => ranges)) {
    if (known.has(ledger)) continue;
    if (origin !== `${logOrigin}/${ledger}`) {
      log(`${ledger}: left out: an object says that its origin is ${origin}, which is not of this database`);
    } else if (signedOnly) {
      log(`${ledger}: left out: nothing was signed of it`);
    } else {
      await anchors.makeLedger(owner, ledger, origin);
      known.add(ledger);
    }
  }
  const ledgers = [...known].sort((a, b) => Number(SERVICE.test(b)) - Number(SERVICE.test(a)) || (a < b ? -1 : 1));
  const outcomes: RecoveredLedger[] = [];
  for (const ledger of ledgers) outcomes.push(await recoverLedger(means, ledger, objects, kept));
  return outcomes;
}

async function recoverLedger(
  means: RecoveryMeans,
  ledger: string,
  objects: readonly FoundEvents[],
  kept: KeptEvents,
): Promise<RecoveredLedger> {
  const { owner, log } = means;
  const before = (await sql.readHead(owner, ledger))!;
  const { isOpen } = before;
  const outcome: RecoveredLedger = {
    ledger,
    isOpen,
    recovered: null,
    unsigned: null,
    holds: [],
    missing: null,
    differs: false,
    refusal: null,
  };
  const signed = BigInt((await anchors.findLatestCheckpoint(owner, ledger))?.size ?? 0);
  let end = before.size;
  if (before.isOpen) {
    try {
      const brought = await bringBack(means, ledger, before.size, objects, kept.get(before.origin) ?? new Map());
      end = brought.end;
      outcome.holds = brought.holds;
    } catch (error) {
      if (!(error instanceof RecoveryRefused)) throw error;
      outcome.refusal = error.message;
      log(`${ledger}: nothing is brought back: ${error.message}`);
    }
  }
  if (end > before.size) {
    outcome.recovered = { from: before.size + 1n, to: end };
    log(`${ledger}: events ${before.size + 1n} to ${end} are back`);
    outcome.unsigned = unsignedOf(outcome.recovered, signed);
    if (outcome.unsigned) {
      const { from, to } = outcome.unsigned;
      log(`${ledger}: of these, no checkpoint was signed of events ${from} to ${to}: see docs/recovery.md`);
    }
  }
  if (signed > end) outcome.missing = { from: end + 1n, to: signed };
  return outcome;
}

/** Of what was brought back, that which is past the last event that was signed. */
function unsignedOf({ from, to }: Range, signed: bigint): Range | null {
  return to > signed ? { from: signed < from ? from : signed + 1n, to } : null;
}

function recordOf(recovered: Range, unsigned: Range | null, holds: readonly RecoveredHold[]): JsonObject {
  return {
    ...rangeAsText(recovered),
    ...(unsigned ? { unsigned: rangeAsText(unsigned) } : {}),
    ...(holds.length > 0 ? { legal_holds: holds.map(({ id }) => id) } : {}),
  };
}

/** As it stands in records. */
export function rangeAsText({ from, to }: Range): { from_sequence: string; to_sequence: string } {
  return { from_sequence: String(from), to_sequence: String(to) };
}

/** Where a ledger ends, and the legal holds that came back with its events. */
interface BroughtBack {
  end: bigint;
  holds: RecoveredHold[];
}

/** Throws RecoveryRefused; then nothing has changed. */
async function bringBack(
  means: RecoveryMeans,
  ledger: string,
  size: bigint,
  objects: readonly FoundEvents[],
  kept: ReadonlyMap<bigint, StoredRow<number>>,
): Promise<BroughtBack> {
  const { owner, log } = means;
  const holding = objects.filter(({ ranges }) =>
    ranges.some((range) => range.ledger === ledger && BigInt(range.to_sequence) > size),
  );
  const later = [...kept.keys()].filter((sequence) => sequence > size);
  if (holding.length === 0 && later.length === 0) return { end: size, holds: [] };
  // before the transaction, which would keep others from making theirs
  for (const range of holding.flatMap(({ ranges }) => ranges).filter((each) => each.ledger === ledger)) {
    await makeMonths(owner, range.least_recorded_at, range.greatest_recorded_at);
  }
  for (const sequence of later) {
    const at = formatMicros(kept.get(sequence)!.recorded_at);
    await makeMonths(owner, at, at);
  }
  const refused: Refusals = new Map();
  let first: WrongEvents | undefined;
  /** what leads to no root at all is taken where nothing leads further */
  let short: Refusals | undefined;
  for (let attempt = 1; ; attempt++) {
    const taken: TakenObject[] = [];
    try {
      return await attemptRecovery(means, ledger, { holding, kept, refused, taken, isLast: false });
    } catch (error) {
      if (!(error instanceof WrongEvents)) throw error;
      first ??= error;
      if (error.isShort) short ??= new Map([...refused].map(([from, objects]) => [from, new Set(objects)]));
      const wrong = attempt < MAX_ATTEMPTS ? refuseOne(taken, error, refused) : undefined;
      if (wrong) {
        log(
          `${ledger}: ${wrong.object.version.key} is not taken from event ${wrong.from} on, which another object holds as ` +
            `well: with it ${error.message}`,
        );
      } else if (short) {
        return attemptRecovery(means, ledger, { holding, kept, refused: short, taken: [], isLast: true });
      } else throw first;
    }
  }
}

/** The objects that are not taken to go on with from a sequence. */
type Refusals = Map<bigint, Set<FoundEvents>>;

/** Refuses the last object that may be what is wrong and beside which there is another; undefined for none. */
function refuseOne(
  taken: readonly TakenObject[],
  { proven, upTo }: WrongEvents,
  refused: Refusals,
): TakenObject | undefined {
  const next = (at: number): bigint => taken[at + 1]?.from ?? upTo + 1n;
  for (let at = taken.length - 1; at >= 0; at--) {
    const each = taken[at]!;
    if (each.from > upTo || next(at) <= proven + 1n || each.others.length === 0) continue;
    for (const sequence of refused.keys()) if (sequence > each.from) refused.delete(sequence);
    refused.set(each.from, new Set([...(refused.get(each.from) ?? []), each.object]));
    return each;
  }
  return undefined;
}

/** What an attempt takes events from. */
interface Sources {
  holding: readonly FoundEvents[];
  kept: ReadonlyMap<bigint, StoredRow<number>>;
  refused: Refusals;
  /** filled in their order */
  taken: TakenObject[];
  /** nothing will be tried after it */
  isLast: boolean;
}

/** Throws RecoveryRefused, WrongEvents where other objects may be right; nothing has changed then. */
async function attemptRecovery(means: RecoveryMeans, ledger: string, from: Sources): Promise<BroughtBack> {
  const { owner, operator, log } = means;
  await owner.query('BEGIN');
  try {
    const head = (await sql.readHead(owner, ledger, true))!;
    const check = new ArchivedRangeCheck({
      ledger,
      origin: head.origin,
      fromSequence: head.size + 1n,
      previousEventHash: head.eventHash,
    });
    await takeArchived(means, ledger, from, check);
    await takeKept(means, ledger, from.kept, check);
    const end = check.nextSequence - 1n;
    let holds: RecoveredHold[] = [];
    if (end > head.size) {
      await requireSignedRoots(means, ledger, end);
      if (!from.isLast) await requireNoGap(owner, ledger, end, from.holding);
      await sql.moveHead(owner, ledger, end, check.previousEventHash!, check.finish().greatest_recorded_at);
      const signed = BigInt((await anchors.findLatestCheckpoint(owner, ledger))?.size ?? 0);
      holds = await takeRecoveredHolds(owner, ledger, { from: head.size + 1n, to: end, signed }, log);
      const recovered = { from: head.size + 1n, to: end };
      const state = recordOf(recovered, unsignedOf(recovered, signed), holds);
      await sql.keepUnrecorded(owner, { eventId: uuidv7(), ledger, action: 'recover', operator, state });
    }
    await owner.query('COMMIT');
    return { end, holds };
  } catch (error) {
    await owner.query('ROLLBACK');
    if (error instanceof ArchiveObjectError) throw new RecoveryRefused(error.message, { cause: error });
    if (sqlState(error) === SqlState.uniqueViolation) {
      const what = 'an object holds an event id that the ledger has already, as the service never records one';
      throw new RecoveryRefused(`${what}: somebody else has made it. Begin again with --signed-only`, { cause: error });
    }
    throw error;
  }
}

/** Rows of objects for as long as one goes on where the ledger ends, and up to where they may be taken. */
async function takeArchived(
  { owner, store, folder, signedOnly, log }: RecoveryMeans,
  ledger: string,
  { holding, refused, taken }: Sources,
  check: ArchivedRangeCheck,
): Promise<void> {
  const left = new Set(holding);
  const signed = BigInt((await anchors.findLatestCheckpoint(owner, ledger))?.size ?? 0);
  const now = Date.now() * 1000;
  const isTaken = ({ sequence, recorded_at: at }: StoredRow<number>): boolean =>
    BigInt(sequence) <= signed || (!signedOnly && at <= now);
  for (;;) {
    const next = check.nextSequence;
    const [object, ...others] = [...left].filter(
      (each) => holds(each, ledger, next) && refused.get(next)?.has(each) !== true,
    );
    if (!object) return;
    taken.push({ from: next, object, others });
    left.delete(object);
    let isCut = false;
    try {
      await readMissingRows(store, folder, object, ledger, next, async (found) => {
        const end = isCut ? 0 : found.findIndex((row) => !isTaken(row));
        const rows = end < 0 ? found : found.slice(0, end);
        isCut ||= end >= 0;
        for (const row of rows) check.take(row);
        await insertRows(owner, ledger, rows);
      });
      if (isCut) {
        log(
          `${ledger}: what ${object.version.key} holds from event ${check.nextSequence} on is not taken: ` +
            (signedOnly
              ? 'no checkpoint was signed that would prove it'
              : 'it says that it was recorded in the future'),
        );
        return;
      }
    } catch (error) {
      // one that a replica which had lost its turn has left goes on from elsewhere
      if (!(error instanceof ArchiveObjectError) || check.nextSequence > next) throw error;
      taken.pop();
      log(`${object.version.key} does not go on where ${ledger} ends: ${error.message}`);
    }
  }
}

/**
 * Rows that submitters hold, up to the last root that proves them: a receipt is not signed, so what lies past that could
 * be anybody's. It can be posted again.
 */
async function takeKept(
  { owner, log }: RecoveryMeans,
  ledger: string,
  kept: ReadonlyMap<bigint, StoredRow<number>>,
  check: ArchivedRangeCheck,
): Promise<void> {
  const from = check.nextSequence;
  let to = from - 1n;
  while (kept.has(to + 1n)) to += 1n;
  if (to < from) return;
  const last = await anchors.findLastCheckpointWithin(owner, ledger, from, to);
  if (!last) {
    log(`${ledger}: receipts of events ${from} to ${to} are not taken: no checkpoint was signed that would prove them`);
    return;
  }
  for (let rows: StoredRow<number>[] = [], at = from; at <= BigInt(last.size); at++) {
    const row = kept.get(at)!;
    check.take(row);
    rows.push(row);
    if (rows.length < PAGE_ROWS && at < BigInt(last.size)) continue;
    await insertRows(owner, ledger, rows);
    rows = [];
  }
}

function holds({ ranges }: FoundEvents, ledger: string, sequence: bigint): boolean {
  return ranges.some(
    (range) =>
      range.ledger === ledger && BigInt(range.from_sequence) <= sequence && BigInt(range.to_sequence) >= sequence,
  );
}

/**
 * Throws WrongEvents when more was signed, and an object holds the next event and does not go on there: then what was
 * taken since the last root may be what is wrong.
 */
async function requireNoGap(
  owner: pg.Client,
  ledger: string,
  end: bigint,
  holding: readonly FoundEvents[],
): Promise<void> {
  const signed = BigInt((await anchors.findLatestCheckpoint(owner, ledger))?.size ?? 0);
  if (signed <= end || !holding.some((each) => holds(each, ledger, end + 1n))) return;
  const proven = BigInt((await anchors.findLastCheckpointWithin(owner, ledger, 1n, end))?.size ?? 0);
  if (proven < end) throw new WrongEvents(`event ${end + 1n} does not follow`, proven, end, true);
}

/** Throws WrongEvents unless the events up to `end`, as they stand in this transaction, give every root that was signed. */
async function requireSignedRoots(means: RecoveryMeans, ledger: string, end: bigint): Promise<void> {
  const stored = (await readTrees(means.owner, [ledger])).get(ledger);
  const tree = GrowingTree.stored(stored?.size ?? 0n, stored?.open ?? []);
  const wrong = tree ? await firstWrongRoot(means, ledger, end, tree) : 1n;
  if (wrong === undefined) return;
  // the stored tree may be what is wrong
  const again = stored ? await firstWrongRoot(means, ledger, end, new GrowingTree(0n, [])) : wrong;
  if (again === undefined) return;
  const proven = BigInt((await anchors.findLastCheckpointWithin(means.owner, ledger, 1n, again - 1n))?.size ?? 0);
  throw new WrongEvents(`the first ${again} events are not those that were signed`, proven, again);
}

/** The size of the first checkpoint past a tree that its events do not give. */
async function firstWrongRoot(
  { owner, archived }: RecoveryMeans,
  ledger: string,
  end: bigint,
  tree: GrowingTree,
): Promise<bigint | undefined> {
  for (;;) {
    const page = await anchors.listCheckpointSizes(owner, ledger, tree.size + 1n, end, PAGE_CHECKPOINTS);
    if (page.length === 0) return undefined;
    for (const checkpoint of page) {
      const size = BigInt(checkpoint.size);
      while (tree.size < size) {
        const to = tree.size + PAGE_EVENTS < size ? tree.size + PAGE_EVENTS : size;
        const [hashes] = await readHashesAnywhere(owner, ledger, archived, [{ from: tree.size + 1n, to }]);
        if (!hashes) throw new RecoveryRefused(`events ${tree.size + 1n} to ${to} are not all there`);
        for (const hash of hashes) tree.append(leafHash(hash));
        tree.takeGrown(); // nobody stores them: they would be kept until the end
      }
      if (!tree.root().equals(checkpoint.root_hash)) return size;
    }
  }
}

/** What a ledger is closed with. */
export interface ClosedLedger {
  ledger: string;
  origin: string;
  /** events in it */
  size: bigint;
  /** the last one of which rows and anchors, or rows alone after these, show that it is as it was recorded */
  provable: bigint;
  /** hex; of the last event, null where there is none */
  eventHash: string | null;
  /** what was signed last of it; null for nothing */
  checkpoint: string | null;
  /** signed, and not there any more; null where the events are there and are others */
  missing: { from: bigint; to: bigint } | null;
  /** the ledger with which its line of successors begins: itself, mostly */
  first: string;
  /** that has been made for it already */
  successor: string | undefined;
}

/**
 * Closes a ledger that cannot be brought to where it was signed, for good. What is in it stays as it is. Throws an Error
 * for the operator when there is no such ledger, or it lacks nothing. A closed one is found closed.
 */
export async function closeLedger(means: RecoveryMeans, ledger: string): Promise<ClosedLedger> {
  const { owner, archived, operator } = means;
  const head = await sql.readHead(owner, ledger);
  if (!head) throw new Error(`there is no ledger ${ledger}`);
  const { origin, size } = head;
  const latest = await anchors.findLatestCheckpoint(owner, ledger);
  const signed = BigInt(latest?.size ?? 0);
  const found =
    size === 0n
      ? []
      : await compareWithCheckpoints(owner, archived, { ledger, origin, from: 1n, to: size, toHead: false });
  // the next round makes a tree anew whose tiles are not those of the events
  const change = found.find(({ kind }) => kind === 'checkpoint');
  if (head.isOpen && signed <= size && !change) {
    throw new Error(`${ledger} lacks nothing that was signed: it is not closed`);
  }
  const agreed = change ? change.sequence - 1n : ((await lastSigned(owner, ledger, size)) ?? 0n);
  const provable = await lastIntact(owner, ledger, origin, agreed, size);
  const names = await sql.listLedgerNames(owner);
  let first = ledger;
  for (let before = await sql.predecessorOf(owner, first); before !== undefined;) {
    first = before;
    before = await sql.predecessorOf(owner, first);
  }
  let successor: string | undefined;
  for (const name of names.filter((each) => each.startsWith(first.slice(0, 1)) && each !== ledger)) {
    if ((await sql.predecessorOf(owner, name)) === ledger) successor = name;
  }
  const closed: ClosedLedger = {
    ledger,
    origin,
    size,
    provable,
    eventHash: head.eventHash?.toString('hex') ?? null,
    checkpoint: latest?.note ?? null,
    missing: signed > size ? { from: size + 1n, to: signed } : null,
    first,
    successor,
  };
  await owner.query('BEGIN');
  try {
    if (head.isOpen) await sql.closeLedger(owner, ledger);
    // one that none succeeds may have been closed by a command that did not keep this
    if ((head.isOpen || successor === undefined) && !(await sql.isCloseUnrecorded(owner, ledger))) {
      const state = stateOfClosed(closed);
      await sql.keepUnrecorded(owner, { eventId: uuidv7(), ledger, action: 'close', operator, state });
    }
    await owner.query('COMMIT');
  } catch (error) {
    await owner.query('ROLLBACK');
    throw error;
  }
  return closed;
}

/** What its successor's first event and the ledger of the service say of a closed one. */
export function stateOfClosed({ origin, checkpoint, size, provable, eventHash, missing }: ClosedLedger): JsonObject {
  return {
    origin,
    checkpoint,
    size: String(size),
    provable_size: String(provable),
    event_hash: eventHash,
    missing: missing && rangeAsText(missing),
  };
}

async function lastSigned(owner: pg.Client, ledger: string, size: bigint): Promise<bigint | undefined> {
  const last = await anchors.findLastCheckpointWithin(owner, ledger, 1n, size);
  return last && BigInt(last.size);
}

/** The last of the rows after `agreed` up to which each is as it was recorded and follows the one before. */
async function lastIntact(
  owner: pg.Client,
  ledger: string,
  origin: string,
  agreed: bigint,
  size: bigint,
): Promise<bigint> {
  const [before] = agreed === 0n ? [] : await readStoredRows(owner, ledger, agreed, agreed, 1);
  if (agreed > 0n && !before) return agreed; // it has left the database, and so has nothing after it
  const check = new ArchivedRangeCheck({
    ledger,
    origin,
    fromSequence: agreed + 1n,
    previousEventHash: before?.event_hash ?? null,
  });
  while (check.nextSequence <= size) {
    const rows = await readStoredRows(owner, ledger, check.nextSequence, size, PAGE_ROWS);
    if (rows.length === 0) break;
    try {
      for (const row of rows) {
        check.take({ ...row, recorded_at: microsOf(row.recorded_at), timestamp: microsOf(row.timestamp) });
      }
    } catch (error) {
      if (!(error instanceof ArchiveObjectError)) throw error;
      break;
    }
  }
  return check.nextSequence - 1n;
}

/**
 * Has each recovery and close that is not on record recorded, this command's and those of former ones that were killed
 * before, or whose record found no ledger that could take it: a record that is killed in between is made again, and counts once.
 */
export async function recordRecoveries(
  owner: pg.ClientBase,
  record: (recovery: sql.UnrecordedRecovery) => Promise<void>,
): Promise<void> {
  for (const recovery of await sql.listUnrecorded(owner)) {
    await record(recovery);
    await sql.noteRecorded(owner, recovery.eventId);
  }
}

/** Closed ledgers that none succeeds; successions are noted. */
export function listWithoutSuccessor(owner: pg.Client): Promise<string[]> {
  return sql.listWithoutSuccessor(owner);
}
