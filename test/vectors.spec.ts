import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonObject, JsonValue } from '../src/integrity/canonical-json.js';
import {
  canonicalContent,
  contentHash,
  eventHash,
  FORMAT,
  toContent,
  type Content,
  type Envelope,
  type Receipt,
} from '../src/integrity/event.js';
import { formatMicros } from '../src/integrity/timestamp.js';
import { HAS_PYTHON, PYTHON } from './support/python.js';

// The second implementation, which shares no code with the first: a fault of either shows as soon as they differ.
const verifier = fileURLToPath(new URL('vectors/verify.py', import.meta.url));
const vectors = fileURLToPath(new URL('vectors', import.meta.url));

const skip = !HAS_PYTHON && process.env.CI === undefined;
if (skip)
  process.stdout.write(
    'SKIPPED: python3 is not installed, so test/vectors/verify.py was not compared with src/integrity\n',
  );

type Event = Content & Receipt;

function verify(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(PYTHON, [verifier, ...args], { encoding: 'utf8' });
  if (error) throw new Error('python3 cannot be run', { cause: error });
  return { status, output: stdout + stderr };
}

(skip ? describe.skip : describe)('the second implementation', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'truetrail-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  function write(name: string, lines: readonly unknown[]): string {
    const file = join(folder, name);
    writeFileSync(file, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)) + '\n').join(''));
    return file;
  }

  function expectVerdict(
    verdict: { status: number | null; output: string },
    status: number,
    says: RegExp | string,
  ): void {
    expect(verdict.output).toMatch(says);
    expect(verdict.status).toBe(status);
  }

  /** Verifies the events as the API would send them, with an end line that fits a ledger of 100. */
  function verifyEvents(events: readonly unknown[], ...args: string[]) {
    return verify(...args, write('events.ndjson', [...events, end(events.length)]));
  }

  test('agrees with the vectors', () => {
    expectVerdict(verify('--vectors', vectors), 0, /^\d{4,} checks of the vectors, 0 disagree\n$/);
  });

  const ledger = makeLedger(100);

  test('finds a whole ledger valid, and its receipts', () => {
    const receipts = write('receipts.ndjson', [
      receiptOf(ledger[0]!),
      { line: 1, receipt: receiptOf(ledger[6]!) },
      { receipts: [receiptOf(ledger[99]!), receiptOf(ledger[8]!)], recorded: 2, repeated: 0 },
      { line: 2, problem: { status: 400 } },
    ]);
    expect(verifyEvents(ledger, '--whole', '--receipts', receipts)).toEqual({
      status: 0,
      output: '100 events, 99 links between neighbours, 0 findings, 0 unreadable\n',
    });
  });

  test('takes a part of a ledger in any order, with members that it does not know', () => {
    const part = [ledger[9]!, ledger[7]!, ledger[8]!, ledger[90]!];
    const { status, output } = verifyEvents(part.map((event, i) => ({ ordinal: i, ...event, corrected_by: null })));
    expect([status, output]).toEqual([0, '4 events, 2 links between neighbours, 0 findings, 0 unreadable\n']);
  });

  const changed = (index: number, change: Partial<Record<keyof Event, unknown>>) =>
    ledger.map((event, i) => (i === index ? { ...event, ...change } : event));
  const rehashed = (event: Event): Event => ({ ...event, event_hash: eventHash(event).toString('hex') });
  const digest = 'ab'.repeat(32);
  const damages: [what: string, lines: readonly unknown[], says: string][] = [
    [
      'a changed state',
      changed(4, { new_state: { quantity: '101' } }),
      'line 5, event .*: content_hash is .*, the content gives',
    ],
    ['a changed action', changed(4, { action: 'void' }), 'line 5, event .*: content_hash is'],
    ['a member of the content put in', changed(4, { corrects: ledger[0]!.event_id }), 'line 5, .*: content_hash is'],
    [
      'a changed granularity',
      changed(4, { timestamp: ledger[4]!.timestamp.replace('Z', '0Z') }),
      'line 5, .*: content_hash',
    ],
    ['another salt', changed(4, { salt: '00'.repeat(16) }), 'line 5, .*: content_hash is'],
    ['a salt taken away', changed(4, { salt: null }), 'line 5, .*: has no salt'],
    ['another recorder', changed(4, { recorded_by: 'service' }), 'line 5, .*: event_hash is'],
    ['another event hash', changed(4, { event_hash: digest }), 'line 5, .*: event_hash is'],
    [
      'a rewritten event',
      ledger.with(4, rehashed({ ...ledger[4]!, recorded_by: 'service' })),
      'sequence 6: previous_event_hash',
    ],
    [
      'a first event with a past',
      ledger.with(0, rehashed({ ...ledger[0]!, previous_event_hash: digest })),
      'sequence 1: is the',
    ],
    [
      'a second event without',
      ledger.with(1, rehashed({ ...ledger[1]!, previous_event_hash: null })),
      'sequence 2: prev.* null',
    ],
    ['an event taken out', ledger.toSpliced(4, 1), 'the ledger: lacks sequences 5 to 5'],
    ['the tail cut off', ledger.slice(0, 90), 'the ledger: lacks sequences 91 to 100'],
    ['an event there twice', [...ledger, ledger[4]], 'sequence 5 was there before'],
    [
      'an id that is used again',
      ledger.with(99, rehashed({ ...ledger[99]!, event_id: ledger[4]!.event_id })),
      'has sequence 5 as well',
    ],
    [
      'another ledger',
      ledger.with(4, rehashed({ ...ledger[4]!, origin: 'example.com/other' })),
      'is of another ledger',
    ],
    ['an unknown format', changed(4, { format: 'truetrail/2' }), 'is of the unknown format truetrail/2'],
    ['no sequence', changed(4, { sequence: 5 }), 'has no sequence'],
    ['no envelope', [...ledger, { sequence: '101' }], 'line 101, .*: has no format, origin'],
    [
      'time running backwards',
      ledger.with(4, rehashed({ ...ledger[4]!, recorded_at: formatMicros(0) })),
      'sequence 5: is recorded',
    ],
    [
      'a digit that no double keeps',
      [JSON.stringify(ledger[0]).replace('184', '9007199254740993')],
      'no record can .number-precision',
    ],
    ['a name twice', [JSON.stringify(ledger[0]).replace('{', '{"action":"x",')], 'no record can .duplicate-name'],
  ];
  test.each(damages)('finds %s', (_what, lines, says) => {
    expectVerdict(verifyEvents(lines, '--whole'), 1, new RegExp(says));
  });

  test('finds an answer that was cut off, or goes on', () => {
    const five = ledger.slice(0, 5);
    expectVerdict(verify(write('cut.ndjson', five)), 1, 'no end line');
    expectVerdict(verify(write('cut.ndjson', [...five, end(6)])), 1, 'says 6 events; there are 5');
    expectVerdict(verify(write('cut.ndjson', [end(0), ledger[0]])), 1, 'line 2: stands after the end line');
  });

  test('finds receipts that say otherwise', () => {
    const receipt = receiptOf(ledger[4]!);
    const check = (line: Receipt, events = ledger) =>
      verifyEvents(events, '--whole', '--receipts', write('receipts.ndjson', [line]));
    expectVerdict(check({ ...receipt, salt: '00'.repeat(16) }), 1, 'receipt line 1: salt is 0000');
    expectVerdict(check({ ...receipt, content_hash: digest }), 1, 'receipt line 1: event_hash is');
    expectVerdict(check(receiptOf(ledger[99]!), ledger.slice(0, 99)), 1, 'receipt line 1: sequence 100 is not there');
  });

  test('calls unreadable what it cannot read, unless something else is wrong', () => {
    const cut = JSON.stringify(ledger[4]).slice(0, -1);
    expectVerdict(verifyEvents(ledger.toSpliced(4, 1, cut as never), '--whole'), 2, 'line 5: cannot be read');
    expectVerdict(verifyEvents(ledger.toSpliced(4, 2, cut as never), '--whole'), 1, 'lacks sequences 5 to 6');
    expectVerdict(verify(join(folder, 'nothing-here')), 2, 'nothing-here: cannot be read');
  });
});

