import { createHash } from 'node:crypto';
import { ReportingCalendar } from '../src/transaction-reports/reporting-calendar.js';
import { transactionReference } from '../src/transaction-reports/transaction-reference.js';
import { order, type SentEvent } from './reports/made-day.js';
import {
  BANK,
  CCP,
  CLIENT,
  FIRM,
  MADE_TRANSACTIONS,
  SHARE,
  TRANSACTION_REFERENCE,
} from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { feedbackXml } from './support/feedback.js';
import { createKey, serviceEvents } from './support/keys.js';
import { filesOf } from './support/submissions.js';
import { whenOver } from './support/verification.js';

const SUBMISSIONS = '/v1/ledgers/main/transaction-reports/submissions';
const REPORTS = '/v1/ledgers/main/reports';
const RECONCILIATIONS = '/v1/ledgers/main/transaction-reports/reconciliations';
const PARIS = 'Europe/Paris';
/** A Tuesday. The day after it is a holiday of the authority here. */
const DAY = { from_date: '2025-06-03', to_date: '2025-06-03' };
const HOLIDAY = '2025-06-04';
const DEADLINE = '2025-06-05T22:00:00.000000Z';
const BROKEN = [{ id: 'CON-411', description: 'Field 41 is not on the list of instruments' }];

type Row = Record<string, string | null>;
interface Submission {
  id: string;
  status: string;
  files: { message_id: string }[];
}

