import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { uuidv7 } from '../src/database/uuidv7.js';
import type { Receipt } from '../src/integrity/event.js';
import { sampleEvent, TEST_KEY } from './support/app.js';
import { checkTrail } from './support/check-trail.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { query } from './support/keys.js';
import { postOnce } from './support/post-once.js';
import { Replica } from './support/replica.js';

const REPLICAS = 3;
const CLIENTS = 6;
/** Between two events of a client: what is tested is not how fast the machine is. */
const THINK_MS = 20;
const PAUSE_MS = Number(process.env.PAUSED_REPLICA_MS ?? 3_000);
/** Beyond it a refusal is not one that sending again cures. */
const PATIENCE_MS = 30_000;

/** Clients that write through all replicas, as submitters do: the same event with the same id until it is acknowledged. */
class Load {
  readonly sent = new Map<string, Record<string, unknown>>();
  readonly acknowledged = new Map<string, Receipt>();
  /** answers that a submitter could not cure by sending again */
  readonly wrong: string[] = [];
  repeats = 0;
  private going = true;
  private readonly clients: Promise<void>[];

  constructor(private readonly replicas: readonly Replica[]) {
    this.clients = Array.from({ length: CLIENTS }, (_, number) => this.client(number));
  }

  async end(): Promise<void> {
    this.going = false;
    await Promise.all(this.clients);
  }

  /** Resolves when so many more events are acknowledged. */
  async progress(events: number): Promise<void> {
    const goal = this.acknowledged.size + events;
    for (const until = Date.now() + PATIENCE_MS; this.acknowledged.size < goal; await pause(20)) {
      if (Date.now() > until) throw new Error('the clients do not get on');
    }
  }

  private async client(number: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (this.going) {
      const event = sampleEvent({ event_id: uuidv7(), entity_id: `client-${number}` });
      this.sent.set(event.event_id, event);
      const until = Date.now() + PATIENCE_MS;
      for (let attempt = 0; ; attempt++) {
        const { url } = this.replicas[(number + attempt) % REPLICAS]!;
        const answer = await postOnce(agent, `${url}/v1/ledgers/main/events`, event);
        if (answer?.status === 200 || answer?.status === 201) {
          this.acknowledged.set(event.event_id, JSON.parse(answer.text) as Receipt);
          break;
        }
        this.repeats += 1;
        if ((answer && answer.status !== 503 && answer.status !== 504) || Date.now() > until) {
          this.wrong.push(`${event.event_id}: ${answer ? `${answer.status} ${answer.text}` : 'no answer'}`);
          break;
        }
        await pause(10 + Math.random() * 40);
      }
      await pause(THINK_MS);
    }
    agent.destroy();
  }
}

describe('three replicas of one database', () => {
  let database: TestDatabase;
  let folder: string;
  const replicas: Replica[] = [];

  /** As in the cluster: the service's login alone, one archive and one signing key for all. */
  const start = (): Promise<Replica> =>
    Replica.start({
      DATABASE_URL: database.serviceUrl,
      DATA_DIR: join(folder, 'data'),
      ARCHIVE_URL: `file:${join(folder, 'archive')}`,
      SIGNING_KEY_FILE: join(folder, 'signing-key.pem'),
      CHECKPOINT_SCHEDULE: '* * * * * *',
    });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-rolling-'));
    database = await createTestDatabase();
    replicas.push(await start());
    replicas.push(...(await Promise.all(Array.from({ length: REPLICAS - 1 }, start))));
  }, 120_000);

  afterAll(async () => {
    for (const replica of replicas) await replica.end('SIGKILL');
    await database?.drop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  /** Everything that was acknowledged is there once, as it was acknowledged, in a ledger that is whole. */
  async function holds(load: Load): Promise<void> {
    expect(load.wrong).toEqual([]);
    expect(load.acknowledged.size).toBe(load.sent.size);
    const { sequences, rows } = await checkTrail(database.adminUrl);
    for (const [id, receipt] of load.acknowledged) {
      expect(sequences.get(id)).toBe(BigInt(receipt.sequence));
      expect(rows.get(id)!.event_hash.toString('hex')).toBe(receipt.event_hash);
    }
    for (const id of [...load.acknowledged.keys()].slice(0, 20)) {
      const again = await postOnce(new Agent(), `${replicas[0]!.url}/v1/ledgers/main/events`, load.sent.get(id));
      expect(again!.status).toBe(200);
      expect(JSON.parse(again!.text)).toMatchObject({ event_hash: load.acknowledged.get(id)!.event_hash });
    }
  }

  /** No job ran twice for one time of its schedule, nor beside itself. */
  async function jobsRanOnce(): Promise<void> {
    const twice = await query(
      database,
      `SELECT job, scheduled_for FROM job_runs WHERE scheduled_for IS NOT NULL GROUP BY job, scheduled_for HAVING count(*) > 1`,
    );
    expect(twice).toEqual([]);
    const together = await query(
      database,
      `SELECT a.job, a.started_at, b.started_at AS other FROM job_runs AS a JOIN job_runs AS b
         ON a.job = b.job AND a.id < b.id AND a.started_at < b.finished_at AND b.started_at < a.finished_at`,
    );
    expect(together).toEqual([]);
    const [rounds] = await query<{ n: number }>(
      database,
      `SELECT count(*)::integer AS n FROM job_runs WHERE job = 'checkpoint' AND status = 'done'`,
    );
    expect(rounds!.n).toBeGreaterThan(2);
  }

  it('are replaced one after the other while clients write: nothing is lost, doubled or refused for good', async () => {
    const load = new Load(replicas);
    const codes: (number | string)[] = [];
    try {
      for (let i = 0; i < REPLICAS; i++) {
        await load.progress(50);
        // clients go on sending to it until its successor is there, as not every node hears of it at once
        codes.push(await replicas[i]!.end('SIGTERM'));
        replicas[i] = await start();
      }
      await load.progress(100);
    } finally {
      await load.end();
    }
    expect(codes).toEqual([0, 0, 0]);
    expect(load.repeats).toBeGreaterThan(0);
    await holds(load);
    await jobsRanOnce();
  }, 180_000);

  it('go on while one of them is paused, which does no harm once it is woken', async () => {
    const load = new Load(replicas);
    const [, paused] = replicas;
    try {
      await load.progress(100);
      paused!.suspend();
      await pause(PAUSE_MS / 2);
      await load.progress(100); // by the others, whatever it was in the middle of
      await pause(PAUSE_MS / 2);
      paused!.wake();
      await load.progress(200);
    } finally {
      paused!.wake();
      await load.end();
    }
    expect((await fetch(`${paused!.url}/health/ready`)).status).toBe(200);
    await holds(load);
    await jobsRanOnce();
  }, 180_000);

  it('have signed one history', async () => {
    const headers = { authorization: `Bearer ${TEST_KEY}` };
    const [{ url }] = replicas as [Replica];
    const asked = await fetch(`${url}/v1/jobs/anchor-verification/runs`, { method: 'POST', headers });
    expect(asked.status).toBe(202);
    const { id } = (await asked.json()) as { id: string };
    let run: { status: string; outcome: Record<string, unknown> };
    do {
      await pause(100);
      const answer = await fetch(`${url}/v1/jobs/anchor-verification/runs/${id}`, { headers });
      run = (await answer.json()) as typeof run;
    } while (run.status === 'queued' || run.status === 'running');
    expect(run).toMatchObject({ status: 'done', outcome: { findings_total: 0 } });
    expect(Number(run.outcome.anchors)).toBeGreaterThan(2);
  }, 60_000);
});
