import type { Action, EventContent } from './content.js';
import { HAS_PYTHON } from '../support/python.js';
import { compareHistory, expectedHistories } from './expected-histories.js';
import { fixMessages } from './fix.js';
import { sampleSources, sharedDataFolder, sources, type Source } from './sources.js';

/** The whole takes some 10 s on two cores; whichever test comes first to a source converts it. */
const SLOW_MS = 60_000;

const missing = [
  ...(sharedDataFolder() === undefined ? ['the recorded data (TRUETRAIL_SHARED, by default ../shared)'] : []),
  ...(HAS_PYTHON ? [] : ['python3']),
];
if (missing.length > 0 && !process.env['CI']) {
  process.stderr.write(`test/real-data: not everything is compared, missing here: ${missing.join(' and ')}\n`);
}

it('has in CI all that it needs', () => {
  expect(process.env['CI'] ? missing : []).toEqual([]);
});

const converted = new Map<Source, Promise<EventContent[]>>();

/** The events of a source; converted once, since several tests look at them. */
function eventsOf(source: Source): Promise<EventContent[]> {
  let events = converted.get(source);
  if (!events) {
    events = collect(source);
    converted.set(source, events);
  }
  return events;
}

async function collect(source: Source): Promise<EventContent[]> {
  const events: EventContent[] = [];
  for await (const event of source.convert()) events.push(event);
  return events;
}

function byEntity(events: readonly EventContent[]): Map<string, EventContent[]> {
  const histories = new Map<string, EventContent[]>();
  for (const event of events) {
    const history = histories.get(event.entity_id);
    if (history) history.push(event);
    else histories.set(event.entity_id, [event]);
  }
  return histories;
}

async function sampleHistory(name: string, entityId: string): Promise<EventContent[]> {
  const source = sampleSources.find((sample) => sample.name === name)!;
  return (await eventsOf(source)).filter((event) => event.entity_id === entityId);
}

describe.each([...sources, ...sampleSources].map((source) => [source.name, source] as const))('%s', (_name, source) => {
  const withData = source.folder() === undefined ? it.skip : it;
  const withBoth = source.folder() === undefined || !HAS_PYTHON ? it.skip : it;

  withData(
    'gives as many events of each action as its README says',
    async () => {
      const counts: Record<Action, number> = { create: 0, modify: 0, cancel: 0, partial_fill: 0, fill: 0, reject: 0 };
      for (const { action } of await eventsOf(source)) counts[action] += 1;
      expect(counts).toEqual(source.expectedCounts);
    },
    SLOW_MS,
  );

  withData(
    'gives well-formed events, numbered without a gap',
    async () => {
      expect(faultsOf(await eventsOf(source))).toEqual([]);
    },
    SLOW_MS,
  );

  withBoth(
    'agrees with the independent reading, order by order and event by event',
    async () => {
      const [expected, events] = await Promise.all([expectedHistories(source), eventsOf(source)]);
      const actual = byEntity(events);
      expect([...actual.keys()].filter((id) => !expected.has(id))).toEqual([]);

      const differences: string[] = [];
      for (const [id, history] of expected) {
        differences.push(...compareHistory(history, actual.get(id) ?? []).map((difference) => `${id}: ${difference}`));
      }
      expect(differences.slice(0, 20)).toEqual([]);
      expect(expected.size).toBeGreaterThan(0);
    },
    SLOW_MS,
  );
});

/** What the record format and the routes ask of an event, and this folder of its events; the first twenty breaches. */
function faultsOf(events: readonly EventContent[]): string[] {
  const faults: string[] = [];
  const ids = new Set<string>();
  const counters = new Map<string, number>();
  for (const [i, event] of events.entries()) {
    const check = (ok: boolean, what: string) => {
      if (!ok && faults.length < 20) faults.push(`event ${i + 1} of ${event.entity_id}: ${what}`);
    };
    check(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(event.event_id), event.event_id);
    check(!ids.has(event.event_id), `event_id ${event.event_id} comes twice`);
    ids.add(event.event_id);
    check(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(event.timestamp), event.timestamp);

    const counter = (counters.get(event.source_session) ?? 0) + 1;
    counters.set(event.source_session, counter);
    check(event.source_sequence === String(counter), `source_sequence ${event.source_sequence}, not ${counter}`);

    for (const name of ['entity_id', 'user_id', 'source', 'source_session'] as const) {
      check(/^\P{Cc}{1,255}$/u.test(event[name]), `${name} is ${JSON.stringify(event[name])}`);
    }
    for (const state of [event.previous_state, event.new_state]) {
      if (state === null) continue;
      check(state.side === 'buy' || state.side === 'sell', `side is ${state.side}`);
      for (const name of ['quantity', 'price', 'remaining_quantity'] as const) {
        const value = state[name];
        check(value === undefined || /^-?\d+(\.\d+)?$/.test(value), `${name} is ${value}`);
      }
    }
    const saysWhy = event.metadata['reason'] !== undefined;
    check(saysWhy === ['modify', 'cancel', 'reject'].includes(event.action), `reason: ${event.metadata['reason']}`);
    check(event.previous_state === null || event.action !== 'create', 'a create with a previous state');
    check(Buffer.from(event.raw?.data ?? '', 'base64').length <= 65_536, 'raw is too large');
    check(!/:(undefined|null)[,}]/.test(JSON.stringify({ ...event, previous_state: {} })), 'a member is null');
  }
  return faults;
}

