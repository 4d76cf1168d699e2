import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { FILES } from '../src/integrity/evidence-bundle.js';
import type { BundleReport } from '../src/integrity/evidence-verifier.js';
import { sampleEvent, startService, TEST_ORIGIN, type TestService } from './support/app.js';
import { asBytes, SECOND_VERIFIER, unpack } from './support/evidence.js';
import { createKey, serviceEvents } from './support/keys.js';
import { HAS_PYTHON, PYTHON } from './support/python.js';
import { STORES, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { runJob, runOnRequestAlone } from './support/verification.js';

if (!HAS_PYTHON)
  process.stdout.write('SKIPPED: python3 is not installed; bundles are verified by truetrail-verify alone\n');

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program as an auditor does: with nothing of the service's environment. */
async function run(program: string, ...args: string[]): Promise<Ended> {
  const child = spawn(program, args, { env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended: Ended = { code: -1, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (ended.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (ended.stderr += text));
  [ended.code] = (await once(child, 'close')) as [number];
  return ended;
}

const truetrailVerify = (...args: string[]): Promise<Ended> =>
  run(process.execPath, join(process.env.TRUETRAIL_BUILD!, 'src/verify/truetrail-verify.js'), ...args);

/** The middle of the month that lies `back` months before the present one. */
function monthsAgo(back: number): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 15, 12));
}

const MONTHS = [16, 14, 1];
const EVENTS_A_MONTH = 240;
const SIZE = MONTHS.length * EVENTS_A_MONTH;

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'evidence over months that have left PostgreSQL for %s',
  (_, make) => {
    let test: TestStore;
    let service: TestService;
    let admin: pg.Client;
    let folder: string;
    let key: string;
    const receipts: { event_id: string; sequence: string; recorded_at: string }[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'truetrail-evidence-'));
      test = await make();
      service = await startService({
        env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12', SIGNING_KEY_FILE: join(folder, 'key.pem') },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      });
      // what the archive says is in a bundle: the export of the minute would change it between two that must be the same
      await runOnRequestAlone(service, 'archive-export');
      admin = new pg.Client({ connectionString: service.database.adminUrl });
      await admin.connect();
      for (const back of MONTHS) {
        await moveTrailClock(admin, monthsAgo(back));
        await runJob(service, 'partition-maintenance');
        const events = Array.from({ length: EVENTS_A_MONTH }, (_each, at) =>
          sampleEvent({
            timestamp: new Date(monthsAgo(back).getTime() + at * 1000).toISOString(),
            entity_id: `O-${at % 12}`,
            user_id: `trader-${at % 3}`,
            metadata: { client_id: `C-${at % 7}`, lots: at % 5 },
            new_state: { symbol: `S${at % 5}`, quantity: String(at), price: 1.5e21, side: 'buy', z: 1, aa: '<b>é' },
          }),
        );
        for (let at = 0; at < events.length; at += 60) {
          const batch = { events: events.slice(at, at + 60) };
          const { body } = await service.http().post('/v1/ledgers/main/events/batch').send(batch).expect(201);
          receipts.push(...body.receipts);
        }
      }
      await moveTrailClock(admin, new Date());
      await runJob(service, 'checkpoint');
      key = (await service.http().get('/v1/ledgers/main/keys').expect(200)).text.trim();
    });
    afterAll(async () => {
      await admin.end();
      await service.close();
      test.close();
      rmSync(folder, { recursive: true });
    });

    async function ask(body: object, ledger = 'main'): Promise<Buffer> {
      const response = await service
        .http()
        .post(`/v1/ledgers/${ledger}/evidence`)
        .send(body)
        .buffer(true)
        .parse(asBytes);
      if (response.status !== 200) throw new Error(String(response.body));
      expect(response.headers['content-type']).toBe('application/zip');
      return response.body as Buffer;
    }

    /** What both verifiers say of a bundle; what they must agree on. */
    async function verified(bytes: Buffer, by = key): Promise<BundleReport> {
      const file = join(folder, 'bundle.zip');
      writeFileSync(file, bytes);
      const { code, stdout, stderr } = await truetrailVerify(file, '--key', by, '--json');
      expect(stderr).toBe('');
      const report = JSON.parse(stdout) as BundleReport;
      expect(code).toBe({ valid: 0, invalid: 1, undecided: 2 }[report.verdict]);
      if (HAS_PYTHON) {
        const other = await run(PYTHON, SECOND_VERIFIER, file, by);
        const code = { valid: 0, invalid: 1, undecided: 2 }[report.verdict];
        expect([other.code, other.stdout]).toEqual([code, expect.any(String)]);
      }
      return report;
    }

    const recordedAt = (sequence: number): string => receipts[sequence - 1]!.recorded_at;
    const eventTime = (back: number, at: number): string =>
      new Date(monthsAgo(back).getTime() + at * 1000).toISOString();

    /** Questions, how many events they find, how many envelopes stand beside those, and the range. */
    const questions = (): [object, number, number, [number, number] | null][] => [
      [{ from_sequence: '1' }, SIZE, 0, [1, SIZE]],
      [{ from_sequence: '200', to_sequence: '300' }, 101, 0, [200, 300]],
      [{ from_sequence: '200', to_sequence: '300', contents: false }, 101, 0, [200, 300]],
      [{ to_sequence: '5', as_of: '100' }, 5, 0, [1, 5]],
      [{ recorded_from: recordedAt(61), recorded_to: recordedAt(481) }, 420, 2, [61, 480]],
      [{ recorded_from: recordedAt(61), recorded_to: recordedAt(481), contents: false }, 420, 2, [61, 480]],
      [{ recorded_to: recordedAt(61) }, 60, 1, [1, 60]],
      [{ recorded_from: recordedAt(SIZE) }, 60, 1, [SIZE - 59, SIZE]],
      [{ recorded_from: monthsAgo(12).toISOString(), recorded_to: monthsAgo(11).toISOString() }, 0, 2, [481, 480]],
      [{ recorded_from: monthsAgo(30).toISOString(), recorded_to: monthsAgo(20).toISOString() }, 0, 1, [1, 0]],
      [{ recorded_from: '2199-01-01T00:00:00Z' }, 0, 1, [SIZE + 1, SIZE]],
      [{ event_ids: [7, 700, 250].map((at) => receipts[at]!.event_id.toUpperCase()) }, 3, 0, null],
      [{ order_id: 'O-3' }, 60, 0, null],
      [{ order_id: 'O-3', contents: false }, 60, 0, null],
      [{ order_id: 'O-3', envelopes: true }, 60, SIZE - 60, [1, SIZE]],
      [{ order_id: 'no such order' }, 0, 0, null],
      [{ from: eventTime(16, 235), to: eventTime(14, 5) }, 10, 0, null],
      [{ search: { user_id: 'trader-1', 'metadata.lots': '2', from: eventTime(15, 0) } }, 32, 0, null],
      [
        { search: { user_id: 'trader-1', from_sequence: '11', to_sequence: '310' }, envelopes: true },
        100,
        200,
        [11, 310],
      ],
      [
        {
          search: { event_type: 'none', recorded_from: recordedAt(61), recorded_to: recordedAt(241) },
          envelopes: true,
        },
        0,
        182,
        [61, 240],
      ],
    ];

    /** Without its content nothing says whether an event is of an order. */
    const verdictOf = (question: { order_id?: string; contents?: boolean }): string =>
      question.order_id !== undefined && question.contents === false ? 'undecided' : 'valid';

    const made = new Map<string, Buffer>();

    it('is a bundle that verifies offline, the same each time, recorded before it is given out', async () => {
      for (const [question, events, envelopes, range] of questions()) {
        const bytes = await ask(question);
        expect((await ask(question)).equals(bytes)).toBe(true);
        const report = await verified(bytes);
        expect([question, report.verdict, report.findings]).toEqual([question, verdictOf(question), []]);
        expect([question, report.bundle]).toMatchObject([
          question,
          {
            events: String(events),
            envelopes: String(envelopes),
            range: range && { from_sequence: String(range[0]), to_sequence: String(range[1]) },
            origin: `${TEST_ORIGIN}/main`,
          },
        ]);
        made.set(JSON.stringify(question), bytes);
      }
      const reads = (await serviceEvents(service.database, 'read')).filter(({ action }) => action === 'evidence');
      expect(reads).toHaveLength(2 * questions().length);
      expect(reads[6]).toMatchObject({
        entity_id: 'main',
        user_id: expect.stringMatching(/^key:/),
        new_state: { as_of: '100', parameters: { asked: { to_sequence: '5' }, contents: true, envelopes: false } },
      });
    });

    it('is the same after months have left, but for what the archive says', async () => {
      await runJob(service, 'archive-export');
      for (let round = 0; round < 3; round++) await runJob(service, 'partition-maintenance');
      await runJob(service, 'archive-export');
      await runJob(service, 'retention');
      const { body } = await service.http().get('/v1/ledgers/main').expect(200);
      expect(body.archived_to).toBe(String(2 * EVENTS_A_MONTH));
      for (const [question] of questions()) {
        const bytes = await ask({ as_of: String(SIZE), ...question });
        const report = await verified(bytes);
        expect([question, report.verdict, report.findings]).toEqual([question, verdictOf(question), []]);
        const before = made.get(JSON.stringify(question))!;
        expect([question, filesOf(bytes)]).toEqual([question, filesOf(before)]);
      }
    });

    it('says of the objects that hold its events which versions they are, and how long they are locked', async () => {
      const bytes = await ask({ from_sequence: '1', to_sequence: String(2 * EVENTS_A_MONTH) });
      expect(await verified(bytes)).toMatchObject({ verdict: 'valid', findings: [] });
      const entries = unpack(bytes)
        .get(FILES.archive)!
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, string>);
      expect(entries.filter(({ kind }) => kind === 'month')).toHaveLength(2);
      for (const entry of entries) {
        const [version] = await test.store.versionsOf(entry.object_key!);
        expect(entry.version_id).toBe(version!.versionId);
        const { metadata, retainUntil, isCompliance } = await test.store.describe(version!);
        expect([new Date(entry.retain_until!), entry.sha256]).toEqual([retainUntil, metadata.sha256]);
        expect([isCompliance, retainUntil! > new Date()]).toEqual([true, true]);
      }
    });

    it('is refused by the verifier for another key, and when it is changed', async () => {
      const bytes = await ask({ from_sequence: '1', to_sequence: '3' });
      const service_ = (await service.http().get('/v1/ledgers/_service/keys').expect(200)).text.trim();
      expect((await verified(bytes, service_)).findings).toEqual([expect.objectContaining({ kind: 'key' })]);
      bytes[100]! ^= 1;
      expect((await verified(bytes)).verdict).toBe('invalid');
      const file = join(folder, 'bundle.zip');
      expect((await truetrailVerify(file)).code).toBe(1);
      writeFileSync(file, await ask({ from_sequence: '1', to_sequence: '3' }));
      expect(await truetrailVerify(file)).toMatchObject({ code: 2, stdout: expect.stringMatching(/^UNDECIDED\n/) });
      expect((await truetrailVerify(file, '--key', 'x')).code).toBe(3);
      expect((await truetrailVerify()).code).toBe(3);
      expect((await truetrailVerify(file, file)).code).toBe(3);
      // what cannot be read is named
      for (const [args, says] of [
        [[join(folder, 'none.zip')], `${join(folder, 'none.zip')}: there is no such file`],
        [[folder], `${folder} is a folder`],
        [['archive', folder], `${folder} is no archive`],
        [['archive', join(folder, 'none')], `${join(folder, 'none')} is no archive`],
      ] as const) {
        const refused = await truetrailVerify(...args, '--key', key);
        expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining(says)]);
      }
      const noKeys = await truetrailVerify(file, '--key', `@${join(folder, 'keys.txt')}`);
      expect([noKeys.code, noKeys.stderr]).toEqual([3, expect.stringContaining('keys.txt: there is no such file')]);
      expect((await truetrailVerify('--help')).code).toBe(0);
    });

    it('is verified where there is nothing but Node', async () => {
      const alone = join(folder, 'alone');
      for (const part of ['integrity', 'verify']) {
        cpSync(join(process.env.TRUETRAIL_BUILD!, 'src', part), join(alone, 'src', part), { recursive: true });
      }
      writeFileSync(join(alone, 'package.json'), '{"type": "module"}');
      const file = join(folder, 'bundle.zip');
      writeFileSync(file, await ask({ order_id: 'O-3' }));
      const main = join(alone, 'src/verify/truetrail-verify.js');
      expect(await run(process.execPath, main, file, '--key', key)).toMatchObject({ code: 0, stderr: '' });
      if (!test.url.startsWith('file:')) return;
      const walk = await run(process.execPath, main, 'archive', test.url.slice('file:'.length), '--key', key);
      expect(walk).toMatchObject({ code: 2, stdout: expect.stringMatching(/what reads Parquet is not installed/) });
    });

    it('is of what is signed, and says what is not yet', async () => {
      const refused = async (body: object, status: number, slug: string, pointer?: string): Promise<void> => {
        const answer = await service.http().post('/v1/ledgers/main/evidence').send(body);
        expect([body, answer.status, answer.body.type]).toEqual([body, status, `/docs/problems/${slug}`]);
        if (pointer !== undefined) expect([body, answer.body.errors[0].pointer]).toEqual([body, pointer]);
        if (status === 409) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      };
      const event = sampleEvent();
      await service.http().post('/v1/ledgers/main/events').send(event).expect(201);
      const [next, later] = [String(SIZE + 1), String(SIZE + 2)];
      await refused({ to_sequence: next }, 409, 'not-yet-checkpointed');
      await refused({ from_sequence: '1', as_of: next }, 409, 'not-yet-checkpointed');
      await refused({ event_ids: [event.event_id] }, 409, 'not-yet-checkpointed');
      await refused({ order_id: event.entity_id }, 409, 'not-yet-checkpointed');
      await service
        .http()
        .post('/v1/ledgers/main/evidence')
        .send({ order_id: event.entity_id, as_of: String(SIZE) })
        .expect(200);
      await refused({ from_sequence: '1', as_of: later }, 400, 'invalid-body', '/as_of');
      await refused({ to_sequence: later }, 400, 'invalid-body', '/to_sequence');
      await refused({ to_sequence: '9', as_of: '8' }, 400, 'invalid-body', '/to_sequence');
      await refused({ event_ids: ['018f0000-0000-7000-8000-00000000000a'] }, 404, 'event-not-found', '/event_ids');
      await refused({ event_ids: [receipts[9]!.event_id], as_of: '5' }, 404, 'event-not-found', '/event_ids');
      await refused({}, 400, 'invalid-body', '');
      await refused({ contents: false }, 400, 'invalid-body', '');
      await refused({ order_id: 'O-1', from_sequence: '1' }, 400, 'invalid-body', '');
      await refused({ from: '2026-01-01T00:00:00Z', recorded_to: '2026-01-01T00:00:00Z' }, 400, 'invalid-body', '');
      await refused({ event_ids: [] }, 400, 'invalid-body', '/event_ids');
      await refused({ event_ids: ['x'] }, 400, 'invalid-body', '/event_ids');
      await refused({ from_sequence: 1 }, 400, 'invalid-body', '/from_sequence');
      await refused({ from_sequence: '3', to_sequence: '2' }, 400, 'invalid-body', '/to_sequence');
      await refused({ from: 'x' }, 400, 'invalid-body', '/from');
      await refused({ search: { user: 'x' } }, 400, 'invalid-body', '/search/user');
      await refused({ search: { sort: 'sequence' } }, 400, 'invalid-body', '/search/sort');
      await refused({ search: { from_sequence: 5 } }, 400, 'invalid-body', '/search');
      await refused({ search: 'x' }, 400, 'invalid-body', '/search');
      await refused({ from_sequence: '1', envelopes: true }, 400, 'invalid-body', '/envelopes');
      await refused({ order_id: 'O-1', envelopes: true, contents: false }, 400, 'invalid-body', '/envelopes');
      await refused({ order_id: 'O-1', contents: 'no' }, 400, 'invalid-body', '/contents');
      await refused({ order_id: 'O-1', more: 1 }, 400, 'invalid-body', '/more');
      await service.http().post('/v1/ledgers/other/evidence').send({ from_sequence: '1' }).expect(404);

      const { key: proofs } = await createKey(service, ['proofs:read']);
      const asProver = (body: object) => service.http(proofs).post('/v1/ledgers/main/evidence').send(body);
      await asProver({ from_sequence: '1', to_sequence: '2' }).expect(403);
      await asProver({ from_sequence: '1', to_sequence: '2', contents: false }).expect(200);
    });

    it('goes with a monitor of the ledger, and a walk through the archive', async () => {
      const { key: token } = await createKey(service, ['proofs:read']);
      const tokenFile = join(folder, 'token');
      writeFileSync(tokenFile, `${token}\n`);
      const look = (): Promise<Ended> =>
        truetrailVerify(
          ...['ledger', `${service.url}/v1/ledgers/main`, '--key', key],
          ...['--state', join(folder, 'seen.json'), '--token-file', tokenFile],
        );
      expect(await look()).toMatchObject({ code: 0, stdout: expect.stringMatching(/first look: size/) });
      await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
      await runJob(service, 'checkpoint');
      expect(await look()).toMatchObject({ code: 0, stdout: expect.stringMatching(/extends size/) });
      if (!test.url.startsWith('file:')) return;
      await runJob(service, 'archive-export');
      const archive = test.url.slice('file:'.length);
      const seen = ['--checkpoint', join(folder, 'seen.json')];
      const walk = await truetrailVerify('archive', archive, '--key', key, ...seen, '--json');
      const outcome = JSON.parse(walk.stdout) as { verdict: string; findings: unknown[]; unchecked: unknown[] };
      expect(outcome).toMatchObject({ verdict: 'valid', findings: [], unchecked: [] });
      expect(walk.code).toBe(0);

      // the last anchors are left out: it is as it was earlier, but for what others have seen since
      const cut = join(folder, 'cut');
      cpSync(archive, cut, { recursive: true });
      const holding = readdirSync(join(cut, 'anchors')).filter((name) =>
        readFileSync(join(cut, 'anchors', name), 'utf8').includes('/main\\n'),
      );
      for (const name of readdirSync(join(cut, 'anchors'))) {
        if (name >= holding.sort().at(-1)!) rmSync(join(cut, 'anchors', name));
      }
      expect((await truetrailVerify('archive', cut, '--key', key)).code).toBe(0);
      expect(await truetrailVerify('archive', cut, '--key', key, ...seen)).toMatchObject({
        code: 1,
        stdout: expect.stringMatching(
          /FINDING {5}missing: .*: the checkpoint of \d+ events that was kept is in no anchor/,
        ),
      });

      // somebody has changed an object since; or put the object of another history in its place, all of it right in itself
      const copy = join(folder, 'copy');
      cpSync(archive, copy, { recursive: true });
      const [month] = readdirSync(join(copy, 'month')).filter((name) => name.endsWith('.parquet'));
      const file = join(copy, 'month', month!);
      chmodSync(file, 0o644);
      const bytes = readFileSync(file);
      bytes[1000]! ^= 1;
      writeFileSync(file, bytes);
      const changed = await truetrailVerify('archive', copy, '--key', key);
      expect(changed).toMatchObject({ code: 1, stdout: expect.stringMatching(/FINDING {5}object: month/) });
      rmSync(join(copy, 'anchors', '000000000001'));
      expect((await truetrailVerify('archive', copy, '--key', key)).stdout).toMatch(/FINDING {5}missing: anchors/);
    });

    it('is not given for rows that are not those that were signed', async () => {
      const sequence = String(SIZE + 1); // in the month that is open, and signed by now
      await admin.query(`SET session_replication_role = replica`);
      const tables = await admin.query<{ name: string }>(
        `SELECT tableoid::regclass::text AS name FROM audit_events WHERE ledger = 'main' AND sequence = $1`,
        [sequence],
      );
      const table = tables.rows[0]!.name;
      await admin.query(`ALTER TABLE ${table} DISABLE TRIGGER ALL`);
      const change = (user: string) =>
        admin.query(`UPDATE ${table} SET user_id = $2 WHERE ledger = 'main' AND sequence = $1`, [sequence, user]);
      const { rows } = await admin.query<{ user_id: string }>(
        `SELECT user_id FROM ${table} WHERE ledger = 'main' AND sequence = $1`,
        [sequence],
      );
      await change('somebody');
      const answer = await service.http().post('/v1/ledgers/main/evidence').send({ from_sequence: sequence });
      expect([answer.status, answer.body.type]).toEqual([500, '/docs/problems/damaged-record']);
      expect(answer.body.detail).toMatch(new RegExp(`event ${sequence}: its content has another hash`));
      await change(rows[0]!.user_id);
      await admin.query(`ALTER TABLE ${table} ENABLE TRIGGER ALL`);
    });
  },
);

/** What is in a bundle but for what changes as the archive does. */
function filesOf(bytes: Buffer): unknown {
  const text = bytes.toString('latin1');
  const manifest = JSON.parse(text.slice(text.lastIndexOf('{"as_of":'), text.lastIndexOf('}PK') + 1)) as {
    files: { name: string; sha256: string }[];
  };
  const files = manifest.files.filter(({ name }) => !['archive.ndjson', 'index.html'].includes(name));
  return { ...manifest, files: files.map(({ name, sha256 }) => [name, sha256]) };
}
