import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { eventsOf, HOLIDAY, MADE_ACTS, MADE_TRADES, MADE_VOIDS, type MadeTrade } from './reports/made-ageing.js';
import { TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { expectedAgeing, referenceOf, RULE, type RecordedAct } from './reports/plain-ageing.js';
import { startService, takeTurn, type TestService } from './support/app.js';
import { feedbackXml } from './support/feedback.js';
import { submitted } from './support/submissions.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';

type Row = Record<string, string | null>;

const PARIS = 'Europe/Paris';
const PERIOD = { from_date: '2025-05-30', to_date: '2025-06-06' };
const BROKEN = [{ id: RULE, description: 'Field 41 is not on the list of instruments' }];
/** When it is looked at: before all, between any two acts, around deadlines, and long after. */
const TIMES = [
  ...['2025-06-02T15:00:00Z', '2025-06-02T16:30:00Z', '2025-06-02T21:59:59.999999Z', '2025-06-02T22:00:00Z'],
  ...['2025-06-03T15:00:00Z', '2025-06-03T21:00:00Z', '2025-06-03T22:00:00Z', '2025-06-04T12:00:00Z'],
  ...['2025-06-05T09:30:00Z', '2025-06-05T10:30:00Z', '2025-06-05T21:15:00Z', '2025-06-05T21:45:00Z'],
  ...['2025-06-05T22:00:00Z', '2025-06-06T08:30:00Z', '2025-06-06T09:30:00Z', '2025-06-06T12:00:00Z'],
  ...['2025-06-08T12:00:00Z', '2025-06-09T09:30:00Z', '2025-06-09T16:00:00Z', '2025-06-09T17:00:00Z'],
  ...['2025-06-10T15:59:00Z', '2025-06-12T16:01:00Z', '2025-08-01T00:00:00Z'],
];
const GOLDEN_AT = '2025-06-09T16:00:00Z';

describe('the report transaction-ageing on a made week', () => {
  let service: TestService;
  const acts: RecordedAct[] = [];
  /** reference data are recorded by the real clock, later than all that counts by the trail's */
  let reference: string;
  /** each with the act before which it was recorded, and the voids with their own */
  const recorded: { at: string; trade?: MadeTrade; events: number }[] = [];

  beforeAll(async () => {
    service = await startService({
      env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_TIME_ZONE: PARIS },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    const holidays = `day,name,valid_from\n${HOLIDAY},A day off,2018-01-03\n`;
    for (const [kind, text] of Object.entries({ ...TRANSACTION_REFERENCE, 'authority-holiday': holidays })) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    const { body } = await service.http().get(`/v1/reference/authority-holiday/entries/${HOLIDAY}`).expect(200);
    reference = String(body.revision);
    const admin = new pg.Client({ connectionString: service.database.adminUrl });
    await admin.connect();
    // by the real clock these months are over, and would be closed
    const turn = await takeTurn(service, 'partition-maintenance');
    try {
      for (const month of ['2025-05-01', '2025-06-01']) await admin.query('SELECT create_month($1::date)', [month]);
      let left = MADE_TRADES;
      for (const act of MADE_ACTS) {
        await moveTrailClock(admin, new Date(act.at));
        const traded = left.filter(({ time }) => time < act.at);
        left = left.slice(traded.length);
        if (traded.length > 0) await record(traded.flatMap(eventsOf));
        recorded.push(...traded.map((trade) => ({ at: act.at, trade, events: 2 })));
        if ('record' in act) {
          await record(MADE_VOIDS);
          recorded.push({ at: act.at, events: MADE_VOIDS.length });
          acts.push({ ...act, recordedAt: act.at });
          continue;
        }
        let messageId: string | undefined;
        if ('submit' in act) {
          const { status, files } = await submitted(service, act.submit, withoutPeriod(act.submit));
          expect([act.at, status, files.length]).toEqual([act.at, 'done', 1]);
          messageId = files[0]!.message_id;
        } else await answer(act.answer);
        const { body } = await service.http().get('/v1/ledgers/_reporting/events?sort=sequence&order=desc&limit=1');
        const [{ recorded_at: recordedAt }] = body.events as [{ recorded_at: string }];
        acts.push({ ...act, recordedAt, ...(messageId === undefined ? {} : { messageId }) });
      }
    } finally {
      await turn.release();
      await admin.end();
    }
  });
  afterAll(() => service.close());

  const withoutPeriod = ({ from_date: _, to_date: __, ...more }: Record<string, string>) => more;

  const record = (events: readonly object[]) =>
    service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);

  /** Feedback on the last file that each of the trades is in. */
  async function answer(statuses: Readonly<Record<string, 'ACPT' | 'RJCT' | 'PDNG'>>): Promise<void> {
    const rows = await ageing({ ...PERIOD, at: '2199-01-01T00:00:00Z' });
    const files = new Map<string, { recordId: string; status: 'ACPT' | 'RJCT' | 'PDNG'; rules: typeof BROKEN }[]>();
    for (const [name, status] of Object.entries(statuses)) {
      const { message_id: file } = rows.find((row) => row.order_id === name)!;
      const records = files.get(file!) ?? [];
      const { number } = MADE_TRADES.find((trade) => trade.name === name)!;
      records.push({ recordId: referenceOf(number), status, rules: status === 'ACPT' ? [] : BROKEN });
      files.set(file!, records);
    }
    const advices = [...files].map(([answers, records]) => ({ answers, status: 'PART' as const, records }));
    const xml = feedbackXml(advices);
    await service
      .http()
      .post('/v1/transaction-report-feedback')
      .set('content-type', 'application/xml')
      .send(xml)
      .expect(201);
  }

  async function ageing(query: Record<string, string>): Promise<Row[]> {
    const { body } = await service
      .http()
      .get('/v1/ledgers/main/reports/transaction-ageing')
      .query({ ...PERIOD, reference_as_of: reference, ...query })
      .expect(200);
    return body.rows as Row[];
  }

  /** What was recorded up to a time: the report's as_of, and the trades. */
  function recordedBy(time: string): { as_of: string; trades: MadeTrade[] } {
    const before = recorded.filter(({ at }) => at < time);
    const events = before.reduce((sum, each) => sum + each.events, 0);
    return { as_of: String(events), trades: before.flatMap(({ trade }) => trade ?? []) };
  }

  const expectedAt = (at: string, zone = PARIS): Row[] => expectedAgeing(recordedBy(at).trades, acts, at, zone);

  it('has the rows that a plain computation gives, and the golden file', async () => {
    const found = await ageing({ at: GOLDEN_AT });
    expect(found).toEqual(expectedAt(GOLDEN_AT));
    const path = join(import.meta.dirname, 'reports', 'transaction-ageing.json');
    const text = acts.reduce(
      (all, { recordedAt, messageId }, i) =>
        all.replaceAll(recordedAt, `RECORDED_AT_${i + 1}`).replaceAll(messageId ?? recordedAt, `MESSAGE_${i + 1}`),
      `${JSON.stringify(found, null, 2)}\n`,
    );
    if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, text);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('has the rows of any time at which it is looked at', async () => {
    for (const at of TIMES) {
      const { as_of } = recordedBy(at);
      expect([at, await ageing({ at, as_of })]).toEqual([at, expectedAt(at)]);
    }
  });

  it('has the days of another time zone', async () => {
    for (const zone of ['America/New_York', 'Asia/Tokyo', 'UTC']) {
      for (const at of TIMES.filter((_, i) => i % 4 === 0)) {
        const { as_of } = recordedBy(at);
        const found = await ageing({ at, as_of, time_zone: zone });
        expect([zone, at, found]).toEqual([zone, at, expectedAt(at, zone)]);
      }
    }
  });

  it('lists what is asked for alone, and counts all', async () => {
    const all = expectedAt(GOLDEN_AT);
    const asked: readonly Record<string, string>[] = [
      { timeliness: 'overdue,late' },
      { state: 'held,drafted' },
      { next: 'send' },
      { timeliness: 'overdue', state: 'sent' },
    ];
    for (const query of asked) {
      const wanted = all.filter(
        (row) =>
          row.kind === 'total' || Object.entries(query).every(([name, list]) => list.split(',').includes(row[name]!)),
      );
      expect([query, await ageing({ at: GOLDEN_AT, ...query })]).toEqual([query, wanted]);
    }
  });

  it('meets every standing and state that a report of one firm and ledger may have', () => {
    const rows = TIMES.flatMap((at) => expectedAt(at)).filter(({ kind }) => kind === 'report');
    const met = (name: string): string[] => [...new Set(rows.map((row) => row[name]!))].sort();
    expect(met('timeliness').join(' ')).toBe(
      'awaiting cancelled contradicted due in-time late over-reported overdue unanswered',
    );
    expect(met('state').join(' ')).toBe('accepted cancelled cancelling drafted held pending rejected sent');
  });
});
