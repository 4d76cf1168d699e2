import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { startService, TEST_KEY, type TestService } from './support/app.js';

const DEMO = fileURLToPath(new URL('../scripts/demo.mjs', import.meta.url));
const DAY = ['--orders', '50', '--date', '2026-06-01'];
const RUN_TIMEOUT_MS = 60_000;

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

interface SentEvent {
  event_id: string;
  timestamp: string;
  entity_type: string;
  entity_id: string;
  action: string;
  new_state: Record<string, string>;
  metadata: Record<string, string>;
  source: string;
  source_sequence: string;
  corrects?: string;
}

/** Runs the demo as a newcomer does. Not spawnSync: the service that it talks to is in this process. */
function demo(args: string[], env: Record<string, string> = { TRUETRAIL_KEY: TEST_KEY }): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [DEMO, ...args], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: RUN_TIMEOUT_MS,
    });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

describe('the demo', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  it(
    'records a day, shows every step, and records nothing twice',
    async () => {
      const first = await demo(['--url', service.url, ...DAY]);
      expect(first.err).toBe('');
      const { body: ledger } = await service.http().get('/v1/ledgers/main').expect(200);
      const size = Number(ledger.size);
      const shown = size.toLocaleString('en-US');
      for (const phrase of [
        `${shown} events recorded, 0 there already`,
        `${shown} of ${shown} receipts recompute`,
        '200 and the same receipt',
        '409 event-id-conflict',
        'corrects 4: price told wrongly',
        'voids 6: execution told twice',
        `verdict valid: sequences 1 to ${shown}: ${shown} of ${shown} events checked`,
        'more trades; corrected ones as corrected, voided ones not at all',
        'acts in all: 1 login, ',
        '/docs',
      ]) {
        expect(first.out).toContain(phrase);
      }
      expect(first.out).not.toMatch(/failed|does not have it|DIFFERS|undefined|NaN/);
      expect(first.code).toBe(0);

      const second = await demo(['--url', `${service.url}/`, ...DAY]);
      expect(second).toMatchObject({ code: 0, err: '' });
      expect(second.out).toContain(`0 events recorded, ${shown} there already`);
      expect((await service.http().get('/v1/ledgers/main').expect(200)).body.size).toBe(String(size));
    },
    2 * RUN_TIMEOUT_MS,
  );

  it(
    'prints the same day each time, in which quantities and counters add up',
    async () => {
      const [one, two, other] = await Promise.all([
        demo(['--print', ...DAY], {}),
        demo(['--print', ...DAY], {}),
        demo(['--print', ...DAY, '--seed', '2'], {}),
      ]);
      expect(one).toMatchObject({ code: 0, err: '' });
      expect(two.out).toBe(one.out);
      const events: SentEvent[] = one.out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      const ids = new Set(events.map((event) => event.event_id));
      expect(ids.size).toBe(events.length);
      for (const id of ids) expect(other.out).not.toContain(id);

      for (const client of new Set(events.flatMap(({ metadata }) => metadata.client_id ?? []))) {
        if (/^DEMO/.test(client)) expect(mod97(client)).toBe(1);
      }

      const sent = [...events].sort((a, b) => Number(a.source_sequence) - Number(b.source_sequence));
      const counters = new Map<string, number>();
      for (const { source, source_sequence: sequence } of sent) {
        expect(Number(sequence)).toBe((counters.get(source) ?? 0) + 1);
        counters.set(source, Number(sequence));
      }

      const voided = new Set(events.filter(({ action }) => action === 'void').map(({ corrects }) => corrects));
      expect(voided.size).toBe(1);
      expect(events.filter(({ corrects }) => corrects !== undefined)).toHaveLength(2);
      const open = new Map<string, number>();
      const inTime = events
        .filter(({ entity_type: type, corrects, event_id: id }) => type === 'order' && !corrects && !voided.has(id))
        .sort((a, b) => (a.timestamp.slice(0, -1) < b.timestamp.slice(0, -1) ? -1 : 1));
      for (const { entity_id: order, action, new_state: state } of inTime) {
        if (action.endsWith('fill')) open.set(order, open.get(order)! - Number(state.quantity));
        else open.set(order, action === 'create' || action === 'modify' ? Number(state.quantity) : 0);
        expect([order, state.remaining_quantity]).toEqual([order, String(open.get(order))]);
        expect(action === 'fill').toBe(state.status === 'filled');
      }
      expect(inTime.filter(({ action }) => action === 'create')).toHaveLength(50);
    },
    RUN_TIMEOUT_MS,
  );

  it(
    'says what to do when there is no key, a wrong one, no service, no such ledger, or a mistake in the command',
    async () => {
      const at = ['--url', service.url];
      const nobody = await urlOfNobody();
      const [noKey, wrongKey, noService, noLedger, mistake] = await Promise.all([
        demo(at, {}),
        demo(at, { BOOTSTRAP_API_KEY: 'a-key-that-this-service-has-never-seen' }),
        demo(['--url', nobody]),
        demo([...at, '--ledger', 'nowhere']),
        demo(['--orders', 'many']),
      ]);
      expect(noKey.err).toContain('export TRUETRAIL_KEY=');
      expect(wrongKey.err).toContain('does not know the key');
      expect(noService.err).toMatch(/^Nothing answers at [^]*npm start/);
      expect(noLedger.err).toContain('curl -sS -X PUT');
      expect(mistake.err).toContain('--orders takes 10 to 50000');
      expect([noKey, wrongKey, noService, noLedger, mistake].map(({ code }) => code)).toEqual([1, 1, 1, 1, 2]);
    },
    RUN_TIMEOUT_MS,
  );
});

/** Where nobody listens any more. */
async function urlOfNobody(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}

/** Of an LEI, which has to be 1. */
function mod97(lei: string): number {
  const digits = [...lei].map((character) => parseInt(character, 36)).join('');
  return Number(BigInt(digits) % 97n);
}
