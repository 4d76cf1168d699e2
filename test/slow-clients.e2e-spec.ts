import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { query } from './support/keys.js';

/** Longer than a busy machine takes for a body that is sent at once. */
const BODY_TIMEOUT_MS = 2_000;
const PATIENCE_MS = 30_000;

describe('a client that sends slowly, or too much', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ env: { BODY_TIMEOUT: `${BODY_TIMEOUT_MS}ms` } });
  });
  afterAll(() => service.close());

  /** A connection of which nothing is hidden: what was sent is sent, what came is in `text`. */
  function open(
    path: string,
    headers: Record<string, string>,
  ): { socket: Socket; text: () => string; closed: Promise<unknown> } {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.on('error', () => undefined); // the service may be the one that ends it
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const lines = Object.entries({ host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    return { socket, text: () => text, closed };
  }

  const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
  const authorization = `Bearer ${TEST_KEY}`;
  const json = { authorization, 'content-type': 'application/json', 'transfer-encoding': 'chunked' };

  async function until(holds: () => boolean): Promise<void> {
    const began = performance.now();
    while (!holds()) {
      if (performance.now() - began > PATIENCE_MS) throw new Error(`not within ${PATIENCE_MS} ms`);
      await pause(10);
    }
  }

  it('gets 408 when its body does not come in time, however steadily it trickles in', async () => {
    const { socket, text, closed } = open('/v1/ledgers/main/events', json);
    const began = performance.now();
    const trickle = setInterval(() => socket.write(chunk(' ')), 20);
    socket.once('close', () => clearInterval(trickle));
    await until(() => text().includes('\r\n\r\n{'));
    expect(performance.now() - began).toBeGreaterThan(BODY_TIMEOUT_MS - 20);
    expect(text()).toMatch(/^HTTP\/1\.1 408 /);
    expect(text()).toContain('/docs/problems/request-timeout');
    await closed; // it may not go on for ever
    expect(performance.now() - began).toBeLessThan(BODY_TIMEOUT_MS + PATIENCE_MS);
  });

  it('gets 408 when it announces a body and sends none of it', async () => {
    const { socket, text } = open('/v1/ledgers/main/events/batch', {
      authorization,
      'content-type': 'application/json',
      'content-length': '1000',
    });
    await until(() => text().startsWith('HTTP/1.1 408 '));
    socket.destroy();
  });

  it('is cut off after a while when it was refused and goes on sending', async () => {
    const { socket, text, closed } = open('/v1/ledgers/main/events', { ...json, authorization: 'Bearer no-such-key' });
    const trickle = setInterval(() => socket.write(chunk('x'.repeat(1000))), 20);
    socket.once('close', () => clearInterval(trickle));
    await until(() => text().startsWith('HTTP/1.1 401 '));
    await closed;
  });

  it('is cut off after a while when its body was too large and it goes on sending', async () => {
    const { socket, text, closed } = open('/v1/ledgers/main/events', json);
    socket.write(chunk(' '.repeat(300_000)));
    const trickle = setInterval(() => socket.write(chunk(' '.repeat(1000))), 20);
    socket.once('close', () => clearInterval(trickle));
    await until(() => text().startsWith('HTTP/1.1 413 '));
    await closed;
  });

  it('may use its connection again when it ends a body that was refused', async () => {
    const { socket, text } = open('/v1/ledgers/main/events', { ...json, authorization: 'Bearer no-such-key' });
    await until(() => text().startsWith('HTTP/1.1 401 '));
    socket.write(`${chunk('x')}0\r\n\r\nGET /health/live HTTP/1.1\r\nhost: x\r\n\r\n`);
    await until(() => text().includes('HTTP/1.1 200 '));
    socket.destroy();
  });

  it('may use its connection again when it sends the whole of a body that is announced as too large', async () => {
    const { socket, text } = open('/v1/ledgers/main/events', {
      ...{ authorization, 'content-type': 'application/json', 'content-length': '300000' },
    });
    await until(() => text().startsWith('HTTP/1.1 413 '));
    socket.write(`${' '.repeat(300_000)}GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n`);
    await until(() => text().includes('HTTP/1.1 200 '));
    socket.destroy();
  });

  it('may take all the time in the world for a stream of events', async () => {
    const { socket, text } = open('/v1/ledgers/main/events/stream', {
      ...json,
      'content-type': 'application/x-ndjson',
    });
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      const event = sampleEvent();
      ids.push(event.event_id);
      socket.write(chunk(`${JSON.stringify(event)}\n`));
      await until(() => text().includes(event.event_id));
      await pause(BODY_TIMEOUT_MS);
    }
    socket.write('0\r\n\r\n');
    await until(() => text().includes('"reason":"complete"'));
    socket.destroy();
    const recorded = await query(service.database, `SELECT 1 FROM event_keys WHERE event_id = ANY ($1)`, [ids]);
    expect(recorded.length).toBe(3);
  });
});
