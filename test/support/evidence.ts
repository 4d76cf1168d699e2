import { createPrivateKey, hash, type KeyObject } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { anchorBytes, anchorHash, parseAnchor } from '../../src/integrity/anchor.js';
import { canonicalize, type JsonObject } from '../../src/integrity/canonical-json.js';
import { checkpointText } from '../../src/integrity/checkpoint.js';
import {
  CONTENT_MEMBERS,
  contentHash,
  eventHash,
  FORMAT,
  leafHash,
  type Content,
  type Envelope,
} from '../../src/integrity/event.js';
import {
  FILES,
  manifestText,
  parseManifest,
  writeBundle,
  type BundleEvent,
  type BundleManifest,
  type BundlePapers,
} from '../../src/integrity/evidence-bundle.js';
import type { BundleClaims, DeletedEvents } from '../../src/integrity/evidence-claims.js';
import { signSuccession } from '../../src/integrity/key-succession.js';
import type { Subtree } from '../../src/integrity/merkle-proof.js';
import { nodeHash } from '../../src/integrity/merkle-tree.js';
import { cosignText, formatNote, formatSignature, signText, verifierKey } from '../../src/integrity/signed-note.js';
import type { EventRecord } from '../../src/integrity/stored-event.js';
import { GrowingTree, subtreeHashes, TILE_WIDTH, type ReadTiles } from '../../src/integrity/tiles.js';
import { formatMicros } from '../../src/integrity/timestamp.js';
import { ZipReader, ZipWriter, type RandomAccess } from '../../src/integrity/zip.js';

export const EVIDENCE_ORIGIN = 'audit.example.com/truetrail/main';

/** The Ed25519 key of a seed of 32 equal bytes: RFC 8410. */
export function keyOfByte(byte: number): KeyObject {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, byte)]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

export const LEDGER_KEY = keyOfByte(1);
export const WITNESS_KEY = keyOfByte(2);
export const WITNESS_NAME = 'witness.example.com/w1';
/** 2026-06-02T08:00:00Z, in microseconds: when the first event is recorded. A second between two. */
const BEGINNING = 1_780_387_200_000_000;

export function recordedAtOf(sequence: number): string {
  return formatMicros(BEGINNING + sequence * 1_000_000);
}

/**
 * Contents that no door takes, and envelopes that no service writes, whose hashes are right all the same: what somebody
 * records who has the database and the key. What readers make of them is nobody's to say.
 */
export const UNRECORDABLE: [of: string, change: (record: JsonObject) => void][] = [
  ['a time with an offset', (record) => (record.timestamp = '2026-06-02T10:00:05.750000+02:00')],
  ['a time in lower case', (record) => (record.timestamp = '2026-06-02t08:00:05.750000z')],
  ['a time on 30 February', (record) => (record.timestamp = '2026-02-30T08:00:05Z')],
  ['what is no time', (record) => (record.timestamp = 'soon')],
  ['an id in upper case', (record) => (record.event_id = (record.event_id as string).toUpperCase())],
  ['a correction of an id in upper case', (record) => (record.corrects = idOf(10).toUpperCase())],
  ['a correction of null', (record) => (record.corrects = null)],
  ['metadata that are a text', (record) => (record.metadata = 'none')],
  ['a state that is an array', (record) => (record.new_state = [])],
  ['no user', (record) => (record.user_id = '')],
  ['a user with a line feed', (record) => (record.user_id = 'trader-1\nor-2')],
  ['an action of 51 code points', (record) => (record.action = 'x'.repeat(51))],
  ['a counter with a leading zero', (record) => (record.source_sequence = '01')],
  ['a message in loose base64', (record) => (record.raw = { media_type: 'text/plain', data: 'QR==' })],
  ['a message with a member more', (record) => (record.raw = { media_type: 'text/plain', data: '', note: '' })],
  ['a recorded time with an offset', (record) => (record.recorded_at = '2026-06-02T10:00:06.000000+02:00')],
  ['a recorded time that is no date', (record) => (record.recorded_at = '2026-06-31T08:00:06.000000Z')],
  ['a recorded time without its six digits', (record) => (record.recorded_at = '2026-06-02T08:00:06Z')],
  ['a principal outside ASCII', (record) => (record.recorded_by = 'oidc:https://issuer.example.com#zo\u00eb')],
];

