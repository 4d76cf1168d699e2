import type pg from 'pg';
import { BinaryArray, type ElementType } from '../database/binary-array.js';
import { readJson } from '../integrity/strict-json.js';
import type { PreparedEvent } from './prepared-event.js';

/** One call's events: element i of `events` came with request `requests[i]`. */
export interface AppendGroup {
  ledger: string;
  /** How far the head may lie ahead of the database's clock, ms. */
  maxAheadMs: number;
  events: readonly PreparedEvent[];
  requests: readonly number[];
}

/** What the ledger holds under an id that was sent again. Hashes in hex. */
export interface StoredEnvelope {
  /** of the event in the group */
  index: number;
  sequence: string;
  /** null when the event has left the database: its key alone is still here */
  salt: string | null;
  recorded_at: string | null;
  recorded_by: string | null;
  content_hash: string | null;
  previous_event_hash: string | null;
  event_hash: string | null;
}

export interface AppendOutcome {
  /** Of the first new event; null when every request held a known id. */
  firstSequence: bigint | null;
  recordedAt: string;
  /** Of the event before the first new one; null at the ledger's beginning. */
  previousEventHash: Buffer | null;
  /** 32 bytes for each new event, in order. */
  eventHashes: Buffer;
  repeats: StoredEnvelope[];
}

const SQL = `SELECT first_sequence, recorded_at, previous_event_hash, event_hashes, repeats
  FROM append_events($1, $2::bigint * interval '1 millisecond', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`;

interface Row {
  first_sequence: string | null;
  recorded_at: string;
  previous_event_hash: Buffer | null;
  event_hashes: Buffer | null;
  repeats: string | null;
}

/** Calls the append function: one statement, one transaction, one fsync. */
export async function appendEvents(client: pg.ClientBase, group: AppendGroup): Promise<AppendOutcome> {
  const { rows } = await client.query<Row>({ name: 'append_events', text: SQL, values: appendValues(group) });
  const row = rows[0]!;
  return {
    firstSequence: row.first_sequence === null ? null : BigInt(row.first_sequence),
    recordedAt: row.recorded_at,
    previousEventHash: row.previous_event_hash,
    eventHashes: row.event_hashes ?? Buffer.alloc(0),
    repeats: row.repeats === null ? [] : (readJson(row.repeats) as unknown as StoredEnvelope[]),
  };
}

/** The function's arguments: an array a column. */
function appendValues({ ledger, maxAheadMs, events, requests }: AppendGroup): unknown[] {
  const n = events.length;
  const column = (
    type: ElementType,
    expectedBytes: number,
    write: (array: BinaryArray, event: PreparedEvent) => void,
  ): Buffer => {
    const array = new BinaryArray(type, n * expectedBytes);
    for (const event of events) write(array, event);
    return array.toBuffer();
  };
  const requestColumn = new BinaryArray('int4', n * 8);
  for (const request of requests) requestColumn.int4(request);
  return [
    ledger,
    maxAheadMs,
    requestColumn.toBuffer(),
    column('uuid', 20, (a, e) => a.uuid(e.content.event_id)),
    column('timestamptz', 12, (a, e) => a.timestamptz(e.timestamp.micros)),
    column('int2', 6, (a, e) => a.int2(e.timestamp.nanos)),
    column('int2', 6, (a, e) => a.int2(e.timestamp.digits)),
    column('text', 48, (a, e) => a.text(e.content.event_type)),
    column('text', 32, (a, e) => a.text(e.content.entity_type)),
    column('text', 64, (a, e) => a.text(e.content.entity_id)),
    column('text', 32, (a, e) => a.text(e.content.action)),
    column('text', 64, (a, e) => a.text(e.content.user_id)),
    column('jsonb', 512, (a, e) => a.jsonb(e.canonical.previousState)),
    column('jsonb', 512, (a, e) => a.jsonb(e.canonical.newState)),
    column('jsonb', 512, (a, e) => a.jsonb(e.canonical.metadata)),
    column('text', 32, (a, e) => a.text(e.content.source ?? null)),
    column('text', 32, (a, e) => a.text(e.content.source_session ?? null)),
    column('text', 32, (a, e) => a.text(e.content.source_sequence ?? null)),
    column('uuid', 20, (a, e) => a.uuid(e.content.corrects ?? null)),
    column('text', 32, (a, e) => a.text(e.content.raw?.media_type ?? null)),
    column('bytea', 32, (a, e) =>
      a.bytea(e.content.raw === undefined ? null : Buffer.from(e.content.raw.data, 'base64')),
    ),
    column('text', 160, (a, e) => a.text(e.recordedBy)),
    column('bytea', 20, (a, e) => a.bytea(e.salt)),
    column('bytea', 36, (a, e) => a.bytea(e.contentHash)),
  ];
}
