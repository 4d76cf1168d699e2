import { createServer, type Server } from 'node:http';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EVIDENCE_ORIGIN, KeptTree, keyOfByte, LEDGER_KEY, makeLedger } from '../../test/support/evidence.js';
import { checkpointText } from '../integrity/checkpoint.js';
import { signSuccession } from '../integrity/key-succession.js';
import { formatNote, signText, verifierKey } from '../integrity/signed-note.js';
import { consistencyProof } from '../integrity/tiles.js';
import { watchLedger, type WatchOutcome } from './ledger-monitor.js';

const KEY = verifierKey(EVIDENCE_ORIGIN, LEDGER_KEY);
const { leaves } = makeLedger(50);
const others = makeLedger(50).leaves.with(3, Buffer.alloc(32));

describe('a ledger that is watched from outside', () => {
  let server: Server;
  let folder: string;
  let stateFile: string;
  /** what the service shows */
  let shown: { leaves: readonly Buffer[]; key?: ReturnType<typeof keyOfByte>; origin?: string };
  let successions: string[];
  let down: boolean;
  let asked: string[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-'));
    stateFile = join(folder, 'state.json');
    [successions, down, asked] = [[], false, []];
    server = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization ?? ''}`.trim());
      void answer(request.url!).then((text) => {
        response.statusCode = text === undefined ? 503 : 200;
        response.end(text);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  async function answer(path: string): Promise<string | undefined> {
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
    const [from, to] = [url.searchParams.get('from')!, url.searchParams.get('to')!];
    const hashes = await consistencyProof(BigInt(from), BigInt(to), tree.read);
    return JSON.stringify({ origin, from, to, hashes: hashes.map((hash) => hash.toString('base64')) });
  }

  const look = (token?: string): Promise<WatchOutcome> => {
    const { port } = server.address() as AddressInfo;
    return watchLedger({ url: `http://127.0.0.1:${port}/v1/ledgers/main/`, keys: [KEY], stateFile, token });
  };

  it('is good as long as it grows, and what was seen is remembered', async () => {
    shown = { leaves: leaves.slice(0, 7) };
    expect(await look('a-token')).toMatchObject({ verdict: 'valid', remembered: null, checkpoint: { size: '7' } });
    const paths = ['checkpoint', 'keys/history'];
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