export interface MadeLedger {
  records: EventRecord[];
  /** of the leaves, in their order */
  leaves: Buffer[];
}

/**
 * Events of ten orders and three users, linked; the same each time. `change` may have some otherwise before they are
 * hashed: of their contents and envelopes whatever it likes.
 */
export function makeLedger(
  size: number,
  change: (record: JsonObject, sequence: number) => void = () => {},
): MadeLedger {
  const records: EventRecord[] = [];
  const leaves: Buffer[] = [];
  let previous: string | null = null;
  for (let sequence = 1; sequence <= size; sequence++) {
    const content: Content = {
      event_id: idOf(sequence),
      timestamp: formatMicros(BEGINNING + sequence * 1_000_000 - 250_000),
      event_type: 'order_lifecycle',
      entity_type: 'order',
      entity_id: `O-${sequence % 10}`,
      action: sequence <= 10 ? 'create' : 'modify',
      user_id: `trader-${sequence % 3}`,
      previous_state: null,
      new_state: { symbol: 'AAPL', price: `585.${sequence % 100}`, quantity: String(sequence), note: '<b>é€😀</b>' },
      metadata: { client_id: `C-${sequence % 7}`, lots: sequence % 5 },
    };
    const salt = hash('sha256', `salt ${sequence}`, 'buffer').subarray(0, 16);
    const record: JsonObject = {
      ...(content as unknown as JsonObject),
      format: FORMAT,
      origin: EVIDENCE_ORIGIN,
      sequence: String(sequence),
      recorded_at: recordedAtOf(sequence),
      recorded_by: 'key:0190a0b0-0000-7000-8000-000000000001',
      previous_event_hash: previous,
    };
    change(record, sequence);
    const members = CONTENT_MEMBERS.flatMap((name) => (Object.hasOwn(record, name) ? [[name, record[name]!]] : []));
    const text = canonicalize(Object.fromEntries(members) as JsonObject);
    record.content_hash = contentHash(salt, text).toString('hex');
    const digest = eventHash(record as unknown as Envelope);
    previous = digest.toString('hex');
    Object.assign(record, { salt: salt.toString('hex'), event_hash: previous });
    records.push(record as unknown as EventRecord);
    leaves.push(leafHash(digest));
  }
  return { records, leaves };
}

export function idOf(sequence: number): string {
  return `018f0000-0000-7000-8000-${sequence.toString(16).padStart(12, '0')}`;
}

/** A tree with all its tiles in memory. */
export class KeptTree {
  private readonly tiles = new Map<string, Buffer>();
  readonly root: Buffer;
  readonly size: bigint;

  constructor(leaves: readonly Buffer[]) {
    const tree = new GrowingTree(0n, []);
    for (const leaf of leaves) tree.append(leaf);
    for (let at = 0; at < leaves.length; at += TILE_WIDTH) {
      this.tiles.set(`0/${at / TILE_WIDTH}`, Buffer.concat(leaves.slice(at, at + TILE_WIDTH)));
    }
    for (const { level, index, hashes } of tree.takeGrown()) this.tiles.set(`${level}/${index}`, hashes);
    this.root = tree.root();
    this.size = tree.size;
  }

  readonly read: ReadTiles = (tiles) =>
    Promise.resolve(tiles.map(({ level, index }) => this.tiles.get(`${level}/${index}`)!));

  readonly hashesOf = (subtrees: readonly Subtree[]): Promise<Buffer[]> =>
    subtreeHashes(subtrees, this.size, this.read);
}

