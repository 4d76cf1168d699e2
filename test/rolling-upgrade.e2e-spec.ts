import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { MIGRATIONS } from '../migrations/index.js';
import { uuidv7 } from '../src/database/uuidv7.js';
import type { Receipt } from '../src/integrity/event.js';
import { Alarms } from './support/alarms.js';
import { sampleEvent, TEST_KEY } from './support/app.js';
import { checkTrail } from './support/check-trail.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { freePort } from './support/free-port.js';
import { query } from './support/keys.js';
import { postOnce } from './support/post-once.js';
import { Replica } from './support/replica.js';

const REPLICAS = 3;
const CLIENTS = 6;
/** Between two events of a client: what is tested is not how fast the machine is. */
const THINK_MS = 20;
/** How long a replica is paused; CI does it for a minute as well, beside other work. */
const PAUSE_MS = Number(process.env.PAUSED_REPLICA_MS ?? 3_000);
/** Scrapes, a minute each, while a replica does not answer: enough for the alarm of one that is gone. */
const GONE_SCRAPES = 7;
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
        const { url } = this.replicas[(number + attempt) % this.replicas.length]!;
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
  /** of each replica, and of the one that takes its place */
  const metricsPorts: number[] = [];

  /** As in the cluster: the service's login alone, one archive and one signing key for all. */
  const start = (number: number): Promise<Replica> =>
    Replica.start({
      DATABASE_URL: database.serviceUrl,
      METRICS_PORT: String(metricsPorts[number]),
      DATA_DIR: join(folder, 'data'),
      ARCHIVE_URL: `file:${join(folder, 'archive')}`,
      SIGNING_KEY_FILE: join(folder, 'signing-key.pem'),
      CHECKPOINT_SCHEDULE: '* * * * * *',
    });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-rolling-'));
    database = await createTestDatabase();
    for (let i = 0; i < REPLICAS; i++) metricsPorts.push(await freePort());
    replicas.push(await start(0));
    replicas.push(...(await Promise.all(Array.from({ length: REPLICAS - 1 }, (_, i) => start(i + 1)))));
  });

  afterAll(async () => {
    for (const replica of replicas) await replica.end('SIGKILL');
    await database?.drop();
    rmSync(folder, { recursive: true, force: true });
  });

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
        replicas[i] = await start(i);
      }
      await load.progress(100);
    } finally {
      await load.end();
    }
    expect(codes).toEqual([0, 0, 0]);
    expect(load.repeats).toBeGreaterThan(0);
    await holds(load);
    await jobsRanOnce();
  });

  const alarmsOf = (scrapeMs: number): Alarms =>
    new Alarms(
      Object.fromEntries(metricsPorts.map((port, i) => [`truetrail-${i}`, `http://127.0.0.1:${port}/metrics`])),
      scrapeMs,
    );
  /** What comes of a machine that also tests. */
  const MAYBE = { maybe: ['TruetrailAppendSlow', 'TruetrailEventLoopLag'] };

  it('go on while one of them is paused, which does no harm once it is woken', async () => {
    const alarms = alarmsOf(Math.max(1_000, Math.floor(PAUSE_MS / GONE_SCRAPES))); // the others answer within that, busy as they are
    const load = new Load(replicas);
    const [, paused] = replicas;
    try {
      await load.progress(100);
      await alarms.scrape(2);
      paused!.suspend();
      const until = Date.now() + PAUSE_MS;
      await Promise.all([alarms.scrape(GONE_SCRAPES), load.progress(100)]); // by the others, whatever it was in the middle of
      await pause(Math.max(0, until - Date.now()));
      paused!.wake();
      await load.progress(200);
      await alarms.scrape(3);
    } finally {
      paused!.wake();
      await load.end();
    }
    expect((await fetch(`${paused!.url}/health/ready`)).status).toBe(200);
    await holds(load);
    await jobsRanOnce();
    alarms.expectFired('a replica that is paused', ['TruetrailReplicaDown'], MAYBE);
  });

  it('go on while one of them is killed, and started again', async () => {
    const alarms = alarmsOf(3_000);
    const load = new Load(replicas);
    try {
      await load.progress(50);
      await alarms.scrape(2);
      await replicas[1]!.end('SIGKILL');
      await alarms.scrape(GONE_SCRAPES);
      await load.progress(50);
      replicas[1] = await start(1);
      await load.progress(100);
      await alarms.scrape(3);
    } finally {
      await load.end();
    }
    expect(load.repeats).toBeGreaterThan(0);
    await holds(load);
    await jobsRanOnce();
    alarms.expectFired('a replica that is killed', ['TruetrailReplicaDown', 'TruetrailRestarted'], MAYBE);
  });

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
  });
});

