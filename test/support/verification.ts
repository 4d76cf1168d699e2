import { setTimeout as pause } from 'node:timers/promises';
import { SchedulerRegistry } from '@nestjs/schedule';
import pg from 'pg';
import { JobRunner } from '../../src/jobs/job-runner.js';
import { sampleEvent, type TestService } from './app.js';
import { seen, type Found, type Look } from './tamper-matrix.js';

export interface ShownFinding {
  kind: string;
  sequence: string | null;
  event_id: string | null;
  detail: string;
}

/** A run as the API shows it. */
export interface ShownVerification {
  id: string;
  status: string;
  verdict: string | null;
  from_sequence: string;
  to_sequence: string;
  checked: string;
  total: string;
  findings: ShownFinding[];
  findings_total: string;
  unread: { from_sequence: string; to_sequence: string; reason: string }[];
  deleted: unknown[];
}

const LOOK_MS = 20;
const PATIENCE_MS = 60_000;

/** Asks for a verification and waits until it is over: what a client does. */
export async function verify(
  service: Pick<TestService, 'http'>,
  range: Record<string, string> = {},
  ledger = 'main',
): Promise<ShownVerification> {
  const asked = await service.http().post(`/v1/ledgers/${ledger}/verifications`).send(range).expect(202);
  expect(asked.headers.location).toBe(`/v1/ledgers/${ledger}/verifications/${asked.body.id}`);
  const over = await whenOver<ShownVerification>(service, asked.headers.location!);
  const [signed, rest] = [true, false].map((isSigned) =>
    over.findings.filter(({ kind }) => ['checkpoint', 'tile'].includes(kind) === isSigned),
  ) as [ShownFinding[], ShownFinding[]];
  const isUndecided = over.verdict === 'undecided';
  if (over.findings.length === 0) seen('levels 1 and 2', isUndecided ? [{ kind: 'undecided' }] : []);
  if (rest.length > 0) seen('level 1', rest);
  if (signed.length > 0) seen('level 2', signed);
  return over;
}

/** What the jobs of verification say that they did. */
export interface JobOutcome {
  verdict: string;
  findings: { kind: string; detail: string }[];
  ledgers: { ledger: string }[];
}

/** A run of a job, as the API shows it. */
export interface JobRun {
  id: string;
  status: string;
  outcome: JobOutcome;
}

/** Runs a job and waits until it is over; its run. */
export async function runJob(service: Pick<TestService, 'http'>, job: string): Promise<JobRun> {
  const asked = await service.http().post(`/v1/jobs/${job}/runs`).expect(202);
  const over = await whenOver<JobRun>(service, asked.headers.location!);
  if (job in LOOKS) seen(LOOKS[job]!, foundBy(over));
  return over;
}

/** Jobs that look at all there is, as the tamper matrix calls them: for tests that have a service of their own. */
const LOOKS: Record<string, Look> = {
  'schema-check': 'schema check',
  'chain-verification': 'schema check',
};

function foundBy({ outcome }: JobRun): Found[] {
  const { findings = [], schema } = outcome as { findings?: Found[]; schema?: { findings: Found[] } };
  return [...findings, ...(schema?.findings ?? [])].map(({ kind, sequence }) => ({
    kind,
    ...(sequence && { sequence }),
  }));
}

/** From now on a job runs when a test asks for it, and at no time of its schedule: none that has passed is caught up on. */
export async function runOnRequestAlone(service: Pick<TestService, 'app'>, job: string): Promise<void> {
  await service.app.get(SchedulerRegistry).getCronJob(job).stop();
  const runner: object = service.app.get(JobRunner);
  const { jobs } = runner as { jobs: Map<string, { schedule: unknown }> };
  jobs.get(job)!.schedule = undefined;
}

/** Looks at a run until it is over. */
export async function whenOver<T extends { status: string }>(
  service: Pick<TestService, 'http'>,
  location: string,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  for (const began = Date.now(); ; await pause(LOOK_MS)) {
    const { body } = await service.http().get(location).expect(200);
    if (body.status !== 'queued' && body.status !== 'running') return body as T;
    if (Date.now() - began > patienceMs) throw new Error(`still ${body.status}: ${JSON.stringify(body)}`);
  }
}

/** Does something on a connection of its own. */
export async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, options: '-c TimeZone=UTC' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** What a superuser does who knows about triggers: in replica role those that are not ALWAYS do not fire, and those that are get disabled. */
export async function tamper(adminUrl: string, ...statements: string[]): Promise<void> {
  await connected(adminUrl, async (client) => {
    const { rows } = await client.query<{ table: string; trigger: string }>(
      `SELECT tgrelid::regclass::text AS table, quote_ident(tgname) AS trigger FROM pg_trigger
         WHERE NOT tgisinternal AND tgfoid = 'refuse_change'::regproc`,
    );
    const all = (what: string): string =>
      rows.map(({ table, trigger }) => `ALTER TABLE ${table} ${what} TRIGGER ${trigger}`).join('; ');
    await client.query(all('DISABLE'));
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.query(all('ENABLE ALWAYS'));
    }
  });
}

/** Posts events in one request; their receipts. */
export async function record(
  service: Pick<TestService, 'http'>,
  count: number,
  ledger = 'main',
  members: (i: number) => Record<string, unknown> = () => ({}),
): Promise<{ event_id: string; sequence: string; recorded_at: string; event_hash: string }[]> {
  const events = Array.from({ length: count }, (_, i) => sampleEvent(members(i)));
  const { status, text, body } = await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events });
  if (status !== 201) throw new Error(`${count} events were not recorded: ${status} ${text}`);
  return body.receipts;
}