/** Checkpoint, anchor and keys of a tree. */
export function makePapers(
  tree: { root: Buffer; size: bigint },
  { key = LEDGER_KEY, origin = EVIDENCE_ORIGIN, isWitnessed = false, ...more }: Partial<PaperOptions> = {},
): BundlePapers {
  const text = checkpointText({ origin, size: tree.size, rootHash: tree.root });
  const note = formatNote({ text, signatures: [signText(text, origin, key)] });
  const other = checkpointText({
    origin: 'audit.example.com/truetrail/_service',
    size: 1n,
    rootHash: nodeHash(tree.root, tree.root),
  });
  const anchor = anchorBytes({
    number: 7n,
    previous: anchorHash(Buffer.from('the sixth')),
    checkpoints: [
      {
        sizeBefore: 0n,
        note: formatNote({ text: other, signatures: [signText(other, 'audit.example.com/truetrail/_service', key)] }),
      },
      { sizeBefore: 0n, note },
    ],
    successions: [],
  });
  const cosignature = isWitnessed ? formatSignature(cosignText(text, WITNESS_NAME, WITNESS_KEY, 1_780_400_000n)) : '';
  return {
    checkpoint: note + cosignature,
    anchors: [anchor],
    timestamps: [],
    keys: [verifierKey(origin, key).toString()],
    successions: [],
    archive: [{ ledger: 'main', object_key: 'early/000000000001-0a.parquet', from_sequence: '1', to_sequence: '9' }],
    ...more,
  };
}

/**
 * Anchors that hold less of a checkpoint than all that it says, signed by its ledger: who has one stamped could put any
 * checkpoint beside it later. Each with the checkpoint that it would pass for.
 */
export function uncommittedAnchors(tree: {
  root: Buffer;
  size: bigint;
}): [of: string, papers: { checkpoint: string; anchor: Buffer }][] {
  const { checkpoint } = makePapers(tree);
  const [text, own] = checkpoint.split('\n\n') as [string, string];
  const strangers = formatSignature(signText(`${text}\n`, 'stranger.example.com', keyOfByte(9)));
  const anchor = (note: string): Buffer =>
    anchorBytes({
      number: 7n,
      previous: anchorHash(Buffer.from('the sixth')),
      checkpoints: [{ sizeBefore: 0n, note }],
      successions: [],
    });
  const origin = `${EVIDENCE_ORIGIN}\n`;
  return [
    ['the origin alone', { checkpoint, anchor: anchor(origin) }],
    ['origin and size', { checkpoint, anchor: anchor(`${origin}${tree.size}\n`) }],
    ['the text without a signature', { checkpoint, anchor: anchor(`${text}\n\n`) }],
    ['no whole signature', { checkpoint, anchor: anchor(checkpoint.slice(0, -40)) }],
    [
      'the text with the signature of somebody else',
      { checkpoint: `${text}\n\n${strangers}${own}`, anchor: anchor(`${text}\n\n${strangers}`) },
    ],
  ];
}

/** Other bytes of the same lines: files that say the same, and are not written in the one way in which they are. */
export const OTHERWISE_WRITTEN: [of: string, file: string, change: (text: string) => string][] = [
  ['a blank in an event', FILES.events(1), (text) => text.replace('{"action"', '{ "action"')],
  [
    'members of an event in another order',
    FILES.events(1),
    (text) => text.replace(/^\{("action":"\w+"),(.*)\}$/m, '{$2,$1}'),
  ],
  ['a number of an event written otherwise', FILES.events(1), (text) => text.replace(/"lots":(\d)/, '"lots":$1.0')],
  ['an escape in an event that it does not need', FILES.events(1), (text) => text.replace('"O-', '"\\u004f-')],
  ['lines of events that end otherwise', FILES.events(1), (text) => text.replaceAll('\n', '\r\n')],
  ['a last event without its end of line', FILES.events(1), (text) => text.trimEnd()],
  ['an empty line after the events', FILES.events(1), (text) => `${text}\n`],
  ['lines of the proof that end otherwise', FILES.proof(1), (text) => text.replaceAll('\n', '\r\n')],
  ['a last hash without its end of line', FILES.proof(1), (text) => text.trimEnd()],
  ['a blank in the archive’s entries', FILES.archive, (text) => text.replace('":"', '": "')],
  ['a blank in the keys', FILES.keys, (text) => text.replace('":[', '": [')],
];