function end(events: number): JsonObject {
  return { end: { events: String(events), as_of: '100' } };
}

function receiptOf(event: Event): Receipt {
  const {
    format,
    origin,
    sequence,
    event_id,
    recorded_at,
    recorded_by,
    content_hash,
    previous_event_hash,
    salt,
    event_hash,
  } = event;
  return {
    format,
    origin,
    sequence,
    event_id,
    recorded_at,
    recorded_by,
    content_hash,
    previous_event_hash,
    salt,
    event_hash,
  };
}

/** A ledger's events as the API answers them, every one of them different and all of them odd. */
function makeLedger(size: number): Event[] {
  let seed = 7;
  const below = (n: number) => (seed = (seed * 48_271) % 2_147_483_647) % n;
  const odd = (): JsonValue =>
    [
      below(1e9),
      below(1e9) / 128,
      -below(1e6) * 1e-12,
      below(1e9) * 1e15,
      'é😀"\\\n\u0001\u2028' + below(99),
      '1',
      true,
      null,
      [{}],
    ][below(9)]!;
  const object = (): JsonObject =>
    Object.fromEntries(
      Array.from({ length: below(6) }, () => ['bé😀\uffff"1'.slice(0, 1 + below(7)).toWellFormed() + below(20), odd()]),
    );
  const events: Event[] = [];
  for (let i = 0; i < size; i++) {
    const { content } = toContent({
      event_id: `018f0000-0000-7000-8000-${String(i).padStart(12, '0')}`,
      timestamp: `2026-06-02T08:15:30.${String(below(1e9))
        .padStart(9, '0')
        .slice(0, 1 + below(9))}${i % 2 ? 'Z' : '+05:30'}`,
      event_type: 'order_lifecycle',
      entity_type: 'order',
      entity_id: `O-${below(50)}`,
      action: 'modify',
      user_id: `trader-é${below(9)}`,
      new_state: object(),
      metadata: { latency_us: 184, ...object() },
      ...(i % 3 === 0 && { previous_state: object() }),
      ...(i % 5 === 0 && { source: 'oms', source_session: '1', source_sequence: String(i) }),
      ...(i % 7 === 0 && { corrects: '018F0000-0000-7000-8000-00000000000A' }),
      ...(i % 11 === 0 && { raw: { media_type: 'application/fix', data: Buffer.alloc(i, i).toString('base64') } }),
    });
    const salt = Buffer.alloc(16, i);
    const envelope: Envelope = {
      format: FORMAT,
      origin: 'audit.example.com/truetrail/main',
      sequence: String(i + 1),
      event_id: content.event_id,
      recorded_at: formatMicros(1_780_388_130_000_000 + i * 17),
      recorded_by: 'key:0190a0b0-0000-7000-8000-000000000001',
      content_hash: contentHash(salt, canonicalContent(content).text).toString('hex'),
      previous_event_hash: events.at(-1)?.event_hash ?? null,
    };
    events.push({
      ...content,
      ...envelope,
      salt: salt.toString('hex'),
      event_hash: eventHash(envelope).toString('hex'),
    });
  }
  return events;
}
