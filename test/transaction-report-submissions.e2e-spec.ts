import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Response } from 'supertest';
import { succeed } from '../src/cli/recover.js';
import { Appender } from '../src/events/appender.js';
import { Ledgers, REPORTING_LEDGER } from '../src/events/ledgers.js';
import { BUILD } from '../src/operation/build.js';
import { actEventId } from '../src/reporting/reporting-events.js';
import { RTS22 } from '../src/transaction-reports/rules/rts22-rules.js';
import { transactions } from '../src/transaction-reports/transactions-report.js';
import { readReportRecords } from './support/report-records.js';
import { BANK, FIRM, MADE_TRANSACTIONS, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, TEST_KEY, type TestService } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { FaultProxy } from './support/fault-proxy.js';
import { freePort } from './support/free-port.js';
import { createKey, query } from './support/keys.js';
import { Replica } from './support/replica.js';
import { folderStore, type TestStore } from './support/stores.js';
import { decisionsOf, filesOf, submitted, SUBMISSIONS, zipOf, type ShownSubmission } from './support/submissions.js';
import { unzipped } from './support/unzipped.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { CCP } from './support/transaction-reports.js';
import { runJob, whenOver } from './support/verification.js';

const SCHEMAS = join(resolve(import.meta.dirname, '..', process.env.TRUETRAIL_SHARED ?? '../shared'), 'reference/xsd');
const HAS_SCHEMAS = existsSync(join(SCHEMAS, 'head.003.001.01.xsd'));
if (!HAS_SCHEMAS) process.stderr.write('skipped: schemas of submitted files (they are missing here)\n');
const DAY = { from_date: '2025-06-03', to_date: '2025-06-03' };

