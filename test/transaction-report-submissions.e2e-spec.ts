import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Response } from 'supertest';
import { readReportRecords } from '../src/transaction-reports/report-records.js';
import { MADE_TRANSACTIONS, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { createKey, query } from './support/keys.js';
import { decisionsOf, filesOf, SUBMISSIONS, type ShownSubmission } from './support/submissions.js';
import { whenOver } from './support/verification.js';

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
  }, 60_000);
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
      ({ metadata }) => (metadata as { maker: string }).maker === maker && metadata !== act!.metadata,
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

  it('has the same files once more where they are not kept any more', async () => {
    const before = await filesOf(service, first.id);
    await query(service.database, `UPDATE reporting_runs SET status = 'expired' WHERE id = '${first.id}'`);
    await service.http().get(`${SUBMISSIONS}/${first.id}/content`).expect(410);
    const asked = await service.http().post(`${SUBMISSIONS}/${first.id}/files`).expect(202);
    expect((asked.body as ShownSubmission).id).toBe(first.id);
    const made = await whenOver<ShownSubmission>(service, `${SUBMISSIONS}/${first.id}`);
    expect([made.status, made.sha256]).toEqual(['done', first.sha256]);
    expect(await filesOf(service, first.id)).toEqual(before);
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
  });
});
