import { canonicalContent, contentHash, eventHash } from '../integrity/event.js';
import { contentOf, envelopeOf } from '../integrity/stored-event.js';
import { RangeVerifier, type RangeResult, type RangeScope, type TrailRow } from './verifier.js';

const ORIGIN = 'audit.example.com/truetrail/main';
const MONTH = 17;
const MONTH_FROM = Date.UTC(2026, 5, 1) * 1000;
const MONTH_TO = Date.UTC(2026, 6, 1) * 1000;

/** Rows 1 to `count` of a ledger in which everything is right, each a millisecond after the one before. */
function chain(count: number, origin = ORIGIN): TrailRow[] {
  const rows: TrailRow[] = [];
  for (let i = 1; i <= count; i++) {
    const row: TrailRow = {
      sequence: String(i),
      tableOid: MONTH,
      recorded_at: MONTH_FROM + i * 1000,
      timestamp: MONTH_FROM,
      timestamp_nanos: 0,
      timestamp_digits: 6,
      event_id: `0197f3a1-0000-7000-8000-${String(i).padStart(12, '0')}`,
      corrects: null,
      event_type: 'order_lifecycle',
      entity_type: 'order',
      entity_id: 'O-1',
      action: 'create',
      user_id: `trader-${i}`,
      previous_state: null,
      new_state: '{"price": "1"}',
      metadata: '{}',
      source: null,
      source_session: null,
      source_sequence: null,
      raw_media_type: null,
      raw_data: null,
      recorded_by: 'service',
      salt: Buffer.alloc(16, i),
      content_hash: Buffer.alloc(32),
      previous_event_hash: rows.at(-1)?.event_hash ?? null,
      event_hash: Buffer.alloc(32),
    };
    rows.push(rehashed(row, origin));
  }
  return rows;
}

/** A row with the hashes that it should have. */
function rehashed(row: TrailRow, origin = ORIGIN): TrailRow {
  const hashed = { ...row, content_hash: contentHash(row.salt, canonicalContent(contentOf(row)).text) };
  return { ...hashed, event_hash: eventHash(envelopeOf(hashed, origin)) };
}

function verify(rows: readonly TrailRow[], scope: Partial<RangeScope> = {}): RangeResult & { places: string[] } {
  const verifier = new RangeVerifier({
    from: 1,
    to: rows.length,
    origin: ORIGIN,
    usualOrigin: null,
    months: new Map([[MONTH, { from: MONTH_FROM, to: MONTH_TO }]]),
    headRecordedAt: MONTH_TO,
    needsPredecessor: true,
    ...scope,
  });
  for (const row of rows) verifier.take(row);
  const result = verifier.finish();
  return { ...result, places: result.findings.listed.map(({ kind, sequence }) => `${kind}@${sequence}`) };
}

/** The chain of nine, with row `sequence` changed. */
function changed(sequence: number, change: (row: TrailRow) => Partial<TrailRow>): TrailRow[] {
  return chain(9).map((row) => (row.sequence === String(sequence) ? { ...row, ...change(row) } : row));
}

const flipped = (hash: Buffer | null): Buffer => Buffer.from(hash!.map((byte, i) => (i === 0 ? byte ^ 1 : byte)));

