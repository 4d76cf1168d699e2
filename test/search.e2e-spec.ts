import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { recordInThePast } from './support/months.js';
import { Random } from './support/random.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { toContent, type Receipt, type SentContent } from '../src/integrity/event.js';

type Sent = Record<string, unknown> & { event_id: string; timestamp: string; metadata: Record<string, unknown> };
/** An event as the test knows it. */
interface Known {
  sent: Sent;
  sequence: bigint;
  recordedAt: string;
}
interface Page {
  events: { event_id: string; sequence: string; timestamp: string }[];
  next_cursor: string | null;
  as_of: string;
}

/** Batches of one to three events that are recorded while a query is walked through. */
const WRITES_A_QUERY = 2;

describe('searching events', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  const search = (query: Record<string, string>, ledger = 'main', headers: Record<string, string> = {}) =>
    service.http().get(`/v1/ledgers/${ledger}/events`).query(query).set(headers);
  const post = (events: object[], ledger = 'main') =>
    service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
  const newLedger = async (): Promise<string> => {
    const ledger = `l-${randomUUID()}`;
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    return ledger;
  };
  const idsOf = ({ events }: Page): string[] => events.map(({ event_id }) => event_id);

  async function walk(query: Record<string, string>, limit: string, ledger = 'main'): Promise<Page[]> {
    const pages: Page[] = [];
    for (let cursor: string | null = null; ;) {
      const answer = await search(cursor === null ? { ...query, limit } : { cursor, limit }, ledger).expect(200);
      const page = answer.body as Page;
      pages.push(page);
      cursor = page.next_cursor;
      if (cursor === null) return pages;
    }
  }

  describe('over months, while others write', () => {
    const random = new Random(7);
    const known: Known[] = [];
    const base = Date.UTC(2026, 2, 3, 8);

    /** Few values, so that filters find something and times are often equal. */
    function randomEvent(): Sent {
      const seconds = new Date(base + random.below(40) * 60_000).toISOString().slice(0, 19);
      const fraction = random.of(['', '', '.5', '.500', '.500000', '.500000001', '.5000009', '.123456789', '.000001']);
      return sampleEvent({
        event_id: randomUUID(),
        timestamp: random.of([`${seconds}${fraction}Z`, `${seconds}${fraction}+01:00`]),
        event_type: random.of(['order_lifecycle', 'login']),
        entity_type: random.of(['order', 'order', 'client']),
        entity_id: `O-${random.below(8)}`,
        action: random.of(['create', 'fill', 'cancel']),
        user_id: `trader-${random.below(4)}`,
        ...(random.chance(3) ? {} : { source: random.of(['oms-1', 'oms-2']) }),
        metadata: {
          client_id: random.of(['C-1', 'C-2', 'C-3']),
          ...(random.chance(3)
            ? {}
            : { n: random.of([1, '1', 1.5, true, 'true', null, 'null', false, '', [1], { n: 1 }]) }),
        },
      }) as Sent;
    }

    beforeAll(async () => {
      const groups = [
        '2026-03-31T23:59:59.999999Z',
        '2026-04-01T00:00:00Z',
        '2026-05-05T00:00:00Z',
        '2026-07-01T00:00:00Z',
      ];
      const past = groups.flatMap((at, i) =>
        Array.from({ length: 3 }, (_, j) => ({
          at: j === 0 ? at : `${at.slice(0, 8)}${String(28 + (i === 0 ? 3 : 0)).padStart(2, '0')}T23:59:59.99999${j}Z`,
          events: Array.from({ length: 45 }, randomEvent),
        })),
      );
      past.sort((a, b) => (a.at < b.at ? -1 : 1));
      await recordInThePast(service.database, 'main', past);
      const sent = new Map(past.flatMap(({ events }) => events).map((event) => [event.event_id, event]));
      const admin = new pg.Client({ connectionString: service.database.adminUrl });
      await admin.connect();
      const { rows } = await admin.query<{ event_id: string; sequence: string; at: string }>(
        `SELECT event_id, sequence, to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
           FROM audit_events WHERE ledger = 'main' ORDER BY sequence`,
      );
      await admin.end();
      for (const { event_id: id, sequence, at } of rows) {
        known.push({ sent: sent.get(id)!, sequence: BigInt(sequence), recordedAt: at });
      }
      expect(known).toHaveLength(540);
    });

    /** Nanoseconds since 1970. */
    const instant = (text: string): bigint => {
      const { timestamp } = toContent({ ...(sampleEvent() as unknown as SentContent), timestamp: text });
      return BigInt(timestamp.micros) * 1000n + BigInt(timestamp.nanos);
    };

    function matches({ sent, sequence, recordedAt }: Known, query: Record<string, string>): boolean {
      return Object.entries(query).every(([name, value]) => {
        switch (name) {
          case 'from':
            return instant(sent.timestamp) >= instant(value);
          case 'to':
            return instant(sent.timestamp) < instant(value);
          case 'recorded_from':
            return instant(recordedAt) >= instant(value);
          case 'recorded_to':
            return instant(recordedAt) < instant(value);
          case 'from_sequence':
            return sequence >= BigInt(value);
          case 'to_sequence':
            return sequence <= BigInt(value);
          case 'sort':
          case 'order':
            return true;
          default:
            if (!name.startsWith('metadata.')) return sent[name] === value;
            return holds(sent.metadata[name.slice('metadata.'.length)], value);
        }
      });
    }

    function holds(member: unknown, value: string): boolean {
      if (typeof member === 'string') return member === value;
      return (
        member !== undefined && (member === null || typeof member !== 'object') && JSON.stringify(member) === value
      );
    }

    function expected(query: Record<string, string>, asOf: string): string[] {
      const sort = query.sort ?? (query.from !== undefined || query.to !== undefined ? 'timestamp' : 'sequence');
      const found = known
        .filter((event) => event.sequence <= BigInt(asOf) && matches(event, query))
        .sort((a, b) => {
          const byTime = sort === 'timestamp' ? instant(a.sent.timestamp) - instant(b.sent.timestamp) : 0n;
          return Number(byTime === 0n ? a.sequence - b.sequence : byTime);
        });
      return (query.order === 'desc' ? found.reverse() : found).map(({ sent }) => sent.event_id);
    }

    function randomQuery(): Record<string, string> {
      const query: Record<string, string> = {};
      const maybe = (name: string, oneIn: number, value: () => string): void => {
        if (random.chance(oneIn)) query[name] = value();
      };
      const range = (
        from: string,
        to: string,
        oneIn: number,
        value: () => string,
        isLess: (a: string, b: string) => boolean,
      ): void => {
        maybe(from, oneIn, value);
        maybe(to, oneIn, value);
        if (query[from] !== undefined && query[to] !== undefined && !isLess(query[from], query[to])) delete query[to];
      };
      const earlier = (a: string, b: string): boolean => instant(a) < instant(b);
      maybe('entity_type', 3, () => random.of(['order', 'client']));
      maybe('entity_id', 4, () => `O-${random.below(8)}`);
      maybe('user_id', 4, () => `trader-${random.below(4)}`);
      maybe('event_type', 5, () => random.of(['order_lifecycle', 'login', 'nothing']));
      maybe('action', 6, () => random.of(['create', 'fill', 'cancel']));
      maybe('source', 6, () => random.of(['oms-1', 'oms-2']));
      maybe('metadata.client_id', 4, () => random.of(['C-1', 'C-2', 'C-9']));
      maybe('metadata.n', 4, () => random.of(['1', '1.5', '1.0', 'true', 'false', 'null', '', '[1]', '01']));
      range('from', 'to', 3, () => random.of(known).sent.timestamp, earlier);
      range(
        'recorded_from',
        'recorded_to',
        4,
        () => random.of(known).recordedAt.replace('Z', random.of(['Z', '001Z'])),
        earlier,
      );
      range(
        'from_sequence',
        'to_sequence',
        6,
        () => String(random.of(known).sequence),
        (a, b) => BigInt(a) <= BigInt(b),
      );
      maybe('sort', 3, () => random.of(['timestamp']));
      maybe('order', 2, () => random.of(['asc', 'desc']));
      return query;
    }

    it('finds what a filter and a sort over the same events find, page by page, for 300 queries', async () => {
      const walks: { query: Record<string, string>; pages: Page[] }[] = [];
      let writing = true;
      // so many for each query, and not by the clock: a slow machine would have ever more to walk through
      const writer = (async () => {
        for (let writes = 0; writing;) {
          if (writes >= WRITES_A_QUERY * (walks.length + 1)) {
            await new Promise((resolve) => setTimeout(resolve, 1));
            continue;
          }
          writes += 1;
          const events = Array.from({ length: 1 + random.below(3) }, randomEvent); // late ones, by months
          const { body } = await post(events);
          (body.receipts as Receipt[]).forEach((receipt, i) =>
            known.push({ sent: events[i]!, sequence: BigInt(receipt.sequence), recordedAt: receipt.recorded_at }),
          );
        }
      })();
      let found = 0;
      try {
        for (let i = 0; i < 300; i++) {
          const query = randomQuery();
          const limit = random.of(Object.keys(query).length > 4 ? [1, 2] : [20, 60, 100, 1000]);
          const pages = await walk(query, String(limit));
          walks.push({ query, pages });
        }
      } finally {
        writing = false;
        await writer;
      }
      for (const { query, pages } of walks) {
        const ids = pages.flatMap(idsOf);
        expect({ query, ids }).toEqual({ query, ids: expected(query, pages[0]!.as_of) });
        expect(new Set(pages.map(({ as_of }) => as_of)).size).toBe(1);
        found += ids.length;
      }
      expect(found).toBeGreaterThan(5_000);
      expect(walks.some(({ pages }) => pages.length > 10)).toBe(true);
      expect(known.length).toBeGreaterThan(600);
    });

    it('gives the same as lines, with their number and as_of at the end', async () => {
      for (const query of [{}, { from: '2026-03-03T08:10:00Z', order: 'desc' }, { user_id: 'nobody' }] as Record<
        string,
        string
      >[]) {
        const { text, headers } = await search(query, 'main', { accept: 'application/x-ndjson' }).buffer().expect(200);
        expect(headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
        const lines = text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line));
        const { end } = lines.pop();
        expect(lines.map(({ event_id }) => event_id)).toEqual(expected(query, end.as_of));
        expect(end).toEqual({ events: String(lines.length), as_of: String(known.length), archived_to: '0' });
      }
    });
  });

  it('shows an event as content and envelope in one flat object, the same by id, in a search and as a line', async () => {
    const ledger = await newLedger();
    const event = sampleEvent({
      timestamp: '2026-06-02T10:15:30.120+02:00',
      previous_state: { z: 1e-7, a: [0.1, null, { b: true }] },
      source: 'oms-1',
      source_session: 's',
      source_sequence: '17',
      raw: { media_type: 'application/fix', data: 'OD1GSVguNC40' },
      metadata: {},
    });
    const { body: receipt } = await service.http().post(`/v1/ledgers/${ledger}/events`).send(event).expect(201);
    const record = { ...event, timestamp: '2026-06-02T08:15:30.120Z', ...receipt };
    const byId = await service.http().get(`/v1/ledgers/${ledger}/events/${event.event_id}`).expect(200);
    expect(byId.body).toEqual(record);
    const { body } = await search({}, ledger).expect(200);
    expect(body).toEqual({ events: [record], next_cursor: null, as_of: '1', archived_to: '0' });
    const { text } = await search({}, ledger, { accept: 'application/x-ndjson' }).buffer().expect(200);
    expect(text).toBe(`${byId.text}\n{"end":{"events":"1","as_of":"1","archived_to":"0"}}\n`);
  });

  it('answers an empty ledger with an empty page', async () => {
    const { body } = await search({}, await newLedger()).expect(200);
    expect(body).toEqual({ events: [], next_cursor: null, as_of: '0', archived_to: '0' });
  });

  it('gives no cursor when a page ends where the matches do', async () => {
    const ledger = await newLedger();
    await post([sampleEvent(), sampleEvent(), sampleEvent()], ledger);
    expect((await search({ limit: '3' }, ledger)).body.next_cursor).toBeNull();
    const { body } = await search({ limit: '2' }, ledger);
    const rest = await search({ cursor: body.next_cursor }, ledger).expect(200);
    expect([body.events.length, rest.body.events.length, rest.body.next_cursor]).toEqual([2, 1, null]);
  });

  describe('by metadata', () => {
    const members: Record<string, unknown>[] = [
      { k: '1' },
      { k: 1 },
      { k: 1.5 },
      { k: '1.0' },
      { k: 1e-7 },
      { k: '0.0000001' },
      { k: 1e21 },
      { k: true },
      { k: 'true' },
      { k: null },
      { k: 'null' },
      { k: '' },
      { k: ['1'] },
      { k: { k: '1' } },
      { k: 'A' },
      { k: 'a' },
      { k: 'é' },
      { k: 'e\u0301' },
      { k: 'a"b\\c\nd%_' },
      { 'a.b': 'x', ' ': 'y', 'q"uote': 'z', é: 'w' },
      { other: '1' },
      { constructor: 'x' },
    ];
    let ledger: string;
    let ids: string[];
    beforeAll(async () => {
      ledger = await newLedger();
      const events = members.map((metadata) => sampleEvent({ metadata }));
      ids = events.map(({ event_id }) => event_id);
      await post(events, ledger);
    });
    const matching = async (query: Record<string, string>): Promise<unknown[]> => {
      const { body } = await search(query, ledger).expect(200);
      return idsOf(body as Page).map((id) => members[ids.indexOf(id)]);
    };

    it.each([
      ['k', '1', [{ k: '1' }, { k: 1 }]],
      ['k', '1.5', [{ k: 1.5 }]],
      ['k', '1.0', [{ k: '1.0' }]],
      ['k', '1.50', []],
      ['k', '1e-7', [{ k: 1e-7 }]],
      ['k', '0.0000001', [{ k: '0.0000001' }]],
      ['k', '1e+21', [{ k: 1e21 }]],
      ['k', '1000000000000000000000', []],
      ['k', '-0', []],
      ['k', 'true', [{ k: true }, { k: 'true' }]],
      ['k', 'null', [{ k: null }, { k: 'null' }]],
      ['k', 'false', []],
      ['k', '', [{ k: '' }]],
      ['k', '"1"', []],
      ['k', '["1"]', []],
      ['k', 'a', [{ k: 'a' }]],
      ['k', 'é', [{ k: 'é' }]],
      ['k', 'a"b\\c\nd%_', [{ k: 'a"b\\c\nd%_' }]],
      ['k', '%', []],
      ['a.b', 'x', [members[19]]],
      [' ', 'y', [members[19]]],
      ['q"uote', 'z', [members[19]]],
      ['é', 'w', [members[19]]],
      ['constructor', 'x', [{ constructor: 'x' }]],
      ['__proto__', 'x', []],
      ['absent', 'null', []],
    ])('%s = %s', async (key, value, expected) => {
      expect(await matching({ [`metadata.${key}`]: value })).toEqual(expected);
    });

    it('takes several together: all must match', async () => {
      expect(await matching({ 'metadata.a.b': 'x', 'metadata. ': 'y' })).toEqual([members[19]]);
      expect(await matching({ 'metadata.a.b': 'x', 'metadata. ': 'x' })).toEqual([]);
      expect(await matching({ 'metadata.k': '1', 'metadata.other': '1' })).toEqual([]);
    });
  });

  describe('refuses', () => {
    const cases: [string, string, string][] = [
      ['an unknown parameter', 'colour=red', '/query/colour'],
      ['a doubled one', 'user_id=a&user_id=a', '/query/user_id'],
      ['a doubled filter on metadata', 'metadata.a=1&metadata.a=2', '/query/metadata.a'],
      ['an empty one', 'user_id=', '/query/user_id'],
      ['an empty time', 'from=', '/query/from'],
      ['an empty cursor', 'cursor=', '/query/cursor'],
      ['an empty name', '=1', '/query/'],
      ['a filter without a member', 'metadata.=1', '/query/metadata.'],
      ['metadata alone', 'metadata=1', '/query/metadata'],
      ['__proto__', '__proto__=1', '/query/__proto__'],
      ['constructor', 'constructor=1', '/query/constructor'],
      ['a text that no event may hold', `entity_type=${'x'.repeat(51)}`, '/query/entity_type'],
      ['a control character', 'user_id=a%0Ab', '/query/user_id'],
      ['NUL', 'metadata.a=%00', '/query/metadata.a'],
      ['NUL in a name', 'metadata.%00=a', '/query/metadata.\0'],
      ['octets that are no UTF-8', 'user_id=%FF', '/query'],
      ['half an escape', 'user_id=%4', '/query'],
      ['a limit of 0', 'limit=0', '/query/limit'],
      ['a limit past 1,000', 'limit=1001', '/query/limit'],
      ['a limit that is no number', 'limit=1e2', '/query/limit'],
      ['a negative limit', 'limit=-1', '/query/limit'],
      ['another order', 'order=ASC', '/query/order'],
      ['another sort', 'sort=recorded_at', '/query/sort'],
      ['a date without a time', 'from=2026-06-02', '/query/from'],
      ['a time without a zone', 'to=2026-06-02T08:00:00', '/query/to'],
      ['a time before 1970', 'from=1969-12-31T23:59:59Z', '/query/from'],
      ['a leap second', 'recorded_from=2016-12-31T23:59:60Z', '/query/recorded_from'],
      ['an end that is not later', 'from=2026-06-02T08:00:00Z&to=2026-06-02T10:00:00%2B02:00', '/query/to'],
      [
        'a recorded end that is earlier',
        'recorded_from=2026-06-02T08:00:00Z&recorded_to=2026-06-02T07:00:00Z',
        '/query/recorded_to',
      ],
      ['sequence 0', 'from_sequence=0', '/query/from_sequence'],
      ['a sequence past 2^63 - 1', 'to_sequence=9223372036854775808', '/query/to_sequence'],
      ['sequences in the wrong order', 'from_sequence=2&to_sequence=1', '/query/to_sequence'],
      ['too many filters', Array.from({ length: 21 }, (_, i) => `metadata.m${i}=1`).join('&'), '/query'],
      ['parameters that no cursor could hold', `metadata.a=${'x'.repeat(4_100)}`, '/query'],
    ];
    it.each(cases)('%s', async (_, query, pointer) => {
      const { body } = await service.http().get(`/v1/ledgers/main/events?${query}`).expect(400);
      expect(body).toMatchObject({ type: '/docs/problems/invalid-parameter', errors: [{ pointer }] });
      expect(body.errors).toHaveLength(1);
    });

    it('several at once, and names each', async () => {
      const { body } = await search({ limit: 'x', colour: 'red', from: 'now', 'metadata.': '' }).expect(400);
      expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
        '/query/colour',
        '/query/from',
        '/query/limit',
        '/query/metadata.',
      ]);
    });

    it('a plus that became a blank, and says how to write it', async () => {
      const { body } = await service.http().get('/v1/ledgers/main/events?from=2026-06-02T08:00:00+02:00').expect(400);
      expect(body.errors[0]).toMatchObject({ pointer: '/query/from' });
      expect(body.detail).toContain('%2B');
    });

    it('an unknown ledger, a missing scope, a format that is none', async () => {
      expect((await search({}, 'nowhere').expect(404)).body.type).toBe('/docs/problems/ledger-not-found');
      await service.http(null).get('/v1/ledgers/main/events').expect(401);
      expect((await search({}, 'main', { accept: 'text/csv' }).expect(406)).body.type).toBe(
        '/docs/problems/not-acceptable',
      );
    });

    it('a ledger that cannot be', async () => {
      for (const ledger of ['%00', 'MAIN', "main'", '%27%3B--', 'x'.repeat(200)]) {
        const { body } = await service.http().get(`/v1/ledgers/${ledger}/events`).expect(404);
        expect(body.type).toBe('/docs/problems/ledger-not-found');
      }
    });

    it('a URL past 8 KiB', async () => {
      await service
        .http()
        .get(`/v1/ledgers/main/events?metadata.a=${'x'.repeat(8_200)}`)
        .expect(414);
    });
  });

  describe('with a cursor', () => {
    let ledger: string;
    let cursor: string;
    const query = { user_id: 'trader-1', from: '2026-06-02T10:00:00.5+02:00', limit: '2' };
    beforeAll(async () => {
      ledger = await newLedger();
      await post(
        Array.from({ length: 6 }, () => sampleEvent()),
        ledger,
      );
      cursor = (await search(query, ledger).expect(200)).body.next_cursor;
    });
    const refusal = async (parameters: Record<string, string>, of = ledger): Promise<string[]> => {
      const { body } = await search(parameters, of).expect(400);
      return body.errors.map(({ pointer }: { pointer: string }) => pointer);
    };

    it('goes on alone, and beside the parameters that it holds, in whatever form; with another limit too', async () => {
      const { body: alone } = await search({ cursor }, ledger).expect(200);
      const { body: beside } = await search({ ...query, cursor }, ledger).expect(200);
      const sameTime = { from: '2026-06-02T08:00:00.500000000Z', sort: 'timestamp', order: 'asc' };
      const { body: otherwise } = await search({ ...sameTime, cursor, limit: '3' }, ledger).expect(200);
      expect(alone.events).toHaveLength(4);
      expect(idsOf(beside)).toEqual(idsOf(alone).slice(0, 2));
      expect(idsOf(otherwise)).toEqual(idsOf(alone).slice(0, 3));
    });

    it('is refused beside other parameters, which are named', async () => {
      expect(await refusal({ cursor, user_id: 'trader-2' })).toEqual(['/query/user_id']);
      expect(await refusal({ cursor, order: 'desc', action: 'create' })).toEqual(['/query/order', '/query/action']);
      expect(await refusal({ cursor, 'metadata.a': '1' })).toEqual(['/query/metadata.a']);
    });

    it('is refused changed, cut, or in another ledger or operation', async () => {
      const other = cursor.endsWith('A') ? 'B' : 'A';
      for (const bad of [cursor.slice(0, -1) + other, cursor.slice(4), `${cursor}AAAA`, 'x', 'null']) {
        expect(await refusal({ cursor: bad })).toEqual(['/query/cursor']);
      }
      expect(await refusal({ cursor }, 'main')).toEqual(['/query/cursor']);
      const { body } = await service
        .http()
        .get(`/v1/ledgers/${ledger}/orders/O-1/history`)
        .query({ cursor })
        .expect(400);
      expect(body.errors).toMatchObject([{ pointer: '/query/cursor' }]);
    });
  });

  it('ends a page of large events before its limit, and loses none', async () => {
    const ledger = await newLedger();
    const filler = 'x'.repeat(250_000);
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      const events = Array.from({ length: 50 }, () => sampleEvent({ new_state: { filler } }));
      ids.push(...events.map(({ event_id }) => event_id));
      await post(events, ledger);
    }
    const pages = await walk({}, '1000', ledger);
    expect(pages.flatMap(idsOf)).toEqual(ids);
    expect(pages.length).toBeGreaterThan(1);
    expect(pages[0]!.events.length).toBeLessThan(140);
  });

  it('holds the search to the events that were there when it began', async () => {
    const ledger = await newLedger();
    await post([sampleEvent(), sampleEvent()], ledger);
    const { body: first } = await search({ order: 'desc', sort: 'timestamp', limit: '1' }, ledger).expect(200);
    await post([sampleEvent({ timestamp: '2020-01-01T00:00:00Z' })], ledger);
    const { body: rest } = await search({ cursor: first.next_cursor }, ledger).expect(200);
    expect(rest).toMatchObject({ next_cursor: null, as_of: '2' });
    expect(rest.events).toHaveLength(1);
  });

  it('answers HEAD as GET, without a body', async () => {
    await service.http().head('/v1/ledgers/main/events').expect(200);
    const { headers } = await service
      .http()
      .head('/v1/ledgers/main/events')
      .set('accept', 'application/x-ndjson')
      .expect(200);
    expect(headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    await service.http().head('/v1/ledgers/main/events?limit=0').expect(400);
  });
});

