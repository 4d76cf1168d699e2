import type { StoredRow } from '../integrity/stored-event.js';
import { formatMicros } from '../integrity/timestamp.js';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import type { ArchiveKind, RangeFacts } from './archive-format.js';
import { readFooter, readRowGroup } from './archive-object.js';
import { withFile } from './local-file.js';
import { loadCompression } from './parquet-file.js';
import { afterAct, HOLD_RECORD, type HoldActOnRecord, type RecordedHold } from './recorded-hold.js';

/** The service's own ledger and those that succeeded it. */
const SERVICE_LINE = /^_service(?:-([1-9][0-9]*))?$/;
/** Of a record, of retention, legal holds or reference data, that was made again since the month that it was made in was to be deleted. */
export const CARRIED_RECORD = 'retention_record';

/**
 * A record of policies, deletions, removals, months that left PostgreSQL and legal holds, as an event of the service's
 * ledger or of a successor of it has it; or of a succession, as the first event of the successor has it.
 */
export interface RetentionEvent {
  ledger: string;
  sequence: string;
  recorded_at: string;
  entity_type: string;
  entity_id: string;
  action: string;
  user_id: string;
  new_state: JsonObject;
  metadata: JsonObject;
}

/** What the service's ledgers hold that a database is to know that is made anew. */
export interface ServiceRecords {
  retention: RetentionEvent[];
  reference: ReferenceEvent[];
}

/** A change of reference data, as an event of the service's ledger or of a successor of it has it. */
export interface ReferenceEvent extends RetentionEvent {
  event_id: string;
}

/**
 * The records that an object of events holds, each as it was made first, whether it was carried on since or not: those
 * that a database is to know that is made anew. The object has been verified.
 */
export async function readServiceRecords(path: string, bytes: number): Promise<ServiceRecords> {
  await loadCompression();
  return withFile(path, bytes, async (file) => {
    const footer = await readFooter(file);
    const records: ServiceRecords = { retention: [], reference: [] };
    for (const [group, { ledger, from_sequence }] of footer.manifest.row_groups.entries()) {
      if (!isServiceLedger(ledger) && from_sequence !== '1') continue;
      for (const row of await readRowGroup(file, footer, group)) takeServiceRecords(records, ledger, row);
    }
    return records;
  });
}

/** Adds to some records that which an event of a ledger is, if it is one. */
export function takeServiceRecords(
  { retention, reference }: ServiceRecords,
  ledger: string,
  row: StoredRow<number>,
): void {
  const state = readJson(row.new_state) as JsonObject;
  const { sequence, entity_type, entity_id, action, user_id } = row;
  const recorded_at = formatMicros(row.recorded_at);
  const metadata = readJson(row.metadata) as JsonObject;
  const event = {
    ledger,
    sequence,
    recorded_at,
    entity_type,
    entity_id,
    action,
    user_id,
    new_state: state,
    metadata,
  };
  if (isSuccession(row)) retention.push(event);
  if (!isServiceLedger(ledger)) return;
  if (row.event_type === 'reference_data' && row.recorded_by === 'service') {
    reference.push({ ...event, event_id: row.event_id });
  }
  if (row.event_type === HOLD_RECORD && row.recorded_by === 'service') retention.push(event);
  if (row.event_type !== 'retention') return;
  if (isCarried(event)) {
    const carried = state as unknown as RetentionEvent | ReferenceEvent;
    if (isReference(carried)) reference.push(carried);
    else retention.push(carried);
  } else if (isKept(event)) retention.push(event);
}

/** Whether a ledger is the service's own, or succeeded it. */
export function isServiceLedger(ledger: string): boolean {
  return SERVICE_LINE.test(ledger);
}

/** The act on a legal hold that an event of it is the record of. */
export function actOf({ action, user_id, new_state, metadata, recorded_at }: RetentionEvent): HoldActOnRecord {
  const { reason = null, acted_at = recorded_at } = metadata as { reason?: string | null; acted_at?: string };
  return { act: action, state: new_state.state as string, principal: user_id, reason, acted_at };
}

/** All of these: what is carried on when the object is to go. */
export async function readCarriedRecords(path: string, bytes: number): Promise<(RetentionEvent | ReferenceEvent)[]> {
  const { retention, reference } = await readServiceRecords(path, bytes);
  return [...retention, ...reference];
}

function isReference(carried: RetentionEvent | ReferenceEvent): carried is ReferenceEvent {
  return carried.entity_type.startsWith('reference_');
}

function isCarried({ entity_type, action }: RetentionEvent): boolean {
  return entity_type === CARRIED_RECORD && action === 'carry';
}

/** Whether an event is the first of a ledger that succeeds a closed one: policies of that one are policies of it. */
function isSuccession({ sequence, event_type, action, recorded_by }: StoredRow<number>): boolean {
  return sequence === '1' && event_type === 'ledger' && action === 'succeed' && recorded_by === 'service';
}

function isKept({ entity_type, action }: RetentionEvent): boolean {
  if (entity_type === 'archive_object') return action === 'remove';
  if (entity_type === 'retention_policy') return action === 'add';
  if (entity_type === 'month') return action === 'retire' || action === 'drop';
  return entity_type === 'month_deletion';
}

