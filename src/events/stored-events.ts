import { isUtf8 } from 'node:buffer';
import pg from 'pg';
import { copyOut } from '../database/copy-out.js';
import type { StoredRow } from '../integrity/stored-event.js';
import { entriesHash } from './trail-indexes.js';

/** Something that runs a statement: a pool, or a connection of one's own. */
export interface Queryable {
  query<R extends object>(query: { name?: string; text: string; values: unknown[] }): Promise<{ rows: R[] }>;
}

/** The columns of a StoredRow, for every SELECT over the trail. */
export const STORED_COLUMNS = `sequence, recorded_at, "timestamp", timestamp_nanos, timestamp_digits, event_id, corrects,
  event_type, entity_type, entity_id, action, user_id, previous_state, new_state, metadata,
  source, source_session, source_sequence, raw_media_type, raw_data,
  recorded_by, salt, content_hash, previous_event_hash, event_hash`;

/** Rows of a ledger with sequences from `from` to `to`, both included, in order, `limit` at most. */
export async function readStoredRows(
  database: Queryable,
  ledger: string,
  from: bigint,
  to: bigint,
  limit: number,
): Promise<StoredRow[]> {
  const { rows } = await database.query<StoredRow>({
    name: 'read_stored_rows',
    text: `SELECT ${STORED_COLUMNS} FROM audit_events
             WHERE ledger = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence LIMIT $4`,
    values: [ledger, String(from), String(to), limit],
  });
  return rows;
}

/** A row as copyStoredRows reads it. What is NULL although no event leaves it empty is an empty text, buffer or NaN. */
export interface CopiedRow extends StoredRow<number> {
  /** object id of the table that the row stands in */
  tableOid: number;
  /** of (event_id, sequence), with the seed that was given: 64 bits as two halves of 32 */
  keyHashHigh: number;
  keyHashLow: number;
  /** of what the indexes of its table should hold of it, with the same seed; 0 where it was not asked for */
  entriesHashHigh: number;
  entriesHashLow: number;
}

/**
 * The hash of a key, in SQL, for sums that do not depend on the order: over rows, and over event_keys. Nobody can make
 * two sets of one sum without knowing the seed.
 */
export function keyHash(alias: string, seed: bigint): string {
  return `hashint8extended(${alias}.sequence, uuid_hash_extended(${alias}.event_id, ${seed}))`;
}

/** Columns in the order in which CopiedRow is read. */
const COPIED_COLUMNS = `e.sequence, e.tableoid, e.recorded_at, e."timestamp", e.timestamp_nanos, e.timestamp_digits,
  e.event_id, e.corrects, e.event_type, e.entity_type, e.entity_id, e.action, e.user_id,
  e.previous_state, e.new_state, e.metadata, e.source, e.source_session, e.source_sequence::text,
  e.raw_media_type, e.raw_data, e.recorded_by, e.salt, e.content_hash, e.previous_event_hash, e.event_hash`;
const COPIED_FIELDS = 28;

/**
 * Reads the rows of a ledger from `from` to `to`, both included, in order, and calls `onRow` with each as it arrives:
 * the fast way to all of a range. It is one short transaction of a snapshot of its own, so ranges should be some ten
 * thousand rows: a snapshot kept long slows appends down.
 *
 * Locks the parent before it takes the snapshot: a month dropped in between would otherwise be empty and no error. Reads by
 * the index on sequences, as others do: what that one lacks is not there, however small the table is.
 * Rejects as copyOut does, and leaves the connection usable.
 */
export async function copyStoredRows(
  client: pg.ClientBase,
  range: { ledger: string; from: bigint; to: bigint; keySeed: bigint; hashesEntries?: boolean },
  onRow: (row: CopiedRow) => void,
): Promise<void> {
  const { ledger, from, to, keySeed, hashesEntries } = range;
  const text = `BEGIN;
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_sort = off;
    LOCK TABLE audit_events IN ACCESS SHARE MODE;
    COPY (
      SELECT ${COPIED_COLUMNS}, ${keyHash('e', keySeed)}, ${hashesEntries ? entriesHash('e', keySeed) : '0::bigint'}
        FROM audit_events AS e
        WHERE e.ledger = ${pg.escapeLiteral(ledger)} AND e.sequence BETWEEN ${from} AND ${to}
        ORDER BY e.sequence
    ) TO STDOUT (FORMAT binary);
    COMMIT`;
  try {
    await copyOut(client, text, (tuple) => onRow(decodeCopiedRow(tuple)));
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined); // the first error is the one to tell
    throw error;
  }
}

const NULL_LENGTH = -1;
const JSONB_VERSION_BYTES = 1;
const EMPTY = Buffer.alloc(0);
/** 2000-01-01T00:00:00Z, where PostgreSQL's timestamps begin, in microseconds since 1970. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000;

/** What the decoder puts for bytes that are not UTF-8, and what an event may hold as well. */
const REPLACEMENT = '\ufffd';

