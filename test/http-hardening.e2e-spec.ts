import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { LongReads } from '../src/long-reads/long-reads.js';
import { createLogger } from '../src/operation/logger.js';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';

const HEADERS_TIMEOUT_MS = 500;
const ANSWER_TIMEOUT_MS = 1_500;
const KEEP_ALIVE_MS = 1_000;
const MOST = 20;
const AUTHORIZED = `Host: x\r\nAuthorization: Bearer ${TEST_KEY}\r\n`;

describe('the API against clients that are hostile, or broken', () => {
  let service: TestService;
  let patient: TestService;
  const logged: string[] = [];
  beforeAll(async () => {
    // what is read here comes in by a replica without these limits: large bodies take their time on a busy machine
    patient = await startService();
    const filler = 'x'.repeat(200_000);
    for (let i = 0; i < 4; i++) {
      const events = Array.from({ length: 50 }, () => sampleEvent({ new_state: { filler } }));
      await patient.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
    }
    const env = {
      HEADERS_TIMEOUT: `${HEADERS_TIMEOUT_MS}ms`,
      ANSWER_TIMEOUT: `${ANSWER_TIMEOUT_MS}ms`,
      KEEP_ALIVE_TIMEOUT: `${KEEP_ALIVE_MS}ms`,
      MAX_CONNECTIONS: String(MOST),
    };
    service = await startService({
      env,
      database: patient.database,
      logger: createLogger('debug', { to: { write: (line) => logged.push(line) } }),
    });
  });
  afterAll(async () => {
    await service.close();
    await patient.close();
  });

  interface Connection {
    socket: Socket;
    text: () => string;
    closed: Promise<unknown>;
  }

  function open(sent = ''): Connection {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    socket.on('error', () => undefined); // the service may be the one that ends it
    const closed = new Promise((resolve) => socket.once('close', resolve));
    if (sent !== '') socket.write(sent);
    return { socket, text: () => text, closed };
  }

  async function until(holds: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<void> {
    const began = performance.now();
    while (!(await holds())) {
      if (performance.now() - began > withinMs) throw new Error(`not within ${withinMs} ms`);
      await pause(10);
    }
  }

  /** What a request gets on a connection of its own, which the service ends. */
  async function answerTo(sent: string): Promise<string> {
    const { text, closed, socket } = open(sent);
    await Promise.race([closed, pause(4_000, undefined, { ref: false })]);
    socket.destroy();
    return text();
  }
  const statuses = (text: string): string[] => [...text.matchAll(/^HTTP\/1\.1 (\d+) /gm)].map(([, status]) => status!);
  const closing = (lines: string): string => `${lines}Connection: close\r\n\r\n`;
  const metric = async (name: string): Promise<number> => {
    const { text } = await service.http().get('/metrics').expect(200);
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  };

  describe('headers', () => {
    const EXPECTED = [
      'cache-control: no-store',
      "content-security-policy: default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy: same-origin',
      'referrer-policy: no-referrer',
      'x-content-type-options: nosniff',
    ];
    it.each<[what: string, status: string, sent: string]>([
      ['data', '200', closing(`GET /v1/ledgers/main/events?limit=1 HTTP/1.1\r\n${AUTHORIZED}`)],
      [
        'lines',
        '200',
        closing(`GET /v1/ledgers/main/events?to_sequence=1 HTTP/1.1\r\n${AUTHORIZED}Accept: application/x-ndjson\r\n`),
      ],
      [
        'HEAD of lines',
        '200',
        closing(`HEAD /v1/ledgers/main/events HTTP/1.1\r\n${AUTHORIZED}Accept: application/x-ndjson\r\n`),
      ],
      ['no key', '401', closing('GET /v1/ledgers HTTP/1.1\r\nHost: x\r\n')],
      ['health', '200', closing('GET /health/live HTTP/1.1\r\nHost: x\r\n')],
      ['the OpenAPI document’s problems', '200', closing('GET /docs/problems HTTP/1.1\r\nHost: x\r\n')],
      ['no route', '404', closing('GET /nowhere HTTP/1.1\r\nHost: x\r\n')],
      ['TRACE, which must not echo', '404', closing(`TRACE /v1/ledgers HTTP/1.1\r\n${AUTHORIZED}X-Secret: 1\r\n`)],
      ['OPTIONS', '404', closing(`OPTIONS * HTTP/1.1\r\nHost: x\r\n`)],
      ['a path that is no UTF-8', '400', closing('GET /v1/%E0%A4%A HTTP/1.1\r\nHost: x\r\n')],
      ['an unknown expectation', '401', closing('GET /v1/ledgers HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n')],
      ['headers that are too large', '414', closing(`GET / HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(17_000)}\r\n`)],
      ['no HTTP at all', '400', 'nonsense\r\n\r\n'],
    ])('keep browsers and caches out of an answer to %s', async (_what, status, sent) => {
      const text = await answerTo(sent);
      const head = text.slice(0, text.indexOf('\r\n\r\n')).toLowerCase().split('\r\n');
      expect(statuses(text)).toEqual([status]);
      expect(head).toEqual(expect.arrayContaining(EXPECTED));
      expect(
        head.filter((line) => /^(server|x-powered-by|strict-transport-security|access-control-)/.test(line)),
      ).toEqual([]);
      expect(text).not.toContain('X-Secret');
    });
  });

  describe('requests that two servers might read differently', () => {
    const HIDDEN = `GET /v1/ledgers HTTP/1.1\r\n${AUTHORIZED}\r\n`;
    const post = (headers: string, body: string): string =>
      `POST /v1/ledgers/main/events HTTP/1.1\r\n${AUTHORIZED}Content-Type: application/json\r\n${headers}\r\n${body}`;
    it.each<[string, string]>([
      ['a length and chunks', post(`Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${HIDDEN}`)],
      [
        'chunks and a length',
        post(`Transfer-Encoding: chunked\r\nContent-Length: ${HIDDEN.length + 5}\r\n`, `0\r\n\r\n${HIDDEN}`),
      ],
      ['two lengths', post(`Content-Length: 0\r\nContent-Length: ${HIDDEN.length}\r\n`, HIDDEN)],
      ['lengths in a list', post(`Content-Length: 0, ${HIDDEN.length}\r\n`, HIDDEN)],
      ['a signed length', post('Content-Length: +0\r\n', HIDDEN)],
      ['a coding that is not the last', post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${HIDDEN}`)],
      ['an unknown coding', post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${HIDDEN}`)],
      ['two codings', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: xchunked\r\n', `0\r\n\r\n${HIDDEN}`)],
      ['a blank before the colon', post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${HIDDEN}`)],
      ['a folded header', post('X-A: b\r\n Transfer-Encoding: chunked\r\n', `0\r\n\r\n${HIDDEN}`)],
      ['a header’s end by LF alone', post('X-A: b\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${HIDDEN}`)],
      ['a NUL in a header', post('X-A: b\0c\r\nContent-Length: 0\r\n', HIDDEN)],
      [
        'a chunk’s size that is no number',
        post('Transfer-Encoding: chunked\r\n', `0x5\r\nabcde\r\n0\r\n\r\n${HIDDEN}`),
      ],
      ['a chunk that is longer than it says', post('Transfer-Encoding: chunked\r\n', `1\r\nabc\r\n0\r\n\r\n${HIDDEN}`)],
      ['no Host', 'GET /v1/ledgers HTTP/1.1\r\n\r\n'],
    ])('get one answer, an error, and the end of the connection: %s', async (_what, sent) => {
      const text = await answerTo(sent);
      expect(statuses(text)).toHaveLength(1);
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expect(text.toLowerCase()).toContain('\r\nconnection: close');
      expect(text).not.toContain('"ledgers"');
    });

    it('are no upgrade to something else, and no tunnel', async () => {
      const upgrade =
        'Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n';
      expect(statuses(await answerTo(`GET /health/live HTTP/1.1\r\nHost: x\r\n${upgrade}`))).toEqual(['200']);
      expect(await answerTo('CONNECT 127.0.0.1:5432 HTTP/1.1\r\nHost: x\r\n\r\n')).toBe('');
      expect(statuses(await answerTo('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))).toEqual(['400']);
    });
  });

  it('cuts headers off that do not arrive in time, however steadily they trickle in', async () => {
    const began = performance.now();
    const { socket, text, closed } = open('GET /health/live HTTP/1.1\r\nHost: x\r\n');
    const trickle = setInterval(() => socket.write('X-A: b\r\n'), 50);
    await closed;
    clearInterval(trickle);
    expect(statuses(text())).toEqual(['408']);
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(HEADERS_TIMEOUT_MS - 20);
    expect(took).toBeLessThan(2 * HEADERS_TIMEOUT_MS + 1_500);
  });

  it('closes a connection on which nothing was ever said, and one on which nothing more is said', async () => {
    const silent = open();
    const idle = open('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => statuses(idle.text()).length === 1);
    const began = performance.now();
    expect(idle.text().toLowerCase()).toContain(`\r\nkeep-alive: timeout=${KEEP_ALIVE_MS / 1000}`);
    await silent.closed;
    await idle.closed;
    // Node keeps it a second longer than it says, for requests that are on their way
    expect(performance.now() - began).toBeGreaterThan(KEEP_ALIVE_MS - 50);
    expect(performance.now() - began).toBeLessThan(KEEP_ALIVE_MS + 3_000);
  });

  describe('a client that does not read', () => {
    const ask = (path: string, accept: string): Connection => {
      const connection = open(`GET ${path} HTTP/1.1\r\n${AUTHORIZED}Accept: ${accept}\r\n\r\n`);
      connection.socket.pause();
      return connection;
    };
    const cutOff = (): number => logged.filter((line) => line.includes('did not take it within ANSWER_TIMEOUT')).length;

    it.each([
      ['a page of 40 MB', '/v1/ledgers/main/events?limit=1000&from_sequence=1', 'application/json'],
      ['answers in lines', '/v1/ledgers/main/events', 'application/x-ndjson'],
    ])('is cut off, and nothing is kept for it: %s', async (_what, path, accept) => {
      const before = cutOff();
      const connection = ask(path, accept);
      const reads = service.app.get(LongReads);
      await until(() => cutOff() > before, 30_000);
      await until(() => reads.underWay === 0);
      connection.socket.resume();
      await connection.closed;
      expect(connection.text()).not.toContain('"end"');
      expect(connection.text()).not.toContain('"next_cursor"');
    });

    it('is cut off as well when it reads a little now and then', async () => {
      const before = cutOff();
      const { socket } = ask('/v1/ledgers/main/events', 'application/x-ndjson');
      const sip = setInterval(() => {
        socket.read(64);
      }, 200);
      await until(() => cutOff() > before, 30_000);
      clearInterval(sip);
      socket.destroy();
    });

    it('may take its time as long as it takes each piece', async () => {
      const { socket, text, closed } = open(
        closing(`GET /v1/ledgers/main/events HTTP/1.1\r\n${AUTHORIZED}Accept: application/x-ndjson\r\n`),
      );
      const began = performance.now();
      let sinceBreak = 0;
      socket.on('data', (chunk: string) => {
        sinceBreak += chunk.length;
        if (sinceBreak < 2_000_000) return;
        sinceBreak = 0;
        socket.pause();
        setTimeout(() => socket.resume(), 120);
      });
      await closed;
      expect(text()).toContain('{"end":{"events":"200"');
      expect(performance.now() - began).toBeGreaterThan(ANSWER_TIMEOUT_MS);
    });
  });

  it('takes as many connections as it may, says that it took no more, and makes room of those that are idle', async () => {
    await until(async () => (await metric('truetrail_http_connections')) <= 2);
    const silent = Array.from({ length: MOST - 1 }, () => open('GET /health/live HTTP/1.1\r\nHost: x\r\n'));
    await Promise.all(silent.map(({ socket }) => once(socket, 'connect')));
    const last = open('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n'); // and stays, idle
    await until(() => statuses(last.text()).length === 1);
    const refused = open('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    await refused.closed;
    expect(refused.text()).toBe('');
    await last.closed; // to make room
    const next = open(closing('GET /health/live HTTP/1.1\r\nHost: x\r\n'));
    await next.closed;
    expect(statuses(next.text())).toEqual(['200']);
    for (const { socket } of silent) socket.destroy();
    await until(async () => (await metric('truetrail_http_connections_refused_total')) >= 1);
    expect(logged.filter((line) => line.includes('MAX_CONNECTIONS'))).toHaveLength(1);
  });

  it('counts keys that are none, says from where, and writes none of them down', async () => {
    const before = await metric('truetrail_refused_credentials_total');
    const keys = Array.from(
      { length: 5 },
      (_, i) => `tt_${createHash('sha256').update(`no key ${i}`).digest('base64url')}`,
    );
    for (const key of keys) await service.http(key).get('/v1/ledgers').expect(401);
    await service.http(keys[0]).get('/v1/ledgers').expect(401);
    await service.http(null).get('/v1/ledgers').expect(401); // no key is no attempt
    expect(await metric('truetrail_refused_credentials_total')).toBe(before + 6);
    for (const key of keys) expect(logged.filter((line) => line.includes(key))).toEqual([]);
  });

  it('lets nobody write lines of the log', async () => {
    const forged = '{"level":"fatal","msg":"forged"}';
    const began = logged.length;
    await answerTo(
      closing(
        `GET /v1/ledgers?x=%0A${encodeURIComponent(forged)} HTTP/1.1\r\n${AUTHORIZED}X-Request-Id: a\tb${forged}\r\n`,
      ),
    );
    await answerTo(
      closing(
        `GET /nowhere%0d%0a${encodeURIComponent(forged)} HTTP/1.1\r\nHost: x\r\nUser-Agent: \x1b[31m${forged}\r\n`,
      ),
    );
    await service
      .http()
      .get(`/v1/ledgers/main%0A${encodeURIComponent(forged)}`)
      .expect(404);
    const lines = logged.slice(began);
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      expect(line.indexOf('\n')).toBe(line.length - 1); // one line each
      expect(line).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
      expect((JSON.parse(line) as { msg: string }).msg).not.toBe('forged');
    }
  });
});
