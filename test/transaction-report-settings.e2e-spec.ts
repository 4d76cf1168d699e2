import { BANK, FIRM, MADE_TRANSACTIONS, OTHER_BANK, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { feedbackXml } from './support/feedback.js';
import { filesOf, submitted, SUBMISSIONS, type ShownSubmission } from './support/submissions.js';

const DAY = { from_date: '2025-06-03', to_date: '2025-06-03' };
const TEMPLATE = MADE_TRANSACTIONS.filter(
  ({ entity_id: id, action }) => id === 'OWN' && (action === 'create' || action === 'fill'),
);
const COLUMNS =
  'lei,name,country,investment_firm,report_sender,report_receiver,report_file_name,report_time_zone,valid_from,valid_to\n';
/** In Tokyo, so that its midnights are others; the holidays are of its authority, of another one, and of every one. */
const OF_BANK = 'BK,DE,{sender}-{receiver}-{sequence},Asia/Tokyo';
const HOLIDAYS = `day,name,receivers,valid_from
2025-06-04,Of two,DE AT,2018-01-03
2025-06-05,Of another,FR,2018-01-03
2025-06-06,Of every one,,2018-01-03
`;

type Row = Record<string, string | null>;

describe('what is stated of how a firm reports, beside the settings of the installation', () => {
  let service: TestService;
  let number = 0;
  const idOf = (): string => `0197f3a1-6c00-7000-8000-${(0xb0_0000 + (number += 1)).toString(16).padStart(12, '0')}`;
  let fill: Record<string, unknown>;
  const runs: Record<string, ShownSubmission> = {};

  beforeAll(async () => {
    service = await startService({
      env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_TIME_ZONE: 'Europe/Paris' },
    });
    await prepare(service);
  });
  afterAll(() => service.close());

  async function prepare(of: TestService): Promise<void> {
    const more = {
      'legal-entity': `${COLUMNS}${BANK},A bank,DE,yes,${OF_BANK},2018-01-03,\n`,
      membership: `member_venue,reported_by,valid_from\n${BANK}/XPAR,firm,2018-01-03\n`,
      'authority-holiday': HOLIDAYS,
    };
    for (const [kind, text] of [...Object.entries(TRANSACTION_REFERENCE), ...Object.entries(more)]) {
      await imported(kind, text, of);
    }
  }

  const imported = (kind: string, text: string, of = service, status = 201) =>
    of.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(status);

  async function traded(name: string, firm: string, of = service): Promise<void> {
    for (const event of TEMPLATE) {
      const metadata = { ...(event.metadata as object), executing_entity: firm };
      fill = { ...event, entity_id: name, event_id: idOf(), metadata };
      await of.http().post('/v1/ledgers/main/events').send(fill).expect(201);
    }
  }

  async function sent(name: string, firm: string): Promise<string[]> {
    const run = await submitted(service, DAY, { executing_entity: firm });
    expect([run.status, run.error]).toEqual(['done', null]);
    runs[name] = run;
    return run.files.map(({ message_id: id }) => id);
  }

  /** Sender and receiver in the header of a file. */
  async function parties(name: string): Promise<string[]> {
    const [file] = (await filesOf(service, runs[name]!.id)).values();
    const header = /<AppHdr[\s\S]*<\/AppHdr>/.exec(file!.toString())![0];
    return [...header.matchAll(/<Othr><Id>([^<]*)<\/Id>/g)].map(([, id]) => id!);
  }

  it('names the sender, the receiver and the files of each firm, and numbers those of both without gaps', async () => {
    await traded('F-1', FIRM);
    await traded('B-1', BANK);
    expect(await sent('F-1', FIRM)).toEqual([expect.stringMatching(/^TF_DATTRA_FR_000001-0-000000_\d\d$/)]);
    expect(await sent('B-1', BANK)).toEqual(['BK-DE-1']);
    await traded('F-2', FIRM);
    await traded('B-2', BANK);
    expect(await sent('B-2', BANK)).toEqual(['BK-DE-2']);
    expect(await sent('F-2', FIRM)).toEqual([expect.stringMatching(/^TF_DATTRA_FR_000002-0-000001_\d\d$/)]);
    expect(await parties('F-2')).toEqual(['TF', 'FR']);
    expect(await parties('B-2')).toEqual(['BK', 'DE']);
  });

  it('holds feedback against who sent what it answers to whom', async () => {
    const told = async (answers: string, to: string, from: string): Promise<unknown[]> => {
      const xml = feedbackXml([{ answers, status: 'RCVD' }], `FB-${answers}`, to, from);
      const { body } = await service
        .http()
        .post('/v1/transaction-report-feedback')
        .set('content-type', 'application/xml')
        .send(xml)
        .expect(201);
      expect([body.addressed_to, body.sent_by]).toEqual([to, from]);
      return [body.is_addressed_elsewhere, body.is_sent_by_other];
    };
    const ofFirm = runs['F-1']!.files[0]!.message_id;
    expect(await told('BK-DE-1', 'BK', 'DE')).toEqual([false, false]);
    expect(await told('BK-DE-1', BANK, 'DE')).toEqual([false, false]);
    expect(await told('BK-DE-1', 'TF', 'FR')).toEqual([true, true]);
    expect(await told(ofFirm, 'TF', 'FR')).toEqual([false, false]);
    expect(await told(ofFirm, 'BK', 'DE')).toEqual([true, true]);
    // of what was not sent from here the settings of the installation are all that is known
    expect(await told('NEVER', 'TF', 'FR')).toEqual([false, false]);
    expect(await told('NEVER', 'BK', 'DE')).toEqual([true, true]);
  });

  it('reckons deadlines by the days of the authority of each firm', async () => {
    const { body } = await service
      .http()
      .get('/v1/ledgers/main/reports/transaction-ageing')
      .query({ ...DAY, at: '2025-06-03T12:00:00Z', reporting_as_of: '0' })
      .expect(200);
    const rows = (body.rows as Row[]).filter(({ kind }) => kind === 'report');
    expect(rows.map((row) => `${row.order_id} ${row.deadline}`).sort()).toEqual([
      // Tokyo: the 4th is off, due on the 5th
      ...['B-1', 'B-2'].map((name) => `${name} 2025-06-05T15:00:00.000000Z`),
      // Paris: what is off for single authorities is not for one that the entry does not name
      ...['F-1', 'F-2'].map((name) => `${name} 2025-06-04T22:00:00.000000Z`),
    ]);
    const standing = async (at: string): Promise<string[]> => {
      const reconciled = await service
        .http()
        .post('/v1/ledgers/main/transaction-reports/reconciliations')
        .send({ ...DAY, executing_entity: BANK, at, reporting_as_of: '0' })
        .expect(200);
      const references = (reconciled.body.rows as Row[]).filter(({ kind }) => kind === 'reference');
      return references.map((row) => `${row.timeliness} ${row.working_days_late}`);
    };
    expect(await standing('2025-06-05T14:59:59Z')).toEqual(['due 0', 'due 0']);
    expect(await standing('2025-06-05T15:00:00Z')).toEqual(['overdue 1', 'overdue 1']);
  });

  it('takes what is stated of the time at which it is sent, and of a firm that is no more what was stated last', async () => {
    const soon = `${COLUMNS}${BANK},A bank,DE,yes,B2,DE,{sender}-{receiver}-{sequence},Asia/Tokyo,2099-01-01,\n`;
    await imported('legal-entity', soon);
    await traded('B-3', BANK);
    expect(await sent('B-3', BANK)).toEqual(['BK-DE-3']);
    await imported('legal-entity', soon.replace('2099', '2020'));
    await traded('B-4', BANK);
    expect(await sent('B-4', BANK)).toEqual(['B2-DE-1']);
    await imported('legal-entity', `lei,name,country,valid_from,change\n${BANK},,,2025-07-01,end\n`);
    const bust = { event_id: idOf(), action: 'void', corrects: fill.event_id, new_state: {}, metadata: {} };
    await service
      .http()
      .post('/v1/ledgers/main/events')
      .send({ ...fill, ...bust })
      .expect(201);
    expect(await sent('B-5', BANK)).toEqual(['B2-DE-2']);
    expect(runs['B-5']!.files).toMatchObject([{ new: '0', cancelled: '1' }]);
  });

  it('refuses what names no files, or could name two alike', async () => {
    const refused = async (value: string, rule: string): Promise<void> => {
      const { body } = await imported(
        'legal-entity',
        `${COLUMNS}${OTHER_BANK},B,DE,no,${value},2018-01-03,\n`,
        service,
        400,
      );
      expect((body.errors as { rule: string }[]).map((each) => each.rule)).toEqual([rule]);
    };
    await refused(',,{sender}_{sequence},', 'file-name');
    await refused(',,{sender}_{receiver}_{sequence}_{day},', 'file-name');
    await refused(`${FIRM},DE,{sender}_DATTRA_{receiver}_{sequence:12},`, 'file-name');
    await refused('T F,,,', 'report-party');
    await refused(',D/E,,', 'report-party');
    await refused(',,,Europe/Nowhere', 'time-zone');
    await imported(
      'authority-holiday',
      'day,name,receivers,valid_from\n2026-01-01,X,FR  DE,2018-01-03\n',
      service,
      400,
    );
  });

  it('is enough where the installation has no settings, and is asked for where it is not stated', async () => {
    const bare = await startService({ env: { REPORTING_FILE_NAME: 'F-{sequence}' } });
    try {
      await prepare(bare);
      await traded('F', FIRM, bare);
      await traded('B', BANK, bare);
      const ofBank = await submitted(bare, DAY, { executing_entity: BANK });
      expect(ofBank.files.map(({ message_id: id }) => id)).toEqual(['BK-DE-1']);
      const ask = (firm: string) =>
        bare
          .http()
          .post(SUBMISSIONS)
          .send({ ...DAY, executing_entity: firm });
      expect((await ask(FIRM).expect(409)).body.detail).toMatch(/report_sender and report_receiver$/);
      const listed = (query: object) =>
        bare
          .http()
          .get('/v1/ledgers/main/reports/transaction-ageing')
          .query({ ...DAY, ...query });
      await listed({ executing_entity: BANK }).expect(200);
      const { body } = await listed({}).expect(400);
      expect(body.errors).toMatchObject([{ pointer: '/query/time_zone', rule: 'required' }]);
      // its own goes before
      const asked = await listed({ time_zone: 'UTC', at: '2025-06-03T12:00:00Z', reporting_as_of: '0' }).expect(200);
      const deadlines = (asked.body.rows as Row[]).flatMap((row) => (row.kind === 'report' ? [row.deadline] : []));
      expect(deadlines).toEqual(['2025-06-05T00:00:00.000000Z', '2025-06-05T15:00:00.000000Z']);
      // such a name would be that of another pair's file, too
      const alike = `${COLUMNS}${FIRM},Test Firm,FR,yes,TF,FR,,,2018-01-03,\n`;
      await imported('legal-entity', alike, bare);
      expect((await ask(FIRM).expect(409)).body.detail).toMatch(/must have \{sender\} and \{receiver\}/);
    } finally {
      await bare.close();
    }
  });
});