it('repeats the same events, with the same ids, in a second run', async () => {
  for (const source of sampleSources) expect(await collect(source)).toEqual(await eventsOf(source));
});

it(
  'gives no event id and no order in two sources',
  async () => {
    const seen = new Map<string, string>();
    for (const source of [...sources, ...sampleSources]) {
      if (source.folder() === undefined) continue;
      const events = await eventsOf(source);
      for (const id of new Set(events.flatMap((event) => [event.event_id, event.entity_id]))) {
        if (seen.has(id)) throw new Error(`${id} is in ${seen.get(id)} and in ${source.name}`);
        seen.set(id, source.name);
      }
    }
  },
  SLOW_MS,
);

// Written down by hand from the sample files, so that the two readings cannot err together unnoticed.
describe('the samples', () => {
  it('LOBSTER: an order entered before the file begins had open what later rows take from it', async () => {
    const state = { symbol: 'MADE', side: 'buy', price: '99.9900', exchange: 'XMAD' };
    expect(await sampleHistory('sample-lobster', 'XMAD:2024-03-15:900')).toMatchObject([
      {
        timestamp: '2024-03-15T13:30:00.005000000Z',
        action: 'partial_fill',
        previous_state: { ...state, quantity: '100', remaining_quantity: '100' },
        new_state: { ...state, quantity: '30', remaining_quantity: '70' },
      },
      { timestamp: '2024-03-15T13:30:00.006000000Z', action: 'modify', new_state: { ...state, quantity: '50' } },
      {
        timestamp: '2024-03-15T13:30:00.008000000Z',
        action: 'cancel',
        new_state: { ...state, quantity: '50', remaining_quantity: '0' },
      },
    ]);
  });

  it('LOBSTER: nanoseconds are restored, and more than nine decimals cut but kept beside', async () => {
    const times = async (id: string) =>
      (await sampleHistory('sample-lobster', `XMAD:2024-03-15:${id}`)).map(({ timestamp }) => timestamp);
    expect((await times('5005')).slice(0, 3)).toEqual([
      '2024-03-15T13:30:01.000000000Z',
      '2024-03-15T13:30:01.500000000Z',
      '2024-03-15T13:30:01.500000001Z',
    ]);
    expect(await times('5900')).toEqual([
      '2024-03-15T23:59:59.999999999Z',
      '2024-03-16T00:00:00.000000000Z',
      '2024-03-16T00:00:00.000000001Z',
    ]);
    expect(await sampleHistory('sample-lobster', 'XMAD:2024-03-15:5006')).toMatchObject([
      { timestamp: '2024-03-15T13:30:03.000000000Z', new_state: { price: '1234567.8900', quantity: '2147483648' } },
      { timestamp: '2024-03-15T13:30:03.088778456Z', metadata: { time_as_written: '34203.088778456004' } },
    ]);
  });

  it('Bitstamp: faults of the stream are recorded as they came', async () => {
    const actions = async (id: number) =>
      (await sampleHistory('sample-bitstamp', `MADEUP:${id}`)).map(
        ({ action, new_state }) => `${action} ${new_state.quantity} ${new_state.remaining_quantity}`,
      );
    expect(await actions(99)).toEqual(['fill undefined 0.00000000']);
    expect(await actions(101)).toEqual([
      'create 2.00000000 2.00000000',
      'partial_fill 0.21144331 1.78855669',
      'partial_fill 0.00000001 1.78855668',
      'modify 1.78855668 1.78855668',
      'modify 1.50000000 1.50000000',
      'modify 1.50000000 1.50000000',
      'modify 3.00000000 3.00000000',
      'fill 3.00000000 0.00000000',
    ]);
    expect(await actions(102)).toEqual([
      'create 8.68991644 8.68991644',
      'cancel 8.68991644 0.00000000',
      'cancel 8.68991644 0.00000000',
    ]);
    expect(await actions(103)).toEqual(['cancel 5.00000000 0.00000000', 'create 5.00000000 5.00000000']);
    expect(await actions(104)).toEqual([
      'create 3.20000000 3.20000000',
      'fill 3.20000000 0.00000000',
      'modify 2.23414920 2.23414920',
    ]);
    expect(await actions(107)).toEqual(['fill undefined 0.00000000', 'fill 0.00000000 0.00000000']);
  });

  it('Databento: the row that books an execution is no event, a cancel right after it is', async () => {
    const history = await sampleHistory('sample-databento', 'XMAD:MADM4:7004');
    expect(history.map(({ action, new_state }) => [action, new_state.quantity, new_state.remaining_quantity])).toEqual([
      ['modify', '3', '3'],
      ['partial_fill', '1', '2'],
      ['cancel', '2', '0'],
    ]);
    expect(await sampleHistory('sample-databento', 'XMAD:MADM4-MADU4:7101')).toMatchObject([
      {
        action: 'create',
        timestamp: '2024-03-15T08:00:00.060000001Z',
        new_state: { price: '-0.250000000', side: 'buy' },
      },
    ]);
  });

  it('FIX: an order with its parties, through two executions, a replace under a new id and the last fill', async () => {
    const order = { symbol: 'MADE', side: 'buy', currency: 'EUR', exchange: 'XMAD' };
    const asked = { ...order, quantity: '1000', price: '10.50' };
    const people = {
      client_id: '5493001KJTIIGC8Y1R12',
      client_id_type: 'legal_entity',
      investment_decision_maker: 'ALGO-MOMENTUM-2',
      investment_decision_maker_type: 'algorithm',
      account: 'ACC-7',
    };
    const trader = { execution_decision_maker: 'TR-0042', execution_decision_maker_type: 'natural_person' };
    const history = await sampleHistory('sample-fix44-parties', 'HARBOR>XMAD:20240315:ord-001');
    expect(
      history.map(({ raw: _raw, event_id: _id, source: _s, source_session: _t, ...event }) => event),
    ).toMatchObject([
      {
        action: 'create',
        timestamp: '2024-03-15T08:00:01.123456Z',
        user_id: 'desk7',
        previous_state: null,
        new_state: { ...asked, remaining_quantity: '1000' },
        metadata: { ...people, ...trader, order_entry_time: '2024-03-15T08:00:01.123456Z' },
      },
      {
        action: 'partial_fill',
        timestamp: '2024-03-15T08:00:02.000999999Z',
        user_id: 'XMAD',
        previous_state: { ...asked, remaining_quantity: '1000' },
        new_state: { ...order, quantity: '250', price: '10.49', remaining_quantity: '750' },
        metadata: { ...people, ...trader, execution_time: '2024-03-15T08:00:02.000999999Z' },
      },
      {
        action: 'partial_fill',
        timestamp: '2024-03-15T08:00:02.001000000Z',
        previous_state: { ...asked, remaining_quantity: '750' },
        new_state: { ...order, quantity: '0.5', price: '10.495', remaining_quantity: '749.5' },
        metadata: { ...people, execution_decision_maker: 'TR-0099' },
      },
      {
        action: 'modify',
        timestamp: '2024-03-15T08:00:03.020Z',
        previous_state: { ...asked, remaining_quantity: '749.5' },
        new_state: { ...order, quantity: '1200', price: '10.55', remaining_quantity: '949.5' },
        metadata: { ...people, ...trader, client_order_id: 'ord-001r1', reason: 'client asked for more' },
      },
      {
        action: 'fill',
        timestamp: '2024-03-15T08:00:04.000Z',
        previous_state: { ...order, quantity: '1200', price: '10.55', remaining_quantity: '949.5' },
        new_state: { ...order, exchange: 'DARK', quantity: '949.5', price: '10.55', remaining_quantity: '0' },
        metadata: { ...people, ...trader },
      },
    ]);
    expect(history[2]!.metadata).not.toHaveProperty('execution_decision_maker_type');
    expect(history[1]!.new_state.exchange).toBe('XMAD');
  });

  it('FIX: ids that come again, reports on other days, orders that the log does not begin', async () => {
    const actions = async (id: string) =>
      (await sampleHistory('sample-fix44-parties', id)).map(({ action }) => action).join(' ');
    expect(await actions('OLDSHOP>XMAD:20240315:7')).toBe('create partial_fill fill');
    expect(await actions('OLDSHOP>XMAD:20240316:7')).toBe('create cancel');
    expect(await actions('HARBOR>XMAD:20240316:7')).toBe('create');
    expect(await actions('HARBOR>XMAD:20240316:gtc-9')).toBe('partial_fill cancel');
    expect(await actions('HARBOR>XMAD:20240316:rt-1')).toBe('create');
    expect(await actions('HARBOR>XMAD:20240316:rt-1:book-1')).toBe('create fill');
    expect(await actions('HARBOR>XMAD:20240315:ord-004')).toBe('');

    const session = async (id: string) => sampleHistory('sample-fix42-sessions', id);
    expect((await session('RUNNER>FLOOR:logon-3:2')).map(({ action }) => action)).toEqual(['create', 'fill', 'create']);
    expect((await session('RUNNER>FLOOR:logon-4:3')).map(({ timestamp }) => timestamp)).toEqual([
      '2004-05-13T13:27:25.000Z',
      '2004-05-13T13:27:25.000Z',
      '2004-05-13T13:27:30.000Z',
    ]);
  });

  it('FIX: text in any bytes, a short sale, and the message as it came', async () => {
    expect(await sampleHistory('sample-fix44-parties', 'HARBOR>XMAD:20240315:ord/17%2F 2')).toMatchObject([
      {
        action: 'create',
        timestamp: '2024-03-15T08:01:00.000Z',
        new_state: { side: 'sell', short_sale: 'not_exempt' },
      },
      { action: 'reject', metadata: { reason: 'Leerverkauf nicht gedeckt – Größe 10' } },
    ]);
    const [create, reject] = await sampleHistory('sample-fix44-parties', 'HARBOR>XMAD:20240316:ord-008');
    expect(create).toMatchObject({ user_id: 'Jérôme', timestamp: '2024-03-16T08:04:00.123456789Z' });
    expect(reject).toMatchObject({ metadata: { reason: 'refusé' } });

    const [, cancel] = await sampleHistory('sample-fix44-parties', 'HARBOR>XMAD:20240315:ord-003');
    const message = Buffer.from(cancel!.raw!.data, 'base64').toString('latin1');
    expect(message).toMatch(/^8=FIX\.4\.4\x019=192\x0135=8\x01.*\x0110=206\x01$/);
    expect([...message.slice(0, -'10=206\x01'.length)].reduce((sum, c) => sum + c.charCodeAt(0), 0) % 256).toBe(206);
    expect(message.length).toBe('8=FIX.4.4\x019=192\x01'.length + 192 + '10=206\x01'.length);
  });
});

