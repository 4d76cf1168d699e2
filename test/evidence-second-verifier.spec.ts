import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../src/integrity/canonical-json.js';
import { FILES } from '../src/integrity/evidence-bundle.js';
import { verifyBundle } from '../src/integrity/evidence-verifier.js';
import { signSuccession } from '../src/integrity/key-succession.js';
import { verifierKey } from '../src/integrity/signed-note.js';
import {
  deletedEvents,
  disagreeingAnchors,
  EVIDENCE_ORIGIN,
  idOf,
  inMemory,
  inventedAnchors,
  keyOfByte,
  KeptTree,
  LEDGER_KEY,
  makeBundle,
  makeLedger,
  numbers,
  OTHERWISE_WRITTEN,
  pack,
  recordedAtOf,
  repacked,
  SECOND_VERIFIER,
  uncommittedAnchors,
  UNRECORDABLE,
  unpack,
  type BundlePlan,
} from './support/evidence.js';
import { HAS_PYTHON, PYTHON } from './support/python.js';

// The second implementation, which shares no code with the first: it says whether the documents say what the format is.
const skip = !HAS_PYTHON && process.env.CI === undefined;
if (skip) {
  process.stdout.write(
    'SKIPPED: python3 is not installed, so test/bundle/verify_bundle.py was not compared with src/\n',
  );
}