/**
 * Text as the server sent it, unchecked: a superuser can have bytes in a row that are not UTF-8, which would decode, and
 * hash, like a U+FFFD that stood there before. They come out behind a NUL, which is in no event, and in no JSON.
 */
function decodeUtf8(bytes: Buffer, from: number, to: number): string {
  const text = bytes.toString('utf8', from, to);
  return text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(from, to)) ? `\0${text}` : text;
}

/** Fields of a binary tuple, one after the other. */
class Tuple {
  private at = 2;

  constructor(private readonly bytes: Buffer) {
    const fields = bytes.readInt16BE(0);
    if (fields !== COPIED_FIELDS) throw new Error(`a row of ${fields} fields, not ${COPIED_FIELDS}`);
  }

  /** Steps over the length; -1 for NULL. */
  private length(): number {
    const length = this.bytes.readInt32BE(this.at);
    this.at += 4;
    return length;
  }

  /** Steps over a value of a known length, and says where it was; -1 for NULL. Throws when the column's type was changed. */
  private fixed(bytes: number): number {
    const length = this.length();
    if (length === NULL_LENGTH) return NULL_LENGTH;
    if (length !== bytes)
      throw new Error(`a column has values of ${length} bytes instead of ${bytes}: its type was changed`);
    this.at += bytes;
    return this.at - bytes;
  }

  text(): string | null {
    const length = this.length();
    return length === NULL_LENGTH ? null : decodeUtf8(this.bytes, this.at, (this.at += length));
  }

  jsonb(): string | null {
    const length = this.length();
    if (length === NULL_LENGTH) return null;
    const start = this.at + JSONB_VERSION_BYTES;
    return decodeUtf8(this.bytes, start, (this.at += length));
  }

  uuid(): string | null {
    const at = this.fixed(16);
    if (at === NULL_LENGTH) return null;
    const hex = this.bytes.toString('hex', at, at + 16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** A copy: the tuple's bytes are the socket's. */
  bytea(): Buffer | null {
    const length = this.length();
    return length === NULL_LENGTH ? null : Buffer.from(this.bytes.subarray(this.at, (this.at += length)));
  }

  int2(): number {
    const at = this.fixed(2);
    return at === NULL_LENGTH ? NaN : this.bytes.readInt16BE(at);
  }

  uint4(): number {
    return this.bytes.readUInt32BE(this.fixed(4));
  }

  int8(): string {
    return String(this.bytes.readBigInt64BE(this.fixed(8)));
  }

  /** An int8 as the 64 bits that it is; zeros for NULL. */
  halves(): [high: number, low: number] {
    const at = this.fixed(8);
    return at === NULL_LENGTH ? [0, 0] : [this.bytes.readUInt32BE(at), this.bytes.readUInt32BE(at + 4)];
  }

  /** Microseconds since 1970; an infinity is some number past all that is safe. */
  timestamptz(): number {
    const at = this.fixed(8);
    if (at === NULL_LENGTH) return NaN;
    return this.bytes.readInt32BE(at) * 0x1_0000_0000 + this.bytes.readUInt32BE(at + 4) + POSTGRES_EPOCH_MICROS;
  }
}

function decodeCopiedRow(bytes: Buffer): CopiedRow {
  const tuple = new Tuple(bytes);
  const row: CopiedRow = {
    sequence: tuple.int8(),
    tableOid: tuple.uint4(),
    recorded_at: tuple.timestamptz(),
    timestamp: tuple.timestamptz(),
    timestamp_nanos: tuple.int2(),
    timestamp_digits: tuple.int2(),
    event_id: tuple.uuid() ?? '',
    corrects: tuple.uuid(),
    event_type: tuple.text() ?? '',
    entity_type: tuple.text() ?? '',
    entity_id: tuple.text() ?? '',
    action: tuple.text() ?? '',
    user_id: tuple.text() ?? '',
    previous_state: tuple.jsonb(),
    new_state: tuple.jsonb() ?? '',
    metadata: tuple.jsonb() ?? '',
    source: tuple.text(),
    source_session: tuple.text(),
    source_sequence: tuple.text(),
    raw_media_type: tuple.text(),
    raw_data: tuple.bytea(),
    recorded_by: tuple.text() ?? '',
    salt: tuple.bytea() ?? EMPTY,
    content_hash: tuple.bytea() ?? EMPTY,
    previous_event_hash: tuple.bytea(),
    event_hash: tuple.bytea() ?? EMPTY,
    keyHashHigh: 0,
    keyHashLow: 0,
    entriesHashHigh: 0,
    entriesHashLow: 0,
  };
  [row.keyHashHigh, row.keyHashLow] = tuple.halves();
  [row.entriesHashHigh, row.entriesHashLow] = tuple.halves();
  return row;
}
