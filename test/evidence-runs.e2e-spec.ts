import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { POOL } from '../src/database/tokens.js';
import { MAX_DIRECT_EVENTS } from '../src/evidence/evidence-plan.js';
import { PageReads } from '../src/events/page-reads.js';
import { EVIDENCE_RUNS } from '../src/evidence/evidence-runs.sql.js';
import { LongReads } from '../src/long-reads/long-reads.js';
import { keepAlive } from '../src/runs/kept-run-rows.js';
import { SILENT_MS } from '../src/runs/run-loop.js';
import type { Thread } from '../src/threads/thread.js';
import { startService, type TestService } from './support/app.js';
import { createKey, query, serviceEvents } from './support/keys.js';
import { folderStore } from './support/stores.js';
import { record, runJob, whenOver } from './support/verification.js';

const EVIDENCE = '/v1/ledgers/main/evidence';
const RUNS = `${EVIDENCE}/runs`;
const A_BATCH = 1_000;
const SIZE = MAX_DIRECT_EVENTS + A_BATCH;

interface Run {
  id: string;
  status: string;
  asked: object;
  as_of: string;
  events: string | null;
  bytes: string;
  sha256: string | null;
  error: string | null;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(5);
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('evidence as a run', () => {
  let service: TestService;
  let folder: string;
  let key: string;
  const archive = folderStore();
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-evidence-runs-'));
    const env = { ARCHIVE_URL: archive.url, SIGNING_KEY_FILE: join(folder, 'key.pem'), RECORD_READS_SECONDS: '3600' };
    service = await startService({ env });
    for (let at = 0; at < SIZE; at += A_BATCH) {
      await record(service, A_BATCH, 'main', (i) => ({
        user_id: i < 3 ? 'trader-1' : 'trader-2',
        entity_id: `O-${i}`,
      }));
    }
    await runJob(service, 'checkpoint');
    key = (await service.http().get('/v1/ledgers/main/keys').expect(200)).text.trim();
  });
  afterAll(async () => {
    await service.close();
    archive.close();
    rmSync(folder, { recursive: true });
  });

  /** Asks for a bundle as a run, and waits until that is over. */
  async function made(body: object): Promise<Run> {
    const asked = await service.http().post(RUNS).send(body).expect(202);
    expect(asked.headers.location).toBe(`${RUNS}/${asked.body.id}`);
    return whenOver<Run>(service, asked.headers.location!);
  }