/** As long as migrations wait for a lock. */
const LOCK_TIMEOUT = '5s';

/**
 * The present build without its latest migrations: it starts on, and makes, the schema before them. What it does with what
 * they made fails there, but not what is older.
 */
function buildBefore(folder: string, count: number): string {
  const build = join(folder, 'older');
  cpSync(process.env.TRUETRAIL_BUILD!, build, { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  const file = join(build, 'migrations/index.js');
  let list = readFileSync(file, 'utf8');
  for (const { name } of MIGRATIONS.slice(-count)) {
    const without = list.replace(new RegExp(`^\\s+${name},?$`, 'm'), '');
    if (without === list) throw new Error(`${name} is not in the list of the build`);
    list = without;
  }
  writeFileSync(file, list);
  return build;
}

/**
 * A commit of the release before, that the packages of today build and run: its package-lock.json is theirs. When a lock
 * file changes, the latest commit with the new one that has migrations before others takes its place.
 */
const OLDER_COMMIT = '33601b2a';
const ROOT = join(import.meta.dirname, '..');
const git = (...args: string[]) => spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
/** Why it is not run, if it is not. */
function missingOlder(): string | undefined {
  if (git('cat-file', '-e', `${OLDER_COMMIT}^{commit}`).status !== 0)
    return `there is no commit ${OLDER_COMMIT} in this checkout`;
  if (git('diff', '--quiet', OLDER_COMMIT, '--', 'package-lock.json').status !== 0)
    return `commit ${OLDER_COMMIT} has another package-lock.json`;
  return undefined;
}
const MISSING_OLDER = missingOlder();
if (MISSING_OLDER !== undefined) {
  // of no git, and of a clone without its history, nothing is asked
  if (process.env.CI && git('rev-parse', '--is-shallow-repository').stdout?.trim() === 'false')
    throw new Error(
      `No older release was run beside the present one: ${MISSING_OLDER}. Put into OLDER_COMMIT of this test the latest commit ` +
        'with the package-lock.json of today that lacks two migrations or more.',
    );
  process.stderr.write(`skipped: an older release beside the present one (${MISSING_OLDER})\n`);
}

/** The build of that commit, by its own scripts. */
function buildOfOlderCommit(folder: string): string {
  const checkout = join(folder, 'checkout');
  mkdirSync(checkout);
  const tar = execFileSync('git', ['archive', '--format=tar', OLDER_COMMIT], { cwd: ROOT, maxBuffer: 2 ** 28 });
  execFileSync('tar', ['-x', '-C', checkout], { input: tar });
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
  const script = `import { ensureBuilt } from './scripts/build.mjs'; process.stdout.write(ensureBuilt())`;
  const run = ['--input-type=module', '--eval', script];
  return execFileSync(process.execPath, run, { cwd: checkout, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

type OlderBuild = [name: string, build: (folder: string) => string];
const OLDER: OlderBuild[] = [
  ['the present one without its last two migrations', (folder) => buildBefore(folder, 2)],
  ...(MISSING_OLDER === undefined ? [[`commit ${OLDER_COMMIT}`, buildOfOlderCommit] satisfies OlderBuild] : []),
];

describe.each(OLDER)('replicas of two releases on one database, the older one %s', (_, buildOlder) => {
  let folder: string;
  let older: string;
  let admin: pg.Client;
  let owner: pg.Client;
  const name = `truetrail_test_${process.env.TEST_RUN_ID}_${randomBytes(4).toString('hex')}`;
  const inIt = (url: string): string => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const adminUrl = inIt(process.env.TEST_ADMIN_URL!);
  const replicas: Replica[] = [];

  const start = (build?: string): Promise<Replica> =>
    Replica.start(
      {
        DATABASE_URL: inIt(process.env.TEST_SERVICE_URL_BASE!),
        DATABASE_OWNER_URL: inIt(process.env.TEST_OWNER_URL_BASE!),
        DATA_DIR: join(folder, 'data'),
        ARCHIVE_URL: `file:${join(folder, 'archive')}`,
        SIGNING_KEY_FILE: join(folder, 'signing-key.pem'),
        CHECKPOINT_SCHEDULE: '* * * * * *',
      },
      build,
    );
  const done = async (): Promise<string[]> =>
    (await owner.query<{ name: string }>('SELECT name FROM schema_migrations ORDER BY id')).rows.map((row) => row.name);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-releases-'));
    older = buildOlder(folder);
    admin = new pg.Client({ connectionString: process.env.TEST_ADMIN_URL });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${name} OWNER truetrail_owner`);
    await admin.query(`GRANT CONNECT ON DATABASE ${name} TO PUBLIC`);
    owner = new pg.Client({ connectionString: inIt(process.env.TEST_OWNER_URL_BASE!) });
    await owner.connect();
    replicas.push(await start(older));
    replicas.push(await start(older));
  });

  afterAll(async () => {
    for (const replica of replicas) await replica.end('SIGKILL');
    await owner?.end();
    await admin?.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await admin?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  async function holds(load: Load): Promise<void> {
    expect(load.wrong).toEqual([]);
    expect(load.acknowledged.size).toBe(load.sent.size);
    const { sequences, rows } = await checkTrail(adminUrl);
    for (const [id, receipt] of load.acknowledged) {
      expect(sequences.get(id)).toBe(BigInt(receipt.sequence));
      expect(rows.get(id)!.event_hash.toString('hex')).toBe(receipt.event_hash);
    }
  }

  /** What is read and done besides appends. */
  async function work(by: readonly Replica[]): Promise<void> {
    const headers = { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json' };
    for (const { url } of by) {
      for (const path of [
        '/health/ready',
        '/v1/ledgers/main/events?entity_id=client-1&limit=5',
        '/v1/ledgers/main/orders/client-1/history',
        '/v1/ledgers/main/reports/mifid2-trades?from_date=2026-06-02&to_date=2026-06-02',
        '/v1/partitions',
        '/v1/legal-holds',
        '/v1/reference/venue',
      ]) {
        const answer = await fetch(url + path, { headers });
        await answer.arrayBuffer(); // what nobody takes keeps a replica from ending
        expect(`${path} ${answer.status}`).toBe(`${path} 200`);
      }
      for (const runs of ['/v1/ledgers/main/verifications', '/v1/jobs/archive-export/runs']) {
        const asked = await fetch(url + runs, { method: 'POST', headers, body: '{}' });
        expect(asked.status).toBe(202);
        const { id } = (await asked.json()) as { id: string };
        let run: { status: string; verdict?: string };
        do {
          await pause(50);
          run = (await (await fetch(`${url}${runs}/${id}`, { headers })).json()) as typeof run;
        } while (run.status === 'queued' || run.status === 'running');
        expect({ runs, ...run }).toMatchObject({ status: 'done', ...('verdict' in run ? { verdict: 'valid' } : {}) });
      }
    }
  }

  it('go on while a new one migrates, side by side with it, and after a roll-back', async () => {
    expect((await done()).length).toBeLessThanOrEqual(MIGRATIONS.length - 2);
    const load = new Load(replicas);
    try {
      await load.progress(60);
      replicas.push(await start()); // migrates as it starts
      expect(await done()).toHaveLength(MIGRATIONS.length);
      await load.progress(60);
      await work(replicas.slice(1)); // an older one and the new one
      expect(await replicas[0]!.end('SIGTERM')).toBe(0);
      replicas[0] = await start(older); // on the newer schema
      await load.progress(60);
    } finally {
      await load.end();
    }
    await holds(load);
  });

  it('go on while everything is expanded as a later release may: columns, indexes, functions made anew', async () => {
    const load = new Load(replicas);
    try {
      await load.progress(30);
      await work(replicas.slice(1, 2)); // so that its connections have their prepared statements
      const { rows: tables } = await owner.query<{ name: string }>(
        `SELECT oid::regclass::text AS name FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
      );
      const { rows: functions } = await owner.query<{ text: string }>(
        `SELECT pg_get_functiondef(oid) AS text FROM pg_proc
          WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole`,
      );
      expect([tables.length, functions.length]).toEqual([expect.any(Number), expect.any(Number)]);
      expect(Math.min(tables.length, functions.length)).toBeGreaterThan(20);
      const changes = [
        ...tables.map((table) => `ALTER TABLE ${table.name} ADD COLUMN of_a_later_release text NOT NULL DEFAULT ''`),
        ...functions.map(({ text }) => text),
        'CREATE INDEX of_a_later_release_idx ON months (of_a_later_release)',
      ];
      await owner.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
      for (const change of changes) await owner.query(change);
      await load.progress(60);
      await work(replicas.slice(1, 2));
    } finally {
      await load.end();
    }
    await holds(load);
  });
});