(skip ? describe.skip : describe)('the second verifier of bundles', () => {
  const key = verifierKey(EVIDENCE_ORIGIN, LEDGER_KEY);
  const ledger = makeLedger(60);
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'truetrail-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  function verify(bytes: Buffer, by = key.toString(), ...more: string[]): { status: number | null; output: string } {
    const file = join(folder, 'bundle.zip');
    writeFileSync(file, bytes);
    const { status, stdout, stderr } = spawnSync(PYTHON, [SECOND_VERIFIER, file, by, ...more], { encoding: 'utf8' });
    return { status, output: stdout + stderr };
  }

  const range: BundlePlan = {
    asked: { recorded_from: recordedAtOf(11), recorded_to: recordedAtOf(21) },
    completeness: 'complete-range',
    range: { from: 11n, to: 20n },
    found: numbers(11, 20),
    beside: [10, 21],
  };
  const ORDER: BundlePlan = { asked: { order_id: 'O-3' }, found: [3, 13, 23, 33, 43, 53] };
  const next = keyOfByte(9);
  it.each<[string, BundlePlan]>([
    ['a range of recorded time', { ...range, papers: { isWitnessed: true } }],
    ['the same without contents', { ...range, contents: false }],
    [
      'a whole ledger',
      {
        asked: { to_sequence: '60' },
        completeness: 'complete-range',
        range: { from: 1n, to: 60n },
        found: numbers(1, 60),
      },
    ],
    ['ids', { asked: { event_ids: [5, 30, 31].map(idOf) }, found: [5, 30, 31] }],
    ['an order', ORDER],
    [
      'an order of which events may have been deleted',
      { ...ORDER, deleted: [deletedEvents(4n, 12n), deletedEvents(14n, 14n)] },
    ],
    ['event time', { asked: { from: recordedAtOf(5), to: recordedAtOf(8) }, found: [6, 7, 8] }],
    ['a search that finds nothing', { asked: { search: { user_id: 'nobody' } }, found: [] }],
    [
      'a search among the envelopes of a range',
      {
        asked: { search: { 'metadata.lots': '2', to_sequence: '30' } },
        completeness: 'as-found-in-range',
        range: { from: 1n, to: 30n },
        found: [2, 7, 12, 17, 22, 27],
        beside: numbers(1, 30).filter((sequence) => sequence % 5 !== 2),
      },
    ],
    [
      'a search among the envelopes of a recorded time',
      {
        asked: { search: { 'metadata.lots': '2', recorded_from: recordedAtOf(11), recorded_to: recordedAtOf(21) } },
        completeness: 'as-found-in-range',
        range: { from: 11n, to: 20n },
        found: [12, 17],
        beside: [10, 11, 13, 14, 15, 16, 18, 19, 20, 21],
      },
    ],
    [
      'a ledger whose key was succeeded',
      { ...range, papers: { key: next, successions: [signSuccession(EVIDENCE_ORIGIN, 40n, LEDGER_KEY, next)] } },
    ],
  ])('finds %s valid', async (_, plan) => {
    const { status, output } = verify(await makeBundle(ledger, plan));
    expect(output).toMatch(new RegExp(`^${plan.found.length} events of ${EVIDENCE_ORIGIN}, .*: 0 findings\n$`));
    expect(status).toBe(0);
  });

  it('finds it undecided without contents whether events were asked for', async () => {
    const { status, output } = verify(await makeBundle(ledger, { ...ORDER, contents: false }));
    expect(output).toMatch(/0 findings\nunchecked: without contents .*: order_id\n$/);
    expect(status).toBe(2);
  });

  it.each([
    ['a range', range, [deletedEvents(1n, 2n)]],
    ['what is there', ORDER, [deletedEvents(4n, 13n)]],
    ['what was not looked at', ORDER, [deletedEvents(4n, 12n), deletedEvents(54n, 61n)]],
    ['ranges in another order', ORDER, [deletedEvents(14n, 14n), deletedEvents(4n, 12n)]],
  ])('refuses that something was deleted of %s', async (_, plan, deleted) => {
    const { status, output } = verify(pack(unpack(await makeBundle(ledger, plan)), { deleted }));
    expect(output).not.toMatch(/Traceback/);
    expect(status).toBe(1);
  });

  it.each<[string, JsonObject]>([
    ['an order', { order_id: 'O-2' }],
    ['a search', { search: { 'metadata.lots': '2' } }],
    ['a search that begins later', { search: { 'metadata.lots': '2', from_sequence: '2', to_sequence: '30' } }],
    ['a search that ends later', { search: { 'metadata.lots': '2', to_sequence: '31' } }],
    [
      'a search in a recorded time whose neighbours are not there',
      { search: { 'metadata.lots': '2', recorded_from: recordedAtOf(1), recorded_to: recordedAtOf(31) } },
    ],
    ['nothing that can be read', { search: 'x' }],
  ])('refuses the envelopes of a part of the range of %s', async (_, asked) => {
    const whole = await makeBundle(ledger, {
      asked: { search: { 'metadata.lots': '2', to_sequence: '30' } },
      completeness: 'as-found-in-range',
      range: { from: 1n, to: 30n },
      found: [2, 12, 22],
      beside: numbers(1, 30).filter((sequence) => sequence % 10 !== 2),
    });
    expect(verify(whole).status).toBe(0);
    const { status, output } = verify(pack(unpack(whole), { asked }));
    expect(output).not.toMatch(/Traceback/);
    expect(status).toBe(1);
  });

  it.each([
    [FILES.events(1), 7_000_000],
    [FILES.proof(1), 65 * 65_537],
    [FILES.keys, 1_100_000],
  ])('refuses %s of %s bytes', async (name, size) => {
    const { status, output } = verify(repacked(await makeBundle(ledger, range), name, () => '\n'.repeat(size)));
    expect(output).toBe(`ValueError: ${name} has ${size} bytes; it has at most ${output.match(/[0-9]+\n$/)?.[0]}`);
    expect(status).toBe(1);
  });

  it('refuses another key, and keys that may not have signed', async () => {
    const bytes = await makeBundle(ledger, range);
    expect(verify(bytes, verifierKey(EVIDENCE_ORIGIN, keyOfByte(9)).toString()).status).toBe(1);
    const successions = [signSuccession(EVIDENCE_ORIGIN, 61n, LEDGER_KEY, next)];
    const early = await makeBundle(ledger, { ...range, papers: { key: next, successions } });
    expect(verify(early).output).toMatch(/not signed with a key reached/);
  });

  it.each(uncommittedAnchors(new KeptTree(ledger.leaves)))('refuses an anchor with %s', async (_, papers) => {
    const bytes = await makeBundle(ledger, { ...range, papers: { checkpoint: papers.checkpoint } });
    const { status, output } = verify(repacked(bytes, FILES.anchor(7n), () => papers.anchor));
    expect(output).not.toMatch(/Traceback/);
    expect(status).toBe(1);
  });

  it.each(OTHERWISE_WRITTEN)('refuses %s', async (_, name, change) => {
    const bytes = await makeBundle(ledger, range);
    const { status, output } = verify(repacked(bytes, name, change));
    expect(output).not.toMatch(/Traceback/);
    expect(status).toBe(1);
  });

  it.each(disagreeingAnchors(new KeptTree(ledger.leaves), new KeptTree(ledger.leaves.slice(0, 40))))(
    'refuses anchors that tell of %s',
    async (_, anchors) => {
      const files = unpack(await makeBundle(ledger, range));
      for (const [at, anchor] of anchors.entries()) files.set(FILES.anchor(7n + BigInt(at)), anchor);
      const { status, output } = verify(pack(files));
      expect(output).not.toMatch(/Traceback/);
      expect(output).toMatch(/anchor/);
      expect(status).toBe(1);
    },
  );

  it.each(inventedAnchors(new KeptTree(ledger.leaves)))(
    'refuses another ledger that the key has not signed, %s',
    async (_, anchors) => {
      const { status, output } = verify(await makeBundle(ledger, { ...range, papers: { anchors } }));
      expect(output).toMatch(/checkpoint of .*_service in anchor . is not signed with a key reached/);
      expect(status).toBe(1);
    },
  );

  it('compares anchors with those of the store', async () => {
    const bytes = await makeBundle(ledger, range);
    expect(verify(bytes, key.toString(), folder)).toMatchObject({ status: 2 });
    const stored = join(folder, '000000000007');
    const anchor = unpack(bytes).get(FILES.anchor(7n))!;
    writeFileSync(stored, anchor);
    expect(verify(bytes, key.toString(), folder)).toMatchObject({ status: 0 });
    writeFileSync(stored, anchor.toString().replace('"n":"7"', '"n":"8"'));
    expect(verify(bytes, key.toString(), folder)).toMatchObject({ status: 1 });
  });

  it.each(UNRECORDABLE)('refuses an event that no service records: %s', async (_, change) => {
    const made = makeLedger(12, (record, sequence) => void (sequence === 6 && change(record)));
    const asked = { from_sequence: '6', to_sequence: '6' };
    const plan: BundlePlan = {
      asked,
      completeness: 'complete-range',
      range: { from: 6n, to: 6n },
      found: [6],
      isUnchecked: true,
    };
    const { status, output } = verify(await makeBundle(made, plan));
    expect(output).not.toMatch(/Traceback/);
    expect(status).toBe(1);
  });

  it.each<[string, (record: JsonObject) => void, number]>([
    ['what is recorded', () => {}, 0],
    ...UNRECORDABLE.map(([of, change]): [string, (record: JsonObject) => void, number] => [of, change, 1]),
  ])('has a verifier of events beside it: %s', (_, change, wanted) => {
    const { records } = makeLedger(12, (record, sequence) => void (sequence === 6 && change(record)));
    const end = { end: { events: '12', as_of: '12' } };
    const file = join(folder, 'events.ndjson');
    writeFileSync(file, [...records, end].map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { status, stdout, stderr } = spawnSync(PYTHON, ['test/vectors/verify.py', '--whole', file], {
      encoding: 'utf8',
    });
    expect(stdout + stderr).not.toMatch(/Traceback/);
    expect([stdout, status]).toEqual([expect.anything(), wanted]);
  });

  it('refuses what the first refuses: bytes changed anywhere', async () => {
    const bytes = await makeBundle(ledger, range);
    const step = Math.ceil(bytes.length / 30);
    for (let at = 0; at < bytes.length; at += step) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      expect(verifyBundle(inMemory(changed), { keys: [key] }).verdict).toBe('invalid');
      const { status, output } = verify(changed);
      expect(output).not.toMatch(/Traceback/);
      expect(status).toBe(1);
    }
  }, 120_000);
});
