import { hash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
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
  makePapers,
  numbers,
  OTHERWISE_WRITTEN,
  pack,
  recordedAtOf,
  repacked,
  uncommittedAnchors,
  UNRECORDABLE,
  unpack,
  WITNESS_KEY,
  WITNESS_NAME,
  type BundlePlan,
} from '../../test/support/evidence.js';
import { anchorBytes, anchorHash, parseAnchor } from './anchor.js';
import { canonicalize, type JsonObject } from './canonical-json.js';
import { checkpointText } from './checkpoint.js';
import { BundleError, FILES, keysText, parseManifest, type BundleManifest } from './evidence-bundle.js';
import type { DeletedEvents } from './evidence-claims.js';
import { verifyBundle, type BundleReport, type VerifyBundleOptions } from './evidence-verifier.js';
import { eventHash, type Envelope } from './event.js';
import { signSuccession } from './key-succession.js';
import { COSIGNATURE_ED25519, formatNote, signText, VerifierKey, verifierKey } from './signed-note.js';
import { ZipWriter } from './zip.js';

const KEY = verifierKey(EVIDENCE_ORIGIN, LEDGER_KEY);
const NOT_COMPARED =
  'its anchors are not compared with those of the object store: their numbers, and what comes before them, are what the bundle says';
const WITNESS = verifierKey(WITNESS_NAME, WITNESS_KEY, COSIGNATURE_ED25519);
const ledger = makeLedger(60);

/** Of the recorded time of the sequences 11 to 20, within the sequences 5 to 30. */
const AMONG_RECORDED: BundlePlan = {
  asked: {
    search: {
      user_id: 'trader-1',
      from_sequence: '5',
      to_sequence: '30',
      recorded_from: recordedAtOf(11),
      recorded_to: recordedAtOf(21),
    },
  },
  completeness: 'as-found-in-range',
  range: { from: 11n, to: 20n },
  found: [13, 16, 19],
  beside: [10, 11, 12, 14, 15, 17, 18, 20, 21],
};
const NONE_RECORDED = {
  asked: { search: { recorded_from: recordedAtOf(11).replace('.000000', '.500000'), recorded_to: recordedAtOf(12) } },
  range: { from: 12n, to: 11n },
  found: [],
  beside: [11, 12],
};
const AMONG_ALL: BundlePlan = {
  asked: { order_id: 'O-3' },
  completeness: 'as-found-in-range',
  range: { from: 1n, to: 60n },
  found: [3, 13, 23, 33, 43, 53],
  beside: numbers(1, 60).filter((sequence) => sequence % 10 !== 3),
};

const UNCOMMITTED = uncommittedAnchors(new KeptTree(ledger.leaves));

const verify = (bytes: Buffer, options: Partial<VerifyBundleOptions> = {}): BundleReport =>
  verifyBundle(inMemory(bytes), { keys: [KEY], ...options });

const RANGE: BundlePlan = {
  asked: { from_sequence: '11', to_sequence: '20' },
  completeness: 'complete-range',
  range: { from: 11n, to: 20n },
  found: numbers(11, 20),
};
const RECORDED: BundlePlan = {
  asked: { recorded_from: recordedAtOf(11), recorded_to: recordedAtOf(21) },
  completeness: 'complete-range',
  range: { from: 11n, to: 20n },
  found: numbers(11, 20),
  beside: [10, 21],
};
const ORDER: BundlePlan = { asked: { order_id: 'O-3' }, found: [3, 13, 23, 33, 43, 53] };
const SOME: BundlePlan = { asked: { event_ids: [5, 30, 31].map(idOf) }, found: [5, 30, 31] };
const AMONG: BundlePlan = {
  asked: { search: { user_id: 'trader-1', from_sequence: '1', to_sequence: '30' } },
  completeness: 'as-found-in-range',
  range: { from: 1n, to: 30n },
  found: numbers(1, 30).filter((sequence) => sequence % 3 === 1),
  beside: numbers(1, 30).filter((sequence) => sequence % 3 !== 1),
};

/** Bundles of a part of what they would be, were this what was asked for. */
const NARROWED: [string, BundlePlan, JsonObject][] = [
  ['an order', AMONG, { order_id: 'O-1' }],
  ['event time', { ...AMONG, found: [], beside: numbers(1, 30) }, { from: recordedAtOf(1) }],
  ['ids', { ...AMONG, found: [4], beside: numbers(1, 30).filter((each) => each !== 4) }, { event_ids: [idOf(4)] }],
  ['a search', AMONG, { search: { user_id: 'trader-1' } }],
  ['a later beginning', AMONG, { search: { user_id: 'trader-1', from_sequence: '2', to_sequence: '30' } }],
  ['an earlier end', AMONG, { search: { user_id: 'trader-1', to_sequence: '29' } }],
  ...(['recorded_from', 'recorded_to'] as const).map((name): [string, BundlePlan, JsonObject] => {
    const { [name]: _, ...rest } = AMONG_RECORDED.asked.search as JsonObject;
    return [`no ${name}`, AMONG_RECORDED, { search: rest }];
  }),
  ...[
    { recorded_from: recordedAtOf(10) },
    { recorded_to: recordedAtOf(22) },
    { from_sequence: '12' },
    { to_sequence: '19' },
  ].map((change): [string, BundlePlan, JsonObject] => [
    JSON.stringify(change),
    AMONG_RECORDED,
    { search: { ...(AMONG_RECORDED.asked.search as JsonObject), ...change } },
  ]),
];

const kindsOf = (report: BundleReport): string[] => [...new Set(report.findings.map(({ kind }) => kind))];

/** Invalid, by findings of these kinds among others that follow from them. */
function expectInvalid(report: BundleReport, ...kinds: string[]): void {
  expect(report.verdict).toBe('invalid');
  expect(kindsOf(report)).toEqual(expect.arrayContaining(kinds));
}

