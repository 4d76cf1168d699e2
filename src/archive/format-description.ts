import { hash } from 'node:crypto';

/** Where descriptions of formats stand in the store; none of them holds events. */
export const DESCRIPTION_PREFIX = 'format/';
const DIGITS_IN_NAME = 16;
const NAME = /^format\/truetrail-archive-1-([0-9a-f]{16})\.md$/;

/**
 * How to read what is in the store, for somebody who has the store and nothing of ours. Every object that is written from
 * now on names these bytes by key and SHA-256: another text, be it a comma, is another object beside this one.
 */
const TEXT = `# What is in this store, and how to read it

This store is the archive of an audit trail: events of orders and of the people and systems around them, as they were
recorded, with what proves that they were not changed since. This file describes the formats truetrail-archive/1,
truetrail-entities/1 and truetrail-digests/1 so that they can be read and checked without the software that wrote them.
It is written once, locked as the rest is, and named by its SHA-256: the manifest of each object has this file's key
as described_in and its SHA-256 as description_sha256.

## What there is

- early/NUMBER-DIGITS.parquet: events, what was new of all ledgers at that moment. Removed once it is in month/ as well.
- month/NUMBER-DIGITS.parquet: events of a month of recorded time (UTC) that is over. A month may be several objects.
- entities/NUMBER-DIGITS.parquet: where in a month the events of an entity are. No events, and nothing that is lost without it.
- digests/NUMBER-DIGITS.digests: the event hashes of one object of month/. They stay when the events are deleted.
- anchors/, timestamps/, cosignatures/: signed checkpoints of the ledgers (text, C2SP signed-note and tlog-checkpoint), replies of
  time stamping authorities (RFC 3161), cosignatures of witnesses.
- store.json: whose store this is.

NUMBER is the object's own, in 12 decimal digits, one count over all kinds. DIGITS are the first 16 hex digits of the SHA-256 of the
object's bytes. Where a name has several versions, the oldest is the one that counts.

## Objects of events: truetrail-archive/1

Parquet (version 2), compressed with Zstandard, no extension. Any reader of Parquet reads them: DuckDB (SELECT * FROM
'month/*.parquet'), Apache Arrow and pandas (pyarrow.parquet.read_table), parquet-wasm, Spark, Trino, Athena. Rows are events: one
ledger's after the other's, each by sequence. A row group has rows of one ledger.

| column | type | meaning |
| --- | --- | --- |
| ledger | text | the chain that the event is in |
| sequence | int64 | its place in that chain, from 1, without a gap |
| recorded_at | timestamp, microseconds, UTC | when it was recorded |
| timestamp | timestamp, microseconds, UTC | when it happened, by its source |
| timestamp_nanos | int32, 0 to 999 | what follows the microseconds |
| timestamp_digits | int32, 0 to 9 | how many fractional digits of the second the source gave |
| event_id | 16 bytes | UUID |
| corrects | 16 bytes or null | the event that this one corrects, with its whole corrected content |
| event_type, entity_type, entity_id, action, user_id | text | what kind of event, of what, what was done, by whom |
| previous_state | JSON text or null | before it |
| new_state, metadata | JSON text | after it; what else there is to say |
| source, source_session, source_sequence | text or null | the system that sent it, its run, its own count there |
| raw_media_type, raw_data | text, bytes, or null | the message as it came |
| recorded_by | text | the credentials that it was recorded by |
| salt | 16 bytes | random, part of what is hashed |
| content_hash, event_hash | 32 bytes | below |

JSON text is in the canonical form of RFC 8785 (JCS): members sorted by UTF-16 code units, no spaces, numbers as ECMAScript writes them.

The manifest is JSON in the file's key-value metadata, under truetrail.manifest: format, kind, number, row_groups (ledger, from_sequence,
events, previous_event_hash: the event_hash before the first row, null at sequence 1), and ranges, one a ledger: origin (the ledger's full
name), from_sequence and to_sequence (included), least and greatest timestamp and recorded_at, previous_event_hash, last_event_hash, merkle_root
and entities_hash.

## To check an event

1. The content is a JSON object with the members event_id (lower case, 8-4-4-4-12), timestamp, event_type, entity_type, entity_id, action, user_id,
   previous_state (null for null), new_state, metadata; and, where their columns are not null, source, source_session, source_sequence, corrects
   (as event_id), and raw: {"media_type": raw_media_type, "data": raw_data in base64 with padding}. timestamp is
   YYYY-MM-DDThh:mm:ss, then, if timestamp_digits is not 0, a point and the first timestamp_digits digits of six of microseconds and
   three of timestamp_nanos, then Z. All members that are text in the columns are strings; the three JSON columns are values.
2. content_hash = SHA-256 of salt followed by the content in the form of RFC 8785, in UTF-8.
3. The envelope is a JSON object with exactly the members format ("truetrail/1"), origin (of the range), sequence (decimal, a string), event_id,
   recorded_at (YYYY-MM-DDThh:mm:ss.ffffffZ, six digits), recorded_by, content_hash and previous_event_hash (lower-case hex; null at sequence 1).
   previous_event_hash is the event_hash of the row before, and of the first row of a row group what the manifest says.
4. event_hash = SHA-256 of the envelope in the form of RFC 8785, in UTF-8.

An event that was changed has another content_hash or event_hash, and the next event names the old one.

## To check a ledger

The leaf of an event is SHA-256(0x00 followed by the 32 bytes of its event_hash); its leaf index is sequence - 1. Over the leaves from sequence 1 on
stands the tree of RFC 6962, section 2.1. Its root at a size is what the checkpoint of that size says, which was signed at that time: a checkpoint
is text, its first line the ledger's origin, its second the size, its third the root in base64, then an empty line and signatures. 256 leaves
in a row from a multiple of 256 on are a tile of level 0 (C2SP tlog-tiles). merkle_root of a range is the root of the same tree over
that range alone, as if it began with leaf 0.

## The index of entities: truetrail-entities/1

Parquet as above: columns ledger, entity_type, entity_id, sequence and is_correction, sorted in this order (texts by their UTF-8). Its manifest has format, kind,
number and ranges. entities_hash of a range is the sum, modulo 2^256, of the SHA-256 (as a big-endian number) of, for each event, entity_type, entity_id, sequence and
the word correction where corrects is not null, otherwise nothing, joined by line feeds: of an index it is the sum of those of the objects of events that it lists.

## Digests: truetrail-digests/1

The manifest as one line of JSON that ends with a line feed, then the event hashes of its ranges, 32 bytes each, range after range and sequence after
sequence, with nothing between. digests_of has the number and the SHA-256 of the object of events. head -n 1 shows the manifest. Check that a range has as many hashes
as sequences, that the last is last_event_hash, and that the tree over them has merkle_root.
`;

const BYTES = Buffer.from(TEXT);
const SHA256 = hash('sha256', BYTES, 'hex');

/** The description of the formats that are written now. */
export const FORMAT_DESCRIPTION = {
  key: `${DESCRIPTION_PREFIX}truetrail-archive-1-${SHA256.slice(0, DIGITS_IN_NAME)}.md`,
  /** hex */
  sha256: SHA256,
  bytes: BYTES,
  contentType: 'text/markdown; charset=utf-8',
} as const;

/** What a manifest says of where its format is described. */
export const DESCRIBED = {
  described_in: FORMAT_DESCRIPTION.key,
  description_sha256: FORMAT_DESCRIPTION.sha256,
} as const;

/** Whether a name is a description's, of this or another release. */
export function isDescriptionKey(key: string): boolean {
  return NAME.test(key);
}

/** Whether bytes are those of a description's name. */
export function isDescriptionOf(key: string, bytes: Buffer): boolean {
  return NAME.exec(key)?.[1] === hash('sha256', bytes, 'hex').slice(0, DIGITS_IN_NAME);
}
