import { hash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { objectKey } from '../archive/archive-format.js';
import { FORMAT_DESCRIPTION } from '../archive/format-description.js';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  EVIDENCE_ORIGIN,
  KeptTree,
  keyOfByte,
  LEDGER_KEY,
  makeLedger,
  WITNESS_KEY,
  WITNESS_NAME,
} from '../../test/support/evidence.js';
import { ArchiveObjectWriter } from '../archive/archive-object.js';
import { EntityIndexWriter, type EntitiesRange, type EntityEntry } from '../archive/entity-index.js';
import { loadCompression } from '../archive/parquet-file.js';
import { anchorBytes, anchorHash, anchorKey, type AnchoredCheckpoint } from '../integrity/anchor.js';
import { canonicalize } from '../integrity/canonical-json.js';
import { checkpointText } from '../integrity/checkpoint.js';
import {
  cosignatureObjectBytes,
  cosignatureObjectKey,
  type StoredCosignature,
} from '../integrity/cosignature-object.js';
import { signSuccession } from '../integrity/key-succession.js';
import {
  COSIGNATURE_ED25519,
  cosignText,
  formatNote,
  formatSignature,
  parseNote,
  signText,
  verifierKey,
} from '../integrity/signed-note.js';
import type { EventRecord, StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { verifyArchiveFolder } from './archive-folder.js';

const KEY = verifierKey(EVIDENCE_ORIGIN, LEDGER_KEY);
const OTHER = 'audit.example.com/truetrail/_service';
const { records, leaves } = makeLedger(30);

function checkpoint(size: number, { origin = EVIDENCE_ORIGIN, key = LEDGER_KEY, of = leaves } = {}): string {
  const text = checkpointText({ origin, size: BigInt(size), rootHash: new KeptTree(of.slice(0, size)).root });
  return formatNote({ text, signatures: [signText(text, origin, key)] });
}

describe('a copy of an archive', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-'));
    mkdirSync(join(folder, 'anchors'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Writes anchors one after the other, each with its checkpoints and successions. */
  function write(rounds: { checkpoints: AnchoredCheckpoint[]; successions?: string[] }[]): void {
    for (const name of readdirSync(join(folder, 'anchors'))) unlinkSync(join(folder, 'anchors', name));
    let previous: Buffer | null = null;
    for (const [at, { checkpoints, successions = [] }] of rounds.entries()) {
      const number = BigInt(at + 1);
      const bytes = anchorBytes({ number, previous, checkpoints, successions });
      writeFileSync(join(folder, anchorKey(number)), bytes);
      previous = anchorHash(bytes);
    }
  }

  const one = (sizeBefore: number, note: string): AnchoredCheckpoint => ({ sizeBefore: BigInt(sizeBefore), note });
  const growing = [
    { checkpoints: [one(0, checkpoint(0, { origin: OTHER })), one(0, checkpoint(0))] },
    { checkpoints: [one(0, checkpoint(10))] },
    { checkpoints: [one(0, checkpoint(1, { origin: OTHER })), one(10, checkpoint(10))] },
    { checkpoints: [one(10, checkpoint(30))] },
  ];
  const details = async (keys = [KEY]): Promise<string> =>
    (await verifyArchiveFolder(folder, keys)).findings.map(({ kind, detail }) => `${kind}: ${detail}`).join('\n');

  it('has a chain of anchors, and says what it has no events of', async () => {
    write(growing);
    writeFileSync(join(folder, 'anchors', '000000000001.lock.json'), '{}');
    expect(await verifyArchiveFolder(folder, [KEY])).toMatchObject({
      verdict: 'undecided',
      findings: [],
      anchors: '4',
      ledgers: [
        { origin: OTHER, size: '1', checkpoints: '2', verified_to: '0' },
        { origin: EVIDENCE_ORIGIN, size: '30', checkpoints: '4', verified_to: '0' },
      ],
      unchecked: [
        expect.any(String),
        `${EVIDENCE_ORIGIN}: the events from 1 to 30 are not all in this folder, so that no root proves them`,
      ],
    });
    write(growing.slice(0, 1));
    expect((await verifyArchiveFolder(folder, [KEY])).verdict).toBe('valid');
  });

  it('lacks no anchor, and none was exchanged', async () => {
    write(growing);
    unlinkSync(join(folder, anchorKey(3n)));
    expect(await details()).toMatch(/missing: anchors\/000000000003 is not there/);
    write(growing);
    const bytes = anchorBytes({
      number: 2n,
      previous: Buffer.alloc(32),
      checkpoints: growing[1]!.checkpoints,
      successions: [],
    });
    writeFileSync(join(folder, anchorKey(2n)), bytes);
    expect(await details()).toMatch(
      /anchor: anchors\/000000000002: it follows another[^]*anchor: anchors\/000000000003: it follows another/,
    );
    writeFileSync(join(folder, anchorKey(2n)), 'nothing');
    expect(await details()).toMatch(/anchor: anchors\/000000000002: it is no JSON/);
    writeFileSync(join(folder, 'anchors', 'other'), '');
    expect(await details()).toMatch(/anchors\/other is no anchor's name/);
    for (const number of [1n, 2n, 3n, 4n]) unlinkSync(join(folder, anchorKey(number)));
    expect(await details()).toMatch(/there are no anchors/);
  });

  it('holds no file that no archive has', async () => {
    write(growing.slice(0, 1));
    writeFileSync(join(folder, 'store.json'), '{"deployment":"d","format":"truetrail-store/1","id":"i"}\n');
    expect(await details()).toBe('');
    for (const [name, content] of [
      ['store.json', '{"format": "truetrail-store/1"}\n'],
      ['store.json', 'x'],
      ['notes.txt', ''],
      ['month/other.parquet', ''],
      ['.hidden/x', ''],
      ['timestamps/other', ''],
      ['cosignatures/other', ''],
    ] as const) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
      expect([name, await details()]).toEqual([name, expect.stringContaining(name)]);
      rmSync(join(folder, name));
    }
  });

  it('has time stamps over its anchors, which count by the roots that are given', async () => {
    write(growing.slice(0, 1));
    mkdirSync(join(folder, 'timestamps'));
    const reply = Buffer.from('a reply');
    const name = (anchor: number, of: Buffer): string =>
      `timestamps/${String(anchor).padStart(12, '0')}-${hash('sha256', of).slice(0, 16)}.tsr`;
    writeFileSync(join(folder, name(1, reply)), reply);
    const stamped: string[] = [];
    const verifyTimestamp = (of: Buffer, digest: Buffer): { time: string } => {
      stamped.push(`${of.toString()} ${digest.toString('hex')}`);
      return { time: 'then' };
    };
    const anchor = hash('sha256', readFileSync(join(folder, anchorKey(1n))));
    const outcome = await verifyArchiveFolder(folder, [KEY], { verifyTimestamp });
    expect([outcome.verdict, stamped]).toEqual(['valid', [`a reply ${anchor}`]]);
    expect(outcome.summary).toContain('timestamps  1, the last at then over anchor 1');
    const unlooked = await verifyArchiveFolder(folder, [KEY]);
    expect([unlooked.verdict, unlooked.summary.join()]).toEqual(['valid', expect.stringContaining('NOT LOOKED AT')]);
    const faulty = await verifyArchiveFolder(folder, [KEY], { verifyTimestamp: () => ({ fault: 'no' }) });
    expect(faulty.findings).toEqual([{ kind: 'timestamp', detail: `${name(1, reply)}: no` }]);
    writeFileSync(join(folder, name(1, reply)), 'other');
    expect(await details()).toMatch(/timestamp: .*its name is not that of its bytes/);
    rmSync(join(folder, name(1, reply)));
    writeFileSync(join(folder, name(2, reply)), reply);
    expect(await details()).toMatch(/timestamp: .*there is no anchor 2/);
  });

  it('has cosignatures of its checkpoints, and of a witness that is trusted one of each ledger', async () => {
    write(growing);
    mkdirSync(join(folder, 'cosignatures'));
    const witness = verifierKey(WITNESS_NAME, WITNESS_KEY, COSIGNATURE_ED25519);
    const cosigned = (anchor: bigint, size: number, origin = EVIDENCE_ORIGIN, of = size): StoredCosignature => ({
      ...{ anchor, origin, witnessKey: witness.toString() },
      line: formatSignature(
        cosignText(parseNote(checkpoint(of, { origin })).text, WITNESS_NAME, WITNESS_KEY, 1_780_400_000n),
      ),
    });
    const put = (...cosignatures: StoredCosignature[]): void => {
      rmSync(join(folder, 'cosignatures'), { recursive: true });
      mkdirSync(join(folder, 'cosignatures'));
      const bytes = cosignatureObjectBytes(cosignatures);
      writeFileSync(join(folder, cosignatureObjectKey(cosignatures, bytes)), bytes);
    };
    const found = async (): Promise<string[]> =>
      (await verifyArchiveFolder(folder, [KEY], { witnesses: [witness] })).findings.map(({ detail }) => detail);
    put(cosigned(2n, 10), cosigned(4n, 30), cosigned(3n, 1, OTHER));
    expect(await found()).toEqual([]);
    const { summary } = await verifyArchiveFolder(folder, [KEY], { witnesses: [witness] });
    expect(summary).toContain(`witness     ${WITNESS_NAME}: ${EVIDENCE_ORIGIN} up to size 30`);
    expect((await verifyArchiveFolder(folder, [KEY])).summary.join()).toContain('3 cosignatures are right by the keys');
    put(cosigned(2n, 10));
    expect(await found()).toEqual([`${WITNESS_NAME} has cosigned no checkpoint of ${OTHER}`]);
    put(cosigned(2n, 10), cosigned(3n, 1, OTHER), cosigned(4n, 30, EVIDENCE_ORIGIN, 20));
    expect(await found()).toEqual([expect.stringMatching(/a cosignature of .*, anchor 4, is not right$/)]);
    put(cosigned(2n, 10), cosigned(3n, 1, OTHER), cosigned(2n, 1, OTHER));
    expect(await found()).toEqual([expect.stringMatching(/anchor 2 holds no checkpoint of/)]);
    const [name] = readdirSync(join(folder, 'cosignatures'));
    writeFileSync(join(folder, 'cosignatures', name!), '{}');
    expect((await found())[0]).toMatch(/^cosignatures\/.*: where an object of 2 members/);
  });

  it('shows a ledger that shrank, has two histories, or is not told of in full', async () => {
    write([...growing, { checkpoints: [one(30, checkpoint(20))] }]);
    expect(await details()).toMatch(/the ledger had 30 events and has 20/);
    write([...growing, { checkpoints: [one(30, checkpoint(30, { of: leaves.toReversed() }))] }]);
    expect(await details()).toMatch(/two checkpoints of 30 events with different roots/);
    write([...growing, { checkpoints: [one(20, checkpoint(30))] }]);
    expect(await details()).toMatch(/says that the ledger had 20 events before; it had 30/);
  });

  it('says that its end may be cut off, and is held against checkpoints that were kept elsewhere', async () => {
    write(growing);
    const { summary } = await verifyArchiveFolder(folder, [KEY]);
    expect(summary).toContainEqual(
      expect.stringMatching(/^note {8}that nothing was signed after anchors\/000000000004/),
    );
    const held = async (...kept: string[]): Promise<string[]> =>
      (await verifyArchiveFolder(folder, [KEY], { kept })).findings.map(({ kind, detail }) => `${kind}: ${detail}`);
    expect(await held(checkpoint(0), checkpoint(10), checkpoint(30), checkpoint(1, { origin: OTHER }))).toEqual([]);

    write(growing.slice(0, 3));
    expect(await details()).toBe('');
    expect(await held(checkpoint(10), checkpoint(30))).toEqual([
      `missing: ${EVIDENCE_ORIGIN}: the checkpoint of 30 events that was kept is in no anchor: they end at 10`,
    ]);
    write(growing);
    expect(await held(checkpoint(20))).toEqual([
      `missing: ${EVIDENCE_ORIGIN}: the checkpoint of 20 events that was kept is in no anchor: they end at 30`,
    ]);
    expect(await held(checkpoint(30, { of: leaves.toReversed() }))).toEqual([
      `checkpoint: ${EVIDENCE_ORIGIN}: the checkpoint of 30 events that was kept has another root than that of the anchors`,
    ]);
    expect(await held(checkpoint(3, { origin: 'audit.example.com/truetrail/gone' }))).toEqual([
      'missing: audit.example.com/truetrail/gone: the checkpoint of 3 events that was kept is in no anchor: there is none of this ledger',
    ]);
    for (const none of [checkpoint(30, { key: keyOfByte(9) }), checkpoint(3, { origin: 'example.com/x' }), 'nothing']) {
      const { findings, unchecked } = await verifyArchiveFolder(folder, [KEY], { kept: [none] });
      expect(findings).toEqual([]);
      expect(unchecked[0]).toMatch(/^a checkpoint that was kept is none that these keys have signed: /);
    }
  });

  it('is signed by keys that are reached from the one given, each in its time', async () => {
    write(growing);
    expect(await details([verifierKey(EVIDENCE_ORIGIN, keyOfByte(9))])).toMatch(
      /key: anchors\/000000000001, .*not signed/,
    );
    expect(await details([verifierKey('other.example.com/main', LEDGER_KEY)])).toMatch(/none of the keys given/);
    const next = keyOfByte(9);
    const succession = signSuccession(EVIDENCE_ORIGIN, 20n, LEDGER_KEY, next);
    const [first, second] = growing;
    const rest = { checkpoints: [one(10, checkpoint(30, { key: next }))] };
    write([first!, second!, { ...rest, successions: [succession] }]);
    expect(await details()).toBe('');
    write([first!, second!, rest]);
    expect(await details()).toMatch(/key: anchors\/000000000003/);
    write([first!, second!, { checkpoints: [one(10, checkpoint(30))], successions: [succession] }]);
    expect(await details()).toMatch(/key: anchors\/000000000003/);
  });

  /** One object with so many events, of which the ledger may be called otherwise; its name. */
  function put(to: number, kind: 'early' | 'month' = 'early', ledger = 'main', of = records): string {
    rmSync(join(folder, kind), { recursive: true, force: true });
    mkdirSync(join(folder, kind));
    mkdirSync(join(folder, 'format'), { recursive: true });
    writeFileSync(join(folder, FORMAT_DESCRIPTION.key), FORMAT_DESCRIPTION.bytes);
    const path = join(folder, 'made');
    const writer = new ArchiveObjectWriter(path, { kind, number: 1n });
    writer.begin({ ledger, origin: EVIDENCE_ORIGIN, fromSequence: 1n, previousEventHash: null });
    for (const record of of.slice(0, to)) writer.add(rowOf(record));
    const name = objectKey(writer.finish());
    renameSync(path, join(folder, name));
    return name;
  }

  it('has objects that are those of their names, to the byte', async () => {
    await loadCompression();
    write([{ checkpoints: [one(0, checkpoint(10))] }, { checkpoints: [one(10, checkpoint(30))] }]);
    const name = put(30);
    const bytes = readFileSync(join(folder, name));
    expect((await verifyArchiveFolder(folder, [KEY])).verdict).toBe('valid');
    writeFileSync(join(folder, FORMAT_DESCRIPTION.key), `${FORMAT_DESCRIPTION.bytes.toString()} `);
    expect((await verifyArchiveFolder(folder, [KEY])).findings).toMatchObject([{ kind: 'object' }]);
    rmSync(join(folder, FORMAT_DESCRIPTION.key));
    expect((await verifyArchiveFolder(folder, [KEY])).findings).toMatchObject([{ kind: 'missing' }]);
    writeFileSync(join(folder, FORMAT_DESCRIPTION.key), FORMAT_DESCRIPTION.bytes);
    // each byte that no reader looks at is among these, as the least and greatest values in the footer
    for (let at = 4; at < bytes.length - 4; at += Math.ceil(bytes.length / 97)) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      writeFileSync(join(folder, name), changed);
      const { verdict, findings } = await verifyArchiveFolder(folder, [KEY]);
      expect([at, verdict, findings[0]?.kind]).toEqual([at, 'invalid', 'object']);
    }
  });

  interface IndexChange {
    entry?: Partial<EntityEntry>;
    entityIds?: readonly string[];
    range?: Partial<EntitiesRange>;
  }

  /** The index of the events up to one, written as it may not be said of them. */
  function putIndex(to: number, change: IndexChange = {}, of = records): string {
    rmSync(join(folder, 'entities'), { recursive: true, force: true });
    mkdirSync(join(folder, 'entities'));
    const path = join(folder, 'made');
    const writer = new EntityIndexWriter(path, { number: 2n });
    const [first, last] = [of[0]!, of[to - 1]!];
    writer.begin({
      ledger: 'main',
      origin: EVIDENCE_ORIGIN,
      from_sequence: '1',
      to_sequence: String(to),
      least_timestamp: first.timestamp,
      greatest_timestamp: last.timestamp,
      least_recorded_at: first.recorded_at,
      greatest_recorded_at: last.recorded_at,
      previous_event_hash: null,
      last_event_hash: last.event_hash,
      ...change.range,
    });
    const entries = of.slice(0, to).map(({ entity_type, entity_id, sequence }, i): EntityEntry => {
      const entry = {
        entity_type,
        entity_id: change.entityIds?.[i] ?? entity_id,
        sequence,
        is_correction: false,
      };
      return sequence === '3' ? { ...entry, ...change.entry } : entry;
    });
    entries.sort((a, b) => Number(a.entity_id > b.entity_id) - Number(a.entity_id < b.entity_id));
    for (const entry of entries) writer.add(entry);
    const name = objectKey(writer.finish());
    renameSync(path, join(folder, name));
    return name;
  }

  it('has an index that lists the events of its month, and says of them what is so', async () => {
    await loadCompression();
    write([{ checkpoints: [one(0, checkpoint(10))] }, { checkpoints: [one(10, checkpoint(30))] }]);
    put(30, 'month');
    putIndex(30);
    expect(await details()).toBe('');
    expect((await verifyArchiveFolder(folder, [KEY])).verdict).toBe('valid');
    for (const [change, said] of [
      [{ entry: { entity_id: 'O-9' } }, 'it lists other entities of .* than the objects beside it hold'],
      [{ entry: { is_correction: true } }, 'it lists other entities of .* than the objects beside it hold'],
      [{ range: { ledger: 'other' } }, 'it says that .*/main is the ledger other'],
      [{ range: { last_event_hash: records[28]!.event_hash } }, 'last_event_hash of .* is not that of the objects'],
      [
        { range: { previous_event_hash: records[28]!.event_hash } },
        'previous_event_hash of .* is not that of the objects',
      ],
      [{ range: { least_timestamp: records[1]!.timestamp } }, 'least_timestamp of .* is not that of the objects'],
      [{ range: { greatest_timestamp: records[1]!.timestamp } }, 'greatest_timestamp of .* is not that of the objects'],
    ] as const) {
      const name = putIndex(30, change);
      expect(await details()).toMatch(new RegExp(`^object: ${name}: ${said}[^\n]*$`));
    }
    const index = putIndex(30);
    put(20, 'month');
    expect((await verifyArchiveFolder(folder, [KEY])).unchecked).toContainEqual(
      `${index}: not all objects whose events of ${EVIDENCE_ORIGIN} it lists are in this folder`,
    );
  });

  it('has an index that was not made to have the sum of another', async () => {
    await loadCompression();
    // an entity for each event that has none of its own, found by Wagner's generalised birthday in minutes
    const chosen = readFileSync(new URL('../../test/vectors/entities-collision.txt', import.meta.url), 'utf8');
    const found = Buffer.from(chosen, 'base64');
    const size = found.length / 2;
    const entityIds = Array.from({ length: size }, (_, i) => `X-${i + 1}-${found.readUInt16LE(2 * i)}`);
    const large = makeLedger(size);
    write([{ checkpoints: [one(0, checkpoint(size, { of: large.leaves }))] }]);
    put(size, 'month', 'main', large.records);
    const sums = [[], entityIds].map((ids) => manifestSum(putIndex(size, { entityIds: ids }, large.records)));
    expect(sums[1]).toBe(sums[0]);
    expect(await details()).toMatch(
      /^object: entities\/.*: it lists other entities of .* than the objects beside it hold$/,
    );
    putIndex(size, {}, large.records);
    expect(await details()).toBe('');
  });

  /** What the manifest of an index says that the sum over its entries is. */
  const manifestSum = (name: string): string =>
    /"entities_hash":"([0-9a-f]{64})"/.exec(readFileSync(join(folder, name), 'latin1'))![1]!;

  it('has objects that call a ledger by the name in its origin', async () => {
    await loadCompression();
    write([{ checkpoints: [one(0, checkpoint(30))] }]);
    const name = put(30, 'early', 'other');
    expect(await details()).toMatch(`object: ${name}: it says that ${EVIDENCE_ORIGIN} is the ledger other`);
  });

  it('may hold events of a ledger that no anchor names, of which nobody can say anything', async () => {
    await loadCompression();
    write([{ checkpoints: [one(0, checkpoint(0, { origin: OTHER }))] }]);
    const name = put(3);
    expect(await verifyArchiveFolder(folder, [verifierKey(OTHER, LEDGER_KEY)])).toMatchObject({
      verdict: 'undecided',
      unchecked: [`${name}: it holds events of ${EVIDENCE_ORIGIN}, of which no anchor says anything`],
    });
  });

  it('proves events up to the last checkpoint whose root they lead to, and no further', async () => {
    await loadCompression();
    const rounds = [{ checkpoints: [one(0, checkpoint(10))] }, { checkpoints: [one(10, checkpoint(30))] }];
    write(rounds);
    for (const [to, verified] of [
      [9, '0'],
      [10, '10'],
      [25, '10'],
      [30, '30'],
    ] as const) {
      put(to);
      const outcome = await verifyArchiveFolder(folder, [KEY]);
      expect([to, outcome.findings, outcome.ledgers[0]!.verified_to]).toEqual([to, [], verified]);
      expect(outcome.verdict).toBe(to === 30 ? 'valid' : 'undecided');
    }
    // what the second root is over are other events
    write([rounds[0]!, { checkpoints: [one(10, checkpoint(30, { of: leaves.toReversed() }))] }]);
    const outcome = await verifyArchiveFolder(folder, [KEY]);
    expect(outcome).toMatchObject({ verdict: 'invalid', ledgers: [{ verified_to: '10' }] });
    expect(outcome.findings).toEqual([expect.objectContaining({ kind: 'tree' })]);
  });
});

/** As it is written into an object. */
function rowOf(record: EventRecord): StoredRow<number> {
  const { timestamp, recorded_at: recordedAt, previous_state: before, new_state: after, metadata } = record;
  const { micros, nanos, digits } = parseTimestamp(timestamp);
  const hex = (text: string): Buffer => Buffer.from(text, 'hex');
  return {
    jsonForm: 'canonical',
    sequence: record.sequence,
    recorded_at: parseTimestamp(recordedAt).micros,
    timestamp: micros,
    timestamp_nanos: nanos,
    timestamp_digits: digits,
    event_id: record.event_id,
    corrects: null,
    event_type: record.event_type,
    entity_type: record.entity_type,
    entity_id: record.entity_id,
    action: record.action,
    user_id: record.user_id,
    previous_state: before && canonicalize(before),
    new_state: canonicalize(after),
    metadata: canonicalize(metadata),
    source: null,
    source_session: null,
    source_sequence: null,
    raw_media_type: null,
    raw_data: null,
    recorded_by: record.recorded_by,
    salt: hex(record.salt),
    content_hash: hex(record.content_hash),
    previous_event_hash: record.previous_event_hash === null ? null : hex(record.previous_event_hash),
    event_hash: hex(record.event_hash),
  };
}