describe('fixMessages', () => {
  const count = (log: string) => [...fixMessages(Buffer.from(log.replaceAll('|', '\x01'), 'latin1'))].length;

  it('finds messages in any text, and no message where there is none', () => {
    expect(count('')).toBe(0);
    expect(count('8=FIX.4.2 is not a message, nor is 10=123|')).toBe(0);
    expect(count('8=FIX.4.2|9=5|35=0|10=000|8=FIX.4.2|9=5|35=0|10=000')).toBe(2);
    expect(count('8=FIX.4.2|9=5|35=0|10=0008=FIXT.1.1|9=5|35=0|10=0|')).toBe(2);
    expect(count('8=FIX.4.2|9=5|35=D|11=x8=FIX.4.2|9=5|35=0|10=000|')).toBe(1);
    expect(count('8=FI\nX.4.2|9\r\n=5|35=0|1\n0=00\n0|')).toBe(1);
    expect(count('8=FIX.4.2|9=5|35=D|11=x')).toBe(0);
  });
});

describe('compareHistory', () => {
  it('says what differs, where, and what is too much or missing', async () => {
    const history = await sampleHistory('sample-lobster', 'XMAD:2024-03-15:901');
    const expected = { action: 'fill', quantity: '7', price: '100.0300', raw_sha256: null };
    expect(compareHistory([expected], history)).toEqual([]);
    expect(compareHistory([{ ...expected, quantity: '8' }], history)).toEqual(['Event 1: quantity is "7", not "8".']);
    expect(compareHistory([{ ...expected, currency: 'EUR' }], history)).toEqual([
      'Event 1: currency is null, not "EUR".',
    ]);
    expect(compareHistory([{ ...expected, side: null }], history)).toEqual(['Event 1: side is "sell", not null.']);
    expect(compareHistory([expected, expected], history)).toEqual(['There are 1 events, not 2.']);
    expect(compareHistory([], history)).toEqual(['There are 1 events, not 0.']);
  });
});
