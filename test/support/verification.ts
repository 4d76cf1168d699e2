import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { sampleEvent, type TestService } from './app.js';

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
  return whenOver(service, asked.headers.location!);
}

/** What the jobs of verification say that they did. */
export interface JobOutcome {
  verdict: string;
  findings: { detail: string }[];
  ledgers: { ledger: string }[];
}

/** Runs a job and waits until it is over; its run. */
export async function runJob(
  service: Pick<TestService, 'http'>,
  job: string,
): Promise<{ id: string; status: string; outcome: JobOutcome }> {
  const asked = await service.http().post(`/v1/jobs/${job}/runs`).expect(202);
  return whenOver(service, asked.headers.location!);
}

/** Looks at a run until it is over. */
export async function whenOver<T extends { status: string }>(
  service: Pick<TestService, 'http'>,
  location: string,
): Promise<T> {
  for (const began = Date.now(); ; await pause(LOOK_MS)) {
    const { body } = await service.http().get(location).expect(200);
    if (body.status !== 'queued' && body.status !== 'running') return body as T;
    if (Date.now() - began > PATIENCE_MS) throw new Error(`still ${body.status}: ${JSON.stringify(body)}`);
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
): Promise<{ event_id: string; sequence: string; event_hash: string }[]> {
  const events = Array.from({ length: count }, (_, i) => sampleEvent(members(i)));
  const { body } = await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
  return body.receipts;
}
