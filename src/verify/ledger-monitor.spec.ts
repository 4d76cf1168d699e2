import { createServer, type Server } from 'node:http';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EVIDENCE_ORIGIN, KeptTree, keyOfByte, LEDGER_KEY, makeLedger } from '../../test/support/evidence.js';
import { checkpointText } from '../integrity/checkpoint.js';
import { leafHash } from '../integrity/event.js';
import { signSuccession } from '../integrity/key-succession.js';
import { formatNote, signText, verifierKey } from '../integrity/signed-note.js';
import { consistencyProof, parseTilePath } from '../integrity/tiles.js';
import { watchLedger, type WatchOutcome } from './ledger-monitor.js';

const KEY = verifierKey(EVIDENCE_ORIGIN, LEDGER_KEY);
const { leaves, records } = makeLedger(50);
const others = makeLedger(50).leaves.with(3, Buffer.alloc(32));
/** Another history, whose events are there. */
const another = makeLedger(50, (record, sequence) => {
  if (sequence === 4) record.user_id = 'somebody';
});
const entriesOf = (all: readonly { event_hash: string }[]): Buffer[] =>
  all.map(({ event_hash: hash }) => Buffer.from(hash, 'hex'));

/** As entry bundles have them: each with its length before it. */
const packed = (entries: readonly Buffer[]): Buffer =>
  Buffer.concat(entries.flatMap((entry) => [Buffer.of(0, entry.length), entry]));

