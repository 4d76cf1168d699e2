import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalContent, contentHash, eventHash, toContent } from '../integrity/event.js';
import type { StoredRow } from '../integrity/stored-event.js';
import { ArchiveObjectWriter } from './archive-object.js';
import { FilesystemObjectStore } from './filesystem-object-store.js';
import { ObjectFiles, type EventPlace } from './object-files.js';
import { StoreUnavailable, type ObjectVersion } from './object-store.js';
import { loadCompression } from './parquet-file.js';

const ORIGIN = 'audit.example.com/truetrail/main';

/** A store that notes what is asked of it: byte ranges, the end not included. */
class WatchedStore extends FilesystemObjectStore {
  readonly asked: [start: number, end: number][] = [];
  /** how many reads were under way at once, at most */
  most = 0;
  private underWay = 0;
  /** whether a read is refused */
  refuses: (start: number) => boolean = () => false;

  override async readRange(version: ObjectVersion, offset: number, length: number): Promise<Buffer> {
    this.asked.push([offset, offset + length]);
    this.most = Math.max(this.most, ++this.underWay);
    try {
      if (this.refuses(offset)) throw new StoreUnavailable('it is away');
      return await super.readRange(version, offset, length);
    } finally {
      this.underWay--;
    }
  }
}

/** Rows with true hashes; `size` says how many random bytes, which compress badly, each of them carries. */
function rowsOf(count: number, size: (place: number) => number): StoredRow<number>[] {
  let previous: Buffer | null = null;
  return Array.from({ length: count }, (_, i) => {
    const { content, timestamp } = toContent({
      event_id: `018f0000-0000-7000-8000-${String(i).padStart(12, '0')}`,
      ...{ timestamp: '2026-06-02T08:15:30Z', event_type: 'order_lifecycle', entity_type: 'order', entity_id: 'O-1' },
      ...{ action: 'create', user_id: 'trader-1', new_state: { note: randomBytes(size(i)).toString('base64') } },
    });
    const canonical = canonicalContent(content);
    const salt = randomBytes(16);
    const hash = contentHash(salt, canonical.text);
    const event = eventHash({
      ...{ format: 'truetrail/1', origin: ORIGIN, sequence: String(i + 1), event_id: content.event_id },
      ...{ recorded_at: '2026-06-02T08:15:31.000000Z', recorded_by: 'service', content_hash: hash.toString('hex') },
      previous_event_hash: previous === null ? null : previous.toString('hex'),
    });
    const row: StoredRow<number> = {
      ...{ jsonForm: 'canonical', sequence: String(i + 1), recorded_at: timestamp.micros + 1_000_000 },
      ...{ timestamp: timestamp.micros, timestamp_nanos: timestamp.nanos, timestamp_digits: timestamp.digits },
      ...{ event_id: content.event_id, corrects: null, event_type: content.event_type },
      ...{ entity_type: content.entity_type, entity_id: content.entity_id, action: content.action },
      ...{ user_id: content.user_id, previous_state: canonical.previousState, new_state: canonical.newState },
      ...{ metadata: canonical.metadata, source: null, source_session: null, source_sequence: null },
      ...{ raw_media_type: null, raw_data: null, recorded_by: 'service', salt, content_hash: hash },
      ...{ previous_event_hash: previous, event_hash: event },
    };
    previous = event;
    return row;
  });
}

describe('an event of an object of which nothing has been read', () => {
  let folder: string;
  let store: WatchedStore;
  beforeAll(async () => {
    await loadCompression();
    folder = mkdtempSync(join(tmpdir(), 'truetrail-object-files-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function put(rows: readonly StoredRow<number>[]): Promise<EventPlace> {
    const file = join(folder, randomBytes(6).toString('hex'));
    const writer = new ArchiveObjectWriter(file, { kind: 'early', number: 7n });
    writer.begin({ ledger: 'main', origin: ORIGIN, fromSequence: 1n, previousEventHash: null });
    for (const row of rows) writer.add(row);
    const { bytes, sha256, md5 } = writer.finish();
    store = new WatchedStore(join(folder, randomBytes(6).toString('hex')));
    const retainUntil = new Date(Date.now() + 60_000);
    const { key, versionId } = await store.put({
      ...{ key: 'early/000000000007', file, bytes, sha256, md5 },
      ...{ contentType: 'application/vnd.apache.parquet', metadata: {}, retainUntil },
    });
    return {
      ...{ object_key: key, version_id: versionId, sha256: sha256.toString('hex'), bytes: String(bytes) },
      ...{ events: String(rows.length), events_before: '0', from_sequence: '1', to_sequence: String(rows.length) },
    };
  }

  /** As a reader does it: the footer, which says where the row group is, and a row of that. */
  async function read(files: ObjectFiles, piece: EventPlace, place: number): Promise<StoredRow<number>> {
    const footer = await files.footerFor(piece, BigInt(place + 1));
    const group = footer.manifest.row_groups.findIndex(
      ({ from_sequence, events }) => place < Number(from_sequence) - 1 + Number(events),
    );
    const first = Number(footer.manifest.row_groups[group]!.from_sequence) - 1;
    const [row] = await files.rows(piece, footer, group, [place - first]);
    return row!;
  }

  const even = (place: number): number => 120 + (place % 3);

  it('comes with two requests at the same time, of little more than footer and row group', async () => {
    const rows = rowsOf(10_000, even);
    const piece = await put(rows);
    for (const place of [0, 2_047, 5_000, 9_999]) {
      store.asked.length = store.most = 0;
      expect(await read(new ObjectFiles(store, undefined), piece, place)).toEqual(rows[place]);
      expect([place, store.asked.length, store.most]).toEqual([place, 2, 2]);
      const bytes = store.asked.reduce((sum, [start, end]) => sum + end - start, 0);
      expect(bytes).toBeLessThan((Number(piece.bytes) * 2_048 * 1.3) / 10_000 + 30_000);
    }
  });

  it('comes with one more where its row group is not where it is with groups of one size', async () => {
    const rows = rowsOf(10_000, (place) => (place < 5_000 ? 20 : 400));
    const piece = await put(rows);
    for (const place of [2_500, 4_500, 7_000]) {
      store.asked.length = 0;
      expect(await read(new ObjectFiles(store, undefined), piece, place)).toEqual(rows[place]);
      expect([place, store.asked.length]).toEqual([place, 3]);
    }
  });

  it('comes with one request out of a small object', async () => {
    const rows = rowsOf(900, even);
    const piece = await put(rows);
    expect(await read(new ObjectFiles(store, undefined), piece, 700)).toEqual(rows[700]);
    expect(store.asked).toEqual([[0, Number(piece.bytes)]]);
  });

  it('comes all the same where what was asked for ahead is refused', async () => {
    const rows = rowsOf(10_000, even);
    const piece = await put(rows);
    let refused = 0;
    store.refuses = (start) => start < Number(piece.bytes) / 2 && refused++ === 0;
    expect(await read(new ObjectFiles(store, undefined), piece, 3_000)).toEqual(rows[3_000]);
    expect([refused, store.asked.length]).toEqual([2, 3]);
  });
});