/**
 * Anchors after the first, 7, that say something of the ledger which does not go on from its checkpoint there; and ones
 * whose checkpoints do not stand as they should.
 */
export function disagreeingAnchors(tree: KeptTree, before: KeptTree): [of: string, anchors: Buffer[]][] {
  const [first] = makePapers(tree).anchors as [Buffer];
  const noteOf = (of: { root: Buffer; size: bigint }, key = LEDGER_KEY): string => {
    const text = checkpointText({ origin: EVIDENCE_ORIGIN, size: of.size, rootHash: of.root });
    return formatNote({ text, signatures: [signText(text, EVIDENCE_ORIGIN, key)] });
  };
  const next = (note: string, sizeBefore: bigint, successions: string[] = []): Buffer[] => [
    first,
    anchorBytes({ number: 8n, previous: anchorHash(first), checkpoints: [{ sizeBefore, note }], successions }),
  ];
  const longer = { root: before.root, size: tree.size + 1n };
  const { checkpoints, ...rest } = parseAnchor(first);
  return [
    ['a shorter ledger', next(noteOf(before), tree.size)],
    ['another root of the same size', next(noteOf({ ...tree, root: before.root, size: tree.size }), tree.size)],
    ['another size before', next(noteOf(longer), tree.size - 1n)],
    ['another key', next(noteOf(longer, keyOfByte(9)), tree.size)],
    [
      'a succession of keys that is nowhere else',
      next(noteOf(longer), tree.size, [signSuccession(EVIDENCE_ORIGIN, 90n, LEDGER_KEY, keyOfByte(9))]),
    ],
    ['checkpoints in another order', [anchorBytes({ ...rest, checkpoints: checkpoints.toReversed() })]],
    ['a ledger twice', [anchorBytes({ ...rest, checkpoints: [checkpoints[0]!, ...checkpoints] })]],
    [
      'a size before that is greater',
      [anchorBytes({ ...rest, checkpoints: checkpoints.map((each) => ({ ...each, sizeBefore: 1_000n })) })],
    ],
  ];
}

/** Anchors, 7 and on, in which the log's key has not signed what they say of another ledger. */
export function inventedAnchors(tree: KeptTree): [of: string, anchors: Buffer[]][] {
  const [first] = makePapers(tree).anchors as [Buffer];
  const { checkpoints, ...rest } = parseAnchor(first);
  const service = 'audit.example.com/truetrail/_service';
  const noteBy = (key: KeyObject): string => {
    const text = checkpointText({ origin: service, size: 9_000n, rootHash: tree.root });
    return formatNote({ text, signatures: [signText(text, service, key)] });
  };
  const invented = { sizeBefore: 1n, note: noteBy(keyOfByte(9)) };
  const next = (successions: string[]): Buffer[] => [
    first,
    anchorBytes({ number: 8n, previous: anchorHash(first), checkpoints: [invented], successions }),
  ];
  return [
    ['beside its own checkpoint', [anchorBytes({ ...rest, checkpoints: [invented, checkpoints[1]!] })]],
    ['later', next([])],
    ['later, by a key that none led to', next([signSuccession(service, 9_000n, keyOfByte(8), keyOfByte(9))])],
  ];
}

interface PaperOptions extends BundlePapers {
  key: KeyObject;
  origin: string;
  isWitnessed: boolean;
}

export interface BundlePlan {
  asked: JsonObject;
  completeness?: BundleClaims['completeness'];
  range?: BundleClaims['range'];
  contents?: boolean;
  deleted?: BundleClaims['deleted'];
  asOf?: bigint;
  /** sequences of the events asked for */
  found: readonly number[];
  /** of those whose envelopes go in beside them */
  beside?: readonly number[];
  papers?: Partial<PaperOptions>;
  /** whatever is wrong with the events */
  isUnchecked?: true;
}