describe('all events of a ledger', () => {
  it('are read once each, page by page, in either order, also where the statistics do not know the ledger yet', async () => {
    const service = await startService();
    const client = new pg.Client({ connectionString: service.database.adminUrl });
    const record = (ledger: string, events: object[]) =>
      service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
    /** Entries that scans of the ledgers' indexes have returned; PostgreSQL counts them some seconds later. */
    const entriesRead = async (): Promise<number> => {
      const { rows } = await client.query<{ read: string }>(
        `SELECT sum(idx_tup_read) AS read FROM pg_stat_user_indexes WHERE relname LIKE 'audit\\_events\\_%'`,
      );
      return Number(rows[0]!.read);
    };
    try {
      await client.connect();
      const known = Array.from({ length: 2_000 }, () => sampleEvent());
      await record('main', known);
      await client.query('ANALYZE audit_events');
      await service.http().put('/v1/ledgers/young').expect(201);
      const events = Array.from({ length: 5_000 }, (_, i) =>
        sampleEvent({ timestamp: new Date(Date.UTC(2026, 5, 2, 8) - i).toISOString() }),
      );
      await record('young', events);
      const recorded = events.map(({ event_id: id }) => id);
      const inTime = [...recorded].reverse();
      for (const sort of ['timestamp', 'sequence']) {
        await pause(2_000);
        const before = await entriesRead();
        const found: string[] = [];
        for (let query: Record<string, string> = { sort, limit: '500' }; ;) {
          const { body } = await service.http().get('/v1/ledgers/young/events').query(query).expect(200);
          found.push(...(body as Page).events.map(({ event_id: id }) => id));
          if (body.next_cursor === null) break;
          query = { cursor: body.next_cursor, limit: '500' };
        }
        expect(found).toEqual(sort === 'timestamp' ? inTime : recorded);
        for (const until = Date.now() + 20_000; (await entriesRead()) - before < 5_000; await pause(200)) {
          if (Date.now() > until) throw new Error('PostgreSQL does not count what was read');
        }
        await pause(2_000);
        // a page may read one entry more than it shows; sorted anew for each it would be five times as many
        expect({ sort, read: (await entriesRead()) - before }).toEqual({ sort, read: expect.closeTo(5_000, -3) });
      }
    } finally {
      await client.end();
      await service.close();
    }
  });
});

