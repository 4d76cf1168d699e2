import { setTimeout as pause } from 'node:timers/promises';
import { JobRunner } from '../src/jobs/job-runner.js';
import type { JobName } from '../src/jobs/job-names.js';
import type { Job, JobContext } from '../src/jobs/job.js';
import type { JsonObject } from '../src/integrity/strict-json.js';
import { startService, type TestService } from './support/app.js';
import { connected, runJob, whenOver } from './support/verification.js';

/** A job that a test holds in its hands. */
class TestJob implements Job {
  readonly name: JobName;
  readonly summary = 'what a test wants';
  runs: { context: JobContext; finish: (outcome: JsonObject) => void; fail: (error: Error) => void }[] = [];

  constructor(
    name: string,
    readonly schedule?: string,
  ) {
    this.name = name as JobName; // one of the test's own
  }

  run(context: JobContext): Promise<JsonObject> {
    return new Promise((resolve, reject) => {
      context.signal.addEventListener('abort', () => reject(context.signal.reason as Error));
      this.runs.push({ context, finish: resolve, fail: reject });
    });
  }
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (const began = Date.now(); !(await what()); await pause(10)) {
    if (Date.now() - began > 20_000) throw new Error('it does not come about');
  }
}

let names = 0;
/** A job, registered with each service, as if a feature of theirs had done so. */
function register(services: TestService[], schedule?: string): TestJob[] {
  const name = `test-${(names += 1)}`;
  return services.map((service) => {
    const job = new TestJob(name, schedule);
    service.app.get(JobRunner).register(job);
    return job;
  });
}

const statusOf = async (service: TestService, location: string): Promise<string> =>
  (await service.http().get(location).expect(200)).body.status;

async function request(service: TestService, job: string): Promise<string> {
  const { headers } = await service.http().post(`/v1/jobs/${job}/runs`).expect(202);
  return headers.location!;
}

