import { order } from './reports/made-day.js';
import { BANK, FIRM, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { Days } from './reports/plain-ageing.js';
import { startService, type TestService } from './support/app.js';
import { query } from './support/keys.js';
import { SUBMISSIONS, submitted, type ShownSubmission } from './support/submissions.js';
import { whenOver } from './support/verification.js';

const AGEING = '/v1/ledgers/main/reports/transaction-ageing';
const RECONCILIATIONS = '/v1/ledgers/main/transaction-reports/reconciliations';
const PARIS = 'Europe/Paris';
/** Monday to Friday. */
const WEEK = ['2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05', '2025-06-06'];
const PERIOD = { from_date: WEEK[0]!, to_date: WEEK.at(-1)! };
const FIXED = { ...PERIOD, at: '2025-06-06T12:00:00Z', reporting_as_of: '0' };
/** Days off, and of which authorities; of every one where there are none. */
const HOLIDAYS: Readonly<Record<string, readonly string[]>> = {
  '2025-06-04': ['FR'],
  '2025-06-05': ['DE', 'AT'],
  '2025-06-06': [],
  '2025-06-09': ['FR', 'DE'],
};
const SETTINGS = { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_TIME_ZONE: PARIS };
const OF_BANK = 'DE';
const NONE = '-';

type Row = Record<string, string | null>;
type Asked = Record<string, string>;

describe('whose holidays count for which firm', () => {
  /** with settings, with those of another authority, and without any, on one database */
  let service: TestService;
  let moved: TestService;
  let bare: TestService;
  let number = 90_000;

  beforeAll(async () => {
    service = await startService({ env: SETTINGS });
    const { database } = service;
    moved = await startService({ database, env: { ...SETTINGS, REPORTING_SENDER: 'XX', REPORTING_RECEIVER: 'DE' } });
    bare = await startService({ database });
    const days = Object.entries(HOLIDAYS).map(
      ([day, receivers]) => `${day},Off,${receivers.join(' ').replace('AT', 'at')},2018-01-03\n`,
    );
    const columns = 'lei,name,country,investment_firm,report_sender,report_receiver,report_time_zone,valid_from\n';
    const more = {
      'legal-entity': `${columns}${BANK},A bank,DE,yes,BK,${OF_BANK},Asia/Tokyo,2018-01-03\n`,
      membership: `member_venue,reported_by,valid_from\n${BANK}/XPAR,firm,2018-01-03\n`,
      'authority-holiday': `day,name,receivers,valid_from\n${days.join('')}`,
    };
    for (const [kind, text] of [...Object.entries(TRANSACTION_REFERENCE), ...Object.entries(more)]) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    const events = WEEK.flatMap((day) => [...traded(day, 'F', FIRM), ...traded(day, 'B', BANK)]);
    await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
  });
  afterAll(async () => {
    await bare.close();
    await moved.close();
    await service.close();
  });

  /** The order of a client of a firm, and its fill on a venue. */
  function traded(day: string, prefix: string, firm: string) {
    const metadata = {
      ...{ trading_capacity: 'any_other', client_id: 'C-1', investment_decision_maker_type: 'client' },
      ...{ execution_decision_maker: 'T-2', venue_transaction_id: `TV${day.slice(-2)}`, executing_entity: firm },
    };
    const [name, time] = [`${prefix}-${day}`, `${day}T09:00:00Z`];
    const state = { symbol: 'SHR', side: 'buy', exchange: 'XPAR', quantity: '10' };
    return [
      order((number += 1), name, 'create', time, { new_state: state, metadata }),
      order((number += 1), name, 'fill', time, { new_state: { quantity: '10', price: '61.38' }, metadata }),
    ];
  }

  const ageing = (asked: Asked, by = service) =>
    by
      .http()
      .get(AGEING)
      .query({ ...FIXED, ...asked });

  const deadlines = (rows: Row[]): Row =>
    Object.fromEntries(rows.flatMap((row) => (row.kind === 'report' ? [[row.order_id, row.deadline!]] : [])));

  /** By a plain calculation, of what each firm traded in the week. */
  function expected(receiver: string | undefined, zone = PARIS): Row {
    const daysOf = (of: string | undefined, inZone: string): Days => {
      const off = Object.entries(HOLIDAYS).filter(([, whose]) => whose.length === 0 || (of && whose.includes(of)));
      return new Days(
        inZone,
        off.map(([day]) => day),
      );
    };
    const [ofFirm, ofBank] = [daysOf(receiver, zone), daysOf(OF_BANK, 'Asia/Tokyo')];
    return Object.fromEntries(
      WEEK.flatMap((day) => [
        [`F-${day}`, ofFirm.deadline(`${day}T09:00:00Z`)],
        [`B-${day}`, ofBank.deadline(`${day}T09:00:00Z`)],
      ]),
    );
  }

  it('counts those of the authority that the setting says, for firms whose entry says none', async () => {
    const { body } = await ageing({}).expect(200);
    expect(body.parameters).toMatchObject({ time_zone: PARIS, receiver: 'FR' });
    expect(deadlines(body.rows)).toEqual(expected('FR'));
    // worked out by hand: the 4th is off in France, the 6th everywhere, the 9th in both; the 5th in Germany
    expect(expected('FR')).toMatchObject({
      ...{ 'F-2025-06-03': '2025-06-05T22:00:00.000000Z', 'F-2025-06-05': '2025-06-10T22:00:00.000000Z' },
      ...{ 'B-2025-06-03': '2025-06-04T15:00:00.000000Z', 'B-2025-06-04': '2025-06-10T15:00:00.000000Z' },
    });
    const other = await ageing({}, moved).expect(200);
    expect(other.body.parameters.receiver).toBe('DE');
    expect(deadlines(other.body.rows)).toEqual(expected('DE'));
  });

  it('counts those of every authority alone where nobody says one, and says so', async () => {
    const { body } = await ageing({ time_zone: PARIS }, bare).expect(200);
    expect(body.parameters).toMatchObject({ time_zone: PARIS, receiver: NONE });
    expect(deadlines(body.rows)).toEqual(expected(undefined));
    expect(deadlines(body.rows)['F-2025-06-03']).toBe('2025-06-04T22:00:00.000000Z');
  });

  it.each(['FR', 'DE', 'AT', 'IT', NONE])('takes another one as a parameter: %s', async (receiver) => {
    for (const replica of [service, bare]) {
      const { body } = await ageing({ receiver, time_zone: 'Europe/Helsinki' }, replica).expect(200);
      expect(body.parameters.receiver).toBe(receiver);
      expect(deadlines(body.rows)).toEqual(expected(receiver, 'Europe/Helsinki'));
    }
  });

  it('counts those of an authority however it is written, big or small', async () => {
    const small = await startService({ database: service.database, env: { ...SETTINGS, REPORTING_RECEIVER: 'fr' } });
    try {
      expect(deadlines((await ageing({}, small).expect(200)).body.rows)).toEqual(expected('FR'));
      expect(deadlines((await ageing({ receiver: 'de' }).expect(200)).body.rows)).toEqual(expected('DE'));
      // of the 5th they are 'at'
      expect(deadlines((await ageing({ receiver: 'AT' }).expect(200)).body.rows)).toEqual(expected('AT'));
    } finally {
      await small.close();
    }
  });

  it('is the same again with its parameters, whatever is set since', async () => {
    for (const [replica, asked] of [
      [service, {}],
      [bare, { time_zone: PARIS }],
      // of whose firm alone the entry says all
      [bare, { executing_entity: BANK }],
    ] as const) {
      const first = await ageing(asked, replica).expect(200);
      const manifest = await replica
        .http()
        .get(`${AGEING}/runs/${first.headers['truetrail-report-run']}/manifest`)
        .expect(200);
      expect(manifest.body.parameters).toEqual(first.body.parameters);
      const again = { ...manifest.body.parameters, as_of: manifest.body.as_of };
      for (const other of [service, moved, bare]) {
        const { text } = await other.http().get(AGEING).query(again).expect(200);
        expect(text).toBe(first.text);
      }
    }
  });

  it('is kept with a run, which another replica makes by it', async () => {
    for (const [replica, receiver] of [
      [service, 'FR'],
      [moved, 'DE'],
    ] as const) {
      const asked = await replica.http().post(`${AGEING}/runs`).send(FIXED).expect(202);
      expect(asked.body.parameters).toMatchObject({ receiver, time_zone: PARIS });
      await whenOver(service, asked.headers.location!);
      const { body } = await service.http().get(`${asked.headers.location}/content`).expect(200);
      expect(body.parameters.receiver).toBe(receiver);
      expect(deadlines(body.rows)).toEqual(expected(receiver));
    }
  });

  it('is that of reconciliations, too, to the instant, and on record with them', async () => {
    const reconciled = async (asked: Asked): Promise<Row[]> => {
      const { body, headers } = await service
        .http()
        .post(RECONCILIATIONS)
        .send({ ...FIXED, ...asked })
        .expect(200);
      const receiver = asked.receiver ?? 'FR';
      expect(body.parameters).toMatchObject({ receiver, time_zone: PARIS });
      const [event] = await query<{ parameters: object }>(
        service.database,
        `SELECT new_state->'parameters' AS parameters FROM audit_events
           WHERE ledger = '_reporting' AND entity_id = '${headers['truetrail-reconciliation']}'`,
      );
      expect(event!.parameters).toEqual(body.parameters);
      return (body.rows as Row[]).filter(({ kind }) => kind === 'reference');
    };
    const standings = (rows: Row[]) =>
      rows.map((row) => `${row.order_id} ${row.timeliness} ${row.working_days_late}`).sort();
    for (const receiver of [undefined, 'DE', NONE]) {
      const own = receiver === NONE ? undefined : (receiver ?? 'FR');
      const given = receiver === undefined ? {} : { receiver };
      const name = 'F-2025-06-03';
      const deadline = expected(own)[name]!;
      for (const [at, timeliness] of [
        [deadline, 'overdue'],
        [new Date(Date.parse(deadline) - 1).toISOString(), 'due'],
      ] as const) {
        const asked = { ...given, at, executing_entity: FIRM };
        const rows = await reconciled(asked);
        expect(rows.find((row) => row.order_id === name)).toMatchObject({ timeliness });
        const { body } = await ageing(asked).expect(200);
        const listed = (body.rows as Row[]).filter((row) => row.kind === 'report' && row.timeliness !== 'no-firm');
        expect(standings(rows)).toEqual(standings(listed));
        expect(rows).toHaveLength(WEEK.length);
      }
    }
  });

  it.each(['', 'D/E', 'FR DE', '--', 'A'.repeat(21)])('refuses %j, which is no receiver', async (receiver) => {
    const detail = /^receiver must have 1 to 20 letters and digits, or be - for none$/;
    const error = (pointer: string) => [{ pointer, rule: 'report-party', detail: expect.stringMatching(detail) }];
    expect((await ageing({ receiver }).expect(400)).body.errors).toMatchObject(error('/query/receiver'));
    const run = await service
      .http()
      .post(`${AGEING}/runs`)
      .send({ ...FIXED, receiver })
      .expect(400);
    expect(run.body.errors).toMatchObject(error('/receiver'));
    const reconciled = await service
      .http()
      .post(RECONCILIATIONS)
      .send({ ...FIXED, receiver })
      .expect(400);
    expect(reconciled.body.errors).toMatchObject(error('/receiver'));
  });

  it('asks for a time zone where nobody says one, also where that is said', async () => {
    for (const asked of [{}, { time_zone: NONE }]) {
      const { body } = await ageing(asked, bare).expect(400);
      expect(body.errors).toMatchObject([{ pointer: '/query/time_zone', rule: 'required' }]);
    }
  });

  describe('a run that an older release kept, without a receiver and a time zone', () => {
    /** As that release wrote it: by its version, and with the parameters that it knew. */
    async function keptBefore(more = ''): Promise<string> {
      const asked = await bare
        .http()
        .post(`${AGEING}/runs`)
        .send({ ...FIXED, executing_entity: BANK, format: 'csv' })
        .expect(202);
      const location = asked.headers.location!;
      await whenOver(bare, location);
      const id = location.split('/').at(-1)!;
      await query(
        service.database,
        `UPDATE report_runs SET report_version = 4, made_by = 'truetrail/0.0.9', ${more}
                parameters = parameters - 'receiver' - 'time_zone' WHERE id = '${id}'`,
      );
      return location;
    }

    it('is read, listed and handed out, and made again by parameters that say that there was none', async () => {
      const location = await keptBefore();
      const { body: run } = await service.http().get(location).expect(200);
      expect(run.status).toBe('done');
      expect(run.parameters).toEqual({ ...FIXED, executing_entity: BANK, reference_as_of: expect.any(String) });
      const { body: list } = await service.http().get(`${AGEING}/runs`).expect(200);
      expect(list.runs[0]).toEqual(run);
      const { body: manifest } = await service.http().get(`${location}/manifest`).expect(200);
      expect(manifest).toMatchObject({ report_version: 4, parameters: run.parameters, sha256: run.sha256 });
      const kept = await service.http().get(`${location}/content`).expect(200);
      const again = { ...manifest.parameters, as_of: manifest.as_of, format: 'csv' };
      const made = await service
        .http()
        .get(AGEING)
        .query({ ...again, receiver: NONE, time_zone: NONE })
        .expect(200);
      expect(made.text).toBe(kept.text);
    });

    it('fails where it was not made yet, as what it was asked for is not made any more', async () => {
      const unmade = `status = 'queued', rows = NULL, sha256 = NULL, expires_at = NULL, finished_at = NULL,`;
      const location = await keptBefore(unmade);
      const run = await whenOver<{ status: string; error: string }>(service, location);
      expect(run).toMatchObject({ status: 'failed', error: expect.stringContaining('not in version 4') });
    });
  });

  describe('a submission', () => {
    const shown = async (by: TestService, location: string) => (await by.http().get(location).expect(200)).body;

    it('says who sends its files to whom, by the settings under which it was asked for', async () => {
      for (const [firm, parties] of [
        [FIRM, { sender: 'TF', receiver: 'FR' }],
        [BANK, { sender: 'BK', receiver: 'DE' }],
      ] as const) {
        const asked = await service
          .http()
          .post(SUBMISSIONS)
          .send({ ...PERIOD, executing_entity: firm })
          .expect(202);
        expect(asked.body).toMatchObject(parties);
        const location = asked.headers.location!;
        const run = await whenOver<ShownSubmission>(service, location);
        expect(run).toMatchObject({ ...parties, status: 'done', records: '5' });
        // whichever replica made them
        expect(run.files[0]!.message_id).toMatch(new RegExp(`^${parties.sender}_DATTRA_${parties.receiver}_000001`));
        // whatever is set since
        for (const replica of [moved, bare]) {
          expect(await shown(replica, location)).toMatchObject(parties);
          const { body } = await replica.http().get(SUBMISSIONS).expect(200);
          expect(body.submissions[0]).toMatchObject(parties);
        }
      }
    });

    it('says it where there was nothing to send', async () => {
      const run = await submitted(moved, PERIOD, { executing_entity: FIRM });
      expect(run).toMatchObject({ status: 'done', files: [], act: null, sender: 'XX', receiver: 'DE' });
    });

    it('of an older release says what its act says, and nothing where that does not say it', async () => {
      const { body } = await service.http().get(SUBMISSIONS).expect(200);
      const ofBank = (body.submissions as { id: string; executing_entity: string }[]).find(
        (each) => each.executing_entity === BANK,
      )!;
      const without = `SET sender = NULL, receiver = NULL WHERE id = '${ofBank.id}'`;
      await query(service.database, `UPDATE reporting_runs ${without}`);
      const location = `${SUBMISSIONS}/${ofBank.id}`;
      expect(await shown(service, location)).toMatchObject({ sender: 'BK', receiver: 'DE' });
      await query(
        service.database,
        `UPDATE reporting_acts SET summary = summary - 'sender' - 'receiver' WHERE subject = '${ofBank.id}'`,
      );
      expect(await shown(service, location)).toMatchObject({ sender: null, receiver: null, status: 'done' });
    });
  });
});
