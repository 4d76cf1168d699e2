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
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EVIDENCE_ORIGIN, KeptTree, keyOfByte, LEDGER_KEY, makeLedger } from '../../test/support/evidence.js';
import { ArchiveObjectWriter } from '../archive/archive-object.js';
import { loadCompression } from '../archive/parquet-file.js';
import { anchorBytes, anchorHash, anchorKey, type AnchoredCheckpoint } from '../integrity/anchor.js';
import { canonicalize } from '../integrity/canonical-json.js';
import { checkpointText } from '../integrity/checkpoint.js';
import { signSuccession } from '../integrity/key-succession.js';
import { formatNote, signText, verifierKey } from '../integrity/signed-note.js';
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
    { checkpoints: [one(0, checkpoint(0)), one(0, checkpoint(0, { origin: OTHER }))] },
    { checkpoints: [one(0, checkpoint(10))] },
    { checkpoints: [one(10, checkpoint(10)), one(0, checkpoint(1, { origin: OTHER }))] },
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
        { origin: EVIDENCE_ORIGIN, size: '30', checkpoints: '4', verified_to: '0' },
        { origin: OTHER, size: '1', checkpoints: '2', verified_to: '0' },
      ],
      unchecked: [
        `${EVIDENCE_ORIGIN}: the events from 1 to 30 are not all in this folder, so that no root proves them`,
        expect.any(String),
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

  it('shows a ledger that shrank, has two histories, or is not told of in full', async () => {
    write([...growing, { checkpoints: [one(30, checkpoint(20))] }]);
    expect(await details()).toMatch(/the ledger had 30 events and has 20/);
    write([...growing, { checkpoints: [one(30, checkpoint(30, { of: leaves.toReversed() }))] }]);
    expect(await details()).toMatch(/two checkpoints of 30 events with different roots/);
    write([...growing, { checkpoints: [one(20, checkpoint(30))] }]);
    expect(await details()).toMatch(/says that the ledger had 20 events before; it had 30/);
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

  /** One object with so many events; its name. */
  function put(to: number): string {
    rmSync(join(folder, 'early'), { recursive: true, force: true });
    mkdirSync(join(folder, 'early'));
    const path = join(folder, 'made');
    const writer = new ArchiveObjectWriter(path, { kind: 'early', number: 1n });
    writer.begin({ ledger: 'main', origin: EVIDENCE_ORIGIN, fromSequence: 1n, previousEventHash: null });
    for (const record of records.slice(0, to)) writer.add(rowOf(record));
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
    // each byte that no reader looks at is among these, as the least and greatest values in the footer
    for (let at = 4; at < bytes.length - 4; at += Math.ceil(bytes.length / 97)) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      writeFileSync(join(folder, name), changed);
      const { verdict, findings } = await verifyArchiveFolder(folder, [KEY]);
      expect([at, verdict, findings[0]?.kind]).toEqual([at, 'invalid', 'object']);
    }
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
