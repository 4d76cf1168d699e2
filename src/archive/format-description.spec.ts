import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { canonicalContent, contentHash, eventHash, toContent } from '../integrity/event.js';
import type { StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { ArchiveObjectWriter } from './archive-object.js';
import { FORMAT_DESCRIPTION, isDescriptionKey, isDescriptionOf } from './format-description.js';
import { loadCompression, RAW_DECODING } from './parquet-file.js';

const sha256 = (...parts: (Buffer | string)[]): Buffer => {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  return digest.digest();
};

describe('the description of the formats', () => {
  it('is what objects of this release name, and never changes unnoticed', () => {
    // another text is another object in every store: written beside the one before, which stays
    expect(FORMAT_DESCRIPTION.sha256).toBe('32122e6677d27909ba5c61affbe250f521d6621f45490a74ed0d43402d2f5ba1');
    expect(FORMAT_DESCRIPTION.key).toBe(`format/truetrail-archive-1-${FORMAT_DESCRIPTION.sha256.slice(0, 16)}.md`);
    expect(isDescriptionKey(FORMAT_DESCRIPTION.key)).toBe(true);
    expect(isDescriptionOf(FORMAT_DESCRIPTION.key, FORMAT_DESCRIPTION.bytes)).toBe(true);
    expect(isDescriptionOf(FORMAT_DESCRIPTION.key, Buffer.from('other'))).toBe(false);
    for (const key of [
      'format/other.md',
      'early/000000000001-0123456789abcdef.parquet',
      'docs/archive.md of Truetrail',
    ])
      expect(isDescriptionKey(key)).toBe(false);
  });

  it('names every column that an object has', async () => {
    const { schema } = await written([]);
    const text = String(FORMAT_DESCRIPTION.bytes);
    for (const name of schema) expect(text).toMatch(new RegExp(`^\\| .*\\b${name}\\b`, 'm'));
  });

  it('is enough to recompute content, envelope and root by, with a reader of Parquet and SHA-256', async () => {
    const { rows, manifest } = await written(['.', '.1', '.123456', '.123456789', '.000000001']);
    expect(manifest).toMatchObject({
      described_in: FORMAT_DESCRIPTION.key,
      description_sha256: FORMAT_DESCRIPTION.sha256,
    });
    let previous: string | null = manifest.row_groups[0].previous_event_hash;
    const leaves: Buffer[] = [];
    for (const row of rows) {
      const content: Record<string, unknown> = {
        event_id: uuid(row.event_id),
        timestamp: timestampOf(row),
        ...members(row, 'event_type', 'entity_type', 'entity_id', 'action', 'user_id'),
        previous_state: row.previous_state === null ? null : JSON.parse(text(row.previous_state)),
        new_state: JSON.parse(text(row.new_state)),
        metadata: JSON.parse(text(row.metadata)),
      };
      for (const name of ['source', 'source_session', 'source_sequence']) {
        if (row[name] !== null && row[name] !== undefined) content[name] = text(row[name]);
      }
      if (row.corrects !== null && row.corrects !== undefined) content.corrects = uuid(row.corrects);
      if (row.raw_media_type !== null && row.raw_media_type !== undefined) {
        content.raw = {
          media_type: text(row.raw_media_type),
          data: Buffer.from(row.raw_data as Uint8Array).toString('base64'),
        };
      }
      const ofContent = sha256(Buffer.from(row.salt as Uint8Array), jcs(content));
      expect(ofContent).toEqual(Buffer.from(row.content_hash as Uint8Array));
      const envelope = {
        format: 'truetrail/1',
        origin: manifest.ranges[0].origin,
        sequence: String(row.sequence),
        event_id: content.event_id,
        recorded_at: micros(row.recorded_at, 6),
        recorded_by: text(row.recorded_by),
        content_hash: ofContent.toString('hex'),
        previous_event_hash: previous,
      };
      const ofEvent = sha256(jcs(envelope));
      expect(ofEvent).toEqual(Buffer.from(row.event_hash as Uint8Array));
      previous = ofEvent.toString('hex');
      leaves.push(sha256(Buffer.from([0]), ofEvent));
    }
    expect(previous).toBe(manifest.ranges[0].last_event_hash);
    expect(root(leaves).toString('hex')).toBe(manifest.ranges[0].merkle_root);
  });
});

/** By the description alone, without any of ours. */
function jcs(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jcs).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${jcs((value as Record<string, unknown>)[name])}`).join(',')}}`;
}

function root(leaves: Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!;
  const left = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return sha256(Buffer.from([1]), root(leaves.slice(0, left)), root(leaves.slice(left)));
}

type Row = Record<string, unknown>;

const text = (value: unknown): string =>
  typeof value === 'string' ? value : Buffer.from(value as Uint8Array).toString();
const members = (row: Row, ...names: string[]): Row => Object.fromEntries(names.map((name) => [name, text(row[name])]));