describe('rows of a range', () => {
  it('that are right have no findings', () => {
    expect(verify(chain(9))).toMatchObject({ checked: 9, places: [] });
    expect(verify([], { to: 0 })).toMatchObject({ checked: 0, places: [] });
  });

  it('may be a part of the ledger, beside the rows before and after it', () => {
    expect(verify(chain(9).slice(2, 7), { from: 4, to: 6 })).toMatchObject({ checked: 3, places: [] });
  });

  it('need the row before, unless somebody else sees to that one', () => {
    const rows = chain(9).slice(3);
    expect(verify(rows, { from: 4, to: 9 }).places).toEqual(['missing@3']);
    expect(verify(rows, { from: 4, to: 9, needsPredecessor: false }).places).toEqual([]);
  });

  it('of which some are missing, at either end or in between', () => {
    const rows = chain(9);
    const without = (...gone: number[]): string[] =>
      verify(
        rows.filter(({ sequence }) => !gone.includes(Number(sequence))),
        { to: 9 },
      ).places;
    expect(without(1)).toEqual(['missing@1']);
    expect(without(9)).toEqual(['missing@9']);
    expect(without(4, 5, 8)).toEqual(['missing@4', 'missing@8']);
    expect(verify([], { to: 9 }).findings.listed).toEqual([
      { kind: 'missing', sequence: '1', event_id: null, detail: 'there are no events from 1 to 9', through: '9' },
    ]);
    expect(verify([], { from: 4, to: 9 }).findings.listed[0]).toMatchObject({ sequence: '3', through: '9' });
  });

  it.each<[name: string, change: (row: TrailRow) => Partial<TrailRow>, places: string[], detail: RegExp]>([
    ['a content', () => ({ user_id: 'mallory' }), ['content@5'], /content and its salt/],
    ['a number', () => ({ new_state: '{"price": 1.0}' }), ['content@5'], /^new_state The number 1\.0/],
    ['a text that no event has', () => ({ user_id: '' }), ['content@5'], /^user_id holds/],
    ['a salt of another length', () => ({ salt: Buffer.alloc(15) }), ['content@5'], /a salt has 16 bytes/],
    [
      'a content hash',
      ({ content_hash: h }) => ({ content_hash: flipped(h) }),
      ['content@5'],
      /^content_hash was changed$/,
    ],
    ['an event hash', ({ event_hash: h }) => ({ event_hash: flipped(h) }), ['link@5'], /^event_hash was changed/],
    ['an event hash of another length', () => ({ event_hash: Buffer.alloc(0) }), ['link@5'], /^event_hash was changed/],
    [
      'a link',
      ({ previous_event_hash: h }) => ({ previous_event_hash: flipped(h) }),
      ['link@5'],
      /^previous_event_hash was changed$/,
    ],
    ['a link to nothing', () => ({ previous_event_hash: null }), ['link@5'], /^previous_event_hash was changed$/],
    ['a principal', () => ({ recorded_by: 'key:x' }), ['link@5'], /^recorded_by was changed: it was service$/],
    [
      'a time that is none',
      () => ({ recorded_at: Infinity }),
      ['link@5', 'recorded_time@5', 'recorded_time@5', 'recorded_time@5'],
      /^recorded_at must be/,
    ],
  ])('of which one has another %s', (_name, change, places, detail) => {
    const found = verify(changed(5, change));
    expect(found.places).toEqual(places);
    expect(found.findings.listed[0]!.detail).toMatch(detail);
    expect(found.checked).toBe(9);
  });

  it('names a recorded_at that was changed to that of its neighbour’s request', () => {
    const rows = chain(4);
    const same = rows.map((row) => ({ ...row, recorded_at: MONTH_FROM }));
    for (let i = 0; i < same.length; i++)
      same[i] = rehashed({ ...same[i]!, previous_event_hash: same[i - 1]?.event_hash ?? null });
    same[2] = { ...same[2]!, recorded_at: MONTH_FROM + 1 };
    const found = verify(same);
    expect(found.places).toEqual(['link@3', 'recorded_time@3']);
    expect(found.findings.listed[0]!.detail).toBe('recorded_at was changed: it was 2026-06-01T00:00:00.000000Z');
  });

  it('tells time by the event whose envelope is wrong', () => {
    expect(verify(changed(5, () => ({ recorded_at: MONTH_FROM }))).places).toEqual(['link@5', 'recorded_time@5']);
    expect(verify(changed(5, () => ({ recorded_at: MONTH_TO - 1 }))).places).toEqual(['link@5', 'recorded_time@5']);
  });

  it('finds a time that falls although every hash is right', () => {
    const rows = chain(3);
    rows[2] = rehashed({ ...rows[2]!, recorded_at: MONTH_FROM });
    expect(verify(rows).places).toEqual(['recorded_time@3']);
  });

  it('finds events in a table of another month, or of none, or past the head', () => {
    expect(verify(chain(1), { months: new Map([[MONTH, { from: 0, to: MONTH_FROM }]]) }).places).toEqual([
      'recorded_time@1',
    ]);
    expect(verify(chain(1), { months: new Map() }).places).toEqual(['recorded_time@1']);
    expect(verify(chain(1), { headRecordedAt: MONTH_FROM }).places).toEqual(['recorded_time@1']);
    expect(verify(chain(1), { headRecordedAt: null }).places).toEqual([]);
  });

  it('of one sequence: keeps the one that fits, whichever comes first', () => {
    const rows = chain(9);
    const double = { ...rows[4]!, event_id: '0197f3a1-0000-7000-8000-0000000000ff' };
    for (const both of [
      [rows[4]!, double],
      [double, rows[4]!],
    ]) {
      const found = verify([...rows.slice(0, 4), ...both, ...rows.slice(5)], { to: 9 });
      expect(found.places).toEqual(['sequence@5']);
      expect(found.findings.listed[0]!.event_id).toBe(double.event_id);
      expect(found.checked).toBe(9);
    }
  });

  it('says once that the origin was changed', () => {
    const found = verify(chain(2), { origin: 'audit.example.com/forged', usualOrigin: ORIGIN });
    expect(found.findings.listed.map(({ detail }) => detail)).toEqual([
      "the ledger's origin was changed",
      "the ledger's origin was changed",
    ]);
  });

  it('finds a first event that names a predecessor', () => {
    const rows = chain(2);
    rows[0] = rehashed({ ...rows[0]!, previous_event_hash: Buffer.alloc(32, 1) });
    rows[1] = rehashed({ ...rows[1]!, previous_event_hash: rows[0].event_hash });
    expect(verify(rows).places).toEqual(['link@1']);
  });

  it('finds rows that were swapped', () => {
    const rows = chain(9);
    const [third, fifth] = [rows[2], rows[4]] as [TrailRow, TrailRow];
    rows[2] = { ...fifth, sequence: '3' };
    rows[4] = { ...third, sequence: '5' };
    const { places } = verify(rows);
    expect(new Set(places.filter((place) => place.startsWith('link')))).toEqual(
      new Set(['link@3', 'link@4', 'link@5', 'link@6']),
    );
  });

  it('does not take a fault of its own for damage', () => {
    const broken = { ...chain(1)[0]!, content_hash: null } as unknown as TrailRow;
    expect(() => verify([broken])).toThrow(TypeError);
  });
});