describe('jobs', () => {
  let service: TestService;
  let other: TestService;
  beforeAll(async () => {
    service = await startService();
    other = await startService({ database: service.database });
  });
  afterAll(async () => {
    await other.close();
    await service.close();
  });

  it('are listed with their schedules', async () => {
    const { body } = await service.http().get('/v1/jobs').expect(200);
    const jobs = new Map(body.jobs.map((job: { job: string }) => [job.job, job]));
    expect(jobs.get('partition-maintenance')).toMatchObject({
      schedule: '0 * * * *',
      next_run_at: expect.stringMatching(/:00:00\.000Z$/),
    });
    expect(jobs.get('chain-verification')).toMatchObject({ schedule: null, next_run_at: null }); // off in tests
    expect(jobs.get('schema-check')).toMatchObject({ schedule: '15 3 * * *' });
  });

  it('run by hand and leave a row of what they did', async () => {
    const run = await runJob(service, 'partition-maintenance');
    expect(run).toEqual({
      id: expect.any(String),
      job: 'partition-maintenance',
      status: 'done',
      requested_by: expect.stringMatching(/^key:/),
      scheduled_for: null,
      created_at: expect.any(String),
      started_at: expect.any(String),
      finished_at: expect.any(String),
      outcome: { made: [], months_ahead: 3, closed: [], sealed: [] },
    });
    const { body } = await service.http().get('/v1/jobs/partition-maintenance/runs?limit=1').expect(200);
    expect(body.runs).toEqual([run]);
  });

  it('have run at the start where they should', async () => {
    const runs = await connected(service.database.adminUrl, async (admin) => {
      const { rows } = await admin.query<{ job: string }>(
        `SELECT DISTINCT job FROM job_runs WHERE requested_by = 'service' AND scheduled_for IS NULL`,
      );
      return rows.map(({ job }) => job);
    });
    expect(runs).toEqual(['partition-maintenance']);
  });

  it('answer 404 for what is not there, 403 without the scope, 400 for a bad parameter', async () => {
    await service.http().post('/v1/jobs/nothing/runs').expect(404);
    await service.http().get('/v1/jobs/nothing/runs').expect(404);
    const { body } = await service.http().get('/v1/jobs/schema-check/runs/x').expect(404);
    expect(body.type).toBe('/docs/problems/job-not-found');
    await service.http().get('/v1/jobs/schema-check/runs?limit=0').expect(400);
    await service.http(null).get('/v1/jobs').expect(401);
  });

  it('run on one replica at a time; a run by hand starts after the one in progress', async () => {
    const [here, there] = register([service, other]) as [TestJob, TestJob];
    const first = await request(service, here.name);
    await until(() => here.runs.length === 1);
    const second = await request(other, here.name);
    const third = await request(service, here.name);
    await pause(700); // the others have looked for their turn
    expect([here.runs.length, there.runs.length]).toEqual([1, 0]);
    expect(await statusOf(service, second)).toBe('queued');
    here.runs[0]!.finish({ n: 1 });
    await until(() => here.runs.length + there.runs.length === 2);
    expect(await statusOf(service, first)).toBe('done');
    [...here.runs.slice(1), ...there.runs][0]!.finish({ n: 2 });
    await until(() => here.runs.length + there.runs.length === 3);
    for (const run of [...here.runs, ...there.runs]) run.finish({ n: 3 });
    expect(await whenOver(service, third)).toMatchObject({ status: 'done' });
  });

  it('that fail say why, and count', async () => {
    const [job] = register([service]) as [TestJob];
    const location = await request(service, job.name);
    await until(() => job.runs.length === 1);
    job.runs[0]!.fail(new Error('postgres://user:secret@host/db is not there'));
    expect(await whenOver(service, location)).toMatchObject({
      status: 'failed',
      outcome: { error: 'postgres://user:(not logged)@host/db is not there' },
    });
    const { text } = await service.http().get('/metrics').expect(200);
    expect(text).toContain(`truetrail_job_failures_total{job="${job.name}"} 1`);
    expect(text).toMatch(/truetrail_job_last_success_age_seconds\{job="partition-maintenance"\} \d/);
    expect(text).toContain('truetrail_months_ahead 3');
  });

  it('have an age before they ever ended well, if they have a schedule: that of the installation', async () => {
    const [scheduled] = register([service], '0 0 29 2 *') as [TestJob];
    const [byHand] = register([service]) as [TestJob];
    const { text } = await service.http().get('/metrics').expect(200);
    expect(text).toMatch(new RegExp(`truetrail_job_last_success_age_seconds\\{job="${scheduled.name}"\\} \\d`));
    expect(text).not.toContain(`truetrail_job_last_success_age_seconds{job="${byHand.name}"}`);
  });

  it('are forgotten after 90 days, but for the last thousand of each job, and years of them are asked in no time', async () => {
    const jobs = ['partition-maintenance', 'schema-check'];
    await connected(service.database.adminUrl, (admin) =>
      admin.query(
        `INSERT INTO job_runs (id, job, status, requested_by, created_at, started_at, finished_at, outcome)
           SELECT gen_random_uuid(), j, 'done', 'service', at, at, at, '{}'
             FROM unnest($1::text[], '{12000,400}'::integer[]) AS given (j, n)
             CROSS JOIN LATERAL (SELECT now() - interval '200 days' + i * interval '1 minute' AS at FROM generate_series(1, n) AS i) AS runs`,
        [jobs],
      ),
    );
    const count = async (job: string): Promise<number> =>
      connected(service.database.adminUrl, async (admin) => {
        const { rows } = await admin.query<{ n: number }>(
          'SELECT count(*)::integer AS n FROM job_runs WHERE job = $1',
          [job],
        );
        return rows[0]!.n;
      });
    const plan = await connected(service.database.adminUrl, async (admin) => {
      await admin.query('ANALYZE job_runs');
      const asked = `SELECT finished_at FROM job_runs WHERE job = 'partition-maintenance' AND status = 'done' ORDER BY finished_at DESC LIMIT 1`;
      const { rows } = await admin.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${asked}`);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    });
    expect(plan).toContain('job_runs_done_idx');
    const location = await request(service, 'job-run-expiry');
    const { outcome } = (await whenOver(service, location)) as unknown as { outcome: { forgotten: number } };
    expect(outcome.forgotten).toBeGreaterThanOrEqual(10_999);
    expect(outcome.forgotten).toBeLessThanOrEqual(11_010);
    expect(Math.abs((await count('partition-maintenance')) - 1_005)).toBeLessThanOrEqual(5);
    expect(await count('schema-check')).toBeGreaterThanOrEqual(400);
  });

  it('whose process died are found by the next one that has the turn', async () => {
    const [job] = register([service]) as [TestJob];
    const id = '0197f3a1-0000-7000-8000-00000000dead';
    await connected(service.database.adminUrl, (admin) =>
      admin.query(
        `INSERT INTO job_runs (id, job, status, requested_by, created_at, started_at) VALUES ($1, $2, 'running', 'service', now(), now())`,
        [id, job.name],
      ),
    );
    await request(service, job.name);
    await until(() => job.runs.length === 1);
    const { body } = await service.http().get(`/v1/jobs/${job.name}/runs/${id}`).expect(200);
    expect(body).toMatchObject({ status: 'failed', outcome: { error: expect.stringContaining('process') } });
    job.runs[0]!.finish({});
  });

  it('stop when the session that holds their lock ends, and the run counts as failed', async () => {
    const [job] = register([service]) as [TestJob];
    const location = await request(service, job.name);
    await until(() => job.runs.length === 1);
    await connected(service.database.adminUrl, (admin) =>
      admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, [
        `truetrail job ${job.name}`,
      ]),
    );
    await until(() => job.runs[0]!.context.signal.aborted);
    expect(await whenOver(service, location)).toMatchObject({ status: 'failed' });
  });

  it('refuse a schedule that is none', () => {
    expect(() => register([service], 'now and then')).toThrow(/the schedule of test-\d+ is no cron expression/);
  });
});

describe('over restarts', () => {
  it('what was missed is caught up with at the start, once, however many times and replicas', async () => {
    const service = await startService();
    const replicas: TestService[] = [];
    try {
      await connected(service.database.adminUrl, (admin) =>
        admin.query(`UPDATE deployment SET created_at = now() - interval '3 days'`),
      );
      const start = async (): Promise<void> => {
        replicas.push(await startService({ database: service.database, env: { VERIFICATION_SCHEDULE: '* * * * *' } }));
      };
      await Promise.all([start(), start(), start()]);
      const runs = async (job: string): Promise<{ scheduled_for: string | null; status: string }[]> => {
        const { body } = await service.http().get(`/v1/jobs/${job}/runs`).expect(200);
        return body.runs;
      };
      await until(async () => (await runs('chain-verification')).some(({ status }) => status === 'done'));
      await until(async () => (await runs('schema-check')).some(({ status }) => status === 'done'));
      expect(await runs('schema-check')).toHaveLength(1); // of three days
      const scheduled = (await runs('chain-verification')).map((run) => run.scheduled_for);
      expect(new Set(scheduled).size).toBe(scheduled.length);
      expect(scheduled.length).toBeLessThanOrEqual(2); // a minute may have begun meanwhile
    } finally {
      for (const replica of replicas) await replica.close();
      await service.close();
    }
  });

  it('do not make up for what was due before the installation was made', async () => {
    const service = await startService();
    try {
      await runJob(service, 'schema-check');
      const { body } = await service.http().get('/v1/jobs/schema-check/runs').expect(200);
      const runs = body.runs as { scheduled_for: string | null }[];
      expect(runs.map((run) => run.scheduled_for)).toEqual([null]);
    } finally {
      await service.close();
    }
  });

  it('neither keep to a schedule, nor speak of success, by runs that are dated in the future', async () => {
    const service = await startService();
    const replicas: TestService[] = [];
    try {
      // as a clock that ran ahead leaves them, or somebody who wants no verification to run, and nobody to notice
      const forged = { verdict: 'valid', findings: [], findings_total: 0, is_forged: true };
      await connected(service.database.adminUrl, async (admin) => {
        await admin.query(`UPDATE deployment SET created_at = now() - interval '3 days'`);
        await admin.query(
          `INSERT INTO job_runs (id, job, status, requested_by, scheduled_for, created_at, started_at, finished_at, outcome)
             SELECT gen_random_uuid(), 'schema-check', 'done', 'service', at, at, at, at, $1::jsonb
               FROM unnest(ARRAY[timestamptz '2200-01-01', timestamptz '2200-01-02']) AS at`,
          [JSON.stringify(forged)],
        );
      });
      const age = async (): Promise<number> => {
        const { text } = await service.http().get('/metrics').expect(200);
        return Number(/truetrail_job_last_success_age_seconds\{job="schema-check"\} (.*)/.exec(text)![1]);
      };
      expect(await age()).toBeGreaterThan(2 * 86_400);
      replicas.push(await startService({ database: service.database }));
      const done = async () => {
        const { body } = await service.http().get('/v1/jobs/schema-check/runs').expect(200);
        const runs = body.runs as { status: string; scheduled_for: string | null; outcome: JsonObject | null }[];
        return runs.filter(({ status, outcome }) => status === 'done' && outcome?.is_forged !== true);
      };
      await until(async () => (await done()).length > 0);
      expect(await done()).toMatchObject([{ scheduled_for: expect.stringMatching(/^20[2-9]/) }]); // once
      const last = await replicas[0]!.app.get(JobRunner).lastOutcome('schema-check');
      expect(last).toMatchObject({ verdict: 'valid' });
      expect(last).not.toHaveProperty('is_forged');
      expect(await age()).toBeGreaterThanOrEqual(0);
    } finally {
      for (const replica of replicas) await replica.close();
      await service.close();
    }
  });

  it('a run that a shutdown stops goes on at the next start', async () => {
    const service = await startService();
    try {
      const first = await startService({ database: service.database });
      const job = new TestJob('interrupted');
      first.app.get(JobRunner).register(job);
      const { headers } = await first.http().post('/v1/jobs/interrupted/runs').expect(202);
      await until(() => job.runs.length === 1);
      await first.close();
      expect(job.runs[0]!.context.signal.aborted).toBe(true);
      const again = new TestJob('interrupted');
      service.app.get(JobRunner).register(again);
      expect(await statusOf(service, headers.location!)).toBe('queued');
      await request(service, 'interrupted'); // a start would do the same
      await until(() => again.runs.length === 1);
      expect(again.runs[0]!.context.runId).toBe(job.runs[0]!.context.runId);
      again.runs[0]!.finish({ at: 'last' });
      expect(await whenOver(service, headers.location!)).toMatchObject({ status: 'done', outcome: { at: 'last' } });
      await until(() => again.runs.length === 2);
      again.runs[1]!.finish({});
    } finally {
      await service.close();
    }
  });
});