describe('searches that wait', () => {
  it('leave connections to what is quick', async () => {
    const service = await startService({ env: { DATABASE_POOL_SIZE: '3' } });
    const admin = new pg.Client({ connectionString: service.database.adminUrl });
    await admin.connect();
    try {
      await admin.query('BEGIN; LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE');
      const searches = Array.from({ length: 8 }, () => service.http().get('/v1/ledgers/main/events').then());
      for (let waiting = 0; waiting < 2;) {
        const { rows } = await admin.query<{ count: number }>(
          `SELECT count(*)::integer AS count FROM pg_locks WHERE relation = 'audit_events'::regclass AND NOT granted`,
        );
        waiting = rows[0]!.count;
      }
      await service.http().get('/health/ready').expect(200);
      await service.http().get('/v1/ledgers/main').expect(200);
      await admin.query('ROLLBACK');
      expect((await Promise.all(searches)).map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    } finally {
      await admin.end();
      await service.close();
    }
  });
});

describe('reading one event', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());
  const read = (id: string, headers: Record<string, string> = {}) =>
    service.http().get(`/v1/ledgers/main/events/${id}`).set(headers);

  it('takes the id in either case, and answers 304 to whoever has the event already', async () => {
    const event = sampleEvent();
    const { body: receipt } = await service.http().post('/v1/ledgers/main/events').send(event).expect(201);
    const { headers, body } = await read(event.event_id.toUpperCase()).expect(200);
    expect(body).toMatchObject({ event_id: event.event_id, event_hash: receipt.event_hash });
    const tag = `"${receipt.event_hash}"`;
    expect(headers.etag).toBe(tag);
    for (const match of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
      const answer = await read(event.event_id, { 'if-none-match': match }).expect(304);
      expect([answer.headers.etag, answer.text]).toEqual([tag, '']);
    }
    await read(event.event_id, { 'if-none-match': '"x"' }).expect(200);
  });

  it('answers 404 to an id that is not there, 400 to what is no id or has parameters', async () => {
    expect((await read(randomUUID()).expect(404)).body.type).toBe('/docs/problems/event-not-found');
    for (const bad of [
      'x',
      '00000000-0000-0000-0000-000000000000',
      `{${randomUUID()}}`,
      randomUUID().replaceAll('-', ''),
    ]) {
      expect((await read(bad).expect(400)).body.errors).toMatchObject([{ pointer: '/path/event_id', rule: 'uuid' }]);
    }
    expect((await read(`${randomUUID()}?x=1`).expect(400)).body.errors).toMatchObject([{ pointer: '/query/x' }]);
    await service.http().get(`/v1/ledgers/nowhere/events/${randomUUID()}`).expect(404);
  });
});