/** A bundle's bytes by the code that the service makes them with. */
export async function makeBundle(ledger: MadeLedger, plan: BundlePlan): Promise<Buffer> {
  const tree = new KeptTree(ledger.leaves);
  const papers = makePapers(tree, plan.papers);
  const claims: BundleClaims = {
    ledger: 'main',
    origin: EVIDENCE_ORIGIN,
    asOf: plan.asOf ?? tree.size,
    asked: plan.asked,
    completeness: plan.completeness ?? 'as-found',
    range: plan.range ?? null,
    contents: plan.contents ?? true,
    deleted: plan.deleted ?? [],
  };
  const sequences = [...plan.found, ...(plan.beside ?? [])].sort((a, b) => a - b);
  const events = sequences.map((sequence): BundleEvent => {
    return { record: ledger.records[sequence - 1]!, isFound: plan.found.includes(sequence) };
  });
  const pages = async function* (): AsyncGenerator<BundleEvent[]> {
    for (let at = 0; at < events.length; at += 1_000) yield await Promise.resolve(events.slice(at, at + 1_000));
  };
  const chunks: Buffer[] = [];
  for await (const chunk of writeBundle({
    claims,
    pages: pages(),
    hashesOf: tree.hashesOf,
    checkpoint: papers.checkpoint,
    papers: () => Promise.resolve(papers),
    isUnchecked: plan.isUnchecked === true,
  })) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** As the service tells of events that were deleted. */
export function deletedEvents(from: bigint, to: bigint): DeletedEvents {
  const deletion = '0190a0b0-0000-7000-8000-00000000000d';
  return { from, to, month: '2019-06-01', deletion, policy: 'default', years: 7, deletedAt: '2026-07-01T00:00:00Z' };
}

/** Whole numbers, both ends included. */
export function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => from + at);
}

export function inMemory(bytes: Buffer): RandomAccess {
  return {
    size: bytes.length,
    read: (offset, length) => {
      if (offset < 0 || offset + length > bytes.length) throw new RangeError('read past the end');
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** The files of a bundle, by name. */
export function unpack(bytes: Buffer): Map<string, Buffer> {
  const zip = ZipReader.open(inMemory(bytes));
  return new Map(zip.entries.map((entry) => [entry.name, ZipReader.unpack(entry, zip.packed(entry))]));
}

/** A bundle of these files, whose manifest has their digests: what somebody makes who changes a bundle with care. */
export function pack(files: ReadonlyMap<string, Buffer>, change: Partial<BundleManifest> = {}): Buffer {
  const zip = new ZipWriter();
  const chunks: Buffer[] = [];
  const listed: BundleManifest['files'] = [];
  for (const [name, content] of files) {
    if (name === FILES.manifest) continue;
    const { header, packed } = zip.add(name, content, { isDeflated: true });
    chunks.push(header, packed);
    listed.push({
      name,
      bytes: BigInt(content.length),
      sha256: hash('sha256', content, 'hex'),
      packedBytes: BigInt(packed.length),
      packedSha256: hash('sha256', packed, 'hex'),
    });
  }
  const manifest = { ...parseManifest(files.get(FILES.manifest)!), files: listed, ...change };
  const { header, packed } = zip.add(FILES.manifest, Buffer.from(manifestText(manifest)), { isDeflated: false });
  return Buffer.concat([...chunks, header, packed, zip.end()]);
}

/** The same with one file changed, or taken away. */
export function repacked(
  bytes: Buffer,
  name: string,
  change: (text: string) => string | Buffer | undefined,
  manifest: Partial<BundleManifest> = {},
): Buffer {
  const files = unpack(bytes);
  const changed = change(files.get(name)!.toString());
  if (changed === undefined) files.delete(name);
  else files.set(name, Buffer.from(changed as string));
  return pack(files, manifest);
}

/** The second verifier of bundles, which is not ours in anything but its tests. */
export const SECOND_VERIFIER = fileURLToPath(new URL('../bundle/verify_bundle.py', import.meta.url));

/** For supertest: an answer's body as it comes. */
export function asBytes(answer: unknown, done: (error: Error | null, body: Buffer) => void): void {
  const response = answer as NodeJS.ReadableStream;
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  response.on('end', () => done(null, Buffer.concat(chunks)));
  response.on('error', (error) => done(error, Buffer.alloc(0)));
}
