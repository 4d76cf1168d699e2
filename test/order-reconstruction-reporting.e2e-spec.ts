import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SentEvent } from './reports/made-day.js';
import { MADE_TRANSACTIONS, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { expectedReporting, type ReportingEvent } from './reports/plain-reporting.js';
import { startService, TEST_KEY, type TestService } from './support/app.js';
import { feedbackXml } from './support/feedback.js';
import { createKey } from './support/keys.js';
import { decisionsOf, submitted, type ShownSubmission } from './support/submissions.js';
import { FIRM } from './support/transaction-reports.js';

type Row = Record<string, string | null>;

const DAY = { from_date: '2025-06-03', to_date: '2025-06-03' };
const REPORT = '/v1/ledgers/main/reports/order-reconstruction';
const FEEDBACK = '/v1/transaction-report-feedback';
const FILLS = ['fill', 'partial_fill'];

describe('the reconstruction of an order that was reported', () => {
  let service: TestService;
  let orderId: string;
  let execution: SentEvent;

  beforeAll(async () => {
    service = await startService({ env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' } });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
    const first = await submitted(service, DAY);
    const decided = await decisionsOf(service, first.id);
    const sentOnce = decided.filter(
      ({ decision, version, leg }) => decision === 'send' && version === '1' && leg === '0',
    );
    const isPlain = ({ event_id: id }: Row): boolean =>
      MADE_TRANSACTIONS.some(({ event_id, action }) => event_id === id && action === 'fill') &&
      !MADE_TRANSACTIONS.some(({ corrects }) => corrects === id);
    const chosen = sentOnce.find(isPlain)!;
    orderId = chosen.order_id!;
    execution = MADE_TRANSACTIONS.find(({ event_id: id }) => id === chosen.event_id)!;
    const reference = chosen.transaction_reference!;

    const broken = [{ id: 'CON-411', description: 'Field 41 is not on the list of instruments' }];
    const rejected = { recordId: FIRM + reference, status: 'RJCT' as const, rules: broken };
    await answer(first, { status: 'PART', records: [rejected] }, 'FR-1');
    await answer(await submitted(service, DAY, { repeat_rejected: 'yes' }), { status: 'ACPT' }, 'FR-2');
    const correction = {
      ...execution,
      event_id: '0197f3a1-6c00-7000-8000-0000000d0001',
      new_state: { ...execution.new_state, price: '61.40' },
      metadata: { ...execution.metadata, reason: 'price of another trade' },
      corrects: execution.event_id,
    };
    await service.http().post('/v1/ledgers/main/events').send(correction).expect(201);
    await answer(await submitted(service, DAY), { status: 'ACPT' }, 'FR-3');
    // of the same order what comes after all this is not reported
    const later = {
      ...{ ...execution, event_id: '0197f3a1-6c00-7000-8000-0000000d0002', timestamp: '2025-06-04T10:00:00Z' },
      metadata: { ...execution.metadata, venue_transaction_id: 'TV-LATER' },
    };
    await service.http().post('/v1/ledgers/main/events').send(later).expect(201);
  });
  afterAll(() => service.close());

  async function answer(
    submission: ShownSubmission,
    advice: Parameters<typeof feedbackXml>[0][number],
    messageId: string,
  ): Promise<void> {
    expect([submission.status, submission.files.length]).toEqual(['done', 1]);
    const xml = feedbackXml([{ answers: submission.files[0]!.message_id, ...advice }], messageId);
    await service.http().post(FEEDBACK).set('content-type', 'application/xml').send(xml).expect(201);
  }

  const ask = (more: Record<string, string> = {}, key = TEST_KEY) =>
    service
      .http(key)
      .get(REPORT)
      .query({ order_id: orderId, ...more });

  async function reportingRows(more: Record<string, string> = {}): Promise<Row[]> {
    const { body } = await ask(more).expect(200);
    return (body.rows as Row[]).filter((row) => row.reported_event_id !== null);
  }

  const manifest = async (run: string): Promise<Record<string, unknown>> =>
    (await service.http().get(`${REPORT}/runs/${run}/manifest`).expect(200)).body as Record<string, unknown>;

  const reporting = async (): Promise<ReportingEvent[]> =>
    (await service.http().get('/v1/ledgers/_reporting/events?limit=1000').expect(200)).body.events as ReportingEvent[];

  async function executions(): Promise<{ id: string; isExecuted: boolean }[]> {
    const { body } = await service.http().get(`/v1/ledgers/main/orders/${orderId}/history`).expect(200);
    const events = body.events as { event_id: string; action: string; corrects?: string }[];
    return events
      .filter(({ corrects }) => corrects === undefined)
      .map(({ event_id: id, action }) => ({ id, isExecuted: FILLS.includes(action) }));
  }

  it('goes on to what was sent, answered, sent again, cancelled and sent anew: as a plain look at the ledger finds, and the golden file', async () => {
    const found = await reportingRows();
    const expected = expectedReporting(await reporting(), await executions(), 6);
    const empty = Object.fromEntries(Object.keys(found[0]!).map((name) => [name, null]));
    expect(found).toEqual(expected.map((row) => ({ ...empty, order_id: orderId, relation: 'self', ...row })));
    const told = found.map(({ stage, action, new_state: state = null, raw_text: raw }) => {
      const said = state === null ? {} : (JSON.parse(state) as Record<string, unknown>);
      const parts = ['status', 'state', 'rules', 'version', 'leg'].filter((name) => said[name] !== undefined);
      return {
        ...{ stage, action, has_message: raw !== null },
        ...Object.fromEntries(parts.map((name) => [name, said[name]])),
      };
    });
    const path = join(import.meta.dirname, 'reports', 'order-reconstruction-reporting.json');
    const text = `${JSON.stringify(told, null, 2)}\n`;
    if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, text);
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(told.filter(({ stage }) => stage === 'feedback').map(({ state }: Record<string, unknown>) => state)).toEqual(
      [...['rejected', 'accepted', 'accepted', 'accepted']],
    );
    expect(found.at(-1)).toMatchObject({
      stage: 'not-reported',
      reported_event_id: '0197f3a1-6c00-7000-8000-0000000d0002',
    });
  });

  it('is the same for an act, whatever came since, and says so in its manifest', async () => {
    const events = await reporting();
    for (const act of [0, 1, 2, 3, 4, 5, 6]) {
      const expected = act === 0 ? [] : expectedReporting(events, await executions(), act);
      const found = await reportingRows({ reporting_as_of: String(act) });
      expect([act, found]).toMatchObject([act, expected]);
    }
    const now = await ask().expect(200);
    const { parameters, tables } = await manifest(now.headers['truetrail-report-run']!);
    expect(parameters).toEqual({ order_id: orderId, reporting_as_of: '6' });
    const act = events.find(({ metadata }) => metadata.act === '6')!;
    expect(tables).toContainEqual({
      name: 'transaction-reporting',
      version: `6 (event ${act.sequence} of _reporting)`,
    });
    const again = await ask({ reporting_as_of: '6', as_of: now.headers['truetrail-as-of']! }).expect(200);
    expect(again.text).toBe(now.text);
    const then = await ask({ reporting_as_of: '7' }).expect(400);
    expect(then.body.errors).toMatchObject([{ pointer: '/query/reporting_as_of', rule: 'range' }]);
  });

  it('leaves that out for whoever may not use that ledger, and the manifest says so', async () => {
    const { key } = await createKey(service, ['reports:read'], ['main']);
    const { body, headers } = await ask({}, key).expect(200);
    expect(body.parameters).toEqual({ order_id: orderId, reporting_as_of: '0' });
    expect((body.rows as Row[]).length).toBeGreaterThan(1);
    expect((body.rows as Row[]).filter(({ ledger }) => ledger !== 'main')).toEqual([]);
    const { tables } = await manifest(headers['truetrail-report-run']!);
    expect(tables).toContainEqual({
      name: 'transaction-reporting',
      version: 'left out: credentials not for the ledger _reporting',
    });
    const asked = await ask({ reporting_as_of: '6' }, key).expect(404);
    expect(asked.body.type).toBe('/docs/problems/ledger-not-found');
    const run = { order_id: orderId, reporting_as_of: '6' };
    await service.http(key).post(`${REPORT}/runs`).send(run).expect(404);
    const both = await createKey(service, ['reports:read'], ['main', '_reporting']);
    expect((await ask({}, both.key).expect(200)).body.parameters.reporting_as_of).toBe('6');
  });
});
