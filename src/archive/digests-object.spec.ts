import { createHash, randomBytes } from 'node:crypto';
import { HASH_BYTES, leafHash } from '../integrity/event.js';
import { MerkleTree } from '../integrity/merkle-tree.js';
import { hashesOf } from '../integrity/tiles.js';
import { ArchiveObjectError, objectKey, type ArchivedRange } from './archive-format.js';
import { encodeDigests, readDigests, verifyDigests } from './digests-object.js';

const OF = { number: '7', sha256: 'ab'.repeat(32) };

function rangeOf(ledger: string, from: bigint, count: number): { range: ArchivedRange; hashes: Buffer } {
  const hashes = randomBytes(count * HASH_BYTES);
  const tree = new MerkleTree();
  for (const hash of hashesOf(hashes)) tree.append(leafHash(hash));
  const time = '2026-06-02T08:15:30.000000Z';
  return {
    hashes,
    range: {
      ledger,
      origin: `audit.example.com/truetrail/${ledger}`,
      from_sequence: String(from),
      to_sequence: String(from + BigInt(count) - 1n),
      least_timestamp: time,
      greatest_timestamp: time,
      least_recorded_at: time,
      greatest_recorded_at: time,
      previous_event_hash: from === 1n ? null : 'cd'.repeat(32),
      last_event_hash: hashes.subarray(-HASH_BYTES).toString('hex'),
      entities_hash: 'ef'.repeat(32),
      merkle_root: tree.root().toString('hex'),
    },
  };
}

describe('an object of digests', () => {
  const held = [rangeOf('main', 301n, 300), rangeOf('desk', 1n, 1), rangeOf('_service', 5n, 17)];
  const { encoded, bytes } = encodeDigests({ number: 12n, digestsOf: OF }, held);

  it('is a line of what it is of, and the hashes by ledger', () => {
    const [line] = bytes.toString('latin1').split('\n');
    expect(line).toMatch(
      /^\{"described_in":"format\/truetrail-archive-1-[0-9a-f]{16}\.md","description_sha256":"[0-9a-f]{64}","digests_of":\{"number":"7",/,
    );
    expect(encoded.manifest.ranges.map(({ ledger }) => ledger)).toEqual(['_service', 'desk', 'main']);
    // as the catalogue finds them: from the end
    expect(bytes.length).toBe(line!.length + 1 + 318 * HASH_BYTES);
    expect(bytes.subarray(-300 * HASH_BYTES)).toEqual(held[0]!.hashes);
    expect(encoded.sha256).toEqual(createHash('sha256').update(bytes).digest());
    expect(objectKey(encoded)).toBe(`digests/000000000012-${encoded.sha256.toString('hex').slice(0, 16)}.digests`);
    const { manifest, hashes } = readDigests(bytes);
    expect(manifest).toEqual(encoded.manifest);
    expect(hashes).toEqual([held[2]!.hashes, held[1]!.hashes, held[0]!.hashes]);
    expect(verifyDigests(bytes)).toEqual(encoded);
  });

  it('is found changed wherever that was', () => {
    const line = bytes.indexOf('\n') + 1;
    for (const at of [line, line + 17 * HASH_BYTES, line + 18 * HASH_BYTES + 31, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(() => verifyDigests(changed)).toThrow(/have another merkle_root/);
    }
    expect(() => verifyDigests(bytes.subarray(0, -HASH_BYTES))).toThrow(/has not the 300 hashes of main/);
    expect(() => verifyDigests(bytes.subarray(0, 100))).toThrow(ArchiveObjectError);
    expect(() => verifyDigests(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(/other bytes than its manifest says/);
    const said = (from: string, to: string): Buffer =>
      Buffer.concat([Buffer.from(bytes.subarray(0, line).toString().replace(from, to)), bytes.subarray(line)]);
    expect(() => verifyDigests(said('truetrail-digests/1', 'truetrail-digests/2'))).toThrow(/not of the format/);
    expect(() => verifyDigests(said('"number":"7"', '"number":"x"'))).toThrow(/not of the format/);
    expect(() => verifyDigests(said('"ledger":"_service"', '"ledger":"zzz"'))).toThrow(/order of their ledgers/);
    const { last_event_hash: last } = held[0]!.range;
    expect(() => verifyDigests(said(last, '00'.repeat(32)))).toThrow(/end otherwise/);
    expect(() => verifyDigests(said('{', '['))).toThrow(/first line is no manifest/);
  });

  it('is not made of hashes that are not those of the range', () => {
    const [{ range, hashes }] = held as [(typeof held)[0]];
    const swapped = Buffer.concat([
      hashes.subarray(HASH_BYTES, 2 * HASH_BYTES),
      hashes.subarray(0, HASH_BYTES),
      hashes.subarray(2 * HASH_BYTES),
    ]);
    const made = (given: Buffer) => () => encodeDigests({ number: 1n, digestsOf: OF }, [{ range, hashes: given }]);
    expect(made(swapped)).toThrow(ArchiveObjectError);
    expect(made(hashes.subarray(HASH_BYTES))).toThrow(ArchiveObjectError);
  });
});
