import { ReportingCalendar } from '../src/transaction-reports/reporting-calendar.js';
import { transactionReference } from '../src/transaction-reports/transaction-reference.js';
import { order, type SentEvent } from './reports/made-day.js';
import { TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { feedbackXml } from './support/feedback.js';
import { whenOver } from './support/verification.js';

const SUBMISSIONS = '/v1/ledgers/main/transaction-reports/submissions';
const REPORTS = '/v1/ledgers/main/reports';
const PARIS = 'Europe/Paris';
/** A Tuesday. The day after it is a holiday of the authority here. */
const DAY = { from_date: '2025-06-03', to_date: '2025-06-03' };
const HOLIDAY = '2025-06-04';
const DEADLINE = '2025-06-05T22:00:00.000000Z';
const BROKEN = [{ id: 'CON-411', description: 'Field 41 is not on the list of instruments' }];

type Row = Record<string, string | null>;

describe('what is to be reported, sent and answered', () => {
  let service: TestService;
  /** a trade of a moment ago: its report is in time whenever the test runs */
  const now = new Date();
  const hourAgo = new Date(now.getTime() - 3_600_000).toISOString();
  const today = { from: new Date(now.getTime() - 7_200_000).toISOString(), to: now.toISOString() };
  const all = { from: `${DAY.from_date}T00:00:00Z`, to: today.to };
  /** names of executions by their transaction references */
  const names = new Map<string, string>();
  let number = 70_000;

  /** The order of a client, and its fill on a venue. */
  function traded(name: string, time: string, client = 'C-1', quantity = '10'): SentEvent[] {
    const metadata = {
      ...{ trading_capacity: 'any_other', client_id: client, investment_decision_maker_type: 'client' },
      ...{ execution_decision_maker: 'T-2', venue_transaction_id: name.replace('-', '') },
    };
    const state = { symbol: 'SHR', side: 'buy', exchange: 'XPAR', quantity };
    const created = order((number += 1), name, 'create', time, { new_state: state, metadata });
    const filled = order((number += 1), name, 'fill', time, { new_state: { quantity, price: '61.38' }, metadata });
    for (const leg of [0, 1]) names.set(transactionReference(filled.event_id, 1, leg), name);
    return [created, filled];
  }

  const post = (events: readonly SentEvent[]) =>
    service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);

  async function submitted(asked: object): Promise<{ id: string; files: { message_id: string }[] }> {
    const answer = await service.http().post(SUBMISSIONS).send(asked).expect(202);
    const run = await whenOver<{ id: string; status: string; files: { message_id: string }[] }>(
      service,
      answer.headers.location!,
    );
    expect(run.status).toBe('done');
    return run;
  }

  const handIn = (xml: string) =>
    service.http().post('/v1/transaction-report-feedback').set('content-type', 'application/xml').send(xml).expect(201);

  const referenceOf = (name: string): string => [...names].find(([, each]) => each === name)![0];

  const ageing = (query: Record<string, string>, key?: string) =>
    service.http(key).get(`${REPORTS}/transaction-ageing`).query(query);

  async function rowsOf(query: Record<string, string>): Promise<Row[]> {
    const { body } = await ageing(query).expect(200);
    return body.rows as Row[];
  }

  /** `timeliness state` by the names of the executions, in the order of the list. */
  const standings = (rows: Row[]): [string, string][] =>
    rows
      .filter(({ kind }) => kind === 'report')
      .map((row) => [names.get(row.transaction_reference!)!, `${row.timeliness} ${row.state}`]);

  const totals = (rows: Row[]): Record<string, string | null> =>
    Object.fromEntries(
      rows
        .filter(({ kind }) => kind === 'total')
        .map(({ timeliness, state, count }) => [[timeliness, ...(state === null ? [] : [state])].join(' '), count!]),
    );

  beforeAll(async () => {
    service = await startService({
      env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_TIME_ZONE: PARIS },
    });
    const holidays = `day,name,valid_from\n${HOLIDAY},A day off,2018-01-03\n`;
    for (const [kind, text] of Object.entries({ ...TRANSACTION_REFERENCE, 'authority-holiday': holidays })) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    const then = `${DAY.from_date}T08:00:00Z`;
    await post(['LATE', 'AGAIN', 'PENDING', 'VOID'].flatMap((name) => traded(name, then)));
    await post(traded('HELD', `${DAY.from_date}T09:00:00Z`, 'C-99'));
  }, 60_000);
  afterAll(() => service.close());

  describe('the ageing list', () => {
    it('shows what is held or drafted as due until the end of the next working day, and as overdue from then on', async () => {
      const before = await rowsOf({ ...DAY, at: '2025-06-05T21:59:59.999999Z' });
      expect(standings(before)).toEqual([
        ['HELD', 'due held'],
        ...['LATE', 'AGAIN', 'PENDING', 'VOID'].map((name) => [name, 'due drafted']),
      ]);
      const held = before.find(({ state, kind }) => kind === 'report' && state === 'held')!;
      expect(held).toMatchObject({
        ...{ deadline: DEADLINE, working_days_late: '0', next: 'held', order_id: 'HELD', version: '1', leg: '0' },
        ...{ to_mend: expect.stringContaining('C-99'), trading_time: '2025-06-03T09:00:00Z', sent_at: null },
      });
      const after = await rowsOf({ ...DAY, at: DEADLINE });
      expect(new Set(standings(after).map(([, standing]) => standing))).toEqual(
        new Set(['overdue held', 'overdue drafted']),
      );
      // from the Friday on, the working day after the Thursday on which it was due
      expect(after.at(-1)!.working_days_late).toBe('1');
      expect(totals(after)).toEqual({
        ...{ overdue: '5', 'overdue held': '1', 'overdue drafted': '4' },
        ...{ 'over-reported': '0', due: '0', awaiting: '0', late: '0', 'in-time': '0', cancelled: '0' },
      });
    });

    it('has other deadlines in another time zone, or before the holiday was known', async () => {
      const deadlineIn = async (query: Record<string, string>) =>
        (await rowsOf({ ...DAY, at: DEADLINE, ...query })).at(-1)!.deadline;
      expect(await deadlineIn({ time_zone: 'Europe/Helsinki' })).toBe('2025-06-05T21:00:00.000000Z');
      const { body } = await service.http().get(`/v1/reference/authority-holiday/entries/${HOLIDAY}`).expect(200);
      const revision = Number(body.revision);
      expect(await deadlineIn({ reference_as_of: String(revision - 1) })).toBe('2025-06-04T22:00:00.000000Z');
    });

    it('tells what was sent and answered: in time, late, awaited, rejected', async () => {
      const old = await submitted(DAY);
      await post([...traded('NEW', hourAgo), ...traded('UNANSWERED', hourAgo), ...traded('NEW-HELD', hourAgo, 'C-99')]);
      const recent = await submitted(today);
      expect([old.files.length, recent.files.length]).toEqual([1, 1]);
      const sent = await rowsOf(all);
      expect(standings(sent)).toEqual([
        ['HELD', 'overdue held'],
        ...['LATE', 'AGAIN', 'PENDING', 'VOID'].map((name) => [name, 'overdue sent']),
        ['NEW-HELD', 'due held'],
        ...['NEW', 'UNANSWERED'].map((name) => [name, 'awaiting sent']),
      ]);
      await handIn(
        feedbackXml([
          {
            ...{ answers: old.files[0]!.message_id, status: 'PART' as const },
            records: [
              { recordId: referenceOf('LATE'), status: 'ACPT', rules: [] },
              { recordId: referenceOf('VOID'), status: 'ACPT', rules: [] },
              { recordId: referenceOf('AGAIN'), status: 'RJCT', rules: BROKEN },
              { recordId: referenceOf('PENDING'), status: 'PDNG', rules: BROKEN },
            ],
          },
          {
            ...{ answers: recent.files[0]!.message_id, status: 'PART' as const },
            records: [{ recordId: referenceOf('NEW'), status: 'ACPT', rules: [] }],
          },
        ]),
      );
      const rows = await rowsOf(all);
      expect(standings(rows)).toEqual([
        ['HELD', 'overdue held'],
        ['AGAIN', 'overdue rejected'],
        ['PENDING', 'overdue pending'],
        ['NEW-HELD', 'due held'],
        ['UNANSWERED', 'awaiting sent'],
        ...['LATE', 'VOID'].map((name) => [name, 'late accepted']),
        ['NEW', 'in-time accepted'],
      ]);
      const row = (name: string) => rows.find(({ transaction_reference: id }) => names.get(id ?? '') === name)!;
      expect(row('AGAIN')).toMatchObject({ rules: 'CON-411', next: 'rejected', message_id: old.files[0]!.message_id });
      expect(row('PENDING')).toMatchObject({ rules: 'CON-411', next: 'as-sent' });
      expect(row('NEW')).toMatchObject({ rules: null, next: 'as-sent', working_days_late: '0' });
      const calendar = new ReportingCalendar({ timeZone: PARIS, holidays: [HOLIDAY] });
      const { sent_at: sentAt, working_days_late: late } = row('LATE');
      expect(late).toBe(String(calendar.workingDaysLate(`${DAY.from_date}T08:00:00Z`, sentAt!)));
      expect(Number(late)).toBeGreaterThan(100);
      expect(totals(rows)).toMatchObject({ overdue: '3', due: '1', awaiting: '1', late: '2', 'in-time': '1' });
    });

    it('lists what is asked for alone, and counts all', async () => {
      const pressing = await rowsOf({ ...all, timeliness: 'overdue,due', state: 'held' });
      expect(standings(pressing)).toEqual([
        ['HELD', 'overdue held'],
        ['NEW-HELD', 'due held'],
      ]);
      expect(totals(pressing)).toEqual(totals(await rowsOf(all)));
    });

    it('has what was rejected as late once it is accepted, with the rule', async () => {
      const again = await submitted({ ...DAY, repeat_rejected: 'yes' });
      await handIn(feedbackXml([{ answers: again.files[0]!.message_id, status: 'ACPT' }]));
      const [row] = (await rowsOf({ ...DAY, timeliness: 'late' })).filter(
        ({ transaction_reference: id }) => id === referenceOf('AGAIN'),
      );
      expect(row).toMatchObject({ state: 'accepted', rules: 'CON-411', message_id: again.files[0]!.message_id });
    });

    it('has what never happened as over-reported until it is cancelled', async () => {
      const filled = [...names].find(([, name]) => name === 'VOID')![0];
      const { body } = await service.http().get('/v1/ledgers/main/events?entity_id=VOID&limit=10').expect(200);
      const original = (body.events as { action: string; event_id: string }[]).find(({ action }) => action === 'fill')!;
      const voided = order((number += 1), 'VOID', 'void', `${DAY.from_date}T10:00:00Z`, {
        metadata: { reason: 'bust' },
      });
      await post([{ ...voided, corrects: original.event_id }]);
      const voids = async () =>
        (await rowsOf(DAY)).filter(({ transaction_reference: reference }) => reference === filled);
      expect(await voids()).toMatchObject([
        { timeliness: 'over-reported', state: 'accepted', next: 'send', deadline: null, working_days_late: null },
      ]);
      const sent = await submitted(DAY);
      expect(await voids()).toMatchObject([{ timeliness: 'over-reported', state: 'cancelling', next: 'as-sent' }]);
      await handIn(feedbackXml([{ answers: sent.files[0]!.message_id, status: 'ACPT' }]));
      expect(await voids()).toMatchObject([{ timeliness: 'cancelled', state: 'cancelled' }]);
    });

    it('is the same again with what it was fixed to, whatever was sent and answered since', async () => {
      const { body, headers } = await ageing({ ...DAY, reporting_as_of: '0', at: DEADLINE }).expect(200);
      expect(body.parameters).toMatchObject({ reporting_as_of: '0', at: DEADLINE, time_zone: PARIS });
      expect(new Set(standings(body.rows).map(([, standing]) => standing))).toEqual(
        new Set(['overdue held', 'overdue drafted']),
      );
      const { as_of: asOf, parameters } = (await ageing(DAY).expect(200)).body;
      const fixed = { ...parameters, as_of: asOf };
      const first = await ageing(fixed).expect(200);
      await submitted({ ...DAY, repeat_rejected: 'yes' });
      expect((await ageing(fixed).expect(200)).text).toBe(first.text);
      const { body: manifest } = await service
        .http()
        .get(`${REPORTS}/transaction-ageing/runs/${headers['truetrail-report-run']}/manifest`)
        .expect(200);
      expect(manifest.parameters).toMatchObject({ reporting_as_of: '0', time_zone: PARIS });
      // what was recorded by the time of an event of long ago
      expect((await ageing({ ...DAY, as_of: '1' }).expect(200)).body.parameters.reporting_as_of).toBe('0');
    });

    it('is a table in CSV as well, and refuses what it does not know', async () => {
      const { text } = await ageing({ ...DAY, format: 'csv' }).expect(200);
      expect(text.split('\r\n')[1]).toMatch(/^total,overdue,,[0-9]+,/);
      for (const [wrong, name] of [
        [{ timeliness: 'overdue,soon' }, 'timeliness'],
        [{ state: 'unsent' }, 'state'],
        [{ at: 'now' }, 'at'],
        [{ time_zone: '+02:00' }, 'time_zone'],
        [{ time_zone: 'Europe/Nowhere' }, 'time_zone'],
        [{ reporting_as_of: '999' }, 'reporting_as_of'],
        [{ reporting_as_of: '-1' }, 'reporting_as_of'],
      ] as const) {
        const { body } = await ageing({ ...DAY, ...wrong }).expect(400);
        expect(body.errors[0].pointer).toBe(`/query/${name}`);
      }
    });
  });
});
