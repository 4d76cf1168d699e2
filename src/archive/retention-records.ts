import type { StoredRow } from '../integrity/stored-event.js';
import { formatMicros } from '../integrity/timestamp.js';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import type { ArchiveKind, RangeFacts } from './archive-format.js';

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
 * What the service's own ledger tells of policies, deletions and removals, for a database that is made anew: the objects
 * themselves cannot say why some of them are gone. Events are taken in the order of their sequence, each once.
 */
export class RetentionRecords {
  readonly removed = new Map<string, RemovedObject>();
  readonly policies = new Map<string, RecordedPolicy>();
  readonly deletions = new Map<string, RecordedDeletion>();

  take(row: StoredRow<number>): void {
    if (row.event_type !== 'retention') return;
    const state = readJson(row.new_state) as JsonObject;
    const { reason = null } = readJson(row.metadata) as { reason?: string | null };
    const at = formatMicros(row.recorded_at);
    const act = `${row.entity_type} ${row.action}`;
    if (act === 'archive_object remove') {
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

  private takeAct(row: StoredRow<number>, state: JsonObject, reason: string | null, at: string): void {
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

  /** Deletions of which something may be gone, with the policy that each names. */
  begun(): RecordedDeletion[] {
    return [...this.deletions.values()].filter(({ begun_at }) => begun_at !== null);
  }
}