describe('a ledger that is watched from outside', () => {
  let server: Server;
  let folder: string;
  let stateFile: string;
  /** what the service shows */
  let shown: {
    leaves: readonly Buffer[];
    /** of which the tiles are; `leaves` when left out */
    served?: readonly Buffer[];
    /** those of `leaves` when left out */
    entries?: readonly Buffer[];
    key?: ReturnType<typeof keyOfByte>;
    origin?: string;
  };
  let successions: string[];
  let down: boolean;
  /** of which it says that it is not what was signed */
  let damaged: RegExp | undefined;
  let asked: string[];
  /** changes what is served of a path */
  let lie: (path: string, bytes: Buffer) => Buffer;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-'));
    stateFile = join(folder, 'state.json');
    [successions, down, damaged, asked] = [[], false, undefined, []];
    lie = (_, bytes) => bytes;
    server = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization ?? ''}`.trim());
      void answer(request.url!).then((text) => {
        const isDamaged = damaged?.test(request.url!) === true;
        response.statusCode = text === undefined ? 503 : isDamaged ? 500 : 200;
        response.end(isDamaged ? '{"type":"/docs/problems/damaged-record","status":500}' : text);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  async function answer(path: string): Promise<string | Buffer | undefined> {
    if (down) return undefined;
    const { leaves: all, key = LEDGER_KEY, origin = EVIDENCE_ORIGIN } = shown;
    const tree = new KeptTree(all);
    const url = new URL(path, 'http://x');
    if (url.pathname.endsWith('/checkpoint')) {
      const text = checkpointText({ origin, size: tree.size, rootHash: tree.root });
      return formatNote({ text, signatures: [signText(text, origin, key)] });
    }
    if (url.pathname.endsWith('/keys/history')) {
      return JSON.stringify({ origin, keys: [], successions: successions.map((note) => ({ anchor: '1', note })) });
    }
    const tile = parseTilePath(url.pathname.replace(/^.*\/tile\//, ''));
    if (tile) {
      const [hashes] = tile.isEntries
        ? [packed(shown.entries ?? entriesOf(records))]
        : await (shown.served ? new KeptTree(shown.served) : tree).read([tile]);
      const each = tile.isEntries ? 34 : 32;
      const first = tile.isEntries ? Number(tile.index) * 256 * each : 0;
      return lie(url.pathname, hashes!.subarray(first, first + tile.width * each));
    }
    const [from, to] = [url.searchParams.get('from')!, url.searchParams.get('to')!];
    const hashes = await consistencyProof(BigInt(from), BigInt(to), tree.read);
    return JSON.stringify({ origin, from, to, hashes: hashes.map((hash) => hash.toString('base64')) });
  }

  const look = (token?: string, tiles?: boolean): Promise<WatchOutcome> => {
    const { port } = server.address() as AddressInfo;
    return watchLedger({ url: `http://127.0.0.1:${port}/v1/ledgers/main/`, keys: [KEY], stateFile, token, tiles });
  };

  it('is good as long as it grows, and what was seen is remembered', async () => {
    shown = { leaves: leaves.slice(0, 7) };
    expect(await look('a-token')).toMatchObject({ verdict: 'valid', remembered: null, checkpoint: { size: '7' } });
    const paths = ['checkpoint', 'keys/history', 'tile/0/000.p/7', 'tile/entries/000.p/7'];
    expect(asked).toEqual(paths.map((path) => `/v1/ledgers/main/${path} Bearer a-token`));
    expect(await look()).toMatchObject({ verdict: 'valid', remembered: { size: '7' } });
    shown = { leaves: leaves.slice(0, 50) };
    expect(await look()).toMatchObject({ verdict: 'valid', remembered: { size: '7' }, checkpoint: { size: '50' } });
    expect(await look()).toMatchObject({ verdict: 'valid', remembered: { size: '50' } });
  });

  it.each<[string, () => void, string]>([
    ['has become shorter', () => (shown = { leaves: leaves.slice(0, 19) }), 'shrunk'],
    ['was rewritten at the same size', () => (shown = { leaves: others.slice(0, 20) }), 'fork'],
    ['was rewritten and has grown', () => (shown = { leaves: others.slice(0, 40) }), 'fork'],
    ['has another name', () => (shown = { leaves, origin: 'audit.example.com/truetrail/other' }), 'origin'],
    ['is signed by another key', () => (shown = { leaves, key: keyOfByte(9) }), 'key'],
  ])('is not when it %s', async (_, change, kind) => {
    shown = { leaves: leaves.slice(0, 20) };
    await look();
    const remembered = readFileSync(stateFile, 'utf8');
    change();
    expect(await look()).toMatchObject({ verdict: 'invalid', findings: [{ kind }] });
    expect(await look()).toMatchObject({ verdict: 'invalid', findings: [{ kind }] });
    expect(readFileSync(stateFile, 'utf8')).toBe(remembered);
    const kept = readdirSync(folder).filter((name) => name.includes('.conflict-'));
    expect(kept).toHaveLength(kind === 'shrunk' || kind === 'fork' ? 1 : 0);
    shown = { leaves: leaves.slice(0, 21) };
    expect((await look()).verdict).toBe('valid');
  });

  it.each<[string, () => void, string, RegExp]>([
    [
      'lacks what was signed, and says so',
      () => (damaged = /\/tile\/entries\//),
      'damaged',
      /tile\/entries\/000\.p\/20: 500 .*damaged-record/,
    ],
    [
      'has other events at its end',
      () => (lie = (path, bytes) => (path.includes('/tile/') ? Buffer.from(bytes).fill(3, bytes.length - 5) : bytes)),
      'tile',
      /other event hashes than those that the tile is of/,
    ],
    [
      'has other events at its end, and leaves that are theirs',
      () =>
        (shown = {
          leaves: leaves.slice(0, 20),
          served: another.leaves.slice(0, 20),
          entries: entriesOf(another.records),
        }),
      'tile',
      /the tiles at the end of the tree of 20 events lead to another root than its checkpoint/,
    ],
  ])('is not when it %s, though its checkpoint is still the one that was seen', async (_, change, kind, detail) => {
    shown = { leaves: leaves.slice(0, 20) };
    expect(await look()).toMatchObject({ verdict: 'valid' });
    change();
    expect(await look()).toMatchObject({
      verdict: 'invalid',
      findings: [{ kind, detail: expect.stringMatching(detail) }],
    });
  });

  it('may have a new key, once its succession is shown', async () => {
    const next = keyOfByte(9);
    shown = { leaves: leaves.slice(0, 20) };
    await look();
    shown = { leaves: leaves.slice(0, 30), key: next };
    successions = [signSuccession(EVIDENCE_ORIGIN, 25n, LEDGER_KEY, next)];
    expect((await look()).verdict).toBe('valid');
    // whoever has the former one still signs nothing any more
    shown = { leaves: leaves.slice(0, 40) };
    expect(await look()).toMatchObject({ verdict: 'invalid', findings: [{ kind: 'key' }] });
  });

  describe('with its tiles', () => {
    const many = makeLedger(1_300);
    const watch = (count: number): Promise<WatchOutcome> => {
      shown = { leaves: many.leaves.slice(0, count), entries: entriesOf(many.records.slice(0, count)) };
      return look(undefined, true);
    };

    it.each([
      [600, 1_300],
      [256, 257],
      [512, 1_280],
      [0, 300],
      [5, 5],
      [700, 705],
    ])('is good from %s events to %s', async (before, after) => {
      for (const count of [before, after, after]) {
        expect(await watch(count)).toMatchObject({ verdict: 'valid', checkpoint: { size: String(count) } });
      }
    });

    it.each<[string, RegExp, RegExp]>([
      ['a leaf of what is new', /\/tile\/0\/003$/, /lead to another root|other event hashes/],
      ['a leaf of what was there', /\/tile\/0\/002$/, /other event hashes|is another than/],
      ['the end of the tree as it was', /\/tile\/0\/002\.p\/88$/, /the one seen before/],
      ['a tile above', /\/tile\/1\/000\.p\/5$/, /is not made of those below it/],
      ['a tile above as it was', /\/tile\/1\/000\.p\/2$/, /the one seen before/],
      ['entries', /\/tile\/entries\/004$/, /other event hashes/],
      ['entries, too few', /\/tile\/entries\/005\.p\/20$/, /other event hashes/],
    ])('is not when a lie is served of %s', async (of, path, detail) => {
      expect(await watch(600)).toMatchObject({ verdict: 'valid' });
      const remembered = readFileSync(stateFile, 'utf8');
      let lies = 0;
      lie = (at, bytes) => {
        if (!path.test(at)) return bytes;
        lies += 1;
        if (of.endsWith('too few')) return bytes.subarray(34);
        const changed = Buffer.from(bytes);
        changed[changed.length - 1]! ^= 1;
        return changed;
      };
      const outcome = await watch(1_300);
      expect(lies).toBeGreaterThan(0);
      expect(outcome).toMatchObject({
        verdict: 'invalid',
        findings: [{ kind: 'tile', detail: expect.stringMatching(detail) }],
      });
      expect(readFileSync(stateFile, 'utf8')).toBe(remembered);
      lie = (_, bytes) => bytes;
      expect(await watch(1_300)).toMatchObject({ verdict: 'valid' });
    });

    it('is not when leaves and entries agree with each other, and not with what was signed', async () => {
      await watch(600);
      const invented = many.records.slice(0, 1_300).map(({ event_hash: hash }) => Buffer.from(hash, 'hex'));
      invented[900] = Buffer.alloc(32, 1);
      lie = (at, bytes) => {
        const tile = parseTilePath(at.replace(/^.*\/tile\//, ''))!;
        if (tile.level > 0 || tile.index !== 3n) return bytes;
        return tile.isEntries
          ? packed(invented).subarray(768 * 34, 1_024 * 34)
          : Buffer.concat(invented.slice(768, 1_024).map(leafHash));
      };
      expect(await watch(1_300)).toMatchObject({
        verdict: 'invalid',
        findings: [{ kind: 'tile', detail: expect.stringMatching(/what came after 600 events lead to another root/) }],
      });
    });
  });

  it('is not known while it does not answer', async () => {
    shown = { leaves };
    down = true;
    expect(await look()).toMatchObject({ verdict: 'undecided', summary: [expect.stringMatching(/checkpoint: 503/)] });
    expect(existsSync(stateFile)).toBe(false);
    for (const damaged of ['{}', '{"format":']) {
      writeFileSync(stateFile, damaged);
      await expect(look()).rejects.toThrow(`${stateFile} is not what this program remembers`);
    }
  });
});
