import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { readEvent } from '../events/event-reader.js';
import { canonicalContent, FORMAT, type Receipt } from '../integrity/event.js';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import type { StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import type { KeptEvents } from './recovery.js';

const HEX: Record<string, RegExp> = {
  salt: /^[0-9a-f]{32}$/,
  content_hash: /^[0-9a-f]{64}$/,
  event_hash: /^[0-9a-f]{64}$/,
};
const SEQUENCE = /^[1-9][0-9]{0,18}$/;
/** That of an event, and the object around it. */
const LINE_DEPTH = 33;

/**
 * What submitters hold: a line an event, `{"content": …, "receipt": …}`, in any order. All of it is in memory at once.
 * That a receipt is one of its content is for whoever takes it to see. Throws an Error that names the line.
 */
export async function readKeptEvents(path: string): Promise<KeptEvents> {
  const kept = new Map<string, Map<bigint, StoredRow<number>>>();
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    number += 1;
    if (line.trim() === '') continue;
    try {
      const { content, receipt } = readJson(line, { maxDepth: LINE_DEPTH }) as {
        content?: JsonObject;
        receipt?: JsonObject;
      };
      if (!content || !receipt) throw new Error('it needs the members content and receipt');
      const { row, origin } = rowOf(content, receipt as unknown as Receipt);
      const ofLedger = kept.get(origin) ?? new Map<bigint, StoredRow<number>>();
      ofLedger.set(BigInt(row.sequence), row);
      kept.set(origin, ofLedger);
    } catch (cause) {
      throw new Error(`${path}, line ${number}: ${(cause as Error).message}`, { cause });
    }
  }
  return kept;
}

function rowOf(sent: JsonObject, receipt: Receipt): { row: StoredRow<number>; origin: string } {
  const isReceipt =
    receipt.format === FORMAT &&
    typeof receipt.origin === 'string' &&
    typeof receipt.recorded_by === 'string' &&
    SEQUENCE.test(receipt.sequence) &&
    Object.entries(HEX).every(([name, form]) => form.test(String(receipt[name as keyof Receipt]))) &&
    (receipt.previous_event_hash === null || HEX.event_hash!.test(receipt.previous_event_hash));
  if (!isReceipt) throw new Error(`the receipt is none of ${FORMAT}`);
  const { content, timestamp } = readEvent({ ...sent, event_id: receipt.event_id }, () => receipt.event_id);
  const canonical = canonicalContent(content);
  const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
  const row: StoredRow<number> = {
    jsonForm: 'canonical',
    sequence: receipt.sequence,
    recorded_at: parseTimestamp(receipt.recorded_at).micros,
    timestamp: timestamp.micros,
    timestamp_nanos: timestamp.nanos,
    timestamp_digits: timestamp.digits,
    event_id: content.event_id,
    corrects: content.corrects ?? null,
    event_type: content.event_type,
    entity_type: content.entity_type,
    entity_id: content.entity_id,
    action: content.action,
    user_id: content.user_id,
    previous_state: canonical.previousState,
    new_state: canonical.newState,
    metadata: canonical.metadata,
    source: content.source ?? null,
    source_session: content.source_session ?? null,
    source_sequence: content.source_sequence ?? null,
    raw_media_type: content.raw?.media_type ?? null,
    raw_data: content.raw ? Buffer.from(content.raw.data, 'base64') : null,
    recorded_by: receipt.recorded_by,
    salt: bytes(receipt.salt),
    content_hash: bytes(receipt.content_hash),
    previous_event_hash: receipt.previous_event_hash === null ? null : bytes(receipt.previous_event_hash),
    event_hash: bytes(receipt.event_hash),
  };
  return { row, origin: receipt.origin };
}