describe('a submission of transaction reports', () => {
  let service: TestService;
  let first: ShownSubmission;
  beforeAll(async () => {
    const env = { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_FILE_REPORTS: '20' };
    service = await startService({ env: { ...env, ...(HAS_SCHEMAS ? { REPORTING_SCHEMAS: SCHEMAS } : {}) } });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
    // two at once
    const [one, other] = await Promise.all([asked(), asked()]);
    const both = [await over(one), await over(other)];
    expect(both.map(({ status, error }) => [status, error])).toEqual([
      ['done', null],
      ['done', null],
    ]);
    first = both.find(({ records }) => records !== '0')!;
    expect(both.filter(({ records }) => records === '0').length).toBe(1);
  });
  afterAll(() => service.close());

  const asked = () => service.http().post(SUBMISSIONS).send(DAY).expect(202);
  const over = (answer: Response): Promise<ShownSubmission> =>
    whenOver<ShownSubmission>(service, answer.headers.location!);

  it('sends each reference once, in files that are numbered and split, and says why it did not send the others', async () => {
    const decisions = await decisionsOf(service, first.id);
    const sent = decisions.filter(({ decision }) => decision === 'send');
    expect(String(sent.length)).toBe(first.records);
    expect(new Set(decisions.map((each) => each.transaction_reference)).size).toBe(decisions.length);
    const held = decisions.filter(({ decision }) => decision === 'held');
    expect(held.length).toBeGreaterThan(0);
    expect(held.every(({ to_mend: toMend }) => /^field [0-9]+/.test(toMend!))).toBe(true);
    // never sent before, so that there is nothing to cancel
    const cancelled = decisions.filter(({ status }) => status === 'CANC');
    expect(new Set(cancelled.map(({ decision }) => decision))).toEqual(new Set(['not-there']));

    const files = await filesOf(service, first.id);
    const year = new Date().getUTCFullYear() % 100;
    expect([...files.keys()]).toEqual([
      `TF_DATTRA_FR_000001-0-000000_${year}.xml`,
      `TF_DATTRA_FR_000002-0-000001_${year}.xml`,
    ]);
    const records = [...files.values()].flatMap((file) => readReportRecords(file));
    expect(records.map((each) => each.transactionReference)).toEqual(sent.map((each) => each.transaction_reference));
  });

  it('stands in a ledger of its own, to which nobody posts, record by record and as one act', async () => {
    const search = '/v1/ledgers/_reporting/events?limit=1000';
    const { events } = (await service.http().get(search).expect(200)).body as { events: Record<string, unknown>[] };
    const [act, ...more] = events.filter(({ action }) => action === 'sent');
    expect(more).toEqual([]);
    const { maker } = act!.metadata as { maker: string };
    const written = events.filter(
      ({ action, metadata }) => action === 'written' && (metadata as { maker: string }).maker === maker,
    );
    expect(written.map((each) => each.entity_id)).toEqual(
      (await decisionsOf(service, first.id))
        .filter(({ decision }) => decision === 'send')
        .map((each) => each.transaction_reference),
    );
    await service.http().post('/v1/ledgers/_reporting/events').send(MADE_TRANSACTIONS[0]).expect(403);
    const verification = await service.http().post('/v1/ledgers/_reporting/verifications').send({}).expect(202);
    const verified = await whenOver<{ status: string; verdict: string }>(service, verification.headers.location!);
    expect(verified.verdict).toBe('valid');
  });

  it('sends nothing twice, and a correction as cancellation and new report', async () => {
    const again = await over(await asked());
    expect([again.records, again.act, again.files]).toEqual(['0', null, []]);
    const own = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'OWN' && action === 'partial_fill')!;
    const id = '0197f3a1-6c00-7000-8000-00000000f001';
    const state = { ...(own.new_state as object), price: '61.37' };
    await service
      .http()
      .post('/v1/ledgers/main/events')
      .send({ ...own, event_id: id, corrects: own.event_id, new_state: state })
      .expect(201);
    const next = await over(await asked());
    expect([next.records, next.act]).toEqual(['2', '2']);
    const [file] = (await filesOf(service, next.id)).values();
    expect(readReportRecords(file!).map(({ status }) => status)).toEqual(['CANC', 'NEWT']);
    expect((await over(await asked())).records).toBe('0');
  });

  it('has its files as they were sent: in the ledger, byte for byte, however files are made since', async () => {
    const before = await zipOf(service, first.id);
    expect(createHash('sha256').update(before).digest('hex')).toBe(first.sha256);
    // nothing of them is kept besides
    const pieces = await query(service.database, 'SELECT count(*) AS count FROM reporting_run_pieces');
    expect(pieces).toEqual([{ count: '0' }]);
    const search = `/v1/ledgers/_reporting/events?entity_id=${first.id}&sort=sequence&limit=1000`;
    const { events } = (await service.http().get(search).expect(200)).body as {
      events: { action: string; new_state: Record<string, string>; raw?: { media_type: string; data: string } }[];
    };
    const parts = events.filter(({ action }) => action === 'part');
    expect(parts.map((each) => each.new_state.part)).toEqual(parts.map((_, i) => String(i + 1)));
    expect(new Set(parts.map(({ raw }) => raw!.media_type))).toEqual(new Set(['application/zip']));
    const bytes = Buffer.concat(parts.map(({ raw }) => Buffer.from(raw!.data, 'base64')));
    expect(bytes.equals(before)).toBe(true);

    const env = {
      ...{ REPORTING_SENDER: 'XX', REPORTING_RECEIVER: 'DE', REPORTING_FILE_REPORTS: '7' },
      REPORTING_FILE_NAME: '{sender}-{sequence:8}',
    };
    const other = await startService({ env, database: service.database });
    try {
      expect((await zipOf(other, first.id)).equals(before)).toBe(true);
    } finally {
      await other.close();
    }
  });

  it('shows a report as it was sent, with the versions of all that it was made by, and where its lineage is', async () => {
    const { body: shown } = await service.http().get(`${SUBMISSIONS}/${first.id}`).expect(200);
    const madeWith = shown.made_with as Record<string, string>;
    expect(madeWith).toMatchObject({
      ...{ service: `truetrail/${BUILD.version}`, transactions: String(transactions.version) },
      ...{ 'rts22-transaction-reports': String(RTS22.version), 'field-set': '2017/590' },
      'schema-set': HAS_SCHEMAS ? '1.1.0' : 'none',
    });
    const sent = (await decisionsOf(service, first.id)).find(({ decision }) => decision === 'send')!;
    const path = `${SUBMISSIONS}/${first.id}/reports`;
    const { body } = await service.http().get(`${path}/${sent.transaction_reference}`).expect(200);
    const [file] = (await filesOf(service, first.id)).values();
    expect(file!.includes(body.record as string)).toBe(true);
    expect(
      createHash('sha256')
        .update(body.record as string)
        .digest('hex'),
    ).toBe(sent.sha256);
    expect(body).toMatchObject({ sha256: sent.sha256, message_id: sent.message_id, made_with: madeWith });
    const { body: lineage } = await service
      .http()
      .get('/v1/ledgers/main/reports/transactions')
      .query(body.lineage)
      .expect(200);
    const row = (lineage.rows as Record<string, string>[]).find(
      (each) => each.f2_transaction_reference === sent.transaction_reference && each.f1_report_status === 'NEWT',
    )!;
    expect((JSON.parse(row.lineage!) as { field: number }[]).length).toBeGreaterThan(20);
    const none = await service.http().get(`${path}/NONE`).expect(404);
    expect(none.body.type).toMatch(/transaction-report-not-found$/);
  });

  it('has what is held on record: since when and why, once, and that it was let go', async () => {
    const notes = async () => {
      const { body } = await service
        .http()
        .get('/v1/ledgers/_reporting/events?entity_type=transaction_report&sort=sequence&limit=1000')
        .expect(200);
      const events = body.events as {
        action: string;
        entity_id: string;
        user_id: string;
        new_state: Record<string, string | null>;
      }[];
      return events.filter(({ action }) => ['held', 'drafted', 'released'].includes(action));
    };
    const before = await notes();
    const held = (await decisionsOf(service, first.id)).filter(({ decision }) => decision === 'held');
    const told = new Map(before.map((each) => [each.entity_id, each]));
    for (const { transaction_reference: reference, to_mend: toMend, event_id: event } of held) {
      const { action, new_state: state } = told.get(reference!)!;
      expect([action, state.why, state.to_mend, state.event_id]).toEqual(['held', 'held', toMend, event]);
      expect(state.values_sha256).toMatch(/^[0-9a-f]{64}$/);
    }
    // of what two submissions found the same it stands there once, though none was sent
    expect(new Set(before.map(({ entity_id: id }) => id)).size).toBe(before.length);
    const lacking = held.find(({ order_id: order }) => order === 'HELD-code');
    expect(lacking!.to_mend).toContain('field 3: metadata.venue_transaction_id must be stated');
    const filled = MADE_TRANSACTIONS.find(({ event_id: id }) => id === lacking!.event_id)!;
    const state = { ...(filled.new_state as object), venue_transaction_id: 'MENDED1' };
    const corrected = {
      ...filled,
      event_id: '0197f3a1-6c00-7000-8000-00000000f00b',
      corrects: filled.event_id,
      new_state: state,
    };
    await service.http().post('/v1/ledgers/main/events').send(corrected).expect(201);
    const run = await over(await asked());
    expect(run.act).not.toBeNull();
    const news = (await notes()).slice(before.length);
    expect(news).toContainEqual(
      expect.objectContaining({ entity_id: lacking!.transaction_reference, action: 'released' }),
    );
    const nothing = await over(await asked());
    expect([nothing.records, nothing.act]).toEqual(['0', null]);
  });

  it('never hands out a file that is not the one that was sent', async () => {
    const run = await submitted(service, { from_date: '2025-06-04', to_date: '2025-06-04' });
    expect([run.records, run.act]).toEqual(['0', null]);
    expect(unzipped(await zipOf(service, run.id)).size).toBe(0);
    const part = `ledger = '_reporting' AND action = 'part' AND entity_id = '${first.id}' AND new_state->>'part' = '2'`;
    const [{ leaf }] = (await query<{ leaf: string }>(
      service.database,
      `SELECT tableoid::regclass::text AS leaf FROM audit_events WHERE ${part}`,
    )) as [{ leaf: string }];
    const changeBit = async () => {
      await query(service.database, `ALTER TABLE ${leaf} DISABLE TRIGGER ALL`);
      const changed = 'set_byte(raw_data, 100, get_byte(raw_data, 100) # 1)';
      await query(service.database, `UPDATE ${leaf} SET raw_data = ${changed} WHERE ${part}`);
      await query(service.database, `ALTER TABLE ${leaf} ENABLE TRIGGER ALL`);
    };
    await changeBit();
    try {
      await expect(zipOf(service, first.id)).rejects.toThrow();
    } finally {
      await changeBit();
    }
    expect(
      createHash('sha256')
        .update(await zipOf(service, first.id))
        .digest('hex'),
    ).toBe(first.sha256);
  });

  it('stands in the access log: who asked for it, and who fetched its files', async () => {
    const reader = await createKey(service, ['reports:read']);
    const fetched = await service.http(reader.key).get(`${SUBMISSIONS}/${first.id}/content`).buffer(true).expect(200);
    expect(fetched.headers['content-type']).toBe('application/zip');
    await service.http(reader.key).get(`${SUBMISSIONS}/${first.id}/reports`).expect(200);
    const today = new Date();
    const { body } = await service
      .http()
      .get('/v1/ledgers/_service/reports/access-log')
      .query({
        from: new Date(today.getTime() - 3_600_000).toISOString(),
        to: new Date(today.getTime() + 3_600_000).toISOString(),
      })
      .expect(200);
    const { rows } = body as { rows: Record<string, string | null>[] };
    const ofRun = rows.filter(({ what, run }) => what === 'transaction-reports' && run === first.id);
    expect(ofRun.map(({ action }) => action)).toEqual(expect.arrayContaining(['run', 'done', 'fetched']));
    expect(ofRun.find(({ action }) => action === 'done')).toMatchObject({ rows: first.records, sha256: first.sha256 });
    expect(
      ofRun.filter(({ action, principal }) => action === 'fetched' && principal === `key:${reader.id}`),
    ).toHaveLength(2);
    expect(ofRun.at(-1)).toMatchObject({ action: 'fetched', principal: `key:${reader.id}`, ledger: 'main' });
  });

  it('is not found by what can be the name of nothing', async () => {
    const of = '/transaction-reports/submissions';
    for (const [path, slug] of [
      [`${SUBMISSIONS}/${first.id}/reports/a%00b`, 'transaction-report-not-found'],
      [`${SUBMISSIONS}/${first.id}/reports/NONE`, 'transaction-report-not-found'],
      [`${SUBMISSIONS}/a%00b`, 'submission-not-found'],
      ...['', '/decisions', '/reports', '/reports/NONE', '/content'].flatMap((rest) =>
        ['a%00b', 'none'].map((ledger) => [`/v1/ledgers/${ledger}${of}/${first.id}${rest}`, 'ledger-not-found']),
      ),
    ] as const) {
      const { body } = await service.http().get(path).expect(404);
      expect([path, body.type]).toEqual([path, `/docs/problems/${slug}`]);
    }
  });

  it('needs a scope of its own, and refuses what it does not know', async () => {
    const reader = await createKey(service, ['reports:read']);
    await service.http(reader.key).post(SUBMISSIONS).send(DAY).expect(403);
    await service.http(reader.key).get(SUBMISSIONS).expect(200);
    const wrong = await service
      .http()
      .post(SUBMISSIONS)
      .send({ ...DAY, repeat_rejected: 'no' })
      .expect(400);
    expect(wrong.body.errors).toMatchObject([{ pointer: '/repeat_rejected', rule: 'one-of' }]);
    for (const [member, value] of Object.entries({ format: 'csv', limit: 5, as_of: '2', reference_as_of: '1' })) {
      const refused = await service
        .http()
        .post(SUBMISSIONS)
        .send({ ...DAY, [member]: value })
        .expect(400);
      expect(refused.body.errors).toMatchObject([{ pointer: `/${member}`, rule: 'unknown' }]);
    }
    const decisions = `${SUBMISSIONS}/${first.id}/decisions`;
    const { body } = await service.http().get(`${decisions}?decision=sent`).expect(400);
    expect(body.errors).toMatchObject([{ pointer: '/query/decision', rule: 'one-of' }]);
  });

  it("is none of the service's own ledgers, and of no firm that nobody knows", async () => {
    for (const ledger of ['_reporting', '_service']) {
      const { body } = await service.http().post(SUBMISSIONS.replace('main', ledger)).send(DAY).expect(403);
      expect(body.type).toBe('/docs/problems/forbidden');
    }
    const unknown = { ...DAY, executing_entity: CCP };
    const { body } = await service.http().post(SUBMISSIONS).send(unknown).expect(400);
    expect(body.errors).toEqual([
      {
        ...{ pointer: '/executing_entity', rule: 'reference-data' },
        detail: `executing_entity must be a legal entity of the reference data: ${CCP} is not, and never was`,
      },
    ]);
    const { rows } = (
      await service
        .http()
        .get('/v1/ledgers/main/reports/transaction-ageing')
        .query({ ...DAY, time_zone: 'Europe/Paris' })
        .expect(200)
    ).body as { rows: Record<string, string>[] };
    expect(rows.filter(({ executing_entity: firm }) => firm === CCP)).toEqual([]);
  });

  it('sends nothing for one firm that is reported for another, unless an event says who executed it', async () => {
    const other = { executing_entity: BANK };
    const both = `lei,name,country,investment_firm,valid_from\n${BANK},A bank,DE,yes,2018-01-03\n`;
    await service
      .http()
      .post('/v1/reference/legal-entity/imports')
      .set('content-type', 'text/csv')
      .send(both)
      .expect(201);
    const decided = async (of: string) => {
      const run = await submitted(service, DAY, { executing_entity: of });
      expect([run.status, run.error]).toEqual(['done', null]);
      return decisionsOf(service, run.id);
    };
    const orderOf = ({ order_id: order }: Record<string, string | null>) => order;
    const forBank = await decided(BANK);
    const isFor = (what: string) => forBank.filter(({ decision }) => decision === what);
    expect(isFor('other-entity').length).toBeGreaterThan(10);
    expect(isFor('other-entity').map(orderOf)).toContain('OWNSI');
    expect(isFor('send')).toEqual([]);
    expect((await decided(FIRM)).filter(({ decision }) => decision === 'send')).toEqual([]);

    const aged = await service
      .http()
      .get('/v1/ledgers/main/reports/transaction-ageing')
      .query({ ...DAY, ...other, time_zone: 'UTC' })
      .expect(200);
    const { rows } = aged.body as { rows: Record<string, string | null>[] };
    const others = rows.filter(({ next }) => next === 'other-entity');
    expect(others.length).toBe(isFor('other-entity').length);
    for (const row of others) expect(row).toMatchObject({ timeliness: 'other-entity', deadline: null });
    const reconcile = async (with_: object) => {
      const answer = await service
        .http()
        .post('/v1/ledgers/main/transaction-reports/reconciliations')
        .send({ ...DAY, ...other, time_zone: 'UTC', ...with_ })
        .expect(200);
      return (answer.body as { rows: Record<string, string | null>[] }).rows;
    };
    const reconciled = await reconcile({});
    const totals = Object.fromEntries(reconciled.map(({ total_of: of, count }) => [of, count]));
    const held = String(isFor('held').length); // for both, so that nobody has reported them
    expect(totals).toMatchObject({ 'other-entity': String(others.length), missing: held, overdue: held });
    expect(reconciled.filter(({ result }) => result === 'other-entity').length).toBe(others.length);
    const toBeLookedAt = (await reconcile({ list: 'differences' })).filter(({ kind }) => kind === 'reference');
    expect(new Set(toBeLookedAt.map(({ result }) => result))).toEqual(new Set(['missing']));

    const filled = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'OWNSI' && action === 'fill')!;
    const corrected = {
      ...{ ...filled, event_id: '0197f3a1-6c00-7000-8000-00000000f007', corrects: filled.event_id },
      metadata: { ...(filled.metadata as object), ...other },
    };
    await service.http().post('/v1/ledgers/main/events').send(corrected).expect(201);
    const next = (await decided(BANK)).filter(({ decision }) => decision === 'send');
    expect(next.map(orderOf)).toEqual(['OWNSI']);
    const taken = (await decided(FIRM)).filter(({ decision }) => decision === 'send');
    expect(taken.map(({ order_id: order, status }) => [order, status])).toEqual([['OWNSI', 'CANC']]);

    // events of the same ids in another ledger are others
    await service.http().put('/v1/ledgers/bank').expect(201);
    const less = MADE_TRANSACTIONS.filter(({ entity_id: id }) => id === 'LESS');
    await service.http().post('/v1/ledgers/bank/events/batch').send({ events: less }).expect(201);
    const elsewhere = await service
      .http()
      .post('/v1/ledgers/bank/transaction-reports/submissions')
      .send({ ...DAY, ...other })
      .expect(202);
    const ofBank = await over(elsewhere);
    expect([ofBank.status, ofBank.records]).toEqual(['done', '1']);
  });

  it('leaves a reference to the ledger of which it was used first', async () => {
    const copied = '/v1/ledgers/copy';
    await service.http().put(copied).expect(201);
    const less = MADE_TRANSACTIONS.filter(({ entity_id: id }) => id === 'LESS');
    await service.http().post(`${copied}/events/batch`).send({ events: less }).expect(201);
    const decided = async () => {
      const submissions = `${copied}/transaction-reports/submissions`;
      const asked = await service
        .http()
        .post(submissions)
        .send({ ...DAY, executing_entity: FIRM })
        .expect(202);
      const { id, records } = await over(asked);
      const { body } = await service.http().get(`${submissions}/${id}/decisions`).expect(200);
      return { records, ...body } as { records: string; decisions: Record<string, string>[] };
    };
    const first = await decided();
    expect(first.records).toBe('0');
    expect(first.decisions.map(({ decision }) => decision)).toEqual(['other-ledger']);
    const aged = await service
      .http()
      .get(`${copied}/reports/transaction-ageing`)
      .query({ ...DAY, executing_entity: FIRM, time_zone: 'UTC', timeliness: 'other-ledger' })
      .expect(200);
    const listed = (aged.body as { rows: Record<string, string>[] }).rows.filter(({ kind }) => kind === 'report');
    expect(listed).toMatchObject([{ order_id: 'LESS', next: 'other-ledger', state: 'drafted', message_id: null }]);
    // nor does it report a correction, or take anything back there
    const filled = less.at(-1)!;
    const corrected = { ...filled, event_id: '0197f3a1-6c00-7000-8000-00000000f008', corrects: filled.event_id };
    const state = { ...(filled.new_state as object), quantity: '90000' };
    await service
      .http()
      .post(`${copied}/events`)
      .send({ ...corrected, new_state: state })
      .expect(201);
    const next = await decided();
    expect([next.records, next.decisions.length]).toEqual(['0', 2]);
    const id = '0197f3a1-6c00-7000-8000-00000000f009';
    await service
      .http()
      .post(`${copied}/events`)
      .send({ ...filled, event_id: id, corrects: filled.event_id, action: 'void' })
      .expect(201);
    expect((await decided()).records).toBe('0');
  });

  it('is of all that was known when it is made, however long ago it was asked for', async () => {
    const id = '0197f3a1-6c00-7000-8000-00000000f00a';
    await query(
      service.database,
      `INSERT INTO reporting_runs (id, ledger, executing_entity, parameters, as_of, made_by, requested_by, status, created_at)
         SELECT '${id}', ledger, executing_entity, parameters || '{"reference_as_of": "1"}', 1, made_by, requested_by, 'queued', created_at
           FROM reporting_runs WHERE id = '${first.id}'`,
    );
    await submitted(service, DAY, { executing_entity: FIRM });
    const made = await whenOver<ShownSubmission>(service, `${SUBMISSIONS}/${id}`);
    expect([made.status, made.records]).toEqual(['done', '0']);
    const { body } = await service.http().get(`${SUBMISSIONS}/${id}`).expect(200);
    expect(Number(body.as_of)).toBeGreaterThan(MADE_TRANSACTIONS.length);
    expect(Number(body.parameters.reference_as_of)).toBeGreaterThan(1);
  });
});

