import type pg from 'pg';
import { readStoredRows } from '../events/stored-events.js';
import { microsOf } from '../integrity/stored-event.js';
import type { FoundEvents } from './missing-events.js';
import { ObjectMissing, type ObjectStore } from './object-store.js';
import * as sql from './rebuild.sql.js';
import { afterAct, HOLD_RECORD, type RecordedHold } from './recorded-hold.js';
import { actOf, inOrder, isServiceLedger, takeServiceRecords, type ServiceRecords } from './retention-records.js';

const PAGE_ROWS = 1_000;
/** Requests to the store under way at once: they wait for it more than they compute. */
const PARALLEL = 8;

/** A legal hold as the acts left it that were brought back. */
export interface RecoveredHold {
  id: string;
  state: string;
}

/**
 * Takes the acts on legal holds in events of a ledger that were brought back, from one sequence to another, both
 * included, as a rebuild takes those of the whole archive. For the transaction that brings the events back, so that no
 * act is ever there without its hold. In other ledgers than the service's own there is none.
 *
 * Nobody can say who made events past `signed`. A hold that such an event asks for or agrees to is taken, since it keeps
 * more; what leads to the end of one is not; and what a hold keeps, no later act changes.
 */
export async function takeRecoveredHolds(
  owner: pg.ClientBase,
  ledger: string,
  { from, to, signed }: { from: bigint; to: bigint; signed: bigint },
  log: (message: string) => void,
): Promise<RecoveredHold[]> {
  if (!isServiceLedger(ledger)) return [];
  const records: ServiceRecords = { retention: [], reference: [] };
  for (let next = from; next <= to;) {
    const rows = await readStoredRows(owner, ledger, next, to, PAGE_ROWS);
    for (const row of rows) {
      const times = { recorded_at: microsOf(row.recorded_at), timestamp: microsOf(row.timestamp) };
      takeServiceRecords(records, ledger, { ...row, ...times });
    }
    if (rows.length === 0) break;
    next = BigInt(rows.at(-1)!.sequence) + 1n;
  }
  const holds = new Map<string, { before: RecordedHold | undefined; after: RecordedHold | undefined }>();
  for (const event of inOrder(records.retention)) {
    // what was carried on was recorded, and took effect, before the database ended
    if (event.entity_type !== HOLD_RECORD || event.ledger !== ledger || BigInt(event.sequence) < from) continue;
    const { entity_id: id, new_state: state } = event;
    let hold = holds.get(id);
    if (!hold) {
      const before = await sql.findHold(owner, id);
      holds.set(id, (hold = { before, after: before }));
    }
    const next = afterAct(hold.after, id, state, actOf(event));
    const after = hold.after ? { ...hold.after, state: next.state, acts: next.acts } : next;
    const place = `event ${event.sequence} of ${ledger}`;
    if (after.acts.length <= (hold.before?.acts.length ?? 0)) {
      log(`legal hold ${id}: ${place} does not follow from what the database has of it, and is left out`);
    } else if (BigInt(event.sequence) > signed && !mayTakeUnsigned(hold.after, after)) {
      log(`legal hold ${id}: ${place} (${event.action}) is left out, as no checkpoint was signed that would prove it`);
    } else hold.after = after;
  }
  const recovered: RecoveredHold[] = [];
  for (const [id, { before, after }] of holds) {
    if (!after || after === before) continue;
    await (before ? sql.updateHold(owner, after, before.acts.length) : sql.insertHold(owner, after));
    recovered.push({ id, state: after.state });
    log(`legal hold ${id} is ${after.state}, as the acts on record left it`);
  }
  return recovered;
}

const PROTECTIVE: ReadonlySet<string> = new Set(['request', 'approve', 'reject_release']);

/** Whether an act by which a hold becomes another only adds to what is known of it, and brings its end no nearer. */
function mayTakeUnsigned(before: RecordedHold | undefined, after: RecordedHold): boolean {
  return PROTECTIVE.has(after.acts.at(-1)!.act) && after.acts.length === (before?.acts.length ?? 0) + 1;
}

/**
 * The keys of objects that the store has a legal hold on and that no hold of the database keeps: of those that the
 * catalogue has, and of those that were found beside it.
 */
export async function findHeldOtherwise(
  owner: pg.ClientBase,
  store: ObjectStore,
  found: readonly FoundEvents[],
): Promise<string[]> {
  const objects = await sql.listUnheldObjects(owner);
  const listed = new Set(objects.map(({ key }) => key));
  for (const { version, ranges } of found) {
    if (listed.has(version.key) || (await sql.isHeld(owner, ranges))) continue;
    listed.add(version.key);
    objects.push(version);
  }
  const held: string[] = [];
  for (let i = 0; i < objects.length; i += PARALLEL) {
    const described = await Promise.all(objects.slice(i, i + PARALLEL).map((object) => describe(store, object)));
    for (const { key, legalHold } of described) if (legalHold) held.push(key);
  }
  return held;
}

/** What is not there, nothing holds. */
async function describe(
  store: ObjectStore,
  { key, versionId }: sql.UnheldObject,
): Promise<{ key: string; legalHold: boolean }> {
  try {
    return { key, legalHold: (await store.describe({ key, versionId })).legalHold };
  } catch (error) {
    if (error instanceof ObjectMissing) return { key, legalHold: false };
    throw error;
  }
}