describe('an evidence bundle', () => {
  const plans: [string, BundlePlan][] = [
    ['a range of sequences', RANGE],
    ['a range of sequences without contents', { ...RANGE, contents: false }],
    [
      'a whole ledger',
      {
        asked: { from_sequence: '1' },
        completeness: 'complete-range',
        range: { from: 1n, to: 60n },
        found: numbers(1, 60),
      },
    ],
    ['a range of recorded time', RECORDED],
    ['a range of recorded time without contents', { ...RECORDED, contents: false }],
    [
      'recorded time up to the end',
      {
        asked: { recorded_from: recordedAtOf(50) },
        completeness: 'complete-range',
        range: { from: 50n, to: 60n },
        found: numbers(50, 60),
        beside: [49],
      },
    ],
    [
      'recorded time in which nothing was recorded',
      {
        asked: {
          recorded_from: recordedAtOf(10).replace('00.0', '00.1').replace('.000000', '.100000'),
          recorded_to: recordedAtOf(11),
        },
        completeness: 'complete-range',
        range: { from: 11n, to: 10n },
        found: [],
        beside: [10, 11],
      },
    ],
    ['some ids', SOME],
    ['an order', ORDER],
    ['event time', { asked: { from: recordedAtOf(5), to: recordedAtOf(8) }, found: [6, 7, 8] }],
    [
      'a search',
      { asked: { search: { 'metadata.lots': '2', 'metadata.client_id': 'C-2', sort: 'sequence' } }, found: [2, 37] },
    ],
    ['a search that finds nothing', { asked: { search: { user_id: 'nobody' } }, found: [] }],
    ['a search among the envelopes of a range', AMONG],
    ['a search among the envelopes of a recorded time', AMONG_RECORDED],
    ['a search in a recorded time of which nothing is', { ...AMONG_RECORDED, ...NONE_RECORDED }],
    ['an order among the envelopes of the ledger', AMONG_ALL],
    [
      'an order of which there is nothing, without contents',
      { asked: { order_id: 'none' }, contents: false, found: [] },
    ],
    ['what was there at an earlier as_of', { ...RANGE, asOf: 25n }],
  ];
  it.each(plans)('of %s is valid, and the same when made again', async (_, plan) => {
    const bytes = await makeBundle(ledger, plan);
    const report = verify(bytes);
    expect(report.findings).toEqual([]);
    expect(report.unchecked).toEqual([]);
    expect(report.verdict).toBe('valid');
    expect(report.bundle).toMatchObject({
      events: String(plan.found.length),
      envelopes: String(plan.beside?.length ?? 0),
      completeness: plan.completeness ?? 'as-found',
    });
    expect(report.checkpoint?.signed_by).toEqual([KEY.toString()]);
    expect((await makeBundle(ledger, plan)).equals(bytes)).toBe(true);
  });

  it('of a recorded time is valid up to as_of, and the report says that what came after it was not looked at', async () => {
    const cut: BundlePlan = {
      ...RECORDED,
      asOf: 15n,
      range: { from: 11n, to: 15n },
      found: numbers(11, 15),
      beside: [10],
    };
    const report = verify(await makeBundle(ledger, cut));
    expect(report.verdict).toBe('valid');
    expect(report.notes).toContainEqual(
      expect.stringMatching(/^as_of is 15: of the ledger's 60 events those after it/),
    );
    expect(verify(await makeBundle(ledger, RECORDED)).notes).toEqual([NOT_COMPARED]);
  });

  const OF_A_DAY = { recorded_from: recordedAtOf(11), recorded_to: recordedAtOf(41) };
  const OPEN = /^the range ends at as_of, sequence 15, and no event that was recorded at .* or later is here/;
  it.each<[string, number, BundlePlan, RegExp | undefined]>([
    // the ledger that had 15 events when its checkpoint was signed has 60 by now, of which 40 are of that time
    [
      'is told where the last checkpoint before as_of was taken, of a recorded time that went on',
      15,
      {
        asked: OF_A_DAY,
        completeness: 'complete-range',
        range: { from: 11n, to: 15n },
        found: numbers(11, 15),
        beside: [10],
      },
      OPEN,
    ],
    [
      'is told of a time of which nothing was recorded until as_of',
      15,
      {
        asked: { recorded_from: recordedAtOf(20), recorded_to: recordedAtOf(41) },
        completeness: 'complete-range',
        range: { from: 16n, to: 15n },
        found: [],
        beside: [15],
      },
      OPEN,
    ],
    [
      'is told of what was asked for without an end',
      15,
      {
        asked: { from_sequence: '3' },
        completeness: 'complete-range',
        range: { from: 3n, to: 15n },
        found: numbers(3, 15),
      },
      /^the range ends at as_of, sequence 15: it was asked for without an end/,
    ],
    [
      'is none where an event after a recorded time is here, however early as_of is',
      60,
      { ...RECORDED, asOf: 21n },
      undefined,
    ],
    ['is none of sequences, which are whole whatever came after them', 60, { ...RANGE, asOf: 20n }, undefined],
    ['is none of sequences up to the last that was signed', 20, RANGE, undefined],
  ])('an open end %s', async (_, size, plan, note) => {
    const bytes = await makeBundle(makeLedger(size), plan);
    const report = verify(bytes);
    const page = unpack(bytes).get(FILES.page)!.toString();
    expect(report.verdict).toBe('valid');
    expect(report.bundle).toMatchObject({ completeness: 'complete-range', is_open_ended: note !== undefined });
    expect(report.notes.filter((each) => each !== NOT_COMPARED)).toEqual(note ? [expect.stringMatching(note)] : []);
    expect(page.includes('The range ends at as_of')).toBe(note !== undefined);
  });

  it('cannot say that its range ends with what was asked for where an event after it was recorded in time', async () => {
    // as_of is one more, so that the event after the range must be here, and it was recorded before recorded_to
    const cut: BundlePlan = {
      ...{ asked: OF_A_DAY, completeness: 'complete-range', asOf: 16n, isUnchecked: true },
      ...{ range: { from: 11n, to: 15n }, found: numbers(11, 15) },
    };
    expectInvalid(verify(await makeBundle(ledger, { ...cut, beside: [10] })), 'missing');
    expectInvalid(verify(await makeBundle(ledger, { ...cut, beside: [10, 16] })), 'missing');
  });

  it('of an empty ledger is valid', async () => {
    const plan: BundlePlan = {
      asked: { from_sequence: '1' },
      completeness: 'complete-range',
      range: { from: 1n, to: 0n },
      found: [],
    };
    expect(verify(await makeBundle(makeLedger(0), plan)).verdict).toBe('valid');
  });

  it('goes in pieces past some MB, and so does its proof', async () => {
    const many = makeLedger(9_000);
    const bytes = await makeBundle(many, {
      asked: { from_sequence: '2', to_sequence: '8999' },
      completeness: 'complete-range',
      range: { from: 2n, to: 8999n },
      found: numbers(2, 8999),
    });
    expect([...unpack(bytes).keys()].filter((name) => name.startsWith('events/'))).toHaveLength(2);
    expect(verify(bytes).verdict).toBe('valid');
    const files = unpack(bytes);
    files.delete(FILES.events(1));
    expectInvalid(verify(pack(files)), 'file', 'missing');
  });

  it('never verifies with any of its bytes changed', async () => {
    const bytes = await makeBundle(ledger, { ...RANGE, papers: { isWitnessed: true } });
    expect(verify(bytes).verdict).toBe('valid');
    const accepted: number[] = [];
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      if (verify(changed).verdict !== 'invalid') accepted.push(at);
    }
    // no field of the zip is left that nobody vouches for: headers are compared to the bit, and the digests of the
    // manifest are of the deflated bytes as well, where other bits could stand for the same text
    expect(accepted).toEqual([]);
  }, 300_000);

  it('never verifies cut off, or with anything before or after it', async () => {
    const bytes = await makeBundle(ledger, SOME);
    for (let length = 0; length < bytes.length; length += 13) expectInvalid(verify(bytes.subarray(0, length)), 'zip');
    expectInvalid(verify(Buffer.concat([bytes, Buffer.of(0)])), 'zip');
    expectInvalid(verify(Buffer.concat([Buffer.of(0), bytes])), 'zip');
    expectInvalid(verify(Buffer.alloc(0)), 'zip');
  });

  it('is refused with a file that is stored as it is: it is deflated where it is written', async () => {
    const files = unpack(await makeBundle(ledger, SOME));
    const zip = new ZipWriter();
    const parts = [...files].flatMap(([name, content]) => Object.values(zip.add(name, content, { isDeflated: false })));
    const report = verify(Buffer.concat([...parts, zip.end()]));
    expect(report.findings).toContainEqual(
      expect.objectContaining({ kind: 'zip', detail: '"checkpoint" is not deflated' }),
    );
  });

  it('is refused when the headers of a file differ, or its name comes twice', async () => {
    const bytes = await makeBundle(ledger, SOME);
    const other = Buffer.from(bytes);
    other.write('eventz', other.indexOf('events/000001'), 'latin1'); // the local header alone
    expect(verify(other).findings[0]!.detail).toMatch(/differs from its place in the directory/);
    const zip = new ZipWriter();
    const parts = [1, 2].flatMap(() => Object.values(zip.add('a', Buffer.from('a'), { isDeflated: true })));
    expect(verify(Buffer.concat([...parts, zip.end()])).findings[0]!.detail).toMatch(/twice/);
  });

  it('is refused with a file that is unknown, not in the manifest, absent, or another than the manifest says', async () => {
    const bytes = await makeBundle(ledger, SOME);
    const files = unpack(bytes);
    expectInvalid(verify(pack(new Map([['readme.txt', Buffer.from('x')], ...files]))), 'file');
    const manifest = parseManifest(files.get(FILES.manifest)!);
    expectInvalid(
      verify(pack(new Map([['keys2.json', Buffer.from('x')], ...files]), { files: manifest.files })),
      'file',
    );
    for (const name of files.keys()) {
      if (name === FILES.manifest) continue;
      const without = new Map(files);
      without.delete(name);
      expectInvalid(
        verify(pack(without)),
        name.startsWith('proof') ? 'proof' : name.startsWith('events') ? 'missing' : 'file',
      );
      expectInvalid(verify(pack(without, { files: manifest.files })), 'file');
      const other = { ...manifest.files.find((each) => each.name === name)!, sha256: '0'.repeat(64) };
      const files_ = manifest.files.map((each) => (each.name === name ? other : each));
      expectInvalid(verify(pack(files, { files: files_ })), 'file');
    }
  });

  it('needs the right key, and is undecided without one', async () => {
    const bytes = await makeBundle(ledger, RANGE);
    expectInvalid(verify(bytes, { keys: [verifierKey(EVIDENCE_ORIGIN, keyOfByte(9))] }), 'key');
    expectInvalid(verify(bytes, { keys: [verifierKey('audit.example.com/truetrail/other', LEDGER_KEY)] }), 'key');
    const report = verify(bytes, { keys: [] });
    expect([report.verdict, report.findings, report.unchecked.length]).toEqual(['undecided', [], 1]);
  });

  it('follows the succession of keys, within the sizes of each', async () => {
    const next = keyOfByte(9);
    const plan = (fromSize: bigint, key = next): BundlePlan => ({
      ...RANGE,
      papers: { key, successions: [signSuccession(EVIDENCE_ORIGIN, fromSize, LEDGER_KEY, next)] },
    });
    const report = verify(await makeBundle(ledger, plan(40n)));
    expect([report.verdict, report.checkpoint!.signed_by]).toEqual([
      'valid',
      [verifierKey(EVIDENCE_ORIGIN, next).toString()],
    ]);
    expectInvalid(verify(await makeBundle(ledger, plan(61n))), 'key'); // the new key, before its time
    expectInvalid(verify(await makeBundle(ledger, plan(59n, LEDGER_KEY))), 'key'); // the old one, after
    const forged = signSuccession(EVIDENCE_ORIGIN, 40n, keyOfByte(8), next);
    expectInvalid(verify(await makeBundle(ledger, { ...RANGE, papers: { key: next, successions: [forged] } })), 'key');
  });

  it('has the cosignatures of witnesses that are asked for', async () => {
    const bytes = await makeBundle(ledger, { ...RANGE, papers: { isWitnessed: true } });
    expect(verify(bytes, { witnesses: [WITNESS] })).toMatchObject({
      verdict: 'valid',
      witnesses: [{ name: WITNESS_NAME, time: '1780400000' }],
    });
    // on the page it is what stands in the file: nobody has checked it who reads that alone
    const page = unpack(bytes).get(FILES.page)!.toString();
    expect(page).toMatch(
      /<th>Cosignature in the file<\/th><td class="m">witness\.example\.com\/w1, key [0-9a-f]{8}, time 178/,
    );
    expect(page).toContain('They count once the check is told whom to trust');
    const stranger = verifierKey('witness.example.com/w2', keyOfByte(3), COSIGNATURE_ED25519);
    expectInvalid(verify(bytes, { witnesses: [stranger] }), 'witness');
    expectInvalid(verify(await makeBundle(ledger, RANGE), { witnesses: [WITNESS] }), 'witness');
    const spoilt = repacked(bytes, FILES.checkpoint, (text) => text.replace(/(.{20})..\n$/, '$1A=\n'));
    expectInvalid(verify(spoilt, { witnesses: [WITNESS] }), 'witness');
  });

  it('hands timestamps with the digest of their anchor to the check for them', async () => {
    const first = makePapers(new KeptTree(ledger.leaves)).anchors[0]!;
    const next = anchorBytes({ number: 8n, previous: anchorHash(first), checkpoints: [], successions: [] });
    const timestamps = [
      { anchor: 7n, reply: Buffer.from('a') },
      { anchor: 8n, reply: Buffer.from('b') },
      { anchor: 8n, reply: Buffer.from('c') },
    ];
    const bytes = await makeBundle(ledger, { ...RANGE, papers: { anchors: [first, next], timestamps } });
    expect([...unpack(bytes).keys()]).toEqual(
      expect.arrayContaining(['timestamps/000000000007-1.tsr', 'timestamps/000000000008-2.tsr']),
    );
    expect(verify(bytes)).toMatchObject({
      verdict: 'valid',
      unchecked: [],
      notes: [NOT_COMPARED, '3 timestamps of authorities are not looked at'],
    });
    const seen: string[] = [];
    const report = verify(bytes, {
      verifyTimestamp: (reply, digest) => {
        seen.push(`${reply.toString()} ${digest.toString('hex')}`);
        return { time: 'then' };
      },
    });
    const [one, two] = [first, next].map((each) => hash('sha256', each, 'hex'));
    expect(seen).toEqual([`a ${one}`, `b ${two}`, `c ${two}`]);
    expect(report.timestamps.map(({ anchor }) => anchor)).toEqual(['7', '8', '8']);
    expectInvalid(verify(bytes, { verifyTimestamp: () => ({ fault: 'no' }) }), 'timestamp');
    const unchained = anchorBytes({ number: 8n, previous: Buffer.alloc(32), checkpoints: [], successions: [] });
    const papers = { anchors: [first, unchained], timestamps };
    expectInvalid(verify(await makeBundle(ledger, { ...RANGE, papers })), 'anchor');
    const ninth = anchorBytes({ number: 9n, previous: anchorHash(first), checkpoints: [], successions: [] });
    expectInvalid(verify(await makeBundle(ledger, { ...RANGE, papers: { anchors: [first, ninth] } })), 'file');
    const ofNone = { timestamps: [{ anchor: 8n, reply: Buffer.from('b') }] };
    expectInvalid(verify(await makeBundle(ledger, { ...RANGE, papers: ofNone })), 'file');
    const gap = new Map(unpack(bytes));
    gap.delete('timestamps/000000000008-1.tsr');
    expectInvalid(verify(pack(gap)), 'file');
  });

  const events = FILES.events(1);
  const lines = (text: string): JsonObject[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as JsonObject);
  const onLines = (change: (all: JsonObject[]) => JsonObject[]) => (text: string) =>
    change(lines(text))
      .map((line) => `${canonicalize(line)}\n`)
      .join('');
  const rehashed = (line: JsonObject): JsonObject => ({
    ...line,
    event_hash: eventHash(line as unknown as Envelope).toString('hex'),
  });

  it.each<[string, (all: JsonObject[]) => JsonObject[], string[]]>([
    ['an event left out', (all) => all.toSpliced(4, 1), ['missing', 'proof', 'manifest']],
    ['the last left out', (all) => all.slice(0, -1), ['missing', 'proof']],
    ['the first left out', (all) => all.slice(1), ['missing', 'proof']],
    ['two events swapped', (all) => [all[1]!, all[0]!, ...all.slice(2)], ['sequence']],
    ['an event twice', (all) => [all[0]!, ...all], ['sequence']],
    ['a content changed', (all) => all.with(3, { ...all[3]!, action: 'cancel' }), ['content']],
    ['a state changed', (all) => all.with(3, { ...all[3]!, new_state: {} }), ['content']],
    ['a member put in', (all) => all.with(3, { ...all[3]!, seen: true }), ['content']],
    ['a content member put in', (all) => all.with(3, { ...all[3]!, source: 'oms' }), ['content']],
    ['a content taken away', (all) => all.with(3, onlyEnvelope(all[3]!)), ['content']],
    ['another salt', (all) => all.with(3, { ...all[3]!, salt: '0'.repeat(32) }), ['content']],
    ['another recorder', (all) => all.with(3, { ...all[3]!, recorded_by: 'service' }), ['link']],
    ['a rewritten event', (all) => all.with(3, rehashed({ ...all[3]!, recorded_by: 'service' })), ['link', 'proof']],
    ['the last rewritten', (all) => all.with(9, rehashed({ ...all[9]!, recorded_by: 'service' })), ['proof']],
    [
      'another time',
      (all) => all.with(9, rehashed({ ...all[9]!, recorded_at: recordedAtOf(3) })),
      ['recorded_time', 'proof'],
    ],
    ['another ledger', (all) => all.with(9, rehashed({ ...all[9]!, origin: 'example.com/x' })), ['link', 'proof']],
    ['another sequence', (all) => all.with(9, rehashed({ ...all[9]!, sequence: '22' })), ['missing', 'proof']],
    ['no lines', () => [], ['missing', 'proof', 'manifest']],
  ])('says which record is wrong: %s', async (_, change, kinds) => {
    const report = verify(repacked(await makeBundle(ledger, RANGE), events, onLines(change)));
    expectInvalid(report, ...kinds);
  });

  it('is not looked at past a thousand findings, nor into a file larger than any that is written', async () => {
    const bytes = await makeBundle(ledger, RANGE);
    const many = verify(repacked(bytes, FILES.events(1), () => '\n'.repeat(100_000)));
    expect(many).toMatchObject({ verdict: 'invalid', findings_total: 1_000 });
    expect(many.notes).toEqual([NOT_COMPARED, 'after 1000 findings it is not looked at further']);
    const archived = verify(repacked(bytes, FILES.archive, () => '{}\n'.repeat(100_000)));
    expect(archived).toMatchObject({ verdict: 'invalid', findings_total: 1_000 });
    for (const [name, size] of [
      [FILES.events(1), 7_000_000],
      [FILES.proof(1), 65 * 65_537],
      [FILES.keys, 1_100_000],
    ] as const) {
      const { findings } = verify(repacked(bytes, name, () => '\n'.repeat(size)));
      expect(findings.map(({ detail }) => detail).join('\n')).toMatch(
        new RegExp(`"${name}" has ${size} bytes; it has at most [0-9]+`),
      );
      expect(findings.length).toBeLessThan(10);
    }
  });

  it('names the record', async () => {
    const bytes = repacked(
      await makeBundle(ledger, RANGE),
      events,
      onLines((all) => all.with(3, { ...all[3]!, action: 'cancel' })),
    );
    expect(verify(bytes).findings[0]).toEqual({
      kind: 'content',
      sequence: '14',
      event_id: idOf(14),
      detail: 'its content has another hash than its content_hash',
    });
    const broken = repacked(await makeBundle(ledger, RANGE), events, (text) => text.replace('"action"', 'action'));
    expect(verify(broken).findings[0]!.detail).toMatch(/^events\/000001.ndjson, line 1: /);
  });

  it('cannot claim more than it holds', async () => {
    const range = await makeBundle(ledger, RANGE);
    const claim = (bytes: Buffer, change: Partial<BundleManifest>): BundleReport => verify(pack(unpack(bytes), change));
    expectInvalid(claim(range, { range: { from: 11n, to: 21n } }), 'asked', 'missing');
    expectInvalid(
      claim(range, { range: { from: 10n, to: 20n }, asked: { from_sequence: '10', to_sequence: '20' } }),
      'missing',
    );
    expectInvalid(claim(range, { asOf: 61n }), 'checkpoint');
    expectInvalid(claim(range, { asOf: 15n }), 'sequence', 'asked');
    expectInvalid(claim(range, { contents: false }), 'content');
    expectInvalid(claim(range, { events: 11n }), 'manifest');
    expectInvalid(claim(range, { hashes: 1n }), 'manifest');
    expectInvalid(claim(range, { origin: 'audit.example.com/truetrail/other' }), 'manifest', 'checkpoint', 'link');
    expectInvalid(claim(range, { asked: { event_ids: numbers(11, 20).map(idOf) } }), 'asked');
    expectInvalid(claim(range, { asked: { order_id: 'O-1' }, completeness: 'as-found', range: null }), 'asked');
    expectInvalid(claim(range, { asked: { from: 'then' }, completeness: 'as-found', range: null }), 'asked');
    expectInvalid(claim(await makeBundle(ledger, ORDER), { asked: { order_id: 'O-4' } }), 'asked');
    expectInvalid(claim(await makeBundle(ledger, SOME), { asked: { event_ids: [5, 30].map(idOf) } }), 'asked');
    expectInvalid(
      claim(await makeBundle(ledger, SOME), { asked: { event_ids: [5, 30, 31, 32].map(idOf) } }),
      'missing',
    );
    const some = await makeBundle(ledger, SOME);
    expectInvalid(claim(some, { completeness: 'complete-range', range: { from: 5n, to: 31n } }), 'asked', 'missing');
    expectInvalid(claim(await makeBundle(ledger, AMONG), { range: { from: 1n, to: 31n } }), 'missing');
  });

  it('says what was deleted and might have been found, and cannot say so of what is there, or of a range', async () => {
    const [first, second] = [deletedEvents(4n, 12n), deletedEvents(14n, 14n)];
    const bytes = await makeBundle(ledger, { ...ORDER, deleted: [first, second] });
    const report = verify(bytes);
    expect(report).toMatchObject({ verdict: 'valid', findings: [], unchecked: [] });
    expect(report.bundle!.deleted).toMatchObject([
      { from_sequence: '4', to_sequence: '12', policy: 'default', years: 7, month: '2019-06-01' },
      { from_sequence: '14', to_sequence: '14' },
    ]);
    const said = 'sequences 4 to 12, recorded in 2019-06, deleted at 2026-07-01T00:00:00Z under the policy default';
    expect(report.notes).toContainEqual(expect.stringContaining(said));
    expect(unpack(bytes).get(FILES.page)!.toString()).toContain(said);
    const claim = (of: Buffer, deleted: DeletedEvents[]): BundleReport => verify(pack(unpack(of), { deleted }));
    expectInvalid(claim(bytes, [first]), 'page');
    for (const wrong of [[deletedEvents(4n, 13n)], [second, first], [first, deletedEvents(12n, 12n)]]) {
      expectInvalid(claim(bytes, wrong), 'asked', 'page');
    }
    for (const [from, to] of [
      [61n, 61n],
      [0n, 1n],
      [5n, 4n],
    ] as const) {
      expectInvalid(claim(bytes, [deletedEvents(from, to)]), 'asked', 'page');
    }
    expectInvalid(claim(await makeBundle(ledger, RANGE), [first]), 'asked', 'page');
    await expect(makeBundle(ledger, { ...ORDER, deleted: [deletedEvents(3n, 3n)] })).rejects.toThrow('event 3');
    const untold = { ...first, years: '7' } as unknown as DeletedEvents;
    expectInvalid(claim(bytes, [untold]), 'manifest');
  });

  it('cannot narrow a range of recorded time', async () => {
    const asked = RECORDED.asked;
    const bytes = await makeBundle(ledger, RECORDED);
    const wider = { recorded_from: recordedAtOf(10), recorded_to: recordedAtOf(21) };
    expectInvalid(verify(pack(unpack(bytes), { asked: wider })), 'missing');
    expectInvalid(verify(pack(unpack(bytes), { asked: { ...asked, recorded_to: recordedAtOf(22) } })), 'missing');
    expectInvalid(verify(pack(unpack(bytes), { asked: { ...asked, recorded_to: recordedAtOf(20) } })), 'asked');
    expectInvalid(verify(pack(unpack(bytes), { asked: { recorded_from: recordedAtOf(11) } })), 'asked');
  });

  it.each(NARROWED)('cannot narrow the range of the envelopes: %s', async (_, plan, asked) => {
    const report = verify(pack(unpack(await makeBundle(ledger, plan)), { asked }));
    expect(report.verdict).toBe('invalid');
    expect(report.findings[0]!.kind).toMatch(/asked|missing/);
  });

  it.each([
    ['an order', { ...ORDER, contents: false }, '"order_id"'],
    [
      'event time',
      { asked: { from: recordedAtOf(5), to: recordedAtOf(8) }, found: [6, 7, 8], contents: false },
      '"from, to"',
    ],
    [
      'a search',
      { asked: { search: { user_id: 'trader-1', sort: 'sequence', to_sequence: '9' } }, found: [4], contents: false },
      '"user_id"',
    ],
  ] as [string, BundlePlan, string][])(
    'without contents does not show that it is of %s, and is undecided',
    async (_, plan, names) => {
      const bytes = await makeBundle(ledger, plan);
      const report = verify(bytes);
      expect([report.verdict, report.findings]).toEqual(['undecided', []]);
      expect(report.unchecked).toEqual([
        `without contents it cannot be seen that the events are those that were asked for: ${names}`,
      ]);
      expect(unpack(bytes).get(FILES.page)!.toString()).toContain(
        'is the word of the service.</li>\n<li>The checkpoint',
      );
    },
  );

  it.each<[JsonObject, string]>([
    [{ search: { 'metadata.toString': 'x' } }, 'another metadata.toString'],
    [{ search: { 'metadata.constructor': 'x' } }, 'another metadata.constructor'],
    [{ search: { toString: 'x' } }, 'another toString'],
    [{ search: 'x' }, 'by search'],
    [{ event_ids: 5 }, 'by event_ids'],
  ])('whose question is %j has no events that meet it', async (asked, detail) => {
    const report = verify(pack(unpack(await makeBundle(ledger, ORDER)), { asked }));
    expectInvalid(report, 'asked');
    expect(report.findings.map((each) => each.detail).join()).toContain(detail);
  });

  it('needs the hashes of its proof, all of them, in order, and no more', async () => {
    const bytes = await makeBundle(ledger, SOME);
    const proof = FILES.proof(1);
    const change = (by: (all: string[]) => string[]) =>
      verify(
        repacked(bytes, proof, (text) =>
          by(text.trimEnd().split('\n'))
            .map((line) => `${line}\n`)
            .join(''),
        ),
      );
    expectInvalid(
      change((all) => all.slice(1)),
      'proof',
    );
    expectInvalid(
      change((all) => [all[1]!, all[0]!, ...all.slice(2)]),
      'proof',
    );
    expectInvalid(
      change((all) => [...all, all[0]!]),
      'proof',
    );
    expectInvalid(
      change((all) => all.with(0, '0'.repeat(64))),
      'proof',
    );
    expectInvalid(
      change((all) => all.with(0, 'zero')),
      'proof',
    );
  });

  it('needs the checkpoint of this ledger and tree, and the anchor that holds it', async () => {
    const bytes = await makeBundle(ledger, RANGE);
    const replaced = (name: string, by: string | Buffer): BundleReport =>
      verify(pack(new Map([...unpack(bytes), [name, Buffer.from(by)]])));
    const smaller = makePapers(new KeptTree(ledger.leaves.slice(0, 40)));
    expectInvalid(replaced(FILES.checkpoint, smaller.checkpoint), 'checkpoint', 'proof', 'anchor');
    const other = makePapers(new KeptTree(ledger.leaves), { origin: 'audit.example.com/truetrail/other' });
    expectInvalid(replaced(FILES.checkpoint, other.checkpoint), 'checkpoint', 'key', 'anchor');
    expectInvalid(replaced(FILES.checkpoint, 'no note'), 'checkpoint');
    expectInvalid(replaced(FILES.anchor(7n), smaller.anchors[0]!), 'anchor');
    expectInvalid(replaced(FILES.anchor(7n), '{}'), 'anchor');
    const [anchor] = makePapers(new KeptTree(ledger.leaves)).anchors as [Buffer];
    const without = { ...parseAnchor(anchor), checkpoints: parseAnchor(anchor).checkpoints.slice(0, 1) };
    expectInvalid(replaced(FILES.anchor(7n), anchorBytes(without)), 'anchor');
    expectInvalid(replaced(FILES.keys, '{"keys":[],"successions":[1]}'), 'key');
    expectInvalid(replaced(FILES.keys, keysText(['x'], [])), 'page');
    expectInvalid(replaced(FILES.archive, 'x\n'), 'archive');
    expectInvalid(replaced(FILES.archive, '{"ledger":"other"}\n'), 'archive');
  });

  it.each(UNCOMMITTED)('is not dated by an anchor that holds of its checkpoint %s', async (_, papers) => {
    const bytes = await makeBundle(ledger, { ...RANGE, papers: { checkpoint: papers.checkpoint } });
    const files = unpack(bytes).set(FILES.anchor(7n), papers.anchor);
    expectInvalid(verify(pack(files), { verifyTimestamp: () => ({ time: 'then' }) }), 'anchor');
  });

  it.each(OTHERWISE_WRITTEN)('is refused with %s', async (_, name, change) => {
    const bytes = await makeBundle(ledger, RANGE);
    const changed = repacked(bytes, name, change);
    expect(unpack(changed).get(name)!.equals(unpack(bytes).get(name)!)).toBe(false);
    expect(verify(changed).verdict).toBe('invalid');
  });

  const [whole, part] = [new KeptTree(ledger.leaves), new KeptTree(ledger.leaves.slice(0, 40))];
  it.each(disagreeingAnchors(whole, part))('is refused with anchors that tell of %s', async (_, anchors) => {
    const files = unpack(await makeBundle(ledger, RANGE));
    for (const [at, anchor] of anchors.entries()) files.set(FILES.anchor(7n + BigInt(at)), anchor);
    expectInvalid(verify(pack(files)), 'anchor');
  });

  it.each(inventedAnchors(whole))(
    'is refused with another ledger that the key has not signed, %s',
    async (_, anchors) => {
      const files = unpack(await makeBundle(ledger, { ...RANGE, papers: { anchors } }));
      const report = verify(pack(files));
      expectInvalid(report, 'anchor');
      expect(report.findings[0]!.detail).toMatch(/_service is not signed with a key reached from the one given/);
    },
  );

  it('is valid with another ledger that a successor of the key has signed, of which that ledger alone tells', async () => {
    const [first] = makePapers(whole).anchors as [Buffer];
    const service = 'audit.example.com/truetrail/_service';
    const successor = keyOfByte(9);
    const anchorOf = (number: bigint, before: Buffer, successions: string[]): Buffer => {
      const text = checkpointText({ origin: service, size: number, rootHash: part.root });
      const note = formatNote({ text, signatures: [signText(text, service, successor)] });
      const checkpoints = [{ sizeBefore: 1n, note }];
      return anchorBytes({ number, previous: anchorHash(before), checkpoints, successions });
    };
    const next = anchorOf(8n, first, [signSuccession(service, 8n, LEDGER_KEY, successor)]);
    const anchors = [first, next, anchorOf(9n, next, [])];
    expect(verify(await makeBundle(ledger, { ...RANGE, papers: { anchors } }))).toMatchObject({ verdict: 'valid' });
  });

  it('is held against the anchors of the store, where these are given', async () => {
    const bytes = await makeBundle(ledger, RANGE);
    const [first] = makePapers(whole).anchors as [Buffer];
    const stored = new Map([[7n, first]]);
    const storedAnchor = (number: bigint): Buffer | undefined => stored.get(number);
    expect(verify(bytes)).toMatchObject({ verdict: 'valid', notes: [NOT_COMPARED] });
    expect(verify(bytes, { storedAnchor })).toMatchObject({ verdict: 'valid', notes: [] });
    // the same checkpoint under a number and after an anchor that never were
    const anchor = anchorBytes({ ...parseAnchor(first), number: 9_999n, previous: Buffer.alloc(32, 1) });
    const moved = await makeBundle(ledger, { ...RANGE, papers: { anchors: [anchor] } });
    expect(verify(moved).verdict).toBe('valid');
    expect(verify(moved, { storedAnchor })).toMatchObject({
      verdict: 'undecided',
      unchecked: [expect.stringMatching(/^anchors\/000000009999 is not among the anchors given/)],
    });
    stored.set(9_999n, first);
    expectInvalid(verify(moved, { storedAnchor }), 'anchor');
  });

  it.each(UNRECORDABLE)('is refused with an event that no service records: %s', async (_, change) => {
    const made = makeLedger(12, (record, sequence) => void (sequence === 6 && change(record)));
    const asked = { from_sequence: '6', to_sequence: '6' };
    const plan: BundlePlan = { asked, completeness: 'complete-range', range: { from: 6n, to: 6n }, found: [6] };
    expect(verify(await makeBundle(makeLedger(12), plan)).verdict).toBe('valid');
    await expect(makeBundle(made, plan)).rejects.toThrow(BundleError);
    const report = verify(await makeBundle(made, { ...plan, isUnchecked: true }));
    expect(report.verdict).toBe('invalid');
    expect(report.findings.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^(content|link)$/)]),
    );
  });

  it('is valid with anchors that go on from its checkpoint', async () => {
    const [first] = makePapers(whole).anchors as [Buffer];
    const text = checkpointText({ origin: EVIDENCE_ORIGIN, size: whole.size + 1n, rootHash: part.root });
    const note = formatNote({ text, signatures: [signText(text, EVIDENCE_ORIGIN, LEDGER_KEY)] });
    const previous = anchorHash(first);
    const checkpoints = [{ sizeBefore: whole.size, note }];
    const next = anchorBytes({ number: 8n, previous, checkpoints, successions: [] });
    const bytes = await makeBundle(ledger, { ...RANGE, papers: { anchors: [first, next] } });
    expect(verify(bytes)).toMatchObject({ verdict: 'valid', findings: [] });
  });

  it('has a page that says what the rest says, escaped, without scripts', async () => {
    const bytes = await makeBundle(ledger, AMONG);
    const page = unpack(bytes).get(FILES.page)!.toString();
    expect(page).toMatch(/Content-Security-Policy" content="default-src 'none'; style-src 'sha256-/);
    expect(page).not.toMatch(/<script|onload|javascript:|https?:/i);
    expect(page).toContain('trader-1');
    expectInvalid(verify(repacked(bytes, FILES.page, (text) => text.replace('10 events', '11 events'))), 'page');
    const newer = repacked(bytes, FILES.page, (text) => text.replace('truetrail-page/6', 'truetrail-page/7'));
    expect(verify(newer)).toMatchObject({ verdict: 'undecided', findings: [] });
    const evil = await makeBundle(ledger, {
      asked: { search: { user_id: '<script>alert(1)</script>\u202e' } },
      found: [],
    });
    expect(unpack(evil).get(FILES.page)!.toString()).toContain('&lt;script&gt;alert(1)&lt;/script&gt;\\u202e');
  });

  it('has a page that says with which key to verify it: the first one that leads to the one that signed', async () => {
    const [first, second, third] = [LEDGER_KEY, keyOfByte(8), keyOfByte(9)];
    const changes = [
      signSuccession(EVIDENCE_ORIGIN, 20n, first, second),
      signSuccession(EVIDENCE_ORIGIN, 40n, second, third),
    ];
    const keys = [third, second, first].map((key) => verifierKey(EVIDENCE_ORIGIN, key).toString());
    // a ledger that was made while the second key was the log's has never had the first
    for (const [successions, at] of [
      [changes, 2],
      [changes.slice(1), 1],
      [[], 0],
    ] as const) {
      const bytes = await makeBundle(ledger, { ...RANGE, papers: { key: third, keys, successions } });
      const page = unpack(bytes).get(FILES.page)!.toString();
      const [, given] = /--key &#39;(.*?)&#39;|--key '(.*?)'/.exec(page)!.filter((each) => each !== undefined);
      expect(given).toBe(keys[at]);
      expect(verify(bytes, { keys: [VerifierKey.parse(given!)] }).verdict).toBe('valid');
    }
  });

  it('of another format is not judged', async () => {
    const files = unpack(await makeBundle(ledger, SOME));
    const zip = new ZipWriter();
    const text = files.get(FILES.manifest)!.toString().replace('truetrail-bundle/1', 'truetrail-bundle/2');
    const { header, packed } = zip.add(FILES.manifest, Buffer.from(text), { isDeflated: false });
    expect(verify(Buffer.concat([header, packed, zip.end()]))).toMatchObject({ verdict: 'undecided', findings: [] });
  });

  it('is not made of what would not verify', async () => {
    const changed = (sequence: number, change: object) => ({
      ...ledger,
      records: ledger.records.map((record) =>
        record.sequence === String(sequence) ? { ...record, ...change } : record,
      ),
    });
    await expect(makeBundle(changed(14, { action: 'cancel' }), RANGE)).rejects.toThrow(BundleError);
    await expect(makeBundle(changed(20, { recorded_by: 'x' }), RANGE)).rejects.toThrow(BundleError);
    await expect(
      makeBundle({ ...ledger, leaves: ledger.leaves.with(50, ledger.leaves[0]!) }, RANGE),
    ).resolves.toBeDefined();
    await expect(makeBundle({ ...ledger, leaves: ledger.leaves.with(13, ledger.leaves[0]!) }, RANGE)).rejects.toThrow(
      'root',
    );
    await expect(makeBundle(ledger, { ...RANGE, found: numbers(11, 19) })).rejects.toThrow('left out');
    await expect(makeBundle(ledger, { ...RECORDED, beside: [10] })).rejects.toThrow('left out');
    for (const left of [10, 21]) {
      const beside = AMONG_RECORDED.beside!.filter((each) => each !== left);
      await expect(makeBundle(ledger, { ...AMONG_RECORDED, beside })).rejects.toThrow('left out');
    }
    await expect(makeBundle(ledger, { ...RANGE, asOf: 61n })).rejects.toThrow('the checkpoint ends at 60');
  });

  it('is a zip that other programs read', async () => {
    // by the fields of its local headers alone, as a streaming reader goes
    const bytes = await makeBundle(ledger, SOME);
    const names: string[] = [];
    for (let at = 0; bytes.readUInt32LE(at) === 0x04034b50;) {
      const [packed, size, name] = [
        bytes.readUInt32LE(at + 18),
        bytes.readUInt32LE(at + 22),
        bytes.readUInt16LE(at + 26),
      ];
      names.push(bytes.toString('utf8', at + 30, at + 30 + name));
      const content = bytes.subarray(at + 30 + name, at + 30 + name + packed);
      expect(bytes.readUInt16LE(at + 8) === 8 ? inflateRawSync(content).length : content.length).toBe(size);
      at += 30 + name + packed;
    }
    expect(names).toEqual([...unpack(bytes).keys()]);
  });
});

function onlyEnvelope(line: JsonObject): JsonObject {
  const names = [
    'content_hash',
    'event_hash',
    'event_id',
    'format',
    'origin',
    'previous_event_hash',
    'recorded_at',
    'recorded_by',
    'sequence',
  ];
  return Object.fromEntries(names.map((name) => [name, line[name]!]));
}