describe('a submission after the ledger of submissions was closed', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' } });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
  });
  afterAll(() => service?.close());

  it('goes on in its successor, whose first event says whom it succeeds', async () => {
    const before = await submitted(service, DAY);
    expect([before.status, before.act]).toEqual(['done', '1']);
    const [{ size, hash }] = (await query<{ size: string; hash: string }>(
      service.database,
      `SELECT size, encode(event_hash, 'hex') AS hash FROM ledger_heads WHERE ledger = '_reporting'`,
    )) as [{ size: string; hash: string }];
    await query(service.database, `UPDATE ledgers SET state = 'closed' WHERE ledger = '_reporting'`);
    const { origin } = await service.app.get(Ledgers).state('_reporting');
    const closed = {
      ...{ ledger: '_reporting', origin, size: BigInt(size), provable: BigInt(size), eventHash: hash },
      ...{ checkpoint: null, missing: null, first: '_reporting', successor: undefined },
    };
    const successor = await succeed(service.app.get(Ledgers), service.app.get(Appender), closed, new Set());
    expect(successor).toBe('_reporting-2');

    const { body } = await service.http().get(SUBMISSIONS).expect(200);
    expect((body as { submissions: ShownSubmission[] }).submissions).toMatchObject([{ id: before.id, act: '1' }]);
    const again = await submitted(service, DAY);
    expect([again.status, again.records, again.act]).toEqual(['done', '0', null]);
    const own = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'OWN' && action === 'partial_fill')!;
    const corrected = {
      ...{ ...own, event_id: '0197f3a1-6c00-7000-8000-00000000f004', corrects: own.event_id },
      new_state: { ...own.new_state, price: '61.37' },
    };
    await service.http().post('/v1/ledgers/main/events').send(corrected).expect(201);
    const next = await submitted(service, DAY);
    expect([next.status, next.error, next.records, next.act]).toEqual(['done', null, '2', '2']);
    expect((await filesOf(service, next.id)).size).toBe(1);
    const { body: recorded } = await service.http().get('/v1/ledgers/_reporting-2/events?limit=1000').expect(200);
    const actions = (recorded as { events: { action: string }[] }).events.map(({ action }) => action);
    expect(actions.filter((action) => action === 'succeed' || action === 'sent').sort()).toEqual(['sent', 'succeed']);
  });
});

