import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { toContent, type SentContent } from '../src/integrity/event.js';
import { contentOf } from '../src/integrity/stored-event.js';
import { canonicalize } from '../src/integrity/canonical-json.js';
import { readJson, type JsonValue } from '../src/integrity/strict-json.js';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { checkTrail } from './support/check-trail.js';

interface Answer {
  status: number;
  body: { type?: string; errors?: { pointer: string; rule: string; detail: string }[]; event_id?: string };
  type: string;
}

describe('what bad input gets', () => {
  let service: TestService;
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(async () => {
    agent.destroy();
    await service.close();
  });

  /** Posts bytes as they are; supertest would serialise them. */
  function post(
    bytes: Buffer | string,
    headers: Record<string, string> = {},
    path = '/v1/ledgers/main/events',
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        service.url + path,
        {
          method: 'POST',
          agent,
          headers: { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json', ...headers },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => {
            resolve({
              status: response.statusCode!,
              type: response.headers['content-type'] ?? '',
              body: text === '' ? {} : JSON.parse(text),
            });
          });
        },
      );
      request.on('error', reject);
      request.end(bytes);
    });
  }

  const text = (members: Record<string, unknown> = {}): string => JSON.stringify(sampleEvent(members));
  /** An event whose new_state is this JSON text, character by character. */
  const withState = (json: string): string => text({ new_state: { here: 0 } }).replace('{"here":0}', json);

  it.each([
    ['a name twice', withState('{"a":1,"a":2}'), '/new_state/a', 'duplicate-name'],
    ['a name twice, escaped', withState('{"a":1,"\\u0061":2}'), '/new_state/a', 'duplicate-name'],
    ['a number past 2^53', withState('{"n":9007199254740993}'), '/new_state/n', 'number-precision'],
    ['a long decimal', withState('{"n":[0.10000000000000000555]}'), '/new_state/n/0', 'number-precision'],
    ['an overflow', withState('{"n":1e400}'), '/new_state/n', 'number-range'],
    ['an underflow', withState('{"n":1e-400}'), '/new_state/n', 'number-range'],
    ['a lone surrogate', withState('{"s":"\\ud800"}'), '/new_state/s', 'lone-surrogate'],
    ['a low surrogate in a name', withState('{"\\udc00":1}'), '/new_state', 'lone-surrogate'],
    ['a NUL', withState('{"s":"x\\u0000y"}'), '/new_state/s', 'nul'],
    ['__proto__', withState('{"__proto__":{}}'), '/new_state/__proto__', 'forbidden-name'],
    ['__proto__, escaped', withState('{"\\u005f_proto__":{}}'), '/new_state/__proto__', 'forbidden-name'],
    ['an exponent that PostgreSQL cannot hold', withState('{"n":1e131073}'), '/new_state/n', 'number-range'],
    ['NaN', withState('{"n":NaN}'), '/new_state/n', 'syntax'],
    ['a comment', withState('{/* */}'), '/new_state', 'syntax'],
    ['a trailing comma', withState('{"a":1,}'), '/new_state', 'syntax'],
    ['single quotes', withState("{'a':1}"), '/new_state', 'syntax'],
    ['nesting past 32', withState('{"a":'.repeat(32) + '1' + '}'.repeat(32)), undefined, 'nesting'],
    ['an empty body', '', '', 'syntax'],
    ['half a body', text().slice(0, 100), undefined, 'syntax'],
    ['two values', `${text()}{}`, undefined, 'syntax'],
    ['a byte order mark', `\uFEFF${text()}`, '', 'syntax'],
  ])('names %s', async (_, body, pointer, rule) => {
    const answer = await post(body);
    expect(answer).toMatchObject({ status: 400, body: { type: '/docs/problems/invalid-json', errors: [{ rule }] } });
    expect(answer.type).toContain('application/problem+json');
    if (pointer !== undefined) expect(answer.body.errors![0]!.pointer).toBe(pointer);
  });

  it.each(['[', '{"a":', '[{"a":'])('answers 100,000 levels of %s at once', async (open) => {
    const answer = await post(open.repeat(100_000 / open.length), {}, '/v1/ledgers/main/events/batch');
    expect(answer).toMatchObject({
      status: 400,
      body: { type: '/docs/problems/invalid-json', errors: [{ rule: 'nesting' }] },
    });
  });

  it('refuses bytes that are not UTF-8', async () => {
    const answer = await post(Buffer.from(text({ user_id: 'é' }), 'latin1'));
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ rule: 'utf-8' }] } });
  });

  it.each<[string, Record<string, unknown>, string, string]>([
    ['no timestamp', { timestamp: undefined }, '/timestamp', 'required'],
    ['a number for a timestamp', { timestamp: 1780388130 }, '/timestamp', 'timestamp'],
    ['30 February', { timestamp: '2026-02-30T00:00:00Z' }, '/timestamp', 'timestamp'],
    ['ten digits', { timestamp: '2026-02-03T00:00:00.1234567890Z' }, '/timestamp', 'timestamp'],
    ['the year 9999', { timestamp: '9999-12-31T23:59:59-01:00' }, '/timestamp', 'timestamp'],
    ['an event id in braces', { event_id: '{0197f3a1-0000-7000-8000-000000000001}' }, '/event_id', 'uuid'],
    ['the nil id', { event_id: '00000000-0000-0000-0000-000000000000' }, '/event_id', 'uuid'],
    ['a null id', { event_id: null }, '/event_id', 'uuid'],
    ['an event type of 101 characters', { event_type: 'x'.repeat(101) }, '/event_type', 'text'],
    ['an entity type of 51', { entity_type: 'x'.repeat(51) }, '/entity_type', 'text'],
    ['an entity id of 256 emoji', { entity_id: '😀'.repeat(256) }, '/entity_id', 'text'],
    ['an action of 51', { action: 'x'.repeat(51) }, '/action', 'text'],
    ['a user of 256', { user_id: 'x'.repeat(256) }, '/user_id', 'text'],
    ['a control character', { user_id: 'a\u0085b' }, '/user_id', 'text'],
    ['a line feed', { entity_id: 'a\nb' }, '/entity_id', 'text'],
    ['a state that is a list', { new_state: [] }, '/new_state', 'object'],
    ['a state that is null', { new_state: null }, '/new_state', 'object'],
    ['a previous state that is text', { previous_state: 'x' }, '/previous_state', 'object'],
    ['metadata that is null', { metadata: null }, '/metadata', 'object'],
    ['an empty source', { source: '' }, '/source', 'text'],
    ['a source sequence that is a number', { source_sequence: 1 }, '/source_sequence', 'source-sequence'],
    ['a source sequence with a leading zero', { source_sequence: '01' }, '/source_sequence', 'source-sequence'],
    ['a source sequence of 20 digits', { source_sequence: '1'.repeat(20) }, '/source_sequence', 'source-sequence'],
    ['a correction of nothing', { corrects: 'nothing' }, '/corrects', 'uuid'],
    ['a raw message that is text', { raw: 'x' }, '/raw', 'object'],
    ['a raw message without data', { raw: { media_type: 'text/plain' } }, '/raw/data', 'required'],
    ['base64 with bits left over', { raw: { media_type: 'text/plain', data: 'QR==' } }, '/raw/data', 'base64'],
    ['base64 without padding', { raw: { media_type: 'text/plain', data: 'QQ' } }, '/raw/data', 'base64'],
    ['base64 with a blank', { raw: { media_type: 'text/plain', data: 'Q Q==' } }, '/raw/data', 'base64'],
    [
      'a raw message of 65,537 bytes',
      { raw: { media_type: 'text/plain', data: Buffer.alloc(65_537).toString('base64') } },
      '/raw/data',
      'raw-size',
    ],
    ['another member of raw', { raw: { media_type: 'text/plain', data: '', more: 1 } }, '/raw/more', 'unknown'],
    ['a name of the envelope', { sequence: '1' }, '/sequence', 'unknown'],
    ['a name with a slash', { 'a/b~c': 1 }, '/a~1b~0c', 'unknown'],
    ['constructor', { constructor: 1 }, '/constructor', 'unknown'],
  ])('names the field and the rule: %s', async (_, members, pointer, rule) => {
    const single = await post(text(members));
    expect(single.status).toBe(400);
    expect(single.body.errors).toContainEqual(
      expect.objectContaining({ pointer, rule, detail: expect.stringMatching(/\w/) }),
    );
    const batch = await post(
      JSON.stringify({ events: [sampleEvent(), sampleEvent(members)] }),
      {},
      '/v1/ledgers/main/events/batch',
    );
    expect(batch.status).toBe(400);
    expect(batch.body.errors).toContainEqual(expect.objectContaining({ pointer: `/events/1${pointer}`, rule }));
  });

  it('answers 413 for what is too large, announced or not, and as it was sent or once inflated', async () => {
    const large = text({ metadata: { x: 'y'.repeat(300_000) } });
    expect((await post(large)).status).toBe(413);
    expect((await post(gzipSync(large), { 'content-encoding': 'gzip' })).status).toBe(413);
    expect((await post(gzipSync(text()), { 'content-encoding': 'gzip' })).status).toBe(201);
    // an event inside a batch that is past the limit of one event
    const batch = await post(
      JSON.stringify({ events: [sampleEvent(), JSON.parse(large)] }),
      {},
      '/v1/ledgers/main/events/batch',
    );
    expect(batch).toMatchObject({ status: 400, body: { errors: [{ pointer: '/events/1', rule: 'event-size' }] } });
  });

  it('answers 415 for other media types and encodings', async () => {
    for (const headers of [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/xml' },
      { 'content-type': 'application/jsonp' },
      { 'content-encoding': 'br' },
    ]) {
      expect(await post(text(), headers as Record<string, string>)).toMatchObject({
        status: 415,
        body: { type: '/docs/problems/unsupported-media-type' },
      });
    }
    expect((await post(text(), { 'content-type': 'application/json; charset=utf-8' })).status).toBe(201);
  });

  it('never fails on random and mutated bodies, and what it takes reads back exactly', async () => {
    let seed = Number(process.env.PROPERTY_SEED ?? 20261122);
    const random = (): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed / 2 ** 32;
    };
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const odd: unknown[] = [
      null,
      true,
      '',
      'x',
      0,
      -1,
      1.5,
      1e21,
      1e-7,
      -0,
      [],
      {},
      [[]],
      '\u0000',
      '\ud800',
      '😀',
      'e\u0301',
      '\uFFFF',
      ' ',
      '2026-06-02T08:15:30Z',
      5e-324,
      1.7976931348623157e308,
    ];
    const value = (depth: number): unknown => {
      const kind = random();
      if (depth > 4 || kind < 0.5) return pick(odd);
      if (kind < 0.75) return Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1));
      return Object.fromEntries(
        Array.from({ length: Math.floor(random() * 5) }, (_, i) => [
          pick(['a', 'é', '😀', '', '__proto', 'constructor', 'toString', `k${i}`, '\uFFFF', '𐀀', '1', '10']),
          value(depth + 1),
        ]),
      );
    };
    const object = (): object =>
      Object.fromEntries(Array.from({ length: Math.floor(random() * 5) }, (_, i) => [`k${i}`, value(0)]));
    const members = Object.keys(
      sampleEvent({
        previous_state: null,
        source: 's',
        source_session: 's',
        source_sequence: '1',
        corrects: sampleEvent().event_id,
        raw: {},
      }),
    );
    const mutate = (json: string): Buffer => {
      const bytes = Buffer.from(json);
      for (let i = 0; i < 1 + Math.floor(random() * 3); i++) {
        const at = Math.floor(random() * bytes.length);
        const kind = random();
        if (kind < 0.4) bytes[at] = Math.floor(random() * 256);
        else if (kind < 0.7) bytes[at] = pick([...Buffer.from('"\\{}[],:0123456789.eE+-tfn ')]);
        else bytes.copy(bytes, at, Math.min(bytes.length, at + Math.floor(random() * 10)));
      }
      return bytes;
    };
    const accepted = new Map<string, JsonValue>();
    const statuses: Record<number, number> = {};
    const one = async (): Promise<void> => {
      const event = sampleEvent({
        new_state: object(),
        metadata: object(),
        ...(random() < 0.5 ? { previous_state: object() } : {}),
      });
      if (random() < 0.4) (event as Record<string, unknown>)[pick(members)] = value(0);
      const json = JSON.stringify(event);
      const body = random() < 0.5 ? mutate(json) : Buffer.from(json);
      const answer = await post(body);
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      if (answer.status === 201) accepted.set(answer.body.event_id!, readJson(body));
      else if (![200, 400, 409].includes(answer.status))
        throw new Error(`${answer.status} for ${body.toString('latin1')}`);
      else if (answer.status === 400 && !(answer.body.errors!.length > 0))
        throw new Error(`no reason for ${body.toString('latin1')}`);
    };
    const rounds = 4_000;
    for (let i = 0; i < rounds; i += 16) await Promise.all(Array.from({ length: 16 }, one));
    expect(statuses[201]).toBeGreaterThan(rounds / 10);
    expect(statuses[400]).toBeGreaterThan(rounds / 5);
    const trail = await checkTrail(service.database.adminUrl);
    for (const [id, sent] of accepted) {
      const row = trail.rows.get(id)!;
      const { content } = toContent({ event_id: id, ...(sent as object) } as unknown as SentContent);
      // -0 is 0 in every canonical form
      expect(JSON.parse(JSON.stringify(contentOf(row)))).toEqual(JSON.parse(JSON.stringify(content)));
    }
  });

  it('keeps every double of the vectors through jsonb and back', async () => {
    const file = readFileSync(new URL('./vectors/numbers.json', import.meta.url), 'utf8');
    const { cases } = JSON.parse(file) as { cases: { canonical: string | null }[] };
    const numbers = cases.flatMap(({ canonical }) => (canonical === null ? [] : [canonical]));
    expect(numbers.length).toBeGreaterThan(10);
    const answer = await post(withState(`{"numbers":[${numbers.join(',')}]}`));
    expect(answer.status).toBe(201);
    const trail = await checkTrail(service.database.adminUrl); // throws when a hash does not recompute
    const { new_state: state } = contentOf(trail.rows.get(answer.body.event_id!)!);
    expect(canonicalize(state)).toBe(`{"numbers":[${numbers.join(',')}]}`);
  });

  it('is refused in a query that nothing takes, on every operation', async () => {
    for (const path of ['/v1/ledgers', '/v1/ledgers/main', '/v1/api-keys', '/v1/jobs', '/v1/limits', '/health/live']) {
      const { body } = await service.http().get(`${path}?bogus=1`).expect(400);
      expect(body.errors).toMatchObject([{ pointer: '/query/bogus', rule: 'unknown' }]);
    }
    await service.http().post('/v1/ledgers/main/events?bogus=1').send(sampleEvent()).expect(400);
    await service.http().put('/v1/ledgers/other?bogus=1').expect(400);
  });

  it('is a problem also where it is no HTTP', async () => {
    const { connect } = await import('node:net');
    const send = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(service.url);
        let answer = '';
        const socket = connect(Number(port), hostname, () => socket.write(text));
        socket.on('data', (chunk) => (answer += String(chunk)));
        socket.on('close', () => resolve(answer)).on('error', reject);
      });
    for (const [text, status] of [
      ['GARBAGE\r\n\r\n', 400],
      ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 414],
    ] as const) {
      const answer = await send(text);
      expect(answer).toContain(`HTTP/1.1 ${status} `);
      expect(answer).toContain('application/problem+json');
      expect(JSON.parse(answer.slice(answer.indexOf('{'))).status).toBe(status);
    }
  });
});