describe('a search that takes too long', () => {
  it('is a 504 that says so, and leaves nothing behind', async () => {
    const service = await startService({ env: { READ_TIMEOUT: '1ms' } });
    try {
      const events = Array.from({ length: 8_000 }, () => sampleEvent());
      await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
      const rare = '/v1/ledgers/main/events?source=nobody&sort=timestamp';
      const { body, headers } = await service.http().get(rare).expect(504);
      expect(body.type).toBe('/docs/problems/read-timeout');
      expect(headers).toHaveProperty('retry-after');
      await service.http().get(rare).set('accept', 'application/x-ndjson').expect(504);
      await service.http().get('/v1/ledgers/main/orders/O-none/history').expect(404);
    } finally {
      await service.close();
    }
  });
});

describe('limits', () => {
  it('are shown as the code has them, to whoever has a key', async () => {
    const service = await startService();
    try {
      const { body: made } = await service
        .http()
        .post('/v1/api-keys')
        .send({ name: 'oms-1', scopes: ['events:write'], ledgers: ['main'] })
        .expect(201);
      await service.http(null).get('/v1/limits').expect(401);
      const { body } = await service.http(made.key).get('/v1/limits').expect(200);
      expect(body).toMatchObject({
        event_bytes: 262_144,
        event_depth: 32,
        batch_events: 10_000,
        batch_bytes: 16_777_216,
        stream_line_bytes: 262_144,
        url_bytes: 8_192,
        search_limit: 1_000,
        history_limit: 10_000,
      });
      const { body: document } = await service.http(null).get('/openapi.json').expect(200);
      expect(Object.keys(document.components.schemas.LimitsDto.properties)).toEqual(Object.keys(body));
      // what a document calls required is in every answer, also where nothing was deleted
      await service
        .http()
        .post('/v1/ledgers/main/events')
        .send(sampleEvent({ entity_id: 'O-1' }))
        .expect(201);
      for (const [path, schema] of [
        ['events', 'SearchPageDto'],
        ['orders/O-1/history', 'OrderHistoryDto'],
      ] as const) {
        const { body: page } = await service.http().get(`/v1/ledgers/main/${path}`).expect(200);
        expect(Object.keys(page).sort()).toEqual([...document.components.schemas[schema].required].sort());
        expect(document.components.schemas[schema].properties).toHaveProperty('deleted');
      }
    } finally {
      await service.close();
    }
  });
});