describe('a submission whose replica was silent for long', () => {
  let silent: TestService;
  let admin: pg.Client;
  let holder: pg.Client;
  beforeAll(async () => {
    silent = await startService({ env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' } });
    await silent.app.get(Ledgers).openOwn(REPORTING_LEDGER);
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await silent.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    [admin, holder] = [0, 1].map(() => new pg.Client({ connectionString: silent.database.adminUrl })) as [
      pg.Client,
      pg.Client,
    ];
    await admin.connect();
    await holder.connect();
    await admin.query(`
      CREATE FUNCTION hold_settling() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
      CREATE TRIGGER hold_settling BEFORE UPDATE OF decided_by ON reporting_runs
        FOR EACH STATEMENT EXECUTE FUNCTION hold_settling()`);
  });
  afterAll(async () => {
    await admin?.end();
    await holder?.end();
    await silent?.close();
  });

  const count = async (what: string): Promise<number> =>
    Number((await admin.query<{ count: string }>(`SELECT count(*) AS count ${what}`)).rows[0]!.count);
  const waitingFor = (query: string) =>
    count(
      `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ '${query}'`,
    );
  async function until(is: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 30_000; !(await is()); await pause(50)) {
      if (Date.now() > end) throw new Error('it does not come to that');
    }
  }
  const holdLedger = async (): Promise<void> => {
    await holder.query('BEGIN');
    await holder.query(`SELECT FROM ledger_heads WHERE ledger = '_reporting' FOR UPDATE`);
  };
  const ask = async (): Promise<string> =>
    ((await silent.http().post(SUBMISSIONS).send(DAY).expect(202)).body as ShownSubmission).id;
  const over = (run: string) => whenOver<ShownSubmission>(silent, `${SUBMISSIONS}/${run}`);

  it('leaves what another decided meanwhile: each report is on record that the files have', async () => {
    await admin.query('SELECT pg_advisory_lock(4711)');
    const run = await ask(); // nothing is to be sent yet
    await until(async () => (await waitingFor('decided_by = ')) === 1);
    const own = (await admin.query<{ runner: string }>('SELECT runner FROM reporting_runs')).rows[0]!.runner;
    await silent.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
    await holdLedger();
    const other = await startService({
      env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' },
      database: silent.database,
    });
    try {
      await until(async () => {
        await admin.query(`UPDATE reporting_runs SET progress_at = progress_at - interval '1 hour' WHERE runner = $1`, [
          own,
        ]);
        return (await count(`FROM reporting_runs WHERE runner <> '${own}'`)) === 1;
      });
      // the other has decided, and is at recording its files
      await until(async () => (await count('FROM reporting_decisions')) > 0 && (await waitingFor('append_events')) > 0);
      const decided = await count(`FROM reporting_decisions WHERE decision = 'send'`);
      await admin.query('SELECT pg_advisory_unlock(4711)');
      await until(async () => (await waitingFor('decided_by = ')) === 0);
      await pause(200);
      await holder.query('ROLLBACK');
      const made = await over(run);
      expect([made.status, made.error, made.act, made.records]).toEqual(['done', null, '1', String(decided)]);
      expect(decided).toBeGreaterThan(20);
      expect(await count('FROM reporting_records WHERE act = 1')).toBe(decided);
      expect((await decisionsOf(silent, run)).filter(({ decision }) => decision === 'send').length).toBe(decided);
      expect((await submitted(silent, DAY)).records).toBe('0');
    } finally {
      await holder.query('ROLLBACK');
      await other.close();
    }
  });

  /** Submissions that failed and were not made good, and whether one is not over. */
  async function told(): Promise<[failed: number, isOneOpen: boolean]> {
    const { text } = await silent.http().get('/metrics').expect(200);
    const value = (name: string): number => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)![1]);
    return [value('truetrail_submissions_failed'), value('truetrail_submission_oldest_seconds') > 0];
  }

  it('has no act where what was decided is not all there, and is told by a metric until it is made good', async () => {
    const own = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'OWN' && action === 'partial_fill')!;
    const corrected = {
      ...{ ...own, event_id: '0197f3a1-6c00-7000-8000-00000000f005', corrects: own.event_id },
      new_state: { ...own.new_state, price: '61.37' },
    };
    await silent.http().post('/v1/ledgers/main/events').send(corrected).expect(201);
    await holdLedger();
    let run = '';
    try {
      run = await ask();
      await until(async () => (await waitingFor('append_events')) > 0);
      await admin.query(`DELETE FROM reporting_decisions WHERE run = $1 AND status = 'NEWT' AND decision = 'send'`, [
        run,
      ]);
      expect(await told()).toEqual([0, true]);
    } finally {
      await holder.query('ROLLBACK');
    }
    const failed = await over(run);
    expect([failed.status, failed.act]).toEqual(['failed', null]);
    expect(await told()).toEqual([1, false]);
    await submitted(silent, { ...DAY, to_date: '2025-06-02', from_date: '2025-06-02' });
    expect(await told()).toEqual([1, false]);
    const next = await submitted(silent, DAY);
    expect([next.status, next.records, next.act]).toEqual(['done', '2', '2']);
    expect(await told()).toEqual([0, false]);
  });
});

