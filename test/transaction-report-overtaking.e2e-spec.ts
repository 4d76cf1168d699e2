import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { stateOf, withSent, type Submission, type Submissions } from '../src/transaction-reports/submissions.js';
import { MADE_TRANSACTIONS, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import type { SentEvent } from './reports/made-day.js';
import { startService, type TestService } from './support/app.js';
import { feedbackXml } from './support/feedback.js';
import { decisionsOf, submitted, SUBMISSIONS, type ShownSubmission } from './support/submissions.js';
import { FIRM } from './support/transaction-reports.js';
import { whenOver } from './support/verification.js';

const FEEDBACK = '/v1/transaction-report-feedback';
const ENV = { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' };
/** Whose submissions are held at their decisions. */
const DAY = { from_date: '2025-06-03', to_date: '2025-06-03' };
const HOLD = 4713;

interface Event {
  entity_type: string;
  entity_id: string;
  action: string;
  sequence: string;
  new_state: Record<string, string>;
  metadata: { maker: string; act?: string };
}

describe('a submission of transaction reports that others overtake', () => {
  let service: TestService;
  let other: TestService;
  let admin: pg.Client;
  let holder: pg.Client;
  let corrections = 0;
  let orders = 0;

  beforeAll(async () => {
    service = await startService({ env: ENV });
    other = await startService({ env: ENV, database: service.database });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
    [admin, holder] = [0, 1].map(() => new pg.Client({ connectionString: service.database.adminUrl })) as [
      pg.Client,
      pg.Client,
    ];
    await admin.connect();
    await holder.connect();
    await admin.query(`
      CREATE TABLE taken_runs (run uuid);
      CREATE FUNCTION note_taken() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN INSERT INTO taken_runs VALUES (NEW.id); RETURN NULL; END $$;
      CREATE TRIGGER note_taken AFTER UPDATE ON reporting_runs FOR EACH ROW
        WHEN (NEW.status = 'running' AND OLD.status <> 'running') EXECUTE FUNCTION note_taken();
      CREATE FUNCTION hold_decisions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = 0 AS $$
        BEGIN
          IF EXISTS (SELECT FROM reporting_runs WHERE id = NEW.run AND parameters->>'from_date' = '${DAY.from_date}')
          THEN PERFORM pg_advisory_xact_lock_shared(${HOLD}); END IF;
          RETURN NEW;
        END $$;
      CREATE TRIGGER hold_decisions BEFORE INSERT ON reporting_decisions FOR EACH ROW EXECUTE FUNCTION hold_decisions()`);
    expect(Number((await submitted(service, DAY)).records)).toBeGreaterThan(20);
  });
  afterAll(async () => {
    await admin?.end();
    await holder?.end();
    await other?.close();
    await service?.close();
  });
  afterEach(async () => {
    await holder.query('SELECT pg_advisory_unlock_all()');
    await isWhole();
  });

  const count = async (what: string): Promise<number> =>
    Number((await admin.query<{ count: string }>(`SELECT count(*) AS count ${what}`)).rows[0]!.count);
  async function until(is: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 60_000; !(await is()); await pause(50)) {
      if (Date.now() > end) throw new Error('it does not come to that');
    }
  }
  const hold = () => holder.query(`SELECT pg_advisory_lock(${HOLD})`);
  const letGo = () => holder.query(`SELECT pg_advisory_unlock(${HOLD})`);
  const isHeld = async (): Promise<boolean> =>
    (await count(
      `FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory' AND query ~ 'INSERT INTO reporting_decisions'`,
    )) === 1;
  /** Lets the attempt that is held go on, and holds the next one. */
  const letOneGo = async (): Promise<void> => {
    await letGo();
    await hold();
  };
  const ask = async (of = service, period = DAY): Promise<string> =>
    ((await of.http().post(SUBMISSIONS).send(period).expect(202)).body as ShownSubmission).id;
  const over = (run: string) => whenOver<ShownSubmission & { overtaken: string }>(service, `${SUBMISSIONS}/${run}`);
  const taken = (run: string): Promise<number> => count(`FROM taken_runs WHERE run = '${run}'`);
  const handIn = (xml: string, of = service) =>
    of.http().post(FEEDBACK).set('content-type', 'application/xml').send(xml);
  const ofNobody = (text: string): string =>
    feedbackXml([{ answers: 'SOMEBODY-ELSES-FILE', status: 'RCVD', rules: [{ id: 'X', description: text }] }]);
  const answer = (messageId: string, reference: string, status: 'PDNG' | 'RJCT' | 'ACPT', text: string): string =>
    feedbackXml([
      {
        ...{ answers: messageId, status: 'PART' },
        records: [
          {
            recordId: FIRM + reference,
            status,
            rules: status === 'ACPT' ? [] : [{ id: 'CON-411', description: text }],
          },
        ],
      },
    ]);

  /** A new order with one fill on a day after, and the submission of that day. */
  async function orderOnAnotherDay(): Promise<{ from_date: string; to_date: string }> {
    orders += 1;
    const day = `2025-06-${String(orders + 9).padStart(2, '0')}`;
    const events = MADE_TRANSACTIONS.filter(({ entity_id: id, action }) => id === 'OWN' && action !== 'partial_fill');
    const moved = events.map((event: SentEvent, i) => ({
      ...event,
      event_id: `0197f3a1-6c00-7000-8000-0000000${String(orders).padStart(2, '0')}ff${i}`,
      entity_id: `OWN-${orders}`,
      timestamp: event.timestamp.replace('2025-06-03', day),
    }));
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: moved }).expect(201);
    return { from_date: day, to_date: day };
  }
  async function sentOnAnotherDay(of: TestService): Promise<{ messageId: string; reference: string }> {
    const run = await submitted(of, await orderOnAnotherDay());
    expect([run.status, run.records]).toEqual(['done', '1']);
    const [decision] = await decisionsOf(of, run.id);
    return { messageId: run.files[0]!.message_id, reference: decision!.transaction_reference! };
  }

  /** The fill of OWN has another price; the submission of its day has a cancellation and a new report to send. */
  async function correct(): Promise<void> {
    corrections += 1;
    const own = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'OWN' && action === 'partial_fill')!;
    const corrected = {
      ...{ ...own, event_id: `0197f3a1-6c00-7000-8000-00000000f0${10 + corrections}`, corrects: own.event_id },
      new_state: { ...own.new_state, price: `62.${corrections}1` },
    };
    await service.http().post('/v1/ledgers/main/events').send(corrected).expect(201);
  }
  /** The last new report of the fill of OWN. */
  async function ownRecord(): Promise<{ messageId: string; reference: string }> {
    const own = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'OWN' && action === 'partial_fill')!;
    const { rows } = await admin.query<{ messageId: string; reference: string }>(
      `SELECT message_id AS "messageId", transaction_reference AS reference FROM reporting_records
         WHERE event_id = $1 AND status = 'NEWT' AND act IS NOT NULL ORDER BY act DESC LIMIT 1`,
      [own.event_id],
    );
    return rows[0]!;
  }

  /**
   * The ledger read from its first event on, by nothing but what its events say: acts without gaps, file numbers without
   * gaps, never two live reports under one reference, and the states that the service has.
   */
  async function isWhole(): Promise<void> {
    const events: Event[] = [];
    for (let after = 0; ; after += 1000) {
      const search = `/v1/ledgers/_reporting/events?sort=sequence&limit=1000&from_sequence=${after + 1}&to_sequence=${after + 1000}`;
      const page = (await service.http().get(search).expect(200)).body as { events: Event[] };
      events.push(...page.events);
      if (page.events.length < 1000) break;
    }
    const ofMaker = new Map<string, Event[]>();
    const reports = new Map<string, Submissions>();
    const fileNumbers: number[] = [];
    let acts = 0;
    for (const event of events) {
      const { action, metadata } = event;
      if (metadata.act === undefined) {
        ofMaker.set(metadata.maker, [...(ofMaker.get(metadata.maker) ?? []), event]);
        continue;
      }
      acts += 1;
      expect(metadata.act).toBe(String(acts));
      for (const each of ofMaker.get(metadata.maker) ?? []) {
        if (each.action === 'written') {
          const sent = {
            ...{ messageId: each.new_state.message_id!, status: each.new_state.status as Submission['status'] },
            digest: each.new_state.sha256!,
          };
          reports.set(each.entity_id, withSent(reports.get(each.entity_id) ?? [], sent));
        }
        if (each.action === 'advised') {
          const { message_id: messageId, state } = each.new_state;
          const known = reports.get(each.entity_id)!;
          reports.set(
            each.entity_id,
            known.map((one) => (one.messageId === messageId ? { ...one, state: state as Submission['state'] } : one)),
          );
        }
      }
      const { files } = event.new_state as unknown as { files: { message_id: string }[] };
      if (action === 'sent')
        fileNumbers.push(...files.map(({ message_id: id }) => Number(id.split('_')[3]!.slice(0, 6))));
    }
    expect(fileNumbers).toEqual(fileNumbers.map((_, i) => i + 1));
    const query = { from_date: '2025-06-03', to_date: '2025-06-30', time_zone: 'Europe/Paris' };
    const { body } = await service.http().get('/v1/ledgers/main/reports/transaction-ageing').query(query).expect(200);
    const listed = (body.rows as Record<string, string>[]).filter((row) => row.kind === 'report');
    const shown = listed.filter(({ transaction_reference: reference }) => reports.has(reference!));
    expect(shown.length).toBeGreaterThan(0);
    expect(shown.map((row) => [row.transaction_reference, row.state])).toEqual(
      shown.map(({ transaction_reference: reference }) => [reference, stateOf(reports.get(reference!)!)]),
    );
  }

  it('is made once where feedback came that is about others, and is on record after it', async () => {
    await correct();
    const { messageId, reference } = await sentOnAnotherDay(service);
    await hold();
    const run = await ask();
    await until(isHeld);
    await handIn(ofNobody('one')).expect(201);
    await handIn(answer(messageId, reference, 'ACPT', '')).expect(201);
    const { body: last } = await handIn(ofNobody('two')).expect(201);
    await letGo();
    const made = await over(run);
    expect([made.status, made.error, made.act]).toEqual(['done', null, String(Number(last.act) + 1)]);
    expect(made.records).toBe('2');
    expect([await taken(run), made.overtaken]).toEqual([1, '0']);
  });

  it('is made anew where feedback is about what it decided', async () => {
    await correct();
    const { messageId, reference } = await ownRecord();
    await hold();
    const run = await ask();
    await until(isHeld);
    await handIn(answer(messageId, reference, 'RJCT', 'refused')).expect(201);
    await letGo();
    const made = await over(run);
    // what was rejected need not be cancelled
    expect([made.status, made.files.map((file) => [file.new, file.cancelled])]).toEqual(['done', [['1', '0']]]);
    expect([await taken(run), made.overtaken]).toEqual([2, '1']);
  });

  it('goes first where it was overtaken twice, however much feedback comes: that waits, and is told so', async () => {
    await correct();
    const { messageId, reference } = await ownRecord();
    await hold();
    const run = await ask();
    for (const time of ['once', 'twice']) {
      await until(isHeld);
      await handIn(answer(messageId, reference, 'PDNG', time)).expect(201);
      await letOneGo();
    }
    await until(isHeld);
    const third = answer(messageId, reference, 'PDNG', 'three times');
    const refused = await handIn(third).expect(503);
    expect([refused.body.type, refused.headers['retry-after']]).toEqual(['/docs/problems/reads-overloaded', '10']);
    await letGo();
    const made = await over(run);
    expect([made.status, made.files.map((file) => [file.new, file.cancelled])]).toEqual(['done', [['1', '1']]]);
    expect([await taken(run), made.overtaken]).toEqual([3, '2']);
    await handIn(third).expect(201);
  });

  it('goes first before short submissions of another replica, which are made anew after it', async () => {
    await correct();
    await hold();
    const run = await ask();
    for (let time = 0; time < 2; time++) {
      await until(isHeld);
      await sentOnAnotherDay(other);
      await letOneGo();
    }
    await until(isHeld);
    const short = await ask(other, await orderOnAnotherDay());
    await until(async () => (await count(`FROM reporting_decisions WHERE run = '${short}'`)) === 1);
    await pause(1_000);
    expect(await count(`FROM reporting_runs WHERE id = '${short}' AND status = 'running'`)).toBe(1);
    await letGo();
    const [made, after] = [await over(run), await over(short)];
    expect([made.status, made.overtaken, after.status, after.overtaken]).toEqual(['done', '2', 'done', '1']);
    expect(Number(after.act)).toBe(Number(made.act) + 1);
  });

  it('lets others go on where the replica that went first is gone', async () => {
    await correct();
    const { messageId, reference } = await ownRecord();
    await hold();
    const run = await ask();
    for (const time of ['first', 'second']) {
      await until(isHeld);
      await handIn(answer(messageId, reference, 'PDNG', time)).expect(201);
      await letOneGo();
    }
    await until(isHeld);
    await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'truetrail reporting turn'`);
    await handIn(answer(messageId, reference, 'ACPT', '')).expect(201);
    await letGo();
    const made = await over(run);
    expect([made.status, made.overtaken]).toEqual(['done', '3']);
  });
});