function uuid(bytes: unknown): string {
  return Buffer.from(bytes as Uint8Array)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function micros(value: unknown, digits: number, nanos = 0): string {
  const all = BigInt(value as bigint);
  const seconds = new Date(Number(all / 1_000_000n) * 1000).toISOString().slice(0, 19);
  const fraction = `${String(all % 1_000_000n).padStart(6, '0')}${String(nanos).padStart(3, '0')}`.slice(0, digits);
  return `${seconds}${fraction === '' ? '' : `.${fraction}`}Z`;
}

function timestampOf(row: Row): string {
  return micros(row.timestamp, row.timestamp_digits as number, row.timestamp_nanos as number);
}

interface Written {
  schema: string[];
  rows: Row[];
  manifest: {
    described_in: string;
    row_groups: [{ previous_event_hash: string | null }];
    ranges: [{ origin: string; last_event_hash: string; merkle_root: string }];
  };
}

/** An object of events whose timestamps have these fractions, read by a reader of Parquet; of one event for none. */
async function written(fractions: string[]): Promise<Written> {
  await loadCompression();
  const folder = mkdtempSync(join(tmpdir(), 'truetrail-description-'));
  try {
    const writer = new ArchiveObjectWriter(join(folder, 'object'), { kind: 'early', number: 1n });
    const origin = 'audit.example.com/truetrail/main';
    writer.begin({ ledger: 'main', origin, fromSequence: 1n, previousEventHash: null });
    let previous: Buffer | null = null;
    for (const [i, fraction] of (fractions.length === 0 ? ['.'] : fractions).entries()) {
      const row = rowOf(i + 1, fraction === '.' ? '' : fraction, origin, previous);
      writer.add(row);
      previous = row.event_hash;
    }
    writer.finish();
    const bytes = new Uint8Array(readFileSync(join(folder, 'object'))).buffer;
    const metadata = parquetMetadata(bytes);
    const manifest = metadata.key_value_metadata!.find(({ key }) => key === 'truetrail.manifest')!.value!;
    return {
      schema: metadata.schema.slice(1).map(({ name }) => name),
      rows: await parquetReadObjects({ file: bytes, ...RAW_DECODING }),
      manifest: JSON.parse(manifest) as Written['manifest'],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function rowOf(sequence: number, fraction: string, origin: string, previous: Buffer | null): StoredRow<number> {
  const isOdd = sequence % 2 === 1;
  const { content, timestamp } = toContent({
    ...{ event_id: `018f0000-0000-7000-8000-${String(sequence).padStart(12, '0')}` },
    ...{ timestamp: `2026-06-02T08:15:30${fraction}Z`, event_type: 'order_lifecycle', entity_type: 'order' },
    ...{ entity_id: 'O-1 é 😀', action: 'create', user_id: 'trader-1' },
    previous_state: isOdd ? null : { price: '1.10', n: -0.5, nested: { b: [1e21, null, true] } },
    new_state: { symbol: 'AAPL', '': '\u007f"\\\n', '\u{1F600}': 1e-7, '\uFFFD': 0 },
    metadata: {},
    ...(isOdd ? {} : { source: 'oms', source_session: 's', source_sequence: '9223372036854775807' }),
    ...(isOdd ? { raw: { media_type: 'application/fix', data: randomBytes(31).toString('base64') } } : {}),
    ...(sequence > 2 ? { corrects: '018f0000-0000-7000-8000-000000000001' } : {}),
  });
  const canonical = canonicalContent(content);
  const salt = randomBytes(16);
  const hash = contentHash(salt, canonical.text);
  const recordedAt = `2026-06-02T08:15:31.00000${sequence}Z`;
  const event = eventHash({
    ...{ format: 'truetrail/1', origin, sequence: String(sequence), event_id: content.event_id },
    ...{ recorded_at: recordedAt, recorded_by: 'service', content_hash: hash.toString('hex') },
    previous_event_hash: previous === null ? null : previous.toString('hex'),
  });
  return {
    jsonForm: 'canonical',
    sequence: String(sequence),
    recorded_at: parseTimestamp(recordedAt).micros,
    timestamp: timestamp.micros,
    timestamp_nanos: timestamp.nanos,
    timestamp_digits: timestamp.digits,
    event_id: content.event_id,
    corrects: content.corrects ?? null,
    ...{ event_type: content.event_type, entity_type: content.entity_type, entity_id: content.entity_id },
    ...{ action: content.action, user_id: content.user_id },
    ...{ previous_state: canonical.previousState, new_state: canonical.newState, metadata: canonical.metadata },
    source: content.source ?? null,
    source_session: content.source_session ?? null,
    source_sequence: content.source_sequence ?? null,
    raw_media_type: content.raw?.media_type ?? null,
    raw_data: content.raw === undefined ? null : Buffer.from(content.raw.data, 'base64'),
    recorded_by: 'service',
    salt,
    content_hash: hash,
    previous_event_hash: previous,
    event_hash: event,
  };
}