describe('a submission that counts before it is done', () => {
  let service: TestService;
  let admin: pg.Client;
  let holder: pg.Client;
  beforeAll(async () => {
    service = await startService({
      env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', APPEND_TIMEOUT: '2s' },
    });
    await service.app.get(Ledgers).openOwn(REPORTING_LEDGER);
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
    admin = new pg.Client({ connectionString: service.database.adminUrl });
    holder = new pg.Client({ connectionString: service.database.adminUrl });
    await admin.connect();
    await holder.connect();
  });
  afterAll(async () => {
    await admin?.end();
    await holder?.end();
    await service?.close();
  });

  const count = async (what: string): Promise<number> =>
    Number((await admin.query<{ count: string }>(`SELECT count(*) AS count ${what}`)).rows[0]!.count);
  const waiting = () => count(`FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);
  const acts = () => count(`FROM audit_events WHERE ledger = '_reporting' AND action = 'sent'`);
  const is = async (run: string, status: string): Promise<boolean> =>
    (await count(`FROM reporting_runs WHERE id = '${run}' AND status IN ('${status}', 'failed')`)) === 1;
  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 30_000; !(await holds()); await pause(50)) {
      if (Date.now() > end) throw new Error('it does not come to that');
    }
  }
  const holdAct = async (act: number): Promise<void> => {
    await holder.query('BEGIN');
    await holder.query(`INSERT INTO event_keys (ledger, event_id, sequence) VALUES ('_reporting', $1, 0)`, [
      actEventId(act),
    ]);
  };
  const ask = async (): Promise<string> =>
    ((await service.http().post(SUBMISSIONS).send(DAY).expect(202)).body as ShownSubmission).id;
  const over = (run: string) => whenOver<ShownSubmission>(service, `${SUBMISSIONS}/${run}`);
  async function isWhole(run: string, act: number): Promise<void> {
    const made = await over(run);
    expect([made.status, made.error, made.act]).toEqual(['done', null, String(act)]);
    expect(await count(`FROM reporting_records WHERE act = ${act}`)).toBe(Number(made.records));
    const zip = await zipOf(service, run);
    expect(createHash('sha256').update(zip).digest('hex')).toBe(made.sha256);
    const done = `event_type = 'transaction_reports' AND action = 'done' AND new_state->>'run' = '${run}'`;
    expect(await count(`FROM audit_events WHERE ledger = '_service' AND ${done}`)).toBeGreaterThan(0);
    expect((await submitted(service, DAY)).records).toBe('0');
    expect(await acts()).toBe(act);
  }

  /** As if it had waited for long. */
  const again = (run: string) =>
    admin.query(
      `UPDATE reporting_runs SET progress_at = progress_at - interval '1 hour' WHERE id = $1 AND status = 'queued'`,
      [run],
    );

  it('is begun again until it is on record that it is done', async () => {
    await holdAct(1);
    const run = await ask();
    await until(async () => (await waiting()) > 0);
    const other = new pg.Client({ connectionString: service.database.adminUrl });
    await other.connect();
    try {
      await other.query('BEGIN');
      await other.query(`SELECT FROM ledger_heads WHERE ledger = '_service' FOR UPDATE`);
      await holder.query('ROLLBACK');
      await until(async () => (await acts()) === 1);
      await until(() => is(run, 'queued'));
      expect((await service.http().get(`${SUBMISSIONS}/${run}`).expect(200)).body).toMatchObject({
        ...{ status: 'queued', error: 'that it is done could not be recorded', act: '1' },
      });
      await again(run);
      await until(() => is(run, 'running'));
      expect(await count(`FROM reporting_runs WHERE id = '${run}' AND status = 'running'`)).toBe(1);
    } finally {
      await other.query('ROLLBACK');
      await other.end();
    }
    await until(async () => {
      await again(run);
      return is(run, 'done');
    });
    await isWhole(run, 1);
  });

  it('fails where it can never be on record that it is done, says that it counts, and holds up no other', async () => {
    await admin.query(`
      CREATE FUNCTION refuse_done() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.ledger = '_service' AND NEW.action = 'done' AND NEW.new_state->>'run' = ''
          THEN RAISE EXCEPTION 'refused'; END IF;
          RETURN NEW;
        END $$`);
    await admin.query(
      'CREATE TRIGGER refuse_done BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse_done()',
    );
    try {
      await correct('0197f3a1-6c00-7000-8000-00000000f015', '61.39');
      await holdAct(2);
      const run = await ask();
      await until(async () => (await waiting()) > 0);
      await admin.query(`CREATE OR REPLACE FUNCTION refuse_done() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.ledger = '_service' AND NEW.action = 'done' AND NEW.new_state->>'run' = '${run}'
          THEN RAISE EXCEPTION 'refused'; END IF;
          RETURN NEW;
        END $$`);
      await holder.query('ROLLBACK');
      const failed = await over(run);
      const counts =
        'It counts as sent all the same, by act 2: its files can be fetched, and nothing of it is sent again';
      expect([failed.status, failed.act]).toEqual(['failed', '2']);
      expect(failed.error).toBe(`That it is done could not be recorded. ${counts}`);
      await zipOf(service, run);
      const next = await submitted(service, DAY);
      expect([next.status, next.records]).toEqual(['done', '0']);
    } finally {
      await admin.query('DROP TRIGGER refuse_done ON audit_events');
      await admin.query('DROP FUNCTION refuse_done()');
    }
  });

  it('fails after so many times that it could not be recorded that it is done, while others go on', async () => {
    const other = new pg.Client({ connectionString: service.database.adminUrl });
    await other.connect();
    try {
      await correct('0197f3a1-6c00-7000-8000-00000000f016', '61.4');
      const act = (await acts()) + 1;
      await holdAct(act);
      const run = await ask();
      await until(async () => (await waiting()) > 0);
      await other.query('BEGIN');
      await other.query(`SELECT FROM ledger_heads WHERE ledger = '_service' FOR UPDATE`);
      await holder.query('ROLLBACK');
      await until(async () => (await acts()) === act);
      const isTried = `FROM reporting_runs WHERE id = '${run}' AND status = 'queued' AND error LIKE 'that it is done%'`;
      await until(async () => {
        if ((await count(isTried)) === 1) return true;
        await again(run); // where it waits since its act could not be recorded
        return false;
      });
      // as after the fourth time: it waits for five minutes
      await admin.query('UPDATE reporting_runs SET attempts = 4, progress_at = trail_now() WHERE id = $1', [run]);
      await other.query('ROLLBACK');
      const next = await submitted(service, DAY);
      expect([next.status, next.records]).toEqual(['done', '0']);
      expect(await count(isTried)).toBe(1);
      await admin.query('UPDATE reporting_runs SET attempts = 5 WHERE id = $1', [run]);
      const failed = await over(run);
      expect([failed.status, failed.act]).toEqual(['failed', String(act)]);
      expect(failed.error).toBe(
        `it was begun 5 times, and came to no end: that it is done could not be recorded. It counts as sent all the same, by act ${act}: its files can be fetched, and nothing of it is sent again`,
      );
      await zipOf(service, run);
      expect((await submitted(service, DAY)).records).toBe('0');
    } finally {
      await other.query('ROLLBACK');
      await other.end();
    }
  });

  async function correct(eventId: string, price: string): Promise<void> {
    const own = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'OWN' && action === 'partial_fill')!;
    const corrected = { ...own, event_id: eventId, corrects: own.event_id, new_state: { ...own.new_state, price } };
    await service.http().post('/v1/ledgers/main/events').send(corrected).expect(201);
  }

  it('is begun again where nobody knows whether its act is recorded, and then finds it', async () => {
    await correct('0197f3a1-6c00-7000-8000-00000000f006', '61.37');
    await holdAct(4);
    const run = await ask();
    await until(async () => (await waiting()) > 0);
    await until(() => is(run, 'queued'));
    await holder.query('ROLLBACK');
    await again(run);
    await isWhole(run, 4);
  });

  it('is brought to its end where it had failed when its act came in', async () => {
    await correct('0197f3a1-6c00-7000-8000-00000000f007', '61.38');
    await holdAct(5);
    const run = await ask();
    await until(async () => (await waiting()) > 0);
    await admin.query(`UPDATE reporting_runs SET status = 'failed', error = 'x', runner = NULL WHERE id = $1`, [run]);
    await holder.query('ROLLBACK');
    await until(async () => {
      await service.http().get(SUBMISSIONS).expect(200);
      return (await count(`FROM reporting_runs WHERE id = '${run}' AND status <> 'failed'`)) === 1;
    });
    await isWhole(run, 5);
  });

  it('has its files even where its run says that it failed', async () => {
    const [{ id }] = (await admin.query<{ id: string }>(`SELECT subject AS id FROM reporting_acts WHERE act = 5`))
      .rows as [{ id: string }];
    const before = await zipOf(service, id);
    await admin.query(
      `UPDATE reporting_runs SET status = 'failed', error = 'x', rows = NULL, bytes = 0, sha256 = NULL WHERE id = $1`,
      [id],
    );
    expect((await zipOf(service, id)).equals(before)).toBe(true);
  });
});

describe('a submission of which all has left the database', () => {
  let store: TestStore;
  let service: TestService;
  let admin: pg.Client;
  beforeAll(async () => {
    store = folderStore();
    service = await startService({
      env: { ARCHIVE_URL: store.url, ONLINE_MONTHS: '12', REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    admin = new pg.Client({ connectionString: service.database.adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    await admin?.end();
    await service?.close();
    store?.close();
  });

  it('has its files byte for byte from the archive, and is compared by field with what they say', async () => {
    const now = new Date();
    await moveTrailClock(admin, new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 14, 15, 12)));
    await runJob(service, 'partition-maintenance');
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
    const run = await submitted(service, DAY);
    expect([run.status, run.error]).toEqual(['done', null]);
    const before = await zipOf(service, run.id);
    await runJob(service, 'archive-export');
    await moveTrailClock(admin, now);
    await runJob(service, 'partition-maintenance');
    await runJob(service, 'archive-export');
    await runJob(service, 'retention');
    const left = await query<{ count: string }>(
      service.database,
      `SELECT count(*) AS count FROM audit_events WHERE ledger = '_reporting' AND action IN ('part', 'written')`,
    );
    expect(left).toEqual([{ count: '0' }]);
    expect((await zipOf(service, run.id)).equals(before)).toBe(true);

    const venue = TRANSACTION_REFERENCE.venue!.replace(`OPRT,FR,RMKT,,,${CCP}`, `OPRT,FR,RMKT,,,${BANK}`);
    await service.http().post('/v1/reference/venue/imports').set('content-type', 'text/csv').send(venue).expect(201);
    const { body } = await service
      .http()
      .post('/v1/ledgers/main/transaction-reports/reconciliations')
      .send({ ...DAY, time_zone: 'UTC' })
      .expect(200);
    const rows = body.rows as Record<string, string>[];
    const different = rows.filter(({ kind, result }) => kind === 'reference' && result === 'different');
    expect(different.length).toBeGreaterThan(5);
    expect(different.every(({ differences }) => differences!.includes(CCP) && differences!.includes(BANK))).toBe(true);
    expect(rows.find(({ total_of: of }) => of === 'not compared')!.count).toBe('0');
  });
});

describe('a submission that was deleted at the end of its retention', () => {
  let store: TestStore;
  let service: TestService;
  let admin: pg.Client;
  beforeAll(async () => {
    store = folderStore();
    service = await startService({
      env: {
        ...{ ARCHIVE_URL: store.url, ONLINE_MONTHS: '1', ARCHIVE_RETENTION_YEARS: '5' },
        ...{ REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' },
      },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    admin = new pg.Client({ connectionString: service.database.adminUrl, options: '-c TimeZone=UTC' });
    await admin.connect();
  });
  afterAll(async () => {
    await admin?.end();
    await service?.close();
    store?.close();
  });

  const monthsAgo = (back: number, day = 15): Date => {
    const now = new Date();
    return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, day, 12));
  };
  async function run(...jobs: string[]): Promise<void> {
    for (const job of jobs) expect([job, (await runJob(service, job)).status]).toEqual([job, 'done']);
  }

  it('is handed out no more, though it was read a moment before', async () => {
    await moveTrailClock(admin, monthsAgo(79));
    await run('partition-maintenance');
    // nothing is executed after it was recorded
    const month = monthsAgo(79).toISOString().slice(0, 7);
    const then = (text: string): string => text.replaceAll('2025-06', month);
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      const imported = service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv');
      await imported.send(then(text)).expect(201);
    }
    const events = JSON.parse(then(JSON.stringify(MADE_TRANSACTIONS))) as object[];
    await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
    const { id } = await submitted(service, { from_date: `${month}-03`, to_date: `${month}-03` });
    // sealed, archived and dropped while it is locked, as months are
    await moveTrailClock(admin, monthsAgo(78, 2));
    await run('partition-maintenance', 'archive-export');
    await moveTrailClock(admin, monthsAgo(77, 3));
    await run('partition-maintenance', 'archive-export', 'archive-verification', 'retention');
    await moveTrailClock(admin, new Date());
    await run('archive-verification');
    const sent = (await decisionsOf(service, id)).find(({ decision }) => decision === 'send')!;
    const report = () => service.http().get(`${SUBMISSIONS}/${id}/reports/${sent.transaction_reference}`);
    const { body: before } = await report().expect(200);
    expect(before.record).toContain(sent.transaction_reference);
    await zipOf(service, id);
    await report().expect(200);

    const clerk = (await createKey(service, ['operations:run'], ['*'])).key;
    const officer = (await createKey(service, ['holds:approve', 'holds:request'], ['*'])).key;
    const asking = service
      .http(clerk)
      .post('/v1/deletions')
      .send({ month: `${month}-01`, reason: 'End' });
    const { body: asked } = await asking.expect(201);
    await service.http(officer).post(`/v1/deletions/${asked.id}/approvals`).expect(201);
    await run('month-deletion');
    for (const path of [`${id}/content`, `${id}/reports`, `${id}/reports/${sent.transaction_reference}`]) {
      const { body } = await service.http().get(`${SUBMISSIONS}/${path}`).expect(410);
      expect([path, body.type]).toEqual([path, '/docs/problems/event-deleted']);
    }
  });
});

describe('a submission while the database is away', () => {
  let database: TestDatabase;
  let admin: pg.Client;
  let proxy: FaultProxy;
  let replica: Replica;
  beforeAll(async () => {
    database = await createTestDatabase();
    admin = new pg.Client({ connectionString: database.adminUrl });
    await admin.connect();
    proxy = await FaultProxy.start(Number(new URL(database.serviceUrl).port));
    replica = await Replica.start({
      DATABASE_URL: Object.assign(new URL(database.serviceUrl), { port: String(proxy.port) }).href,
      ...{
        DATABASE_OWNER_URL: database.ownerUrl,
        DATABASE_TLS: 'any',
        REPORTING_SENDER: 'TF',
        REPORTING_RECEIVER: 'FR',
      },
    });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await sent(`/v1/reference/${kind}/imports`, text, 'text/csv');
    }
    await sent('/v1/ledgers/main/events/batch', JSON.stringify({ events: MADE_TRANSACTIONS }));
  });
  afterAll(async () => {
    await replica?.end('SIGKILL');
    await proxy?.close();
    await admin?.end();
    await database?.drop();
  });

  const headers = { authorization: `Bearer ${TEST_KEY}` };
  const get = (path: string): Promise<globalThis.Response> => fetch(`${replica.url}${path}`, { headers });
  async function sent(path: string, body: string, type = 'application/json'): Promise<unknown> {
    const answer = await fetch(`${replica.url}${path}`, {
      ...{ method: 'POST', body },
      headers: { ...headers, 'content-type': type },
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }
  const count = async (what: string): Promise<number> =>
    Number((await admin.query<{ count: string }>(`SELECT count(*) AS count ${what}`)).rows[0]!.count);
  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 30_000; !(await holds()); await pause(50)) {
      if (Date.now() > end) throw new Error('it does not come to that');
    }
  }

  it('is told by a problem of its own, and is begun again once it is back: each report is sent once', async () => {
    const { port } = new URL(database.serviceUrl);
    const holder = new pg.Client({ connectionString: database.adminUrl });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE reporting_decisions IN ACCESS EXCLUSIVE MODE');
    const { id } = (await sent(SUBMISSIONS, JSON.stringify(DAY))) as ShownSubmission;
    const run = `${SUBMISSIONS}/${id}`;
    const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await until(async () => (await count(waiting)) > 0);
    proxy.retarget(await freePort());
    proxy.cut();
    for (const path of [run, SUBMISSIONS, `${run}/decisions`, `${run}/content`]) {
      const answer = await get(path);
      expect([path, answer.status, ((await answer.json()) as { type: string }).type]).toEqual([
        ...[path, 503, '/docs/problems/database-unavailable'],
      ]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    await until(() => Promise.resolve(replica.log.includes('the database went away while a submission')));
    await holder.end();
    // it is still this replica's, and did not fail
    expect(await count(`FROM reporting_runs WHERE status = 'running' AND error IS NULL`)).toBe(1);
    proxy.retarget(Number(port));
    await admin.query(`UPDATE reporting_runs SET progress_at = progress_at - interval '1 hour'`);
    await until(async () => ((await (await get(run)).json()) as ShownSubmission).status === 'done');
    const made = (await (await get(run)).json()) as ShownSubmission;
    expect([made.error, made.act]).toEqual([null, '1']);
    expect(Number(made.records)).toBeGreaterThan(20);
    expect(await count('FROM reporting_records WHERE act = 1')).toBe(Number(made.records));
    expect((await get(`${run}/content`)).status).toBe(200);
  });
});

describe('a submission whose replica is killed', () => {
  const replicas: Replica[] = [];
  let database: TestDatabase;
  let admin: pg.Client;
  beforeAll(async () => {
    database = await createTestDatabase();
    admin = new pg.Client({ connectionString: database.adminUrl });
    await admin.connect();
    replicas.push(await startReplica());
    const [first] = replicas;
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await post(first!, `/v1/reference/${kind}/imports`, text, 'text/csv');
    }
    await post(first!, '/v1/ledgers/main/events/batch', JSON.stringify({ events: MADE_TRANSACTIONS }));
  });
  afterAll(async () => {
    for (const replica of replicas) await replica.end('SIGKILL');
    await admin?.end();
    await database?.drop();
  });

  const startReplica = (): Promise<Replica> =>
    Replica.start({
      ...{ DATABASE_URL: database.serviceUrl, DATABASE_OWNER_URL: database.ownerUrl },
      ...{ REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', DATABASE_TLS: 'any' },
    });
  async function send(replica: Replica, path: string, init: RequestInit = {}): Promise<unknown> {
    const headers = { authorization: `Bearer ${TEST_KEY}`, ...(init.headers as Record<string, string>) };
    const answer = await fetch(`${replica.url}${path}`, { ...init, headers });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }
  const post = (replica: Replica, path: string, body: string, type = 'application/json') =>
    send(replica, path, { method: 'POST', body, headers: { 'content-type': type } });
  const ask = async (replica: Replica): Promise<string> =>
    ((await post(replica, SUBMISSIONS, JSON.stringify(DAY))) as ShownSubmission).id;
  async function whenDone(replica: Replica, id: string): Promise<ShownSubmission> {
    for (const until = Date.now() + 60_000; ; await pause(100)) {
      const run = (await send(replica, `${SUBMISSIONS}/${id}`)) as ShownSubmission;
      if (run.status !== 'queued' && run.status !== 'running') return run;
      if (Date.now() > until) throw new Error(`the submission is still ${run.status}:\n${replica.log}`);
    }
  }
  const count = async (what: string): Promise<number> =>
    Number((await admin.query<{ count: string }>(`SELECT count(*) AS count ${what}`)).rows[0]!.count);
  const waiting = () => count(`FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);
  const written = () => count(`FROM audit_events WHERE ledger = '_reporting' AND action = 'written'`);
  async function until(is: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 30_000; !(await is()); await pause(50)) {
      if (Date.now() > end) throw new Error('it does not come to that');
    }
  }
  /** Whoever records this act waits as long as `work` goes on: its id is taken, and not for good. */
  async function withoutAct(act: number, work: () => Promise<void>): Promise<void> {
    const other = new pg.Client({ connectionString: database.adminUrl });
    await other.connect();
    try {
      await other.query('BEGIN');
      await other.query(`INSERT INTO event_keys (ledger, event_id, sequence) VALUES ('_reporting', $1, 0)`, [
        actEventId(act),
      ]);
      await work();
    } finally {
      await other.query('ROLLBACK');
      await other.end();
    }
  }

  /** With all that waits in the database: what a replica had asked of it would still be done. */
  async function kill(replica: Replica): Promise<void> {
    await replica.end('SIGKILL');
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    await until(async () => (await waiting()) === 0);
  }
  /** As if its replica had been silent for long. */
  const abandon = (run: string) =>
    admin.query(`UPDATE reporting_runs SET progress_at = progress_at - interval '1 hour' WHERE id = $1`, [run]);

  it('before its act, sends each report once, with others asked for meanwhile: nothing that was written counts', async () => {
    const [killed] = replicas;
    let abandoned = '';
    let records = 0;
    await withoutAct(1, async () => {
      abandoned = await ask(killed!);
      await until(async () => (await written()) > 0 && (await waiting()) > 0);
      records = await written();
      await kill(killed!);
    });
    expect(records).toBeGreaterThan(20);
    expect(await count(`FROM audit_events WHERE ledger = '_reporting' AND action = 'sent'`)).toBe(0);
    expect(await count('FROM reporting_records WHERE act IS NOT NULL')).toBe(0);

    // two more at once, both of which have decided when the first of them records its act; and the abandoned one
    replicas.push(...(await Promise.all([startReplica(), startReplica()])));
    const [, one, other] = replicas;
    let ids: string[] = [];
    await withoutAct(1, async () => {
      ids = await Promise.all([ask(one!), ask(other!)]);
      await until(async () => (await waiting()) > 1);
      await abandon(abandoned);
    });
    const runs = [];
    for (const id of [...ids, abandoned]) runs.push(await whenDone(one!, id));
    expect(runs.map(({ status, error }) => [status, error])).toEqual(runs.map(() => ['done', null]));
    expect(runs.map((run) => run.records).sort()).toEqual(['0', '0', String(records)].sort());
    expect(runs.filter(({ act }) => act !== null).map(({ act }) => act)).toEqual(['1']);

    const sent = runs.find(({ act }) => act !== null)!;
    expect(sent.files.map((file) => file.message_id)).toEqual([expect.stringMatching(/^TF_DATTRA_FR_000001-/)]);
    const { rows } = await admin.query<{ reference: string; times: string }>(
      `SELECT transaction_reference AS reference, count(*) AS times FROM reporting_records
         WHERE act IS NOT NULL GROUP BY transaction_reference`,
    );
    expect([rows.length, new Set(rows.map(({ times }) => times))]).toEqual([records, new Set(['1'])]);
    // of every one that came to nothing the records stand in the ledger, and count for nothing
    expect(await written()).toBeGreaterThanOrEqual(2 * records);
    expect((await whenDone(other!, await ask(other!))).records).toBe('0');
  });

  it('after its act, counts: its files are there, and nothing is sent again', async () => {
    const [, killed, other] = replicas;
    const own = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'OWN' && action === 'partial_fill')!;
    const corrected = {
      ...{ ...own, event_id: '0197f3a1-6c00-7000-8000-00000000f003', corrects: own.event_id },
      new_state: { ...own.new_state, price: '61.37' },
    };
    await post(other!, '/v1/ledgers/main/events', JSON.stringify(corrected));
    const service = new pg.Client({ connectionString: database.adminUrl });
    await service.connect();
    try {
      let run = '';
      await withoutAct(2, async () => {
        run = await ask(killed!);
        await until(async () => (await waiting()) > 0);
        // that it is done cannot be recorded
        await service.query('BEGIN');
        await service.query(`SELECT FROM ledger_heads WHERE ledger = '_service' FOR UPDATE`);
      });
      const acts = () => count(`FROM audit_events WHERE ledger = '_reporting' AND action = 'sent'`);
      await until(async () => (await acts()) === 2 && (await waiting()) > 0);
      await kill(killed!);
      await service.query('ROLLBACK');
      await abandon(run);
      const made = await whenDone(other!, run);
      expect([made.status, made.error, made.act, made.records]).toEqual(['done', null, '2', '2']);
      expect((await whenDone(other!, await ask(other!))).records).toBe('0');
      expect([await acts(), await count('FROM reporting_records WHERE act = 2')]).toEqual([2, 2]);
    } finally {
      await service.end();
    }
  });
});
