import { createHash } from 'node:crypto';
import { ARCHIVE_FORMAT, type ArchivedRange } from './archive-format.js';
import { chooseObjects, type FoundObject } from './rebuild-choice.js';

const hashOf = (history: string, sequence: number): string =>
  createHash('sha256').update(`${history} ${sequence}`).digest('hex');

/** An early object of events of a ledger, as it was read back. */
function object(number: number, from: number, to: number, history = 'ours'): FoundObject {
  const range: ArchivedRange = {
    ledger: 'main',
    origin: 'localhost/test/main',
    from_sequence: String(from),
    to_sequence: String(to),
    least_timestamp: '2026-06-01T08:00:00.000000Z',
    greatest_timestamp: '2026-06-01T08:00:00.000000Z',
    least_recorded_at: '2026-06-01T08:00:00.000000Z',
    greatest_recorded_at: '2026-06-01T08:00:00.000000Z',
    previous_event_hash: from === 1 ? null : hashOf(history, from - 1),
    last_event_hash: hashOf(history, to),
    entities_hash: '0'.repeat(64),
    merkle_root: hashOf('root', to),
  };
  const bytes = { bytes: 1, sha256: Buffer.alloc(32, number), md5: Buffer.alloc(16) };
  return {
    version: {
      key: `early/${number}-${to}`,
      versionId: '1',
      bytes: 1,
      isDeleteMarker: false,
    } as FoundObject['version'],
    encoded: {
      manifest: {
        format: ARCHIVE_FORMAT,
        kind: 'early',
        number: String(number),
        ranges: [range],
        row_groups: [],
        described_in: '',
      },
      contents: [],
      ...bytes,
    },
  };
}

function chosen(...objects: FoundObject[]): string[] {
  const found = new Map<string, FoundObject[]>();
  for (const each of objects) {
    const { number } = each.encoded.manifest;
    found.set(number, [...(found.get(number) ?? []), each]);
  }
  return chooseObjects(found, new Map()).map((known) => known.found!.version.key);
}

describe('of several objects of one number', () => {
  it('counts the one that the next goes on from, whichever is found first', () => {
    const [short, long] = [object(1, 1, 100), object(1, 1, 120)];
    expect(chosen(short, long, object(2, 101, 130))).toEqual(['early/1-100', 'early/2-130']);
    expect(chosen(long, short, object(2, 101, 130))).toEqual(['early/1-100', 'early/2-130']);
    expect(chosen(short, long, object(2, 121, 130))).toEqual(['early/1-120', 'early/2-130']);
  });

  it('counts the one that later ones tell apart, over several choices', () => {
    const twice = [object(1, 1, 100), object(1, 1, 120), object(2, 101, 140), object(2, 121, 150), object(2, 101, 130)];
    expect(chosen(...twice, object(3, 131, 160))).toEqual(['early/1-100', 'early/2-130', 'early/3-160']);
    expect(chosen(...twice, object(3, 151, 160))).toEqual(['early/1-120', 'early/2-150', 'early/3-160']);
  });

  it('counts the one with the most events where nothing tells them apart', () => {
    expect(chosen(object(1, 1, 100), object(2, 101, 110), object(2, 101, 130))).toEqual(['early/1-100', 'early/2-130']);
  });

  it('counts none of another history', () => {
    const other = object(2, 101, 190, 'theirs');
    expect(chosen(object(1, 1, 100), other, object(2, 101, 110))).toEqual(['early/1-100', 'early/2-110']);
  });

  it('says which number has none, when no choice leads on', () => {
    const none = 'object 2 of the archive does not go on from those before it';
    expect(() => chosen(object(1, 1, 100), object(1, 1, 120), object(2, 131, 140))).toThrow(none);
    expect(() => chosen(object(1, 1, 100), object(3, 101, 140))).toThrow('object 2 of the archive is not there');
  });

  it('is said that one is missing, however many there are of those before it', () => {
    const doubled = Array.from({ length: 40 }, (_, i) => [
      object(i + 1, 10 * i + 1, 10 * i + 10),
      { ...object(i + 1, 10 * i + 1, 10 * i + 10), version: { ...object(i + 1, 1, 1).version, key: `again/${i + 1}` } },
      object(i + 1, 10 * i + 1, 10 * i + 9),
    ]).flat();
    expect(() => chosen(...doubled, object(42, 401, 410))).toThrow('object 41 of the archive is not there');
    expect(chosen(...doubled, object(41, 401, 410))).toHaveLength(41);
  });
});
