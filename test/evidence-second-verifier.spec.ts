/* eslint-disable @typescript-eslint/no-explicit-any -- what is changed here is JSON, made into what it never is */
import { spawnSync } from 'node:child_process';
import { hash, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { canonicalize, type JsonObject } from '../src/integrity/canonical-json.js';
import { checkpointText } from '../src/integrity/checkpoint.js';
import { FILES } from '../src/integrity/evidence-bundle.js';
import { verifyBundle } from '../src/integrity/evidence-verifier.js';
import { signSuccession } from '../src/integrity/key-succession.js';
import {
  COSIGNATURE_ED25519,
  formatNote,
  formatSignature,
  signText,
  verifierKey,
} from '../src/integrity/signed-note.js';
import { readJson } from '../src/integrity/strict-json.js';
import { ZipWriter } from '../src/integrity/zip.js';
import { bundleReportText } from '../src/verify/report-text.js';
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

interface OpenBundle {
  /** as it stands there, but for the list of files, which is made again before `files` are changed */
  manifest: Record<string, any>;
  content: Map<string, Buffer>;
  /** that are to be stored as they are */
  stored: Set<string>;
}

/** A bundle that was changed with care, whose digests are right. */
function changedBundle(files: ReadonlyMap<string, Buffer>, change: (bundle: OpenBundle) => unknown): Buffer {
  const { files: _, ...manifest } = readJson(files.get(FILES.manifest)!) as Record<string, any>;
  const content = new Map([...files].filter(([name]) => name !== FILES.manifest));
  const stored = new Set<string>();
  const listed: JsonObject[] = [];
  const bundle = { manifest: { ...manifest, files: listed }, content, stored };
  // of those that there are: whoever lists otherwise does so in the end
  for (const name of content.keys()) listed.push({ name });
  change(bundle);
  const zip = new ZipWriter();
  const chunks: Buffer[] = [];
  for (const [name, bytes] of content) {
    const { header, packed } = zip.add(name, bytes, { isDeflated: !stored.has(name) });
    chunks.push(header, packed);
    const entry = listed.find((each) => each.name === name);
    if (!entry) continue;
    const digest = (of: Buffer): string => hash('sha256', of, 'hex');
    Object.assign(entry, { bytes: String(bytes.length), sha256: digest(bytes) });
    Object.assign(entry, { packed_bytes: String(packed.length), packed_sha256: digest(packed) });
  }
  const text = Buffer.from(canonicalize(bundle.manifest));
  const { header, packed } = zip.add(FILES.manifest, text, { isDeflated: false });
  return Buffer.concat([...chunks, header, packed, zip.end()]);
}

const A_RANGE: BundlePlan = {
  asked: { from_sequence: '11', to_sequence: '20' },
  completeness: 'complete-range',
  range: { from: 11n, to: 20n },
  found: numbers(11, 20),
};
const AN_ORDER: BundlePlan = { asked: { order_id: 'O-3' }, found: [3, 13, 23, 33, 43, 53] };
const WITHOUT_CONTENTS: BundlePlan = { ...AN_ORDER, contents: false };
const OF_DELETED: BundlePlan = { ...AN_ORDER, deleted: [deletedEvents(4n, 12n)] };
const BY_IDS: BundlePlan = { asked: { event_ids: [5, 30, 31].map(idOf) }, found: [5, 30, 31] };
const AMONG_ENVELOPES: BundlePlan = {
  asked: { search: { 'metadata.lots': '2', to_sequence: '30' } },
  completeness: 'as-found-in-range',
  range: { from: 1n, to: 30n },
  found: [2, 7, 12, 17, 22, 27],
  beside: numbers(1, 30).filter((sequence) => sequence % 5 !== 2),
};
const NEXT_KEY = keyOfByte(9);
const SUCCEEDED: BundlePlan = {
  ...A_RANGE,
  papers: { key: NEXT_KEY, successions: [signSuccession(EVIDENCE_ORIGIN, 60n, LEDGER_KEY, NEXT_KEY)] },
};

const [VALID, INVALID, UNDECIDED] = [0, 1, 2];
const ANCHOR = FILES.anchor(7n);
const SERVICE = 'audit.example.com/truetrail/_service';

interface Other {
  of: string;
  plan: BundlePlan;
  change: (bundle: OpenBundle) => unknown;
  verdict: number;
}

/** A file that is JSON, changed. */
function edited({ content }: OpenBundle, name: string, change: (value: any) => unknown): void {
  const value = readJson(content.get(name)!);
  change(value);
  content.set(name, Buffer.from(canonicalize(value)));
}

/** The note of the ledger's checkpoint, changed where it stands alone and in the anchor alike. */
function noted(bundle: OpenBundle, change: (note: string) => string): void {
  const note = change(bundle.content.get(FILES.checkpoint)!.toString());
  bundle.content.set(FILES.checkpoint, Buffer.from(note));
  edited(bundle, ANCHOR, (anchor) => (anchor.checkpoints[1].note = note));
}

/** The same base64 for whoever does not look at the bits that are not used. */
function loose(note: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return note.replace(/(.)=\n$/, (_, last: string) => `${digits[digits.indexOf(last) ^ 1]}=\n`);
}

const noteOf = (text: string, origin: string, ...keys: KeyObject[]): string =>
  formatNote({ text, signatures: keys.map((key) => signText(text, origin, key)) });
const wrongSignature = (name: string): string =>
  formatSignature({ name, keyId: verifierKey(name, LEDGER_KEY).keyId, signature: Buffer.alloc(64) });
const succession = (size: string, more = '', by = verifierKey(EVIDENCE_ORIGIN, NEXT_KEY).toString()): string =>
  noteOf(
    `truetrail/key-succession/v1\n${EVIDENCE_ORIGIN}\n${by}\n${size}\n${more}`,
    ...([EVIDENCE_ORIGIN, LEDGER_KEY, NEXT_KEY] as const),
  );

/** Bundles that say the same as others in another way, or what no bundle says. */
const OTHERS: Other[] = [
  ...[60, '+60', '060', ' 60', '6_0', '\uff16\uff10', '60\n', null].map((as_of): Other => {
    const change = ({ manifest }: OpenBundle) => (manifest.as_of = as_of);
    return { of: `as_of ${JSON.stringify(as_of)}`, plan: A_RANGE, change, verdict: INVALID };
  }),
  ...[11, '+11', '011'].flatMap((from): Other[] => [
    {
      ...{ of: `a range from ${JSON.stringify(from)}`, plan: A_RANGE, verdict: INVALID },
      change: ({ manifest }) => (manifest.range.from_sequence = from),
    },
    {
      ...{ of: `asked from ${JSON.stringify(from)}`, plan: A_RANGE, verdict: INVALID },
      change: ({ manifest }) => (manifest.asked.from_sequence = from),
    },
  ]),
  ...['030', 30, '+30', '0'].map((to): Other => {
    const change = ({ manifest }: OpenBundle) => (manifest.asked.search.to_sequence = to);
    return { of: `searched to ${JSON.stringify(to)}`, plan: AMONG_ENVELOPES, change, verdict: INVALID };
  }),
  ...(
    [
      ['a member more', A_RANGE, (manifest) => (manifest.more = 1)],
      ['a member more of a file', A_RANGE, (manifest) => (manifest.files[0].more = 1)],
      ['a member more of the range', A_RANGE, (manifest) => (manifest.range.more = '1')],
      ['contents 1', A_RANGE, (manifest) => (manifest.contents = 1)],
      ['no range', A_RANGE, (manifest) => (manifest.range = null)],
      ['no range of envelopes', AMONG_ENVELOPES, (manifest) => (manifest.range = null)],
      ['envelopes without contents', AMONG_ENVELOPES, (manifest) => (manifest.contents = false)],
      ['another completeness', AN_ORDER, (manifest) => (manifest.completeness = 'found')],
      ['no list of what was deleted', AN_ORDER, (manifest) => (manifest.deleted = {})],
      ['years that are a text', OF_DELETED, ({ deleted }) => (deleted[0].years = '7')],
      ['no month', OF_DELETED, ({ deleted }) => (deleted[0].month = null)],
      ['a number of what was deleted', OF_DELETED, ({ deleted }) => (deleted[0].from_sequence = 4)],
      ['another member of it', OF_DELETED, ({ deleted }) => (deleted[0].more = delete deleted[0].policy)],
      ['ids that are an object', BY_IDS, ({ asked }) => (asked.event_ids = { [idOf(5)]: 1 })],
    ] satisfies [string, BundlePlan, (manifest: Record<string, any>) => unknown][]
  ).map(([of, plan, change]): Other => ({ of, plan, change: ({ manifest }) => change(manifest), verdict: INVALID })),
  ...(
    [
      [{ nothing: null }, INVALID, INVALID],
      [{ previous_state: null }, INVALID, INVALID],
      [{ sort: 5 }, INVALID, INVALID],
      [{ 'metadata.lots': 2 }, INVALID, INVALID],
      [{ event_ids: [idOf(3)] }, INVALID, INVALID],
      [{ event_ids: 'x' }, INVALID, UNDECIDED],
      [{ from: 'x' }, INVALID, INVALID],
      [{ recorded_by: 'key:0190a0b0-0000-7000-8000-000000000001' }, VALID, UNDECIDED],
      [{}, VALID, VALID],
    ] satisfies [JsonObject, number, number][]
  ).flatMap(([search, whole, envelopes]): Other[] => {
    const change = ({ manifest }: OpenBundle) => (manifest.asked = { search });
    const of = `a search by ${JSON.stringify(search)}`;
    return [
      { of, plan: AN_ORDER, change, verdict: whole },
      { of: `${of} without contents`, plan: WITHOUT_CONTENTS, change, verdict: envelopes },
    ];
  }),
  ...(
    [
      ['a member more', (anchor) => (anchor.more = 1)],
      ['a member more of a checkpoint', (anchor) => (anchor.checkpoints[0].more = 1)],
      ...['+0', 0, '00', '-1'].map((size): [string, (anchor: any) => unknown] => [
        `size_before ${JSON.stringify(size)}`,
        (anchor) => (anchor.checkpoints[1].size_before = size),
      ]),
      ['none before', (anchor) => (anchor.previous = null)],
      ['no digest before', (anchor) => (anchor.previous = 'x')],
      ['no list of successions', (anchor) => (anchor.successions = {})],
      [
        'a size of 0 that has a root',
        ({ checkpoints }) => {
          const text = checkpointText({ origin: SERVICE, size: 0n, rootHash: Buffer.alloc(32) });
          checkpoints[0].note = noteOf(text, SERVICE, LEDGER_KEY);
        },
      ],
      [
        'a control character',
        ({ checkpoints }) => {
          const text = `${checkpointText({ origin: SERVICE, size: 1n, rootHash: Buffer.alloc(32) })}a\r\n`;
          checkpoints[0].note = noteOf(text, SERVICE, LEDGER_KEY);
        },
      ],
      ['loose base64', ({ checkpoints }) => (checkpoints[0].note = loose(checkpoints[0].note))],
      ['a hundred signatures more', ({ checkpoints }) => (checkpoints[0].note += '— w AAAAAAAA\n'.repeat(100))],
      ['the signature of what has no name', ({ checkpoints }) => (checkpoints[0].note += '— w+x AAAAAAAA\n')],
      ['the signature of a name with a blank', ({ checkpoints }) => (checkpoints[0].note += '— w\u00a0x AAAAAAAA\n')],
      ['a signature that is too short', ({ checkpoints }) => (checkpoints[0].note += '— w AAAA\n')],
    ] satisfies [string, (anchor: any) => unknown][]
  ).map(([of, change]): Other => {
    return { of: `an anchor with ${of}`, plan: A_RANGE, change: (b) => edited(b, ANCHOR, change), verdict: INVALID };
  }),
  {
    ...{ of: 'an anchor in the order of UTF-16', plan: A_RANGE, verdict: VALID },
    change: (bundle) =>
      edited(bundle, ANCHOR, ({ checkpoints }) => {
        for (const name of ['\u{10000}', '\uffff']) {
          const origin = `audit.example.com/truetrail/${name}`;
          const text = checkpointText({ origin, size: 1n, rootHash: Buffer.alloc(32) });
          checkpoints.push({ size_before: '0', note: noteOf(text, origin, LEDGER_KEY) });
        }
      }),
  },
  { of: 'loose base64', plan: A_RANGE, change: (bundle) => noted(bundle, loose), verdict: INVALID },
  {
    ...{ of: 'a hundred signatures more', plan: A_RANGE, verdict: INVALID },
    change: (bundle) => noted(bundle, (note) => note + '— w AAAAAAAA\n'.repeat(100)),
  },
  {
    ...{ of: 'two keys that may sign, of which one is wrong', plan: SUCCEEDED, verdict: INVALID },
    change: (bundle) => noted(bundle, (note) => note + wrongSignature(EVIDENCE_ORIGIN)),
  },
  {
    ...{ of: 'two keys that may sign for another ledger, of which one is wrong', plan: SUCCEEDED, verdict: INVALID },
    change: (bundle) => edited(bundle, ANCHOR, ({ checkpoints }) => (checkpoints[0].note += wrongSignature(SERVICE))),
  },
  ...(
    [
      ['a member more', INVALID, (keys) => (keys.more = 1)],
      ['keys that are no list', INVALID, (keys) => (keys.keys = 'x')],
      ['a key that is no text', INVALID, (keys) => (keys.keys = [5])],
      ['a note that is no succession', INVALID, (keys) => keys.successions.push('a\n\n— b AAAAAAAA\n')],
      ...['+61', '061', '6_1'].map((size): [string, number, (keys: any) => unknown] => [
        `a succession from ${size}`,
        INVALID,
        (keys) => keys.successions.push(succession(size)),
      ]),
      ['a succession of five lines', INVALID, (keys) => keys.successions.push(succession('61', 'x\n'))],
      [
        'a succession to a key that signs no checkpoints',
        VALID,
        (keys) => {
          const cosigner = verifierKey(EVIDENCE_ORIGIN, NEXT_KEY, COSIGNATURE_ED25519).toString();
          keys.successions.push(succession('5', '', cosigner));
        },
      ],
      ['a succession that comes later', VALID, (keys) => keys.successions.push(succession('61'))],
    ] satisfies [string, number, (keys: any) => unknown][]
  ).map(([of, verdict, change]): Other => {
    return { of: `keys with ${of}`, plan: A_RANGE, change: (bundle) => edited(bundle, FILES.keys, change), verdict };
  }),
  ...[FILES.checkpoint, FILES.events(1), FILES.page].map((name): Other => {
    return { of: `${name} stored`, plan: A_RANGE, change: ({ stored }) => stored.add(name), verdict: INVALID };
  }),
  {
    ...{ of: 'another format', plan: A_RANGE, verdict: UNDECIDED },
    change: ({ manifest }) => (manifest.format = 'truetrail-bundle/2'),
  },
];

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

  const OF_A_DAY = { recorded_from: recordedAtOf(11), recorded_to: recordedAtOf(41) };
  it.each<[string, number, Omit<BundlePlan, 'completeness'>, RegExp | undefined]>([
    [
      'of a recorded time that went on after as_of',
      15,
      { asked: OF_A_DAY, range: { from: 11n, to: 15n }, found: numbers(11, 15), beside: [10] },
      /no event .*recorded at .* or later/,
    ],
    [
      'of what was asked for without an end',
      15,
      { asked: { from_sequence: '3' }, range: { from: 3n, to: 15n }, found: numbers(3, 15) },
      /without an end/,
    ],
    ['never of a recorded time that an event follows', 60, { ...range, asOf: 21n }, undefined],
    ['never of sequences', 20, A_RANGE, undefined],
  ])('says as the first does where a complete range has an open end: %s', async (_, size, plan, note) => {
    const bytes = await makeBundle(makeLedger(size), { ...plan, completeness: 'complete-range' });
    const { status, output } = verify(bytes);
    const first = bundleReportText(verifyBundle(inMemory(bytes), { keys: [key] }));
    expect(status).toBe(VALID);
    for (const said of [output, first]) {
      expect(said.includes('the range ends at as_of, sequence 15')).toBe(note !== undefined);
      if (note) expect(said).toMatch(note);
    }
    expect(/^complete\? +complete up to as_of/m.test(first)).toBe(note !== undefined);
  });

  it('refuses a range that ends before as_of while its time went on, as the first does', async () => {
    const cut: BundlePlan = {
      ...{ asked: OF_A_DAY, completeness: 'complete-range', asOf: 16n, isUnchecked: true },
      ...{ range: { from: 11n, to: 15n }, found: numbers(11, 15) },
    };
    for (const beside of [[10], [10, 16]]) {
      const bytes = await makeBundle(ledger, { ...cut, beside });
      expect(verifyBundle(inMemory(bytes), { keys: [key] }).verdict).toBe('invalid');
      expect(verify(bytes).status).toBe(INVALID);
    }
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

  it('says of bundles that are not as they are made what the first says of them', async () => {
    const made = new Map<BundlePlan, Map<string, Buffer>>();
    for (const { plan } of OTHERS) made.set(plan, unpack(await makeBundle(ledger, plan)));
    const bundles = OTHERS.map(({ plan, change }, at) => {
      const bytes = changedBundle(made.get(plan)!, change);
      const file = join(folder, `other-${at}.zip`);
      writeFileSync(file, bytes);
      return { file, bytes };
    });
    const first = bundles.map(({ bytes }) => {
      // the page was made of what was there before, and the second verifier does not look at it
      const { findings, unchecked } = verifyBundle(inMemory(bytes), { keys: [key] });
      return findings.some(({ kind }) => kind !== 'page') ? 1 : unchecked.length > 0 ? 2 : 0;
    });
    const each = `
import sys
sys.path.insert(0, sys.argv[1])
import verify_bundle
key, *files = sys.argv[2:]
for file in files:
    verify_bundle.FOUND.clear()
    verify_bundle.UNSEEN.clear()
    sys.argv = ['', file, key]
    print(f'status {verify_bundle.main()}')`;
    const all = [dirname(SECOND_VERIFIER), key.toString(), ...bundles.map(({ file }) => file)];
    const { stdout, stderr } = spawnSync(PYTHON, ['-c', each, ...all], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const second = [...stdout.matchAll(/^status ([0-9])$/gm)].map(([, status]) => Number(status));
    const said = (by: readonly number[]) => OTHERS.map(({ of }, at) => [of, by[at]]);
    const wanted = OTHERS.map(({ verdict }) => verdict);
    expect(said(first)).toEqual(said(wanted));
    expect(said(second)).toEqual(said(wanted));
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
  });
});
