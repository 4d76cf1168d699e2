import { readReportRecords } from './support/report-records.js';
import { BANK, FIRM, MADE_TRANSACTIONS, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { feedbackXml } from './support/feedback.js';
import { Random } from './support/random.js';
import { filesOf, submitted, type ShownSubmission } from './support/submissions.js';

const DAY = { from_date: '2025-06-03', to_date: '2025-06-03' };
const FIRMS = [FIRM, BANK];
const ROUNDS = 24;
const [SEED, ORDERS] = [7, 14];
const TEMPLATE = MADE_TRANSACTIONS.filter(({ entity_id: id }) => id === 'OWNSI');
const BROKEN = [{ id: 'CON-411', description: 'Field 41 is not on the list of instruments' }];

type State = 'sent' | 'accepted' | 'rejected';
interface Sent {
  firm: string;
  reference: string;
  status: string;
  state: State;
}

/** What the test itself knows: what it stated, what it found in files, and what it answered. */
class Bookkeeping {
  /** by order: the firms that its fill and its creation state now, and whether any version of them ever stated one */
  readonly stated = new Map<string, { fill?: string | undefined; create?: string | undefined; wasEver: boolean }>();
  readonly sent: Sent[] = [];

  /** The authority has it, or may have it. */
  isLive(firm: string, reference: string): boolean {
    let live = false;
    for (const each of this.of(firm, reference)) {
      if (each.status === 'NEWT') live = each.state !== 'rejected';
      else if (each.state === 'accepted') live = false;
    }
    return live;
  }

  of(firm: string, reference: string): Sent[] {
    return this.sent.filter((each) => each.firm === firm && each.reference === reference);
  }
}

describe('two investment firms in one ledger, of which events come, are corrected, sent and answered in any order', () => {
  let service: TestService;
  const random = new Random(SEED);
  const book = new Bookkeeping();
  let made = 0;
  /** by transaction reference, the order that it is of */
  const orderOf = new Map<string, string>();
  const both = `lei,name,country,investment_firm,valid_from\n${BANK},A bank,DE,yes,2018-01-03\n`;
  beforeAll(async () => {
    service = await startService({ env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' } });
    const files = [...Object.entries(TRANSACTION_REFERENCE), ['legal-entity', both] as const];
    for (const [kind, text] of files) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
  });
  afterAll(() => service.close());

  const idOf = (n: number): string => `0197f3a1-6c00-7000-8000-${n.toString(16).padStart(12, '0')}`;
  const eventOf = (order: string, what: 'create' | 'fill'): string =>
    idOf(Number(order.slice(2)) * 2 + (what === 'fill' ? 1 : 0));
  const record = (event: object) => service.http().post('/v1/ledgers/main/events').send(event).expect(201);

  /** The creation of an order, or its fill, as it states the firm now. */
  function stating(order: string, what: 'create' | 'fill', firm: string | undefined): Record<string, unknown> {
    const event = TEMPLATE.find(({ action }) => action === what)!;
    const before = book.stated.get(order);
    const wasEver = firm !== undefined || before?.wasEver === true;
    book.stated.set(order, { ...before, [what]: firm, wasEver });
    const metadata = { ...(event.metadata as object), ...(firm === undefined ? {} : { executing_entity: firm }) };
    return { ...event, entity_id: order, event_id: eventOf(order, what), metadata };
  }

  async function begin(): Promise<void> {
    const order = `O-${made++}`;
    await record(stating(order, 'create', undefined));
    await record(stating(order, 'fill', random.of([undefined, undefined, undefined, ...FIRMS])));
  }

  async function correct(): Promise<void> {
    const order = `O-${random.below(made)}`;
    const what = random.of(['create', 'fill'] as const);
    const correction = stating(order, what, random.of([undefined, ...FIRMS]));
    await record({ ...correction, event_id: idOf(0xf0_0000 + corrections++), corrects: eventOf(order, what) });
  }
  let corrections = 0;

  /** Takes what was sent into the book; it may be so at all only if no report under the reference was live. */
  async function submit(firm: string, more: Record<string, string> = {}): Promise<Sent[]> {
    const run = await submitted(service, DAY, { executing_entity: firm, ...more });
    expect([run.status, run.error]).toEqual(['done', null]);
    const sent: Sent[] = [];
    for (const file of run.files.length === 0 ? [] : (await filesOf(service, run.id)).values()) {
      for (const { transactionReference: reference, executingEntity, status } of readReportRecords(file)) {
        expect(executingEntity).toBe(firm);
        expect(book.isLive(firm, reference)).toBe(status === 'CANC');
        const each: Sent = { firm, reference, status: status, state: 'sent' };
        book.sent.push(each);
        sent.push(each);
      }
    }
    await learnOrders(run);
    return answered(run, sent);
  }

  async function learnOrders(run: ShownSubmission): Promise<void> {
    const { body } = await service
      .http()
      .get(`/v1/ledgers/main/transaction-reports/submissions/${run.id}/decisions?limit=1000`)
      .expect(200);
    for (const { transaction_reference: reference, order_id: order } of body.decisions as Record<string, string>[]) {
      orderOf.set(reference!, order!);
    }
  }

  let isAccepting = false;
  async function answered(run: ShownSubmission, sent: Sent[]): Promise<Sent[]> {
    if (sent.length === 0 || (!isAccepting && random.chance(3))) return sent; // this one is never answered
    const rejected = isAccepting ? [] : sent.filter(() => random.chance(3));
    const records = rejected.map(({ firm, reference }) => ({
      ...{ recordId: firm + reference, status: 'RJCT' as const, rules: BROKEN },
    }));
    expect(run.files).toHaveLength(1);
    const perStatus = { ACPT: sent.length - rejected.length, RJCT: rejected.length };
    const statistics = { total: sent.length, perStatus };
    const advice = { answers: run.files[0]!.message_id, status: 'PART' as const, statistics, records };
    await service
      .http()
      .post('/v1/transaction-report-feedback')
      .set('content-type', 'application/xml')
      .send(feedbackXml([advice], `FEEDBACK-${run.id}`))
      .expect(201);
    for (const each of sent) each.state = rejected.includes(each) ? 'rejected' : 'accepted';
    return sent;
  }

  it('never has two reports of an execution that no event gives to one of them', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      if (made < ORDERS) for (let i = random.below(3); i >= 0; i--) await begin();
      for (let i = random.below(3); i > 0; i--) await correct();
      await submit(random.of(FIRMS), random.chance(3) ? { repeat_rejected: 'yes' } : {});
      for (const [order, { wasEver }] of book.stated) {
        const firms = new Set(book.sent.filter(({ reference }) => orderOf.get(reference) === order).map((s) => s.firm));
        if (!wasEver) expect([order, [...firms].length <= 1]).toEqual([order, true]);
      }
      if (round % 3 === 0) expect(await leftToEachOther()).toEqual([]);
    }
    expect(made).toBeGreaterThan(10);
    expect(new Set(book.sent.map(({ state, status }) => `${status} ${state}`)).size).toBe(6);
  });

  /** References that each firm has as the other one's. */
  async function leftToEachOther(): Promise<string[]> {
    const [ofFirm, ofBank] = await Promise.all(
      FIRMS.map(async (firm) => {
        const { body } = await service
          .http()
          .get('/v1/ledgers/main/reports/transaction-ageing')
          .query({ ...DAY, executing_entity: firm, time_zone: 'UTC', timeliness: 'other-entity' })
          .expect(200);
        const rows = (body as { rows: Record<string, string | null>[] }).rows.filter(({ kind }) => kind === 'report');
        return rows.map((row) => row.event_id!);
      }),
    );
    return ofFirm!.filter((each) => ofBank!.includes(each));
  }

  it('has exactly one report of each in the end, of the firm that is stated', async () => {
    isAccepting = true;
    for (const each of book.sent.filter(({ state }) => state === 'sent')) each.state = 'accepted';
    for (const { message_id: id } of await unanswered()) {
      await service
        .http()
        .post('/v1/transaction-report-feedback')
        .set('content-type', 'application/xml')
        .send(feedbackXml([{ answers: id, status: 'ACPT' }], `LAST-${id}`))
        .expect(201);
    }
    let idle = 0;
    for (let round = 0; idle < FIRMS.length; round++) {
      expect(round).toBeLessThan(12);
      const sent = await submit(FIRMS[round % FIRMS.length]!, { repeat_rejected: 'yes' });
      idle = sent.length === 0 ? idle + 1 : 0;
    }
    const live = [...orderOf].flatMap(([reference, order]) =>
      FIRMS.filter((firm) => book.isLive(firm, reference)).map((firm) => ({ order, firm })),
    );
    for (const [order, { fill, create }] of book.stated) {
      const firm = fill ?? create;
      const having = live.filter((each) => each.order === order).map((each) => each.firm);
      expect([order, having.length]).toEqual([order, 1]);
      if (firm !== undefined) expect([order, having]).toEqual([order, [firm]]);
    }
  });

  /** Files that nothing was said of. */
  async function unanswered(): Promise<{ message_id: string }[]> {
    const [submissions, feedback] = await Promise.all([
      service.http().get('/v1/ledgers/main/transaction-reports/submissions?limit=100').expect(200),
      service.http().get('/v1/transaction-report-feedback?limit=100').expect(200),
    ]);
    const told = (feedback.body.feedback as { files: { message_id: string }[] }[]).flatMap(({ files }) =>
      files.map(({ message_id: id }) => id),
    );
    const files = (submissions.body.submissions as ShownSubmission[]).flatMap((each) => each.files);
    return files.filter(({ message_id: id }) => !told.includes(id));
  }
});