  const asBytes = (answer: unknown, done: (error: Error | null, body: Buffer) => void): void => {
    const response = answer as NodeJS.ReadableStream;
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => done(null, Buffer.concat(chunks)));
    response.on('error', (error) => done(error, Buffer.alloc(0)));
  };

  async function fetched(id: string): Promise<{ bytes: Buffer; headers: Record<string, string> }> {
    const get = service.http().get(`${RUNS}/${id}/content`);
    const { body, headers } = await get.buffer(true).parse(asBytes).expect(200);
    return { bytes: body as Buffer, headers: headers };
  }

  async function direct(body: object): Promise<Buffer> {
    const post = service.http().post(EVIDENCE).send(body);
    return (await post.buffer(true).parse(asBytes).expect(200)).body as Buffer;
  }

  it('is what more than 10,000 events come as, and verifies offline', async () => {
    await direct({ to_sequence: String(MAX_DIRECT_EVENTS), contents: false });
    const asked = await service
      .http()
      .post(EVIDENCE)
      .send({ to_sequence: String(MAX_DIRECT_EVENTS + 1) })
      .expect(202);
    expect(asked.headers.location).toBe(`${RUNS}/${asked.body.id}`);
    const run = await whenOver<Run>(service, asked.headers.location!);
    expect(run).toMatchObject({ status: 'done', events: String(MAX_DIRECT_EVENTS + 1), error: null });
    const { bytes, headers } = await fetched(run.id);
    expect(sha256(bytes)).toBe(run.sha256);
    expect(headers).toMatchObject({
      'content-type': 'application/zip',
      'content-length': run.bytes,
      'content-disposition': `attachment; filename="evidence-main-sequences-as-of-${SIZE}.zip"`,
      'repr-digest': `sha-256=:${Buffer.from(run.sha256!, 'hex').toString('base64')}:`,
      'truetrail-as-of': String(SIZE),
    });
    const file = join(folder, 'bundle.zip');
    writeFileSync(file, bytes);
    const main = join(process.env.TRUETRAIL_BUILD!, 'src/verify/truetrail-verify.js');
    const verified = spawnSync(process.execPath, [main, file, '--key', key, '--json'], { encoding: 'utf8' });
    expect(JSON.parse(verified.stdout)).toMatchObject({
      verdict: 'valid',
      bundle: { events: String(MAX_DIRECT_EVENTS + 1) },
    });
  });

  it('is what a search comes as that finds more, and not one that finds fewer among as many', async () => {
    const many = await service
      .http()
      .post(EVIDENCE)
      .send({ search: { user_id: 'trader-2' }, contents: false })
      .expect(202);
    await service.http().post(`${RUNS}/${many.body.id}/cancel`).expect(200);
    const few = await direct({ search: { user_id: 'trader-1' } });
    const beside = await service
      .http()
      .post(EVIDENCE)
      .send({ search: { user_id: 'trader-1' }, envelopes: true })
      .expect(202);
    await service.http().post(`${RUNS}/${beside.body.id}/cancel`).expect(200);
    const reads = (await serviceEvents(service.database, 'read')).filter(({ action }) => action === 'evidence');
    expect(reads.at(-1)!.new_state).toMatchObject({ parameters: { asked: { search: { user_id: 'trader-1' } } } });
    expect(few.length).toBeGreaterThan(1000);
  });

  it('has the bytes that go out directly, whatever was asked for, each time', async () => {
    const { body: page } = await service.http().get('/v1/ledgers/main/events?from_sequence=17&limit=2').expect(200);
    const ids = (page.events as { event_id: string }[]).map(({ event_id: id }) => id);
    const [first] = page.events as { recorded_at: string }[];
    for (const question of [
      { from_sequence: '5', to_sequence: '9' },
      { event_ids: ids },
      { order_id: 'O-7' },
      { order_id: 'O-7', contents: false },
      { search: { user_id: 'trader-1', to_sequence: '50' }, envelopes: true },
      { recorded_to: first!.recorded_at, as_of: '300' },
    ]) {
      const run = await made(question);
      expect(run).toMatchObject({ status: 'done', error: null });
      const { bytes } = await fetched(run.id);
      expect(bytes.equals(await direct({ ...question, as_of: run.as_of }))).toBe(true);
      expect((await made({ ...question, as_of: run.as_of })).sha256).toBe(run.sha256);
    }
  });

  it('is on record with who asked, what was made, and who fetched it', async () => {
    const { id: keyId, key: auditor } = await createKey(service, ['proofs:read', 'events:read']);
    const { body } = await service.http(auditor).post(RUNS).send({ from_sequence: '1', to_sequence: '2' }).expect(202);
    const run = await whenOver<Run>(service, `${RUNS}/${body.id}`);
    await fetched(run.id);
    await fetched(run.id);
    const head = await service.http().head(`${RUNS}/${run.id}/content`).expect(200); // hands nothing out
    expect(head.headers).toMatchObject({ 'content-length': run.bytes, etag: `"${run.sha256}"` });
    const events = (await serviceEvents(service.database, 'evidence')).filter(
      ({ new_state: state }) => state.run === run.id,
    );
    const asked = { from_sequence: '1', to_sequence: '2' };
    const parameters = { asked, contents: true, envelopes: false };
    expect(events.map(({ action, new_state: state }) => [action, state])).toEqual([
      ['run', { run: run.id, parameters, as_of: String(SIZE) }],
      ['done', { run: run.id, parameters, events: '2', bytes: run.bytes, sha256: run.sha256 }],
      ['fetched', { run: run.id, parameters }],
      ['fetched', { run: run.id, parameters }],
    ]);
    expect(events.map(({ user_id: user }) => user === `key:${keyId}`)).toEqual([true, true, false, false]);
    const { body: list } = await service.http().get(`${RUNS}?limit=1`).expect(200);
    expect(list.runs).toEqual([run]);
  });

  it('is listed with some of the ids that were asked for, and has all by itself', async () => {
    const { body: page } = await service.http().get('/v1/ledgers/main/events?limit=12').expect(200);
    const ids = (page.events as { event_id: string }[]).map(({ event_id: id }) => id).sort();
    const { id } = await made({ event_ids: ids, contents: false });
    const { body: list } = await service.http().get(`${RUNS}?limit=1`).expect(200);
    expect(list.runs).toMatchObject([{ id, asked: { event_ids: ids.slice(0, 10) } }]);
    expect((await service.http().get(`${RUNS}/${id}`).expect(200)).body.asked).toEqual({ event_ids: ids });
  });

  it('stands in the report on who read what, each download by itself', async () => {
    const run = await made({ order_id: 'O-7' });
    const log = async (from: string): Promise<object[]> => {
      const asked = service.http().get('/v1/ledgers/_service/reports/access-log');
      const { body } = await asked.query({ from, to: '2199-01-01T00:00:00Z', order_id: 'O-7' }).expect(200);
      return (body.rows as { run: string | null }[]).filter((row) => row.run === run.id);
    };
    const parameters = '{"asked":{"order_id":"O-7"},"contents":true,"envelopes":false}';
    const row = { ledger: 'main', what: 'evidence', parameters };
    const { bytes, sha256: digest } = run;
    expect(await log('2026-01-01T00:00:00Z')).toMatchObject([
      { ...row, action: 'run', as_of: String(SIZE), rows: null },
      { ...row, action: 'done', rows: run.events, bytes, sha256: digest },
    ]);
    const later = new Date(Date.now() + 1).toISOString(); // of a period in which nobody asked for it
    while (new Date().toISOString() < later);
    await fetched(run.id);
    expect(await log(later)).toMatchObject([{ ...row, action: 'fetched', rows: null }]);
  });

  it('is for those who may have the bundle directly, in their own ledgers', async () => {
    const { key: prover } = await createKey(service, ['proofs:read']);
    const { key: elsewhere } = await createKey(service, ['proofs:read', 'events:read'], ['_service']);
    const full = await made({ from_sequence: '1', to_sequence: '2' });
    const bare = await made({ from_sequence: '1', to_sequence: '2', contents: false });
    await service.http(prover).post(RUNS).send({ from_sequence: '1', to_sequence: '2' }).expect(403);
    await service.http(prover).get(`${RUNS}/${full.id}/content`).expect(403);
    await service.http(prover).get(`${RUNS}/${bare.id}/content`).expect(200);
    await service.http(elsewhere).get(`${RUNS}/${full.id}/content`).expect(404);
    for (const path of [`/v1/ledgers/_service/evidence/runs/${full.id}`, `${RUNS}/x`]) {
      const { body } = await service.http().get(path).expect(404);
      expect(body.type).toBe('/docs/problems/evidence-run-not-found');
    }
    const wrong = await service.http().post(RUNS).send({ from_sequence: 'x' }).expect(400);
    expect(wrong.body.errors[0].pointer).toBe('/from_sequence');
    await service.http().post(RUNS).send({ from_sequence: '1', as_of: '999999' }).expect(400);
  });

  it('is begun again when its replica died, and ends with the same bytes', async () => {
    const before = await made({ from_sequence: '1', to_sequence: '20' });
    await query(
      service.database,
      `UPDATE evidence_runs SET status = 'running', runner = gen_random_uuid(), rows = NULL, sha256 = NULL,
              expires_at = NULL, finished_at = NULL, progress_at = trail_now() - $2 * interval '1 millisecond'
         WHERE id = $1`,
      [before.id, SILENT_MS + 1_000],
    );
    const after = await whenOver<Run>(service, `${RUNS}/${before.id}`);
    expect(after).toMatchObject({ status: 'done', sha256: before.sha256, events: '20' });
    expect(sha256((await fetched(before.id)).bytes)).toBe(before.sha256);
  });

  it('shows no sign of life of what it gave up while it makes another', async () => {
    const { id } = await made({ from_sequence: '1', to_sequence: '3' });
    const { id: other } = await made({ from_sequence: '1', to_sequence: '4' });
    const runner = randomUUID();
    await query(
      service.database,
      `UPDATE evidence_runs SET status = 'running', runner = $2, rows = NULL, sha256 = NULL, expires_at = NULL,
              finished_at = NULL, progress_at = trail_now() - interval '10 seconds' WHERE id = ANY ($1)`,
      [[id, other], runner],
    );
    await keepAlive(service.app.get<pg.Pool>(POOL), EVIDENCE_RUNS, runner, id);
    const alive = await query<{ id: string }>(
      service.database,
      `SELECT id FROM evidence_runs WHERE runner = $1 AND progress_at > trail_now() - interval '5 seconds'`,
      [runner],
    );
    expect(alive).toEqual([{ id }]);
    for (const each of [id, other]) await service.http().post(`${RUNS}/${each}/cancel`).expect(200);
  });

  it('fails when it ends whoever makes it, time and again, and what was asked for later is made', async () => {
    const { body: poison } = await service.http().post(RUNS).send({ from_sequence: '1' }).expect(202);
    const later: string[] = [];
    const reads = service.app.get<{ underWay: number; thread: Thread<unknown, unknown> }>(LongReads);
    for (let attempt = 0; attempt < 5; attempt++) {
      await until(() => Promise.resolve(reads.underWay > 0));
      await reads.thread.end();
      await until(async () => (await service.http().get(`${RUNS}/${poison.id}`)).body.status !== 'running');
      later.push((await service.http().post(RUNS).send({ from_sequence: '1', to_sequence: '2' })).body.id); // wakes it
    }
    const over = await whenOver<Run>(service, `${RUNS}/${poison.id}`);
    expect(over.status).toBe('failed');
    expect(over.error).toContain('begun 5 times');
    for (const id of later) expect(await whenOver<Run>(service, `${RUNS}/${id}`)).toMatchObject({ status: 'done' });
  });

  it('is cancelled, thrown away when its time is over, and never handed out as another', async () => {
    const { id } = await made({ from_sequence: '1', to_sequence: '3' });
    const other = await made({ from_sequence: '1', to_sequence: '4' });
    const swap = `UPDATE evidence_run_pieces SET bytes = (SELECT bytes FROM evidence_run_pieces WHERE run = $2) WHERE run = $1`;
    await query(service.database, swap, [id, other.id]);
    await service.http().get(`${RUNS}/${id}/content`).expect(500);

    await query(service.database, `UPDATE evidence_runs SET expires_at = created_at WHERE id = $1`, [id]);
    await runJob(service, 'evidence-expiry');
    const gone = await service.http().get(`${RUNS}/${id}/content`).expect(410);
    expect(gone.body.type).toBe('/docs/problems/evidence-run-expired');
    expect((await service.http().get(`${RUNS}/${id}`)).body).toMatchObject({ status: 'expired', events: '3' });
    expect(await query(service.database, `SELECT 1 FROM evidence_run_pieces WHERE run = $1`, [id])).toEqual([]);

    await query(
      service.database,
      `UPDATE evidence_runs SET status = 'running', runner = gen_random_uuid(), rows = NULL, sha256 = NULL,
              expires_at = NULL, progress_at = trail_now() WHERE id = $1`,
      [other.id],
    );
    const unfinished = await service.http().get(`${RUNS}/${other.id}/content`).expect(409);
    expect(unfinished.body.type).toBe('/docs/problems/evidence-run-unfinished');
    const { body } = await service.http().post(`${RUNS}/${other.id}/cancel`).expect(200);
    expect(body).toMatchObject({ status: 'cancelled', bytes: '0' });
    const said = (await serviceEvents(service.database, 'evidence')).filter(
      ({ new_state: state }) => state.run === other.id,
    );
    expect(said.at(-1)).toMatchObject({
      action: 'cancelled',
      new_state: { parameters: { asked: { from_sequence: '1', to_sequence: '4' } } },
    });
  });

  it('stands in the access log beside the proofs of single events, which are counted there', async () => {
    const prover = await createKey(service, ['proofs:read', 'events:read']);
    const ask = (path: string) => service.http(prover.key).get(`/v1/ledgers/main/events${path}`);
    const { body: page } = await service.http().get('/v1/ledgers/main/events?limit=2').expect(200);
    const [first, second] = page.events.map(({ event_id: id }: { event_id: string }) => id) as [string, string];
    await ask(`/${first}/proof`).expect(200);
    await ask(`/${first}/proof`).set('accept', 'text/plain').expect(200);
    await ask(`/${second}/proof`).expect(200);
    await ask('/0197f3a1-6c00-7000-8000-ffffffffffff/proof').expect(404);
    await service.app.get(PageReads).record();
    const { body } = await service
      .http()
      .get('/v1/ledgers/_service/reports/access-log')
      .query({ from_date: '2026-01-01', to_date: '2199-12-31', principal: `key:${prover.id}` })
      .expect(200);
    expect(body.rows).toMatchObject([{ ledger: 'main', what: 'proof', action: 'pages', reads: '3' }]);
    expect(JSON.parse(body.rows[0].parameters)).toEqual([{ event_id: first }, { event_id: second }]);
  });

  it('is ended by whoever asked for it or by an operator, and by nobody else who may read proofs', async () => {
    const own = await createKey(service, ['proofs:read', 'events:read']);
    const colleague = await createKey(service, ['proofs:read', 'events:read']);
    const asked = { from_sequence: '1', to_sequence: '3' };
    const { body: run } = await service.http(own.key).post(RUNS).send(asked).expect(202);
    await service.http(colleague.key).post(`${RUNS}/${run.id}/cancel`).expect(403);
    const done = await whenOver<Run>(service, `${RUNS}/${run.id}`);
    await service.http(colleague.key).delete(`${RUNS}/${run.id}/content`).expect(403);
    const discard = () => service.http(own.key).delete(`${RUNS}/${run.id}/content`).expect(200);
    expect((await discard()).body).toMatchObject({ status: 'expired', sha256: done.sha256, events: '3' });
    expect((await discard()).body.status).toBe('expired');
    await service.http(own.key).get(`${RUNS}/${run.id}/content`).expect(410);
    expect(await query(service.database, `SELECT 1 FROM evidence_run_pieces WHERE run = $1`, [run.id])).toEqual([]);
    const said = (await serviceEvents(service.database, 'evidence')).filter(
      ({ new_state: state }) => state.run === run.id,
    );
    expect(said.map(({ action }) => action)).toEqual(['run', 'done', 'discarded']);

    const other = await made(asked); // by the first key, which is of no colleague of theirs
    await service.http(own.key).delete(`${RUNS}/${other.id}/content`).expect(403);
    const operator = await createKey(service, ['proofs:read', 'operations:run']);
    await service.http(operator.key).delete(`${RUNS}/${other.id}/content`).expect(200);
  });

  it('is one of 20 at most that a principal may have under way', async () => {
    const { id } = await made({ from_sequence: '1', to_sequence: '3' });
    const crowd = (
      await query<{ id: string }>(
        service.database,
        `INSERT INTO evidence_runs SELECT (jsonb_populate_record(run, jsonb_build_object('id', gen_random_uuid(), 'status', 'running',
           'runner', gen_random_uuid(), 'rows', NULL, 'sha256', NULL, 'expires_at', NULL, 'finished_at', NULL,
           'progress_at', trail_now(), 'pieces', 0, 'packed_bytes', 0))).*
         FROM evidence_runs AS run, generate_series(1, 20) WHERE id = $1 RETURNING id`,
        [id],
      )
    ).map((run) => run.id);
    const { body, headers } = await service
      .http()
      .post(RUNS)
      .send({ from_sequence: '1', to_sequence: '3' })
      .expect(429);
    expect([body.type, headers['retry-after']]).toEqual(['/docs/problems/too-many-runs', '30']);
    await service.http().post(`${RUNS}/${crowd[0]}/cancel`).expect(200);
    await service.http().post(RUNS).send({ from_sequence: '1', to_sequence: '3' }).expect(202);
    for (const each of crowd.slice(1)) await service.http().post(`${RUNS}/${each}/cancel`).expect(200);
  });

  it('fails when kept bundles take all the room they may', async () => {
    const { id } = await made({ from_sequence: '1', to_sequence: '3' });
    const take = (bytes: number): Promise<unknown> =>
      query(service.database, `UPDATE evidence_runs SET packed_bytes = $2 WHERE id = $1`, [id, bytes]);
    await take(4096 * 1024 * 1024);
    const refused = await made({ from_sequence: '1', to_sequence: '3' });
    expect(refused).toMatchObject({
      status: 'failed',
      error: 'Kept answers take more than 4096 MiB (EVIDENCE_RUNS_MAX_MB)',
    });
    await take(0);
  });
});