describe('what is to be reported, sent and answered', () => {
  let service: TestService;
  /** a trade of a moment ago: its report is in time whenever the test runs */
  const now = new Date();
  const hourAgo = new Date(now.getTime() - 3_600_000).toISOString();
  const today = { from: new Date(now.getTime() - 7_200_000).toISOString(), to: now.toISOString() };
  const all = { from: `${DAY.from_date}T00:00:00Z`, to: today.to };
  /** the submission of DAY */
  let old: Submission;
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

  async function submitted(asked: object): Promise<Submission> {
    const answer = await service.http().post(SUBMISSIONS).send(asked).expect(202);
    const run = await whenOver<Submission>(service, answer.headers.location!);
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
  });
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
        ...{
          'over-reported': '0',
          due: '0',
          awaiting: '0',
          late: '0',
          'in-time': '0',
          cancelled: '0',
          'other-entity': '0',
          'other-ledger': '0',
          contradicted: '0',
          unanswered: '0',
          'no-firm': '0',
        },
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
      old = await submitted(DAY);
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

    it('has exactly what the report of transactions has to be reported, held as there', async () => {
      await service.http().put('/v1/ledgers/desk-2').expect(201);
      await service.http().post('/v1/ledgers/desk-2/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
      const report = async (name: string): Promise<Row[]> =>
        (await service.http().get(`/v1/ledgers/desk-2/reports/${name}`).query(DAY).expect(200)).body.rows;
      // of each reference the last row counts: what was corrected or voided ends with a cancellation
      const last = new Map<string, string>();
      const reported = await report('transactions');
      for (const row of reported) {
        const reference = row.f2_transaction_reference;
        if (reference) last.set(reference, row.f1_report_status === 'CANC' ? 'none' : row.status!);
      }
      const expected = [...last].filter(([, status]) => status !== 'none').sort();
      const listed = (await report('transaction-ageing')).filter(({ kind }) => kind === 'report');
      const found = listed
        .filter(({ timeliness }) => timeliness !== 'no-firm')
        .map(({ transaction_reference: reference, state }) => [reference, state === 'held' ? 'held' : 'reportable']);
      // of an execution the last version counts
      const ends = new Map(reported.map((row) => [row.event_id, row]));
      const ofNoFirm = [...ends.values()].filter(({ reason }) => reason?.endsWith('no firm here reports it') === true);
      expect(
        listed.flatMap((row) => (row.timeliness === 'no-firm' ? [[row.event_id, row.to_mend]] : [])).sort(),
      ).toEqual(ofNoFirm.map((row) => [row.event_id, row.reason]).sort());
      expect(ofNoFirm).toHaveLength(2);
      expect(found.sort()).toEqual(expected);
      expect(expected.filter(([, status]) => status === 'held').length).toBeGreaterThan(5);
      expect(expected.length).toBeLessThan(last.size);
    });

    it('shows its times in the zone of whoever reads it, which changes no deadline', async () => {
      const fixed = { ...DAY, reporting_as_of: '0', at: DEADLINE, time_zone: PARIS };
      const { body } = await ageing(fixed).expect(200);
      const deadlines = (body.rows as Row[]).flatMap(({ deadline }) => deadline ?? []);
      expect(deadlines.length).toBeGreaterThan(3);
      const page = await ageing({ ...fixed, format: 'html', display_time_zone: 'Asia/Tokyo' }).expect(200);
      expect(page.text).toContain('<dt>time_zone</dt><dd>Europe/Paris</dd>');
      const shown = [...page.text.matchAll(/<tr>(.*)<\/tr>/g)].flatMap(([, row]) => {
        const cells = [...row!.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => cell);
        return cells[4] === '' || cells.length === 0 ? [] : [cells[4]];
      });
      const hoursAhead = (time: string): string =>
        new Date(Date.parse(time) + 9 * 3_600_000).toISOString().slice(0, 19);
      expect(shown).toEqual(deadlines.map((time) => `${hoursAhead(time)}${time.slice(19, -1)}+09:00`));
      const { body: refused } = await ageing({ ...fixed, display_time_zone: 'Asia/Tokyo' }).expect(400);
      expect(refused.errors).toMatchObject([{ pointer: '/query/display_time_zone', rule: 'format' }]);
    });

    it('is a table in CSV as well, and refuses what it does not know', async () => {
      const { text } = await ageing({ ...DAY, format: 'csv' }).expect(200);
      expect(text.split('\r\n')[1]).toMatch(/^total,contradicted,,[0-9]+,/);
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

  /** As the ageing list leaves it: one is held, one pending, two are accepted, one was taken back. */
  describe('a reconciliation', () => {
    /** the file of DAY as it was sent */
    let file: string;

    beforeAll(async () => {
      const [sent] = (await filesOf(service, old.id)).values();
      file = sent!.toString('utf8');
    });

    const reconcile = (asked: object, key?: string) => service.http(key).post(RECONCILIATIONS).send(asked);
    const reconcileSample = (xml: string, query: object = DAY, key?: string) =>
      service
        .http(key)
        .post(`${RECONCILIATIONS}/samples`)
        .query(query)
        .set('content-type', 'application/xml')
        .send(xml);

    /** Of the references with a name, what a column says of each. */
    const said = (rows: Row[], ...columns: string[]): Record<string, string> =>
      Object.fromEntries(
        rows
          .filter(({ kind }) => kind === 'reference')
          .map((row) => [
            names.get(row.transaction_reference!) ?? row.transaction_reference!,
            columns.map((column) => row[column] ?? '-').join(' '),
          ]),
      );
    const counted = (rows: Row[]): Record<string, string> =>
      Object.fromEntries(rows.filter(({ kind }) => kind === 'total').map(({ total_of: of, count }) => [of!, count!]));
    const positions = (rows: Row[]): Row[] => rows.filter(({ kind }) => kind === 'position');

    async function evidence(): Promise<{ entity_id: string; user_id: string; new_state: Record<string, unknown> }[]> {
      const query = { entity_type: 'transaction_report_reconciliation', limit: '100' };
      const { body } = await service.http().get('/v1/ledgers/_reporting/events').query(query).expect(200);
      return body.events;
    }

    it('finds what is missing, late and unanswered, and sums positions', async () => {
      const books = [
        { party: CLIENT, instrument: SHARE, quantity: '30.0' },
        { instrument: SHARE, quantity: '5' },
      ];
      const { body, headers } = await reconcile({ ...DAY, positions: books }).expect(200);
      const rows = body.rows as Row[];
      expect(said(rows, 'result', 'state', 'timeliness')).toEqual({
        ...{ HELD: 'missing held overdue', LATE: 'same accepted late', AGAIN: 'same accepted late' },
        ...{ PENDING: 'unanswered pending overdue', VOID: 'same cancelled cancelled' },
      });
      expect(counted(rows)).toEqual({
        ...{ same: '3', unanswered: '1', missing: '1', different: '0', extra: '0', late: '2', overdue: '2' },
        ...{
          contradicted: '0',
          'other-entity': '0',
          'other-ledger': '0',
          'not compared': '0',
          'positions same': '0',
          'positions different': '3',
        },
      });
      const share = { instrument: SHARE, quantity_in: 'units', in_sample: null, result: 'different' };
      expect(positions(rows)).toMatchObject([
        // of the one that is held nobody knows who bought
        { ...share, party: CLIENT, derived: '30', accepted: '20', given: '30.0' },
        { ...share, party: CCP, derived: '-40', accepted: '-20', given: null },
        { ...share, party: FIRM, derived: '0', accepted: '0', given: '5' },
      ]);
      expect(headers['content-disposition']).toContain('main-transaction-reconciliation-2025-06-03-to-2025-06-03');
    });

    it('leaves out what is in order where that is asked for', async () => {
      const { text } = await reconcile({ ...today, list: 'differences', format: 'csv' }).expect(200);
      const zone = { display_time_zone: 'Asia/Tokyo' };
      const page = (await reconcile({ ...today, ...zone, format: 'html' }).expect(200)).text;
      expect(page).toContain('<dt>Times</dt><dd>shown in Asia/Tokyo, each with its offset');
      expect(page).toMatch(/<td>2[0-9-]{9}T[0-9:.]+\+09:00<\/td>/);
      const refused = (await reconcile({ ...today, ...zone, format: 'csv' }).expect(400)).body;
      expect(refused.errors).toMatchObject([{ pointer: '/display_time_zone', rule: 'format' }]);
      const [head, ...lines] = text.trim().split('\r\n');
      expect(head).toMatch(/^kind,transaction_reference,result,/);
      const kinds = lines.map((line) => line.split(',')[0]);
      expect(kinds.filter((kind) => kind === 'reference')).toHaveLength(1);
      expect(lines[0]).toContain(referenceOf('NEW-HELD'));
    });

    it('holds reports against a sample: the same, missing, extra, different by field', async () => {
      const transactions = file.match(/<Tx><(New|Cxl)>.*?<\/\1><\/Tx>/gs)!;
      expect(transactions).toHaveLength(4);
      const of = (name: string): string => transactions.find((each) => each.includes(referenceOf(name)))!;
      const late = of('LATE');
      const sample = file
        .replace(of('PENDING'), '')
        .replace(of('AGAIN'), of('AGAIN').replace('>61.38<', '>61.390<'))
        .replace(
          late,
          late.replace('>61.38<', '>61.380<') +
            ['NOBODYS', referenceOf('NEW')].map((each) => late.replace(referenceOf('LATE'), each)).join(''),
        );
      const { body, headers } = await reconcileSample(sample).expect(200);
      const rows = body.rows as Row[];
      expect(said(rows, 'sample', 'sample_differing', 'state')).toEqual({
        ...{ HELD: 'missing - held', LATE: 'same - accepted', AGAIN: 'different 33 accepted' },
        ...{ PENDING: 'missing - pending', VOID: 'extra - cancelled', NOBODYS: 'extra - -', NEW: 'extra - accepted' },
      });
      const again = rows.find(({ transaction_reference: id }) => id === referenceOf('AGAIN'))!;
      expect(JSON.parse(again.sample_differences!)).toMatchObject([
        { field: 33, name: 'price', ours: '61.38', theirs: '61.390' },
      ]);
      expect(counted(rows)).toMatchObject({
        ...{ 'sample same': '1', 'sample missing': '2', 'sample different': '1', 'sample extra': '3' },
      });
      expect(positions(rows)).toMatchObject([
        { party: CLIENT, derived: '30', accepted: '20', in_sample: '50', given: null },
        { party: CCP, derived: '-40', accepted: '-20', in_sample: '-50', given: null },
      ]);
      const part = await reconcileSample(sample, { ...DAY, sample_is: 'part' }).expect(200);
      expect(said(part.body.rows, 'sample')).toMatchObject({ HELD: '-', PENDING: '-', LATE: 'same' });

      const id = headers['truetrail-reconciliation'];
      const event = (await evidence()).find((each) => each.entity_id === id)!;
      expect(event.user_id).toMatch(/^key:/);
      expect(event.new_state).toMatchObject({
        ...{ ledger: 'main', executing_entity: FIRM, parameters: { ...DAY, time_zone: PARIS }, positions_given: '0' },
        sample: {
          sha256: createHash('sha256').update(sample).digest('hex'),
          ...{ bytes: String(Buffer.byteLength(sample)), records: '5', message_id: old.files[0]!.message_id },
        },
        counts: counted(rows),
        answer: { format: 'json', rows: String(rows.length) },
      });
      const asked = (await serviceEvents(service.database, 'transaction_reports')).filter(
        ({ action, new_state: { run } }) => action === 'reconcile' && run === id,
      );
      expect(asked).toHaveLength(1);
    });

    it("has reports of another firm apart: in no position, and listed as a difference where this firm's ledger never sent them", async () => {
      const [first] = file.match(/<Tx><New>.*?<\/New><\/Tx>/s)!;
      const others = first.replaceAll(FIRM, BANK);
      expect(others).not.toBe(first);
      const [alone, both] = await Promise.all(
        [file, file.replace(first, first + others)].map(async (sample) => {
          const { body } = await reconcileSample(sample, { ...DAY, list: 'differences' }).expect(200);
          return body.rows as Row[];
        }),
      );
      expect(both!.filter(({ kind }) => kind === 'position')).toEqual(alone!.filter(({ kind }) => kind === 'position'));
      expect(counted(both!)).toEqual({ ...counted(alone!), 'sample other-entity': '1' });
      expect(counted(alone!)['sample other-entity']).toBe('0');
      const row = both!.find(({ sample }) => sample === 'other-entity')!;
      expect([row.state, row.message_id, row.sample_differing]).toEqual([null, null, '4']);
      expect(JSON.parse(row.sample_differences!)).toEqual([
        { field: 4, name: 'executing_entity', path: 'New/ExctgPty', ours: FIRM, theirs: BANK },
      ]);
    });

    it('tells a ledger nothing of what was sent of another', async () => {
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      const path = '/v1/ledgers/desk-1/transaction-reports/reconciliations/samples';
      const sent = service.http().post(path).query(DAY).set('content-type', 'application/xml').send(file);
      const { body } = await sent.expect(200);
      expect(Object.values(said(body.rows, 'sample', 'state', 'message_id', 'sent_at'))).toEqual(
        Array<string>(4).fill('extra - - -'),
      );
    });

    it('has the file that was sent as the same where nothing was corrected since', async () => {
      const { body } = await reconcileSample(file).expect(200);
      expect(said(body.rows, 'sample')).toMatchObject({ LATE: 'same', AGAIN: 'same', PENDING: 'same' });
    });

    it('finds by field what reference data say otherwise than when it was sent, and what is to be taken back', async () => {
      const trader = TRANSACTION_REFERENCE.trader!.replace('DE19800307CAMILTESTE', 'DE19800308CAMILTESTE');
      const imports = '/v1/reference/trader/imports';
      await service.http().post(imports).set('content-type', 'text/csv').send(trader).expect(201);
      const { body } = await reconcile(DAY).expect(200);
      const rows = body.rows as Row[];
      expect(said(rows, 'result', 'differing')).toMatchObject({
        ...{ HELD: 'missing -', LATE: 'different 59', PENDING: 'different 59', VOID: 'same -' },
      });
      const late = rows.find(({ transaction_reference: id }) => id === referenceOf('LATE'))!;
      expect(JSON.parse(late.differences!)).toMatchObject([
        { field: 59, ours: 'DE19800308CAMILTESTE', theirs: 'DE19800307CAMILTESTE' },
      ]);
      expect(counted(rows)).toMatchObject({ different: '3', 'not compared': '0' });
      // what was accepted counts as it was sent
      expect(positions(rows)[0]).toMatchObject({ party: CLIENT, derived: '30', accepted: '20' });

      const { body: found } = await service.http().get('/v1/ledgers/main/events?entity_id=LATE&limit=10').expect(200);
      const fill = (found.events as { action: string; event_id: string }[]).find(({ action }) => action === 'fill')!;
      const voided = order((number += 1), 'LATE', 'void', `${DAY.from_date}T11:00:00Z`, { metadata: { reason: 'x' } });
      await post([{ ...voided, corrects: fill.event_id }]);
      const after = (await reconcile(DAY).expect(200)).body.rows as Row[];
      expect(said(after, 'result', 'state', 'timeliness')).toMatchObject({ LATE: 'extra accepted over-reported' });
      expect(positions(after)[0]).toMatchObject({ party: CLIENT, derived: '20', accepted: '20', result: 'same' });
    });

    it('refuses a broken sample by its line, and what it does not know; nothing is recorded', async () => {
      const before = (await evidence()).length;
      const broken = file.replaceAll('><', '>\n<');
      const line = broken.split('\n').findIndex((each) => each.startsWith('<TxId>')) + 1;
      for (const [wrong, pointer] of [
        [broken.replace('<TxId>', '<TxRef>').replace('</TxId>', '</TxRef>'), `/lines/${line - 1}`],
        [broken.slice(0, -20), /^\/lines\/[0-9]+$/],
        [file.replaceAll('auth.016.001.01', 'auth.031.001.01'), /^\/lines\/[0-9]+$/],
      ] as const) {
        const { body } = await reconcileSample(wrong).expect(400);
        expect(body.type).toBe('/docs/problems/invalid-body');
        if (typeof pointer === 'string') expect(body.errors[0].pointer).toBe(pointer);
        else expect(body.errors[0].pointer).toMatch(pointer);
      }
      await reconcileSample('').expect(400);
      await reconcileSample(file, {}).expect(400);
      await service.http().post(`${RECONCILIATIONS}/samples`).query(DAY).send({}).expect(415);
      for (const [wrong, pointer] of [
        [{ ...DAY, list: 'some' }, '/list'],
        [{ ...DAY, list: 1 }, '/list'],
        [{ from_date: DAY.from_date }, '/to_date'],
        [{ ...DAY, positions: {} }, '/positions'],
        [{ ...DAY, positions: [{ instrument: SHARE, quantity: 'ten' }] }, '/positions/0/quantity'],
        [{ ...DAY, positions: [{ instrument: SHARE, quantity: 10 }] }, '/positions/0/quantity'],
        [{ ...DAY, positions: [{ instrument: SHARE, quantity: '10', price: '1' }] }, '/positions/0/price'],
        [{ ...DAY, positions: [{ quantity: '10', quantity_in: 'lots' }] }, '/positions/0/instrument'],
        [
          { ...DAY, positions: [FIRM, undefined].map((party) => ({ party, instrument: SHARE, quantity: '10' })) },
          '/positions/1',
        ],
      ] as const) {
        const { body } = await reconcile(wrong).expect(400);
        expect(body.type).toBe('/docs/problems/invalid-body');
        expect(body.errors[0].pointer).toBe(pointer);
      }
      expect(await evidence()).toHaveLength(before);
    });

    it('holds few samples at once', async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => reconcileSample(file)));
      const refused = answers.filter(({ status }) => status === 503);
      expect(refused.length).toBeGreaterThan(0);
      for (const { body, headers } of refused) {
        expect([body.type, headers['retry-after']]).toEqual(['/docs/problems/reads-overloaded', '5']);
      }
      expect(answers.filter(({ status }) => status === 200).length).toBe(6 - refused.length);
      await reconcileSample(file).expect(200);
    });

    it('is for keys of the ledger that may submit', async () => {
      const reader = await createKey(service, ['reports:read']);
      const elsewhere = await createKey(service, ['transaction-reports:submit', 'reports:read'], ['desk-1']);
      await reconcile(DAY, reader.key).expect(403);
      await reconcileSample(file, DAY, reader.key).expect(403);
      await reconcile(DAY, elsewhere.key).expect(404);
      await reconcileSample(file, DAY, elsewhere.key).expect(404);
      await ageing(DAY, elsewhere.key).expect(404);
      await ageing(DAY, reader.key).expect(200);
      const own = await createKey(service, ['transaction-reports:submit']);
      await reconcile(DAY, own.key).expect(200);
      expect((await evidence()).some(({ user_id: by }) => by === `key:${own.id}`)).toBe(true);
    });

    it('cannot tell deadlines by holidays without a working day between, as the ageing list cannot', async () => {
      const days = Array.from({ length: 50 }, (_, i) => new Date(Date.UTC(2025, 7, 1 + i)).toISOString().slice(0, 10));
      const holidays = `day,name,valid_from\n${days.map((day) => `${day},Off,2018-01-03\n`).join('')}`;
      const imports = '/v1/reference/authority-holiday/imports';
      await service.http().post(imports).set('content-type', 'text/csv').send(holidays).expect(201);
      const { body } = await ageing(DAY).expect(400);
      expect(body.errors[0]).toMatchObject({ pointer: '/query/reference_as_of', rule: 'holidays' });
      expect((await reconcile(DAY).expect(400)).body.errors[0].detail).toContain('no working day follows');
      const mend = `day,name,valid_from,change\n${days.map((day) => `${day},,2018-01-03,end\n`).join('')}`;
      await service.http().post(imports).set('content-type', 'text/csv').send(mend).expect(201);
      await ageing(DAY).expect(200);
    });

    it('hinders no submission, and the ledger is whole', async () => {
      // LATE is taken back
      const { files } = await submitted(DAY);
      expect(files).toMatchObject([{ new: '0', cancelled: '1' }]);
      // until the authority takes the cancellation it has the report
      const rows = (await reconcile(DAY).expect(200)).body.rows as Row[];
      expect(said(rows, 'result', 'state')).toMatchObject({ LATE: 'extra cancelling' });
      expect(positions(rows)[0]).toMatchObject({ party: CLIENT, derived: '20', accepted: '20', result: 'same' });
      const asked = await service.http().post('/v1/ledgers/_reporting/verifications').send({}).expect(202);
      const run = await whenOver<{ status: string; verdict: string }>(service, asked.headers.location!);
      expect(run.verdict).toBe('valid');
    });
  });
});
