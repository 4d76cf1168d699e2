import { randomBytes, randomUUID } from 'node:crypto';
import { copyIn, copyLine } from './copy.mjs';

/** A slug that no ledger of the bench has: these rows share the tables and indexes, never a chain. */
export const LIMIT_LEDGER = 'bench-limit';
const ORIGIN = 'localhost/bench/bench-limit';

const COLUMNS = [
  'ledger',
  'sequence',
  'recorded_at',
  'timestamp',
  'event_id',
  'corrects',
  'timestamp_nanos',
  'timestamp_digits',
  'event_type',
  'entity_type',
  'entity_id',
  'action',
  'user_id',
  'previous_state',
  'new_state',
  'metadata',
  'source',
  'source_session',
  'source_sequence',
  'raw_media_type',
  'raw_data',
  'recorded_by',
  'salt',
  'content_hash',
  'previous_event_hash',
  'event_hash',
];
const COLUMN_LIST = COLUMNS.map((name) => `"${name}"`).join(', ');

/** One INSERT, one commit: what nobody who writes a row at a time can beat. */
export const INSERT = {
  name: 'bench_insert',
  text: `INSERT INTO audit_events (${COLUMN_LIST}) VALUES (${COLUMNS.map((_, i) => `$${i + 1}`).join(', ')})`,
};

/**
 * The rows that the service would have written, with true hashes, made before the clock starts: what the service is
 * measured against is writing them and nothing else. The table's owner writes them, since the service's role may not.
 */
export class LimitRows {
  #sequence = 0;
  #previous = null;
  #recordedBy = `key:${randomUUID()}`;

  /** `event` is the build's integrity/event.js. */
  constructor(events, event) {
    this.events = events;
    this.event = event;
  }

  /** How many were made so far. */
  get made() {
    return this.#sequence;
  }

  /** Rows as arrays in the order of COLUMNS: values for INSERT. */
  take(count) {
    return this.events.take(count).map((text) => this.#row(JSON.parse(text)));
  }

  #row(sent) {
    const { content, timestamp } = this.event.toContent(sent);
    const canonical = this.event.canonicalContent(content);
    const salt = randomBytes(16);
    const contentHash = this.event.contentHash(salt, canonical.text);
    const recordedAt = new Date().toISOString().replace('Z', '000Z');
    const previous = this.#previous;
    const eventHash = this.event.eventHash({
      format: this.event.FORMAT,
      origin: ORIGIN,
      sequence: String(++this.#sequence),
      event_id: content.event_id,
      recorded_at: recordedAt,
      recorded_by: this.#recordedBy,
      content_hash: contentHash.toString('hex'),
      previous_event_hash: previous === null ? null : previous.toString('hex'),
    });
    this.#previous = eventHash;
    return [
      LIMIT_LEDGER,
      String(this.#sequence),
      recordedAt,
      content.timestamp,
      content.event_id,
      null,
      timestamp.nanos,
      timestamp.digits,
      content.event_type,
      content.entity_type,
      content.entity_id,
      content.action,
      content.user_id,
      canonical.previousState,
      canonical.newState,
      canonical.metadata,
      content.source,
      content.source_session,
      content.source_sequence,
      null,
      null,
      this.#recordedBy,
      salt,
      contentHash,
      previous,
      eventHash,
    ];
  }
}

/** A few hundred kilobytes a message: neither a system call a row nor one huge buffer. */
const ROWS_PER_CHUNK = 250;

/** The rows as COPY's text, for copyRows: made before the clock starts. */
export function encodeCopy(rows) {
  const chunks = (lines) => {
    const made = [];
    for (let i = 0; i < lines.length; i += ROWS_PER_CHUNK) {
      made.push(Buffer.from(lines.slice(i, i + ROWS_PER_CHUNK).join('')));
    }
    return made;
  };
  return {
    events: chunks(rows.map(copyLine)),
    keys: chunks(rows.map((row) => copyLine([row[0], row[4], row[1]]))),
  };
}

/** Keys and events by COPY, one transaction, durable when it resolves. */
export async function copyRows(client, { events, keys }) {
  await client.query('BEGIN');
  try {
    await copyIn(client, 'COPY event_keys (ledger, event_id, sequence) FROM STDIN', keys);
    await copyIn(client, `COPY audit_events (${COLUMN_LIST}) FROM STDIN`, events);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined); // the first error is the one to tell
    throw error;
  }
}
