import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { recordInThePast } from './support/months.js';
import { Random } from './support/random.js';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';

interface OrderEvent {
  event_id: string;
  sequence: string;
  timestamp: string;
  ordinal: number;
  corrected_by: string | null;
}
interface History {
  order_id: string;
  events: OrderEvent[];
  next_cursor: string | null;
  as_of: string;
}

describe("an order's history", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  const newLedger = async (): Promise<string> => {
    const ledger = `l-${randomUUID()}`;
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    return ledger;
  };
  const post = async (events: object[], ledger: string): Promise<void> => {
    await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
  };
  const ask = (ledger: string, orderId: string, query: Record<string, string> = {}) =>
    service.http().get(`/v1/ledgers/${ledger}/orders/${orderId}/history`).query(query);
  const read = async (ledger: string, orderId: string, query: Record<string, string> = {}): Promise<History> =>
    (await ask(ledger, orderId, query).expect(200)).body as History;

  async function walk(
    ledger: string,
    orderId: string,
    query: Record<string, string>,
    limit: string,
  ): Promise<History[]> {
    const pages: History[] = [await read(ledger, orderId, { ...query, limit })];
    for (let cursor = pages[0]!.next_cursor; cursor !== null; cursor = pages.at(-1)!.next_cursor) {
      pages.push(await read(ledger, orderId, { cursor, limit }));
    }
    return pages;
  }
  const lines = async (ledger: string, orderId: string, query: Record<string, string> = {}) => {
    const { text } = await ask(ledger, orderId, query).set('accept', 'application/x-ndjson').buffer().expect(200);
    const all = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    return { events: all.slice(0, -1) as OrderEvent[], end: all.at(-1).end as { events: string; as_of: string } };
  };
  const order = (entityId: string, members: object = {}) => sampleEvent({ entity_id: entityId, ...members });

  it('is every event of the order, in sequence, with ordinals from 1', async () => {
    const ledger = await newLedger();
    const first = order('O-1');
    const late = order('O-1', { timestamp: '2020-01-01T00:00:00Z', action: 'fill', event_type: 'execution' });
    await post([order('O-2'), first, order('O-1', { entity_type: 'client' }), late], ledger);
    const { body } = await ask(ledger, 'O-1').expect(200);
    const { body: event } = await service.http().get(`/v1/ledgers/${ledger}/events/${late.event_id}`).expect(200);
    expect(body).toEqual({
      order_id: 'O-1',
      events: [
        expect.objectContaining({ event_id: first.event_id, sequence: '2', ordinal: 1, corrected_by: null }),
        { ...event, ordinal: 2, corrected_by: null },
      ],
      next_cursor: null,
      as_of: '4',
      archived_to: '0',
    });
  });

  it('names the correction in force of each event, wherever that stands', async () => {
    const ledger = await newLedger();
    const [a, b, c] = [order('O-1'), order('O-1'), order('O-1')];
    const correct = (target: { event_id: string }, members: object = {}) =>
      order('O-1', { corrects: target.event_id, ...members });
    const a1 = correct(a);
    const a2 = correct(a1);
    const b1 = correct(b);
    const b2 = correct(b, { action: 'void' });
    const elsewhere = order('O-2', { corrects: c.event_id });
    const asClient = order('O-1', { entity_type: 'client', corrects: c.event_id });
    const unknown = correct({ event_id: randomUUID() });
    const later = order('O-1');
    const early = correct(later);
    await post([a, b, c, a1, elsewhere, asClient, early, later, unknown, b1], ledger);
    await post([b2, a2], ledger);

    const inForce = new Map<string, string | null>([
      [a.event_id, a2.event_id],
      [a1.event_id, a2.event_id],
      [b.event_id, b2.event_id],
    ]);
    for (const query of [{}, { limit: '1' }, { limit: '3' }, { from: '2000-01-01T00:00:00Z' }] as Record<
      string,
      string
    >[]) {
      const events = (await walk(ledger, 'O-1', query, query.limit ?? '100')).flatMap((page) => page.events);
      expect(events.map(({ corrected_by }) => corrected_by)).toEqual(
        [a, b, c, a1, early, later, unknown, b1, b2, a2].map(({ event_id: id }) => inForce.get(id) ?? null),
      );
    }
    const { events } = await lines(ledger, 'O-1');
    expect(events[0]!.corrected_by).toBe(a2.event_id);
  });

  it('sees the corrections up to as_of, not those that come while it is read', async () => {
    const ledger = await newLedger();
    const [a, b] = [order('O-1'), order('O-1')];
    await post([a, b], ledger);
    const first = await read(ledger, 'O-1', { limit: '1' });
    await post([order('O-1', { corrects: b.event_id })], ledger);
    const rest = await read(ledger, 'O-1', { cursor: first.next_cursor! });
    expect(rest).toMatchObject({ as_of: '2', next_cursor: null, events: [{ ordinal: 2, corrected_by: null }] });
    expect((await read(ledger, 'O-1')).events[1]!.corrected_by).not.toBeNull();
  });

  it('is the same in pages of any size, as lines, and cut by event time with its own ordinals, over months', async () => {
    const random = new Random(11);
    const ledger = await newLedger();
    const sent: { event_id: string; entity_id: string; timestamp: string }[] = [];
    const groups = ['2026-04-15', '2026-05-31', '2026-06-01', '2026-08-20'].flatMap((day) =>
      ['08', '09'].map((hour) => {
        const events = Array.from({ length: 300 }, () => {
          const target = random.of([...sent, undefined]);
          const event = order(random.of(['LONG', 'LONG', 'O-9']), {
            event_id: randomUUID(),
            timestamp: `2026-03-0${1 + random.below(9)}T08:00:00.${random.of(['5', '500000001', '500000000'])}Z`,
            ...(target && random.chance(4) ? { corrects: target.event_id } : {}),
          });
          sent.push(event as unknown as (typeof sent)[number]);
          return event;
        });
        return { at: `${day}T${hour}:00:00Z`, events };
      }),
    );
    await recordInThePast(service.database, ledger, groups);
    const life = sent.filter((event) => event.entity_id === 'LONG');
    expect(life.length).toBeGreaterThan(1_200);

    const whole = await read(ledger, 'LONG');
    expect(whole.next_cursor).toBeNull();
    expect(whole.events.map(({ event_id, ordinal }) => [event_id, ordinal])).toEqual(
      life.map(({ event_id }, i) => [event_id, i + 1]),
    );
    expect(whole.events.filter(({ corrected_by }) => corrected_by !== null).length).toBeGreaterThan(50);
    const asLines = await lines(ledger, 'LONG');
    expect(asLines).toEqual({
      events: whole.events,
      end: { events: String(life.length), as_of: '2400', archived_to: '0' },
    });

    for (let i = 0; i < 25; i++) {
      const query: Record<string, string> = {};
      if (i > 3 && random.chance(2)) query.from = random.of(life).timestamp;
      if (i > 3 && (random.chance(2) || query.from === undefined)) query.to = random.of(life).timestamp;
      const earliest = query.from ?? '';
      if (query.to !== undefined && query.to.padEnd(30, '0') <= earliest.padEnd(30, '0')) delete query.to;
      const nanos = (text: string): string => text.replace('Z', '').padEnd(29, '0');
      const expected = whole.events.filter(
        ({ timestamp }) =>
          (query.from === undefined || nanos(timestamp) >= nanos(query.from)) &&
          (query.to === undefined || nanos(timestamp) < nanos(query.to)),
      );
      const limit = random.of(['97', '128', '129', '500', '1000', '1001', '10000']);
      const pages = await walk(ledger, 'LONG', query, limit);
      expect({ query, limit, events: pages.flatMap(({ events }) => events) }).toEqual({
        query,
        limit,
        events: expected,
      });
      expect(pages.every(({ events }) => events.length <= Number(limit))).toBe(true);
      expect((await lines(ledger, 'LONG', query)).events).toEqual(expected);
    }
  });

  it('says of an order without an event that it is none, of an empty part that it is empty', async () => {
    const ledger = await newLedger();
    await post([order('O-1'), order('O-3', { entity_type: 'client' })], ledger);
    const window = { from: '2030-01-01T00:00:00Z' };
    for (const query of [{}, window, { limit: '1' }] as Record<string, string>[]) {
      for (const id of ['O-2', 'O-3', 'o-1']) {
        expect((await ask(ledger, id, query).expect(404)).body.type).toBe('/docs/problems/order-not-found');
      }
    }
    expect((await ask(ledger, 'O-2').set('accept', 'application/x-ndjson').expect(404)).body.type).toBe(
      '/docs/problems/order-not-found',
    );
    expect(await read(ledger, 'O-1', window)).toEqual({
      order_id: 'O-1',
      events: [],
      next_cursor: null,
      as_of: '2',
      archived_to: '0',
    });
    expect(await lines(ledger, 'O-1', window)).toEqual({
      events: [],
      end: { events: '0', as_of: '2', archived_to: '0' },
    });
    expect((await ask('nowhere', 'O-1').expect(404)).body.type).toBe('/docs/problems/ledger-not-found');
  });

  it('ends a page of large events before its limit, and loses none', async () => {
    const ledger = await newLedger();
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) {
      const events = Array.from({ length: 50 }, () => order('O-1', { new_state: { filler: 'x'.repeat(250_000) } }));
      ids.push(...events.map(({ event_id }) => event_id));
      await post(events, ledger);
    }
    const first = await read(ledger, 'O-1');
    expect(first.events.length).toBeLessThan(200);
    const rest = await read(ledger, 'O-1', { cursor: first.next_cursor! });
    expect([...first.events, ...rest.events].map(({ event_id }) => event_id)).toEqual(ids);
    expect(rest.events.at(-1)!.ordinal).toBe(200);
  });

  describe('by ids that need care in a path', () => {
    /** As it is: no client library may tidy the path up. */
    function raw(
      method: string,
      path: string,
      body?: object,
    ): Promise<{ status: number; body: Record<string, unknown> }> {
      return new Promise((resolve, reject) => {
        const { hostname, port } = new URL(service.url);
        const headers = {
          authorization: `Bearer ${TEST_KEY}`,
          ...(body ? { 'content-type': 'application/json' } : {}),
        };
        const request = http.request({ hostname, port, method, path, headers }, (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          answer.on('end', () => resolve({ status: answer.statusCode!, body: JSON.parse(text) }));
        });
        request.on('error', reject).end(body && JSON.stringify(body));
      });
    }
    const everyOctet = (text: string): string =>
      Array.from(Buffer.from(text), (octet) => `%${octet.toString(16).padStart(2, '0')}`).join('');

    const ids = [
      ...[
        'a/b',
        '/',
        '//',
        'a//b/',
        '..',
        '.',
        '...',
        ' x y ',
        '100%',
        '%',
        '%2F',
        '%252F',
        '%25',
        '%zz',
        'a+b',
        'a b',
      ],
      ...[
        'é',
        'e\u0301',
        '😀',
        '?',
        'a?b=c',
        '#',
        'a;b',
        'a&b=c',
        ':order_id',
        'history',
        'null',
        '"',
        '\\',
        '..\\',
        '*',
      ],
      ...["'; DROP TABLE audit_events; --", '\u200b', '\u202e', 'ﬀ', 'A', 'a', '字'.repeat(255), '😀'.repeat(255)],
    ];
    let ledger: string;
    beforeAll(async () => {
      ledger = await newLedger();
      await post(
        ids.map((id) => order(id)),
        ledger,
      );
    });

    it.each(ids.map((id) => [id.length > 20 ? `${id.slice(0, 10)}…` : id, id]))('%s', async (_, id) => {
      for (const encoded of [encodeURIComponent(id), ...(id.length < 200 ? [everyOctet(id)] : [])]) {
        const { status, body } = await raw('GET', `/v1/ledgers/${ledger}/orders/${encoded}/history`);
        expect([status, body.order_id]).toEqual([200, id]);
        expect(body.events).toMatchObject([{ entity_id: id, ordinal: 1 }]);
      }
      const { body } = await service.http().get(`/v1/ledgers/${ledger}/events`).query({ entity_id: id }).expect(200);
      expect(body.events).toMatchObject([{ entity_id: id }]);
    });

    it('also those of steps that were recorded under the same path', async () => {
      for (const id of ['x/y', '%2F2', ' z ', 'ö'.repeat(255)]) {
        const at = `/v1/ledgers/${ledger}/orders/${encodeURIComponent(id)}`;
        const { event_type: _, entity_type: __, entity_id: ___, action: ____, ...step } = sampleEvent();
        expect((await raw('POST', `${at}/create`, step)).status).toBe(201);
        expect((await raw('GET', `${at}/history`)).body).toMatchObject({ order_id: id, events: [{ entity_id: id }] });
      }
    });

    it.each([
      ['an empty id', '', 404, 'not-found'],
      ['256 characters', 'x'.repeat(256), 400, 'invalid-parameter'],
      ['256 emoji', encodeURIComponent('😀'.repeat(256)), 400, 'invalid-parameter'],
      ['more than any id has', 'x'.repeat(3_061), 414, 'uri-too-long'],
      ['NUL', '%00', 400, 'invalid-parameter'],
      ['a control character', 'a%0Ab', 400, 'invalid-parameter'],
      ['octets that are no UTF-8', '%FF', 400, 'invalid-parameter'],
      ['half an escape', '%4', 400, 'invalid-parameter'],
    ])('refuses %s', async (_, encoded, status, type) => {
      const answer = await raw('GET', `/v1/ledgers/${ledger}/orders/${encoded}/history`);
      expect(answer).toMatchObject({ status, body: { type: `/docs/problems/${type}` } });
    });
  });

  it.each([
    ['an unknown parameter', 'user_id=x', '/query/user_id'],
    ['a filter', 'metadata.a=1', '/query/metadata.a'],
    ['a doubled one', 'limit=1&limit=1', '/query/limit'],
    ['a limit of 0', 'limit=0', '/query/limit'],
    ['a limit past 10,000', 'limit=10001', '/query/limit'],
    ['an empty time', 'to=', '/query/to'],
    ['an end that is not later', 'from=2026-06-02T08:00:00Z&to=2026-06-02T08:00:00Z', '/query/to'],
    ['a cursor that is none', 'cursor=abc', '/query/cursor'],
    ['constructor', 'constructor=1', '/query/constructor'],
    ['octets that are no UTF-8', 'from=%C3', '/query'],
  ])('refuses %s', async (_, query, pointer) => {
    const { body } = await service.http().get(`/v1/ledgers/main/orders/O-1/history?${query}`).expect(400);
    expect(body).toMatchObject({ type: '/docs/problems/invalid-parameter', errors: [{ pointer }] });
    expect(body.errors).toHaveLength(1);
  });

  it('refuses a cursor of another order, ledger, operation, or window', async () => {
    const ledger = await newLedger();
    const other = await newLedger();
    for (const each of [ledger, other]) await post([order('O-1'), order('O-1'), order('O-2')], each);
    const window = { from: '2026-06-02T08:00:00Z' };
    const { next_cursor: cursor } = await read(ledger, 'O-1', { ...window, limit: '1' });
    const refused = async (path: string, query: Record<string, string>): Promise<string[]> => {
      const { body } = await service.http().get(`/v1/ledgers/${path}`).query(query).expect(400);
      return body.errors.map(({ pointer }: { pointer: string }) => pointer);
    };
    expect(await refused(`${ledger}/orders/O-2/history`, { cursor: cursor! })).toEqual(['/query/cursor']);
    expect(await refused(`${other}/orders/O-1/history`, { cursor: cursor! })).toEqual(['/query/cursor']);
    expect(await refused(`${ledger}/events`, { cursor: cursor! })).toEqual(['/query/cursor']);
    const at = `${ledger}/orders/O-1/history`;
    expect(await refused(at, { cursor: cursor!, from: '2026-06-02T08:00:01Z' })).toEqual(['/query/from']);
    expect(await refused(at, { cursor: cursor!, to: '2026-06-03T08:00:00Z' })).toEqual(['/query/to']);
    expect((await read(ledger, 'O-1', { ...window, cursor: cursor! })).events).toHaveLength(1);
  });
});
