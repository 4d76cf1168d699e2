import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AsyncBuffer } from 'hyparquet';
import { canonicalContent, contentHash, eventHash, toContent } from '../integrity/event.js';
import type { StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { ArchiveObjectError } from './archive-format.js';
import { ArchiveObjectWriter, readFooter, readRowGroup, verifyObject } from './archive-object.js';
import { loadCompression } from './parquet-file.js';

const ORIGIN = 'audit.example.com/truetrail/';

function bufferOf(bytes: Buffer): AsyncBuffer {
  const all = new Uint8Array(bytes).buffer;
  return { byteLength: all.byteLength, slice: (start, end) => all.slice(start, end) };
}

/** The same file whose footer has other bytes wherever it has these. */
function changedFooter(content: Buffer, said: Buffer, instead: Buffer): Buffer {
  const bytes = Buffer.from(content);
  const begin = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  for (let at = bytes.indexOf(said, begin); at >= 0; at = bytes.indexOf(said, at + 1)) instead.copy(bytes, at);
  expect(bytes.equals(content)).toBe(false);
  return bytes;
}

/** Rows of a ledger with true hashes, as verification reads them; every column is empty in some and full in others. */
function rowsOf(ledger: string, count: number, first = 1, before: Buffer | null = null): StoredRow<number>[] {
  let previous = before;
  return Array.from({ length: count }, (_, i) => {
    const sequence = first + i;
    const { content, timestamp } = toContent({
      event_id: `018f0000-0000-7000-8000-${String(sequence).padStart(12, '0')}`,
      timestamp: `2026-06-02T08:15:30.${String(sequence % 1_000_000_000).padStart(9, '0')}Z`,
      event_type: 'order_lifecycle',
      entity_type: 'order',
      entity_id: `O-${sequence % 97} é 😀`,
      action: 'create',
      user_id: `trader-${sequence % 7}`,
      previous_state: sequence % 2 === 0 ? { price: '1.10', n: -0.5, nested: { b: [1e21, null, true] } } : null,
      new_state: { symbol: 'AAPL', '': '\u007f"\\\n', quantity: String(sequence) },
      metadata: sequence % 3 === 0 ? {} : { client_id: 'C-77' },
      ...(sequence % 5 === 0 ? { source: 'oms', source_session: 's', source_sequence: '9223372036854775808' } : {}),
      ...(sequence % 11 === 0 ? { corrects: '018f0000-0000-7000-8000-000000000001' } : {}),
      ...(sequence % 13 === 0
        ? {
            raw: { media_type: 'application/fix', data: randomBytes(sequence % 26 === 0 ? 0 : 300).toString('base64') },
          }
        : {}),
    });
    const canonical = canonicalContent(content);
    const salt = randomBytes(16);
    const hash = contentHash(salt, canonical.text);
    const recordedAt = `2026-06-02T08:15:31.${String(i % 1_000_000).padStart(6, '0')}Z`;
    const event = eventHash({
      format: 'truetrail/1',
      origin: ORIGIN + ledger,
      sequence: String(sequence),
      event_id: content.event_id,
      recorded_at: recordedAt,
      recorded_by: 'service',
      content_hash: hash.toString('hex'),
      previous_event_hash: previous === null ? null : previous.toString('hex'),
    });
    const row: StoredRow<number> = {
      jsonForm: 'canonical',
      sequence: String(sequence),
      recorded_at: parseTimestamp(recordedAt).micros,
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
      raw_data: content.raw === undefined ? null : Buffer.from(content.raw.data, 'base64'),
      recorded_by: 'service',
      salt,
      content_hash: hash,
      previous_event_hash: previous,
      event_hash: event,
    };
    previous = event;
    return row;
  });
}

describe('an archive object', () => {
  let folder: string;
  beforeAll(async () => {
    await loadCompression();
    folder = mkdtempSync(join(tmpdir(), 'truetrail-object-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function encode(ledgers: Record<string, StoredRow<number>[]>) {
    const file = join(folder, randomBytes(6).toString('hex'));
    const writer = new ArchiveObjectWriter(file, { kind: 'early', number: 7n });
    for (const [ledger, rows] of Object.entries(ledgers)) {
      const [first] = rows;
      writer.begin({
        ledger,
        origin: ORIGIN + ledger,
        fromSequence: BigInt(first!.sequence),
        previousEventHash: first!.previous_event_hash,
      });
      for (const row of rows) writer.add(row);
    }
    return { ...writer.finish(), content: readFileSync(file) };
  }

  it('gives back every row of every ledger exactly, and says what it holds', async () => {
    const main = rowsOf('main', 5_000);
    const desk = rowsOf('desk-1', 3, 41, randomBytes(32));
    const { content, manifest, bytes } = encode({ 'desk-1': desk, main });
    expect(bytes).toBe(content.length);
    const file = bufferOf(content);
    const footer = await readFooter(file);
    expect(footer.manifest).toEqual(manifest);
    expect(
      manifest.ranges.map(({ ledger, from_sequence, to_sequence }) => [ledger, from_sequence, to_sequence]),
    ).toEqual([
      ['desk-1', '41', '43'],
      ['main', '1', '5000'],
    ]);
    const read: StoredRow<number>[] = [];
    for (let i = 0; i < manifest.row_groups.length; i++) read.push(...(await readRowGroup(file, footer, i)));
    expect(read).toEqual([...desk, ...main]);
    expect((await verifyObject(file)).manifest).toEqual(manifest);
  });

  it('has the same bytes for the same rows', () => {
    const rows = rowsOf('main', 100);
    expect(encode({ main: rows }).sha256).toEqual(encode({ main: rows }).sha256);
  });

  it('refuses a row that is not as it was recorded, whichever column was changed', () => {
    const rows = rowsOf('main', 30);
    const changed: Partial<StoredRow<number>>[] = [
      { new_state: '{"quantity":"9"}' },
      { metadata: '{"n":9007199254740993}' },
      { timestamp_digits: 8 },
      { entity_id: 'O-other' },
      { recorded_by: 'key:other' },
      { recorded_at: rows[10]!.recorded_at + 1 },
      { salt: randomBytes(16) },
      { event_hash: randomBytes(32) },
      { source: 'other' },
      { corrects: rows[1]!.event_id },
    ];
    for (const change of changed) {
      const damaged = rows.map((row, i) => (i === 10 ? { ...row, ...change } : row));
      expect(() => encode({ main: damaged })).toThrow(ArchiveObjectError);
    }
    expect(() => encode({ main: rows.filter((_, i) => i !== 10) })).toThrow('event 11 of main is missing');
    expect(() => encode({ main: rows.with(3, rows[4]!) })).toThrow(ArchiveObjectError);
  });

  it('does not verify with least and greatest values that are not so: searches would leave out what is there', async () => {
    const { content } = encode({ main: rowsOf('main', 5_000) });
    await expect(verifyObject(bufferOf(content))).resolves.toBeDefined();
    const lies: [said: string, instead: string][] = [
      ['trader-6', 'trader-5'],
      ['trader-0', 'trader-1'],
      ['order_lifecycle', 'order_lifecyclf'],
      ['O-0 é 😀', 'O-00é 😀'],
      ['O-96 é 😀', 'O-95 é 😀'],
      ['create', 'creatd'],
    ];
    for (const [said, instead] of lies) {
      const bytes = changedFooter(content, Buffer.from(said), Buffer.from(instead));
      await expect(verifyObject(bufferOf(bytes))).rejects.toThrow(/least and the greatest/);
    }
    const micros = (sequence: number): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(parseTimestamp(`2026-06-02T08:15:30.${String(sequence).padStart(9, '0')}Z`).micros));
      return bytes;
    };
    const early = changedFooter(content, micros(5_000), micros(4_000));
    await expect(verifyObject(bufferOf(early))).rejects.toThrow(/timestamp .* least and the greatest/);
  });

  it('does not verify with any byte of it changed', async () => {
    const { content, manifest } = encode({ main: rowsOf('main', 12) });
    const survivors: number[] = [];
    for (let at = 0; at < content.length; at++) {
      const bytes = Buffer.from(content);
      bytes[at]! ^= 0x41;
      try {
        const found = await verifyObject(bufferOf(bytes));
        expect(found.manifest.ranges).toEqual(manifest.ranges); // then it says the same of what it holds
        survivors.push(at);
      } catch (error) {
        if (!(error instanceof ArchiveObjectError)) throw error;
      }
    }
    // Bytes that say nothing about events: wider statistics, names. The catalogue's SHA-256 covers these.
    expect(survivors.length).toBeLessThan(content.length / 2);
  }, 60_000);
});
