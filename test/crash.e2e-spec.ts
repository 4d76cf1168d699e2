import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../src/database/embedded-postgres.js';
import { migrate } from '../src/database/migrate.js';
import { uuidv7 } from '../src/database/uuidv7.js';
import {
  canonicalContent,
  contentHash,
  eventHash,
  toContent,
  type Receipt,
  type SentContent,
} from '../src/integrity/event.js';
import { contentOf } from '../src/integrity/stored-event.js';
import { sampleEvent, TEST_KEY } from './support/app.js';
import { checkTrail } from './support/check-trail.js';
import { FaultProxy } from './support/fault-proxy.js';
import { postOnce } from './support/post-once.js';
import { Replica } from './support/replica.js';

const CLIENTS = 20;
const STORM_MS = Number(process.env.CRASH_TEST_MS ?? 20_000);

type Sent = Record<string, unknown> & { event_id: string };

describe('two replicas under a storm', () => {
  let folder: string;
  let postgres: EmbeddedPostgres;
  let proxy: FaultProxy;
  const replicas: (Replica | undefined)[] = [];
  const settings = { max_connections: '100', shared_buffers: '64MB' };
  const portOf = (url: string): number => Number(new URL(url).port);
  const throughProxy = (url: string): string => Object.assign(new URL(url), { port: String(proxy.port) }).href;

  async function startReplica(i: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        replicas[i] = await Replica.start({
          DATABASE_URL: throughProxy(postgres.serviceUrl),
          DATABASE_OWNER_URL: throughProxy(postgres.ownerUrl),
          APPEND_TIMEOUT: '8s',
        });
        return;
      } catch (error) {
        if (attempt === 10) throw error; // the database may be down just now
        await pause(300);
      }
    }
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-crash-'));
    postgres = await startEmbeddedPostgres({ dataDir: folder, log: () => undefined, settings });
    await migrate({ ownerUrl: postgres.ownerUrl, serviceUrl: postgres.serviceUrl });
    proxy = await FaultProxy.start(portOf(postgres.serviceUrl));
    await Promise.all([startReplica(0), startReplica(1)]);
  });

  afterAll(async () => {
    for (const replica of replicas) await replica?.end('SIGKILL');
    await proxy?.close();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    'loses nothing that it acknowledged, doubles nothing, and records nothing that was not sent',
    async () => {
      const acknowledged = new Map<string, Receipt>();
      const sent = new Map<string, Sent>();
      let wrongAnswers = '';
      let conflicts = 0;
      let stormy = true;
      const until = Date.now() + STORM_MS;

      const client = async (number: number): Promise<void> => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        const own: Sent[] = [];
        for (let round = 0; stormy; round++) {
          const repeat = round % 7 === 6 && own.length > 0;
          const conflict = round % 11 === 10 && acknowledged.size > 0;
          const events = repeat
            ? [own[Math.floor(Math.random() * own.length)]!, fresh(number)]
            : Array.from({ length: round % 5 === 4 ? 20 : 1 }, () => fresh(number));
          if (conflict) {
            const [id] = [...acknowledged.keys()].slice(-1);
            const answer = await postOnce(agent, target(number + round), {
              ...sampleEvent({ event_id: id }),
              user_id: 'somebody else',
            });
            if (answer?.status === 409) conflicts += 1;
            else if (answer && answer.status < 500)
              wrongAnswers += `conflict answered ${answer.status} ${answer.text}\n`;
          }
          for (const event of events) {
            sent.set(event.event_id, event);
            own.push(event);
          }
          // until it is acknowledged, as HTTP.md tells callers: the same ids again
          for (let attempt = 0; stormy || Date.now() < until + 120_000; attempt++) {
            const batch = events.length > 1;
            const answer = await postOnce(agent, target(number + attempt, batch), batch ? { events } : events[0]);
            if (answer && (answer.status === 200 || answer.status === 201)) {
              const parsed = JSON.parse(answer.text);
              for (const receipt of (batch ? parsed.receipts : [parsed]) as Receipt[]) {
                const before = acknowledged.get(receipt.event_id);
                if (before && before.event_hash !== receipt.event_hash)
                  wrongAnswers += `two receipts for ${receipt.event_id}\n`;
                acknowledged.set(receipt.event_id, receipt);
              }
              break;
            }
            if (answer && answer.status < 500) {
              wrongAnswers += `${answer.status} ${answer.text.slice(0, 300)}\n`;
              break;
            }
            await pause(20 + Math.random() * 100);
          }
        }
        agent.destroy();
      };
      const fresh = (number: number): Sent =>
        sampleEvent({ event_id: uuidv7(), entity_id: `client-${number}`, metadata: { note: randomUUID() } });
      const target = (n: number, batch = false): string =>
        `${replicas[n % 2]!.url}/v1/ledgers/main/events${batch ? '/batch' : ''}`;

      const clients = Array.from({ length: CLIENTS }, (_, i) => client(i));
      const faults = { killed: 0, cut: 0, lost: 0, restarted: 0, crashed: 0 };
      try {
        const isEnough = (): boolean =>
          Date.now() > until && (Math.min(...Object.values(faults)) > 0 || Date.now() > until + 60_000);
        for (let step = 0; !isEnough(); step++) {
          await pause(200 + Math.random() * 400);
          const kind = step % 8;
          if (kind === 2 || kind === 6) {
            const i = step % 2 === 0 ? (step / 2) % 2 : 0;
            await replicas[i]!.end('SIGKILL');
            faults.killed += 1;
            await startReplica(i);
          } else if (kind === 4) {
            await postgres.stop();
            faults.restarted += 1;
            postgres = await startEmbeddedPostgres({ dataDir: folder, log: () => undefined, settings });
            proxy.retarget(portOf(postgres.serviceUrl));
          } else if (kind === 7) {
            process.kill(
              Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]),
              'SIGKILL',
            );
            faults.crashed += 1;
            await postgres.stop().catch(() => undefined);
            postgres = await startEmbeddedPostgres({ dataDir: folder, log: () => undefined, settings });
            proxy.retarget(portOf(postgres.serviceUrl));
          } else if (kind % 2 === 0) {
            proxy.cut();
            faults.cut += 1;
          } else {
            proxy.loseReplies(true);
            await pause(30);
            proxy.cut(); // what was committed in these 30 ms, nobody heard of
            proxy.loseReplies(false);
            faults.lost += 1;
          }
        }
      } finally {
        stormy = false;
      }
      await Promise.all(clients);

      const trail = await checkTrail(postgres.adminUrl.replace(/\/postgres$/, '/truetrail'));
      expect(wrongAnswers).toBe('');
      expect(conflicts).toBeGreaterThan(0);
      expect(Math.min(...Object.values(faults))).toBeGreaterThan(0);
      expect(acknowledged.size).toBeGreaterThan(500);
      expect(acknowledged.size).toBe(sent.size);
      for (const [id, receipt] of acknowledged) {
        expect(trail.sequences.get(id)).toBe(BigInt(receipt.sequence));
        expect(trail.rows.get(id)!.event_hash.toString('hex')).toBe(receipt.event_hash);
        const { content } = toContent(sent.get(id) as unknown as SentContent);
        expect(contentHash(Buffer.from(receipt.salt, 'hex'), canonicalContent(content).text).toString('hex')).toBe(
          receipt.content_hash,
        );
        expect(eventHash(receipt).toString('hex')).toBe(receipt.event_hash);
      }
      for (const [id, row] of trail.rows) {
        const original = sent.get(id);
        if (!original) throw new Error(`event ${row.sequence} was never sent`);
        expect(contentOf(row)).toEqual(toContent(original as unknown as SentContent).content);
      }
      await checkTrail(postgres.adminUrl.replace(/\/postgres$/, '/truetrail'), '_service');
      console.log(
        `${acknowledged.size} events acknowledged; faults: ${JSON.stringify(faults)}; conflicts kept: ${conflicts}`,
      );
    },
    STORM_MS + 180_000,
  );

  it('answers all that it took when it is told to stop', async () => {
    const agent = new Agent({ keepAlive: true });
    const events = Array.from({ length: 200 }, () => sampleEvent({ event_id: uuidv7() }));
    const posts = events.map((event) => postOnce(agent, `${replicas[0]!.url}/v1/ledgers/main/events`, event));
    const answers = Promise.all(posts);
    await Promise.race(posts); // the first is answered, most are under way
    const code = await replicas[0]!.end('SIGTERM');
    if (code !== 0) console.log(replicas[0]!.log);
    expect(code).toBe(0);
    const statuses = (await answers).map((answer) => answer?.status ?? 0);
    // each was answered durably, or never taken: none is left open by a 5xx that means "unknown"
    const trail = await checkTrail(postgres.adminUrl.replace(/\/postgres$/, '/truetrail'));
    events.forEach((event, i) => {
      if (statuses[i] === 201) expect(trail.sequences.has(event.event_id)).toBe(true);
      else expect([0, 503]).toContain(statuses[i]);
    });
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThan(0);
    for (const [i, event] of events.entries()) {
      if (trail.sequences.has(event.event_id)) expect(statuses[i]).toBe(201);
    }
    agent.destroy();
  });

  it('ends a stream with a reason when it is told to stop, and answers every line that it took', async () => {
    const events = Array.from({ length: 50 }, () => sampleEvent({ event_id: uuidv7() }));
    const replica = replicas[1]!;
    let text = '';
    let exit: Promise<number | string> | undefined;
    const ended = new Promise<void>((resolve, reject) => {
      const request = httpRequest(
        `${replica.url}/v1/ledgers/main/events/stream`,
        { method: 'POST', headers: { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/x-ndjson' } },
        (response) => {
          let stopped = false;
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
            if (!stopped && text.split('\n').length > events.length) {
              stopped = true;
              exit = replica.end('SIGTERM'); // every line is answered; the body is still open
            }
          });
          response.on('end', () => {
            request.end();
            resolve();
          });
          response.on('error', reject);
        },
      );
      request.on('error', reject);
      request.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    });
    await ended;
    const answers = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answers.slice(0, -1).map((answer) => answer.receipt.event_id)).toEqual(
      events.map((event) => event.event_id),
    );
    expect(answers.at(-1).end).toMatchObject({ lines: '50', recorded: '50', reason: 'shutting-down' });
    expect(await exit).toBe(0);
  });
});