/** In the order in which they were made, over the line of the service's ledgers; each once, however often it was found. */
export function inOrder<E extends Pick<RetentionEvent, 'ledger' | 'sequence'>>(events: readonly E[]): E[] {
  const place = ({ ledger }: E): number => Number(SERVICE_LINE.exec(ledger)?.[1] ?? 1);
  const found = new Map(events.map((event) => [`${event.ledger} ${event.sequence}`, event]));
  return [...found.values()].sort((a, b) => place(a) - place(b) || (BigInt(a.sequence) < BigInt(b.sequence) ? -1 : 1));
}

/** A range as the service's ledger has it. */
export type RecordedRange = Omit<RangeFacts, 'entities_hash'>;

/** An object that is no longer in the store, as its removal was recorded. */
export interface RemovedObject {
  number: string;
  kind: ArchiveKind;
  /** null for an early object, which those of months have superseded */
  deletion: string | null;
  location: string;
  object_key: string;
  version_id: string;
  format: string;
  sha256: string;
  bytes: string;
  events: string;
  reason: string;
  created_by: string;
  archived_at: string;
  retain_until: string;
  ranges: RecordedRange[];
  removed_at: string;
}

export interface RecordedPolicy {
  id: string;
  record_class: string;
  valid_from: string;
  ledger: string | null;
  entity_type: string | null;
  event_type: string | null;
  years: number;
  reason: string;
  created_by: string;
  created_at: string;
}

export interface RecordedDeletion {
  id: string;
  month: string;
  state: string;
  policy: { id: string; record_class: string; years: number } | null;
  reason: string;
  requested_by: string;
  requested_at: string;
  begun_at: string | null;
  done_at: string | null;
  acts: { act: string; state: string; principal: string; reason: string | null; acted_at: string }[];
  /** what the month held; from its beginning on */
  ranges: RecordedRange[];
}

/** Of policies that were made from the configuration. */
const FROM_THE_BEGINNING = '1970-01-01';

/**
 * What the service's own ledger tells of policies, deletions, removals and legal holds, for a database that is made anew: the objects
 * themselves cannot say why some of them are gone. Events are taken in the order of their sequence, each once.
 */
export class RetentionRecords {
  readonly removed = new Map<string, RemovedObject>();
  readonly policies = new Map<string, RecordedPolicy>();
  readonly deletions = new Map<string, RecordedDeletion>();
  /** by the successor, the ledger that it succeeds */
  readonly successions = new Map<string, string>();
  readonly holds = new Map<string, RecordedHold>();
  /** months that readers took from the archive */
  readonly left = new Set<string>();

  take(row: RetentionEvent): void {
    const { new_state: state, recorded_at: at } = row;
    const { reason = null } = row.metadata as { reason?: string | null };
    const act = `${row.entity_type} ${row.action}`;
    if (row.entity_type === HOLD_RECORD) {
      this.holds.set(row.entity_id, afterAct(this.holds.get(row.entity_id), row.entity_id, state, actOf(row)));
    } else if (row.entity_type === 'month') this.left.add(row.entity_id);
    else if (act === 'ledger succeed') this.successions.set(row.ledger, row.entity_id);
    else if (act === 'archive_object remove') {
      const object = state as unknown as Omit<RemovedObject, 'number' | 'removed_at'>;
      this.removed.set(row.entity_id, { ...object, number: row.entity_id, removed_at: at });
    } else if (act === 'retention_policy add') {
      this.policies.set(row.entity_id, {
        ...{ valid_from: FROM_THE_BEGINNING, ledger: null, entity_type: null, event_type: null },
        ...(state as unknown as Pick<RecordedPolicy, 'record_class' | 'years'>),
        ...{ id: row.entity_id, reason: reason!, created_by: row.user_id, created_at: at },
      });
    } else if (row.entity_type === 'month_deletion') this.takeAct(row, state, reason, at);
  }

  private takeAct(row: RetentionEvent, state: JsonObject, reason: string | null, at: string): void {
    const now = state as unknown as Omit<RecordedDeletion, 'id' | 'acts'> & Partial<Pick<RecordedDeletion, 'ranges'>>;
    const before = this.deletions.get(row.entity_id);
    // told again after a crash between record and commit: the last one holds
    const acts = (before?.acts ?? []).filter((each) => each.act !== row.action);
    this.deletions.set(row.entity_id, {
      ...now,
      id: row.entity_id,
      ranges: now.ranges ?? before?.ranges ?? [],
      acts: [...acts, { act: row.action, state: now.state, principal: row.user_id, reason, acted_at: at }],
    });
  }

  /** A ledger and all that it succeeded. */
  lineOf(ledger: string): string[] {
    const line = [ledger];
    for (let before = this.successions.get(ledger); before !== undefined; before = this.successions.get(before)) {
      if (line.includes(before)) break;
      line.push(before);
    }
    return line;
  }

  /** Deletions of which something may be gone, with the policy that each names. */
  begun(): RecordedDeletion[] {
    return [...this.deletions.values()].filter(({ begun_at }) => begun_at !== null);
  }
}
