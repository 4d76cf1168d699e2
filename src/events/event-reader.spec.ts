import { readJson, type JsonObject, type JsonValue } from '../integrity/strict-json.js';
import { eventErrors, eventErrorsByClassValidator, keepsEventRules, readOrderStepBody } from './event-reader.js';

const VALID: JsonObject = {
  event_id: '0197f3a1-6c00-7000-8000-00000000000a',
  timestamp: '2026-06-02T08:15:30.1Z',
  event_type: 'order_lifecycle',
  entity_type: 'order',
  entity_id: 'O-1',
  action: 'create',
  user_id: 'trader-1',
  previous_state: null,
  new_state: { price: '585.33' },
  metadata: {},
  source: 'oms',
  source_session: '2026-06-02',
  source_sequence: '1',
  corrects: '0197f3a1-6c00-7000-8000-00000000000b',
  raw: { media_type: 'text/plain', data: 'QQ==' },
};

/** What stands in a member's place, for every member in turn. */
const ODD: (JsonValue | undefined)[] = [
  undefined,
  null,
  true,
  0,
  1.5,
  '',
  ' ',
  'x',
  'x'.repeat(51),
  'x'.repeat(101),
  'x'.repeat(256),
  '😀'.repeat(255),
  '😀'.repeat(256),
  'a\u0000',
  'a\u0085',
  '2026-06-02T08:15:30Z',
  '2026-06-02T08:15:60Z',
  '2026-02-30T08:15:30Z',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '0197F3A1-6C00-7000-8000-00000000000A',
  '01',
  '9999999999999999999',
  '99999999999999999999',
  [],
  {},
  { media_type: 'x' },
  { data: 'QQ==' },
  { media_type: 'x', data: 'QR==' },
  { media_type: 'x', data: '', more: 1 },
  { media_type: 'x', data: '' },
  { constructor: 1, media_type: 'x', data: '' },
  [{}],
];

describe("an event's rules", () => {
  it('take and refuse the same, compiled and by class-validator, for every member and every odd value', () => {
    let refused = 0;
    for (const name of [...Object.keys(VALID), 'unknown', 'constructor', 'toString', '__defineGetter__', '']) {
      for (const value of ODD) {
        const event: JsonObject = { ...VALID };
        if (value === undefined) delete event[name];
        else event[name] = value;
        const slow = eventErrorsByClassValidator(event, '');
        expect([name, value, keepsEventRules(event)]).toEqual([name, value, slow.length === 0]);
        for (const error of slow) expect(error.pointer.startsWith(`/${name}`)).toBe(true);
        if (slow.length > 0) refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(300);
  });

  it('take what FORMAT takes at the limits', () => {
    expect(eventErrors({ ...VALID, entity_id: '😀'.repeat(255), event_type: 'x'.repeat(100) }, '')).toEqual([]);
    expect(
      eventErrors({ ...VALID, raw: { media_type: 'x', data: Buffer.alloc(65_536).toString('base64') } }, ''),
    ).toEqual([]);
  });

  it('name what is missing, once each', () => {
    const missing = eventErrors({}, '').map(({ pointer, rule }) => [pointer, rule]);
    expect(new Set(missing)).toEqual(
      new Set(
        ['timestamp', 'event_type', 'entity_type', 'entity_id', 'action', 'user_id', 'new_state'].map((name) => [
          `/${name}`,
          'required',
        ]),
      ),
    );
    expect(missing).toHaveLength(7);
    const [error] = eventErrors({ ...VALID, raw: { media_type: 'x' } }, '/events/3');
    expect(error).toMatchObject({
      pointer: '/events/3/raw/data',
      rule: 'required',
      detail: expect.stringMatching(/^data is missing: data must/),
    });
  });

  it('name no value, so that no secret or client comes back in a message', () => {
    const secret = 'S3CRET'.repeat(60);
    for (const name of Object.keys(VALID)) {
      expect(JSON.stringify(eventErrors({ ...VALID, [name]: secret }, ''))).not.toContain('S3CRET');
    }
  });

  it("make of an order's step the event that the plain route takes", () => {
    const { event_type: _t, entity_type: _e, entity_id: _i, action: _a, ...step } = VALID;
    const { content } = readOrderStepBody(Buffer.from(JSON.stringify(step)), 'O-1', 'create', () => '');
    expect(content).toEqual(readJson(JSON.stringify({ ...VALID })));
  });
});
