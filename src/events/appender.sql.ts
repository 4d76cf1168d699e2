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

type Column = [type: ElementType, write: (array: BinaryArray, event: PreparedEvent) => void];

/** The function's array arguments after `p_requests`, in its order. */
const COLUMNS: readonly Column[] = [
  ['uuid', (a, e) => a.uuid(e.content.event_id)],
  ['timestamptz', (a, e) => a.timestamptz(e.timestamp.micros)],
  ['int2', (a, e) => a.int2(e.timestamp.nanos)],
  ['int2', (a, e) => a.int2(e.timestamp.digits)],
  ['text', (a, e) => a.text(e.content.event_type)],
  ['text', (a, e) => a.text(e.content.entity_type)],
  ['text', (a, e) => a.text(e.content.entity_id)],
  ['text', (a, e) => a.text(e.content.action)],
  ['text', (a, e) => a.text(e.content.user_id)],
  ['jsonb', (a, e) => a.jsonb(e.canonical.previousState)],
  ['jsonb', (a, e) => a.jsonb(e.canonical.newState)],
  ['jsonb', (a, e) => a.jsonb(e.canonical.metadata)],
  ['text', (a, e) => a.text(e.content.source ?? null)],
  ['text', (a, e) => a.text(e.content.source_session ?? null)],
  ['text', (a, e) => a.text(e.content.source_sequence ?? null)],
  ['uuid', (a, e) => a.uuid(e.content.corrects ?? null)],
  ['text', (a, e) => a.text(e.content.raw?.media_type ?? null)],
  ['bytea', (a, e) => a.bytes(e.content.raw === undefined ? null : Buffer.from(e.content.raw.data, 'base64'))],
  ['text', (a, e) => a.text(e.recordedBy)],
  ['bytea', (a, e) => a.bytes(e.salt)],
  ['bytea', (a, e) => a.bytes(e.contentHash)],
];

/** The arrays of a call. Kept from call to call: fresh memory for each was a third of the garbage of a busy service. */
class Arguments {
  private readonly requests = new BinaryArray('int4');
  private readonly columns = COLUMNS.map(([type]) => new BinaryArray(type));

  values({ ledger, maxAheadMs, events, requests }: AppendGroup): unknown[] {
    this.requests.clear();
    for (const request of requests) this.requests.int4(request);
    const arrays = this.columns.map((array, i) => {
      const write = COLUMNS[i]![1];
      array.clear();
      for (const event of events) write(array, event);
      return array.toBuffer();
    });
    return [ledger, maxAheadMs, this.requests.toBuffer(), ...arrays];
  }
}

/** Arguments that no call is using. There are as many as there were calls at once. */
const idle: Arguments[] = [];

/** Calls the append function: one statement, one transaction, one fsync. */
export async function appendEvents(client: pg.ClientBase, group: AppendGroup): Promise<AppendOutcome> {
  const parameters = idle.pop() ?? new Arguments();
  // A call that fails keeps its memory: the driver may not have sent it yet.
  const { rows } = await client.query<Row>({ name: 'append_events', text: SQL, values: parameters.values(group) });
  idle.push(parameters);
  const row = rows[0]!;
  return {
    firstSequence: row.first_sequence === null ? null : BigInt(row.first_sequence),
    recordedAt: row.recorded_at,
    previousEventHash: row.previous_event_hash,
    eventHashes: row.event_hashes ?? Buffer.alloc(0),
    repeats: row.repeats === null ? [] : (readJson(row.repeats) as unknown as StoredEnvelope[]),
  };
}
