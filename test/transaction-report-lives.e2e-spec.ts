import type pg from 'pg';
import { ARCHIVED_EVENTS } from '../src/archive/archived-events.js';
import { POOL } from '../src/database/tokens.js';
import { uuidv7 } from '../src/database/uuidv7.js';
import { readPage } from '../src/events/read-transaction.js';
import { isReady } from '../src/transaction-reports/draft.js';
import { draftsOf } from '../src/transaction-reports/drafts.js';
import { agency, BANK, CLIENT, FIRM, OWN, SHARE, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { feedbackXml } from './support/feedback.js';
import { readReportRecords } from './support/report-records.js';
import { decisionsOf, filesOf, submitted, type ShownSubmission } from './support/submissions.js';

type Members = Record<string, unknown>;

const LISTED = 'FR0000120271';
const instrument = (listedTo: string): string =>
  `isin,name,symbol,cfi,currency,listed_from,listed_to,valid_from\n${LISTED},Two,TWO,ESVUFR,EUR,2018-01-03,${listedTo},2018-01-03\n`;
const FILL = { quantity: '100', price: '61.38' };

/** The reports of single executions, each on a day of its own, from the events to what the authority has in the end. */
describe('the reports of an execution', () => {
  let service: TestService;
  let day: string;
  /** of the day's first event, ms */
  let start: number;
  let trade: number;
  let days = 0;
  /** by the numbers of its versions, what the authority has of the day's execution */
  let had: Set<string>;
  let answered = 0;

  beforeAll(async () => {
    service = await startService({
      env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_TIME_ZONE: 'Europe/Paris' },
    });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) await importData(kind, text);
    await importData('instrument', instrument(''));
  });
  afterAll(() => service.close());
  beforeEach(() => {
    start = Date.UTC(2025, 5, 2, 8) + 7 * 86_400_000 * (days += 1);
    day = new Date(start).toISOString().slice(0, 10);
    trade = 0;
    had = new Set();
  });

  const importData = (kind: string, text: string) =>
    service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);

  /** An event of the day's order; its id. */
  async function post(
    action: string,
    state: Members,
    metadata: Members = {},
    corrects?: string,
    order = `ORDER ${day}`,
  ): Promise<string> {
    trade += 1;
    const event = {
      ...{
        event_id: uuidv7(),
        timestamp: new Date(start + trade * 1_000).toISOString(),
        event_type: 'order_lifecycle',
        entity_type: 'order',
      },
      ...{ entity_id: order, action, user_id: 'T-2', ...(corrects && { corrects }) },
      ...{ new_state: state, metadata },
    };
    await service.http().post('/v1/ledgers/main/events').send(event).expect(201);
    return event.event_id;
  }
  const create = (metadata: Members = OWN, state: Members = {}) =>
    post('create', { symbol: 'SHR', side: 'buy', exchange: 'XPAR', quantity: '1000', ...state }, metadata);
  const code = () => ({ venue_transaction_id: `TV${day.replaceAll('-', '')}${trade}` });
  const fill = (state: Members = {}, metadata: Members = code()) => post('fill', { ...FILL, ...state }, metadata);
  const corrected = (id: string, state: Members = {}, metadata: Members = code()) =>
    post('fill', { ...FILL, ...state }, metadata, id);

  /** Submits the day; what was decided, as `status version decision`. */
  async function submit(more: Record<string, string> = {}): Promise<[string[], ShownSubmission]> {
    const run = await submitted(service, { from_date: day, to_date: day }, more);
    expect(run).toMatchObject({ status: 'done', error: null });
    const decisions = await decisionsOf(service, run.id);
    return [decisions.map((each) => `${each.status} v${each.version} ${each.decision}`), run];
  }

  /** Submits, and has the authority answer the file as a whole. */
  async function submitAnd(status: 'ACPT' | 'RJCT', more: Record<string, string> = {}): Promise<string[]> {
    const [decisions, run] = await submit(more);
    const [file] = run.files;
    if (!file) return decisions;
    const records = readReportRecords([...(await filesOf(service, run.id)).values()][0]!);
    for (const { status: of, transactionReference } of records) {
      if (status === 'RJCT') continue;
      // as CON-023 and CON-024 have it
      expect(had.has(transactionReference)).toBe(of === 'CANC');
      if (of === 'CANC') had.delete(transactionReference);
      else had.add(transactionReference);
    }
    const rules = status === 'RJCT' ? [{ id: 'FIL-105', description: `the file is wrong ${answered}` }] : [];
    const xml = feedbackXml([{ answers: file.message_id, status, rules }], `FR-${(answered += 1)}`);
    const path = '/v1/transaction-report-feedback';
    await service.http().post(path).set('content-type', 'application/xml').send(xml).expect(201);
    return decisions;
  }

  /** The rows of the day's references in the list of what is due. */
  async function ageing(more: Record<string, string> = {}): Promise<string[]> {
    const asked = { from_date: day, to_date: day, ...more };
    const { body } = await service.http().get('/v1/ledgers/main/reports/transaction-ageing').query(asked).expect(200);
    const rows = (body.rows as Record<string, string>[]).filter(({ kind }) => kind === 'report');
    return rows.map((row) => `v${row.version} ${row.timeliness} ${row.state} ${row.next}`);
  }

  /** A row of the report `transactions` of the last one of the day. */
  async function lastDraft(): Promise<Record<string, string | null>> {
    const asked = { from_date: day, to_date: day };
    const { body } = await service.http().get('/v1/ledgers/main/reports/transactions').query(asked).expect(200);
    return (body.rows as Record<string, string | null>[]).at(-1)!;
  }

  it('are cancelled again when the file with the cancellation was refused, before anything else is reported', async () => {
    await create();
    const id = await fill();
    expect(await submitAnd('ACPT')).toEqual(['NEWT v1 send']);
    await corrected(id, { price: '60' });
    expect(await submitAnd('RJCT')).toEqual(['CANC v1 send', 'NEWT v2 send']);
    expect(await ageing()).toEqual(['v2 overdue rejected rejected', 'v1 over-reported accepted send']);
    expect(await ageing({ next: 'send,differs' })).toEqual(['v1 over-reported accepted send']);
    await corrected(id, { price: '59' });
    expect(await submitAnd('ACPT')).toEqual(['CANC v1 send', 'CANC v2 not-there', 'NEWT v3 send']);
    expect(had.size).toBe(1);
    await post('void', {}, {}, id);
    expect(await submitAnd('RJCT')).toEqual(['CANC v1 as-sent', 'CANC v2 not-there', 'CANC v3 send']);
    expect(await submitAnd('ACPT')).toEqual(['CANC v1 as-sent', 'CANC v2 not-there', 'CANC v3 send']);
    expect(had.size).toBe(0);
  });

  it('stay as they were sent where reference data, corrected since, make their version one that came before', async () => {
    const alias = `ALIAS-${day}`;
    await create(agency(alias));
    const created = (await service.http().get(`/v1/ledgers/main/orders/ORDER%20${day}/history`).expect(200)).body;
    const id = await fill();
    expect(await submitAnd('ACPT')).toEqual(['NEWT v1 held']);
    const first = (created.events as { event_id: string }[])[0]!.event_id;
    const state = { symbol: 'SHR', side: 'buy', exchange: 'XPAR', quantity: '1000' };
    await post('create', state, agency('C-1'), first);
    expect(await submitAnd('ACPT')).toEqual(['CANC v1 not-there', 'NEWT v2 send']);
    await importData('client', `client_id,name,lei,branch,valid_from\n${alias},A company,${CLIENT},MIL,2018-01-03\n`);
    expect(await submitAnd('ACPT')).toEqual(['NEWT v2 as-sent']);
    expect(await ageing()).toEqual(['v2 late accepted as-sent']);
    await corrected(id, { price: '60' });
    expect(await submitAnd('ACPT')).toEqual(['CANC v2 send', 'CANC v1 not-there', 'NEWT v3 send']);
    expect(had.size).toBe(1);
    await post('void', {}, {}, id);
    expect((await submitAnd('ACPT')).filter((each) => each.endsWith('send'))).toEqual(['CANC v3 send']);
    expect(had.size).toBe(0);
  });

  it('are those of all versions of a correction that corrects nothing, too', async () => {
    await create();
    const vain = await corrected(uuidv7());
    const mended = await corrected(vain);
    expect(await submitAnd('ACPT')).toEqual(['CANC v1 not-there', 'NEWT v2 send']);
    await post('void', {}, {}, mended);
    expect(await submitAnd('ACPT')).toEqual(['CANC v1 not-there', 'CANC v2 send']);
    expect(had.size).toBe(0);
  });

  it('are for a person where nothing is to be reported any more by reference data, until an event or that person says so', async () => {
    const offVenue = { exchange: 'XOFF', isin: LISTED, symbol: undefined };
    await create(OWN, offVenue);
    const other = { counterparty_id: BANK };
    const ids = [await fill({}, other), await fill({}, other), await fill({}, other), await fill({}, other)];
    expect(await submitAnd('ACPT')).toEqual(ids.map(() => 'NEWT v1 send'));
    await importData('instrument', instrument('2025-01-01'));
    expect(await submitAnd('ACPT')).toEqual(ids.map(() => 'NEWT v1 underived'));
    await post('void', {}, {}, ids[0]);
    await corrected(ids[1]!, { price: '60' }, other);
    await corrected(ids[3]!, { isin: 'FR0000131104' }, other);
    const [decisions, run] = await submit();
    expect(decisions).toEqual([
      ...['CANC v1 send', 'NEWT v1 underived', 'NEWT v1 underived', 'CANC v1 send', 'NEWT v2 send'],
    ]);
    const path = '/v1/transaction-report-feedback';
    const xml = feedbackXml([{ answers: run.files[0]!.message_id, status: 'ACPT' }], 'FR-UNDERIVED');
    await service.http().post(path).set('content-type', 'application/xml').send(xml).expect(201);
    const [said] = await submit({ cancel_underived: 'yes' });
    expect(said.filter((each) => each.endsWith('send'))).toEqual(['CANC v1 send', 'CANC v1 send']);
    await importData('instrument', instrument(''));
  });

  it('are cancelled and reported anew where reference data, corrected since, give another content, once a person says so', async () => {
    const alias = `DIFFERS-${day}`;
    const client = (lei: string) => `client_id,name,lei,branch,valid_from\n${alias},A company,${lei},MIL,2018-01-03\n`;
    await importData('client', client(CLIENT));
    await create(agency(alias));
    await fill();
    expect(await submitAnd('ACPT')).toEqual(['NEWT v1 send']);
    await importData('client', client(BANK));
    expect(await submitAnd('ACPT')).toEqual(['NEWT v1 differs']);
    expect(await submitAnd('RJCT', { correct_differing: 'yes' })).toEqual(['CANC v1 send']);
    expect(await submitAnd('ACPT')).toEqual(['NEWT v1 differs']);
    const [decisions, run] = await submit({ correct_differing: 'yes' });
    expect(decisions).toEqual(['CANC v1 send']);
    // nothing goes out under the reference before the authority took that
    expect(await submitAnd('ACPT', { correct_differing: 'yes' })).toEqual(['NEWT v1 cancelling']);
    const xml = feedbackXml([{ answers: run.files[0]!.message_id, status: 'ACPT' }], `FR-DIFFERS`);
    const path = '/v1/transaction-report-feedback';
    await service.http().post(path).set('content-type', 'application/xml').send(xml).expect(201);
    had.clear();
    expect(await submitAnd('ACPT')).toEqual(['NEWT v1 send']);
    expect(await ageing()).toEqual(['v1 late accepted as-sent']);
    expect(had.size).toBe(1);
    const asked = { from_date: day, to_date: day };
    const reconciliations = '/v1/ledgers/main/transaction-reports/reconciliations';
    const { body } = await service.http().post(reconciliations).send(asked).expect(200);
    expect((body.rows as Record<string, string>[]).find(({ kind }) => kind === 'reference')).toMatchObject({
      result: 'same',
    });
  });

  it('are those of the firm again once the order that it transmitted was cancelled, or went to a venue', async () => {
    await create(agency('C-1'));
    const route = (to: Members) => post('route', {}, to);
    await route({ order_receiver: BANK, transmission: 'complete' });
    const id = await fill();
    expect(await lastDraft()).toMatchObject({ status: 'not_reportable', reason: expect.stringContaining(BANK) });
    await post('fill', FILL, { ...code(), transmission: 'none' }, id);
    expect((await lastDraft()).status).not.toBe('not_reportable');
    await route({ order_receiver: BANK, transmission: 'complete' });
    await route({ order_receiver: 'XPAR' });
    await fill();
    expect((await lastDraft()).status).not.toBe('not_reportable');
    await route({ order_receiver: BANK, transmission: 'complete' });
    // whether that firm executed it before it knew, nobody says
    await post('cancel', {});
    const after = await fill();
    expect(await lastDraft()).toMatchObject({
      status: 'held',
      to_mend: expect.stringContaining(
        'field 25: metadata.transmission must be stated of what is executed after a cancel',
      ),
    });
    await post('fill', FILL, { ...code(), transmission: 'complete' }, after);
    expect((await lastDraft()).status).toBe('not_reportable');
  });

  it('are held where the last word corrects what another correction had taken the place of', async () => {
    await create(OWN);
    const execution = await fill();
    const corrected = (quantity: string, corrects: string): Promise<string> =>
      post('fill', { ...FILL, quantity }, code(), corrects);
    const first = await corrected('70', execution);
    const second = await corrected('71', execution);
    expect(await lastDraft()).toMatchObject({ status: 'reportable', f30_quantity: '71' });
    const outdated = await corrected('72', first);
    expect(await lastDraft()).toMatchObject({
      status: 'held',
      f30_quantity: '71',
      to_mend: `field 1: event ${outdated} corrects ${first}, whose place another correction had taken, so that what it says does not count: correct event ${second}, with all that holds now`,
    });
    await corrected('72', second);
    expect(await lastDraft()).toMatchObject({ status: 'reportable', f30_quantity: '72' });
  });

  it('of a block have of each allocation what it says of itself alone', async () => {
    const block = { ...agency('C-1'), client_id: undefined, client_id_type: 'pending_allocation' };
    const allocations = (client: string) => [{ client_id: client, quantity: '100', price: '61.38' }];
    await create(block);
    await post('partial_fill', FILL, code());
    const booked = { client_id: 'C-1', client_id_type: 'legal_entity', branch: 'ES' };
    await post('change_status', { isin: LISTED }, { ...booked, allocations: allocations('C-1') });
    // of the allocation, which says another instrument than was executed
    expect(await lastDraft()).toMatchObject({
      status: 'held',
      to_mend: expect.stringContaining('field 41: new_state.isin must be as what is allocated has it'),
    });
    await post('partial_fill', FILL, code());
    expect(await lastDraft()).toMatchObject({ status: 'reportable', f7_buyer_id: 'INTC', f41_instrument_id: SHARE });
    await post('change_status', {}, { allocations: allocations('C-1') });
    expect(await lastDraft()).toMatchObject({ status: 'reportable', f7_buyer_id: CLIENT, f16_seller_id: 'INTC' });
  });

  it('of allocations are held where these contradict what they allocate, or are of another time', async () => {
    const block = { ...agency('C-1'), client_id: undefined, client_id_type: 'pending_allocation' };
    const allocations = [{ client_id: 'C-1', quantity: '100', price: '61.38' }];
    const told = async (state: Members, metadata: Members): Promise<string | null> => {
      const id = await post('change_status', state, { ...metadata, allocations });
      const { to_mend: toMend } = await lastDraft();
      await post('void', {}, {}, id);
      return toMend!;
    };
    await create(block);
    await fill();
    expect(await told({ side: 'sell' }, {})).toContain('side must be as what is allocated has it (buy)');
    expect(await told({}, { trading_capacity: 'own_account' })).toContain(
      'trading_capacity must be as what is allocated',
    );
    expect(await told({}, { executing_entity: BANK })).toContain('executing_entity must be as what is allocated');
    expect(await told({ transaction_nature: 'netting' }, {})).toContain(
      'transaction_nature must be as what is allocated',
    );
    expect(await told({}, { execution_time: `${day}T07:00:00Z` })).toContain('execution_time');
    expect(await told({ side: 'buy' }, { execution_time: new Date(start + 2_000).toISOString() })).toBeNull();
  });

  it('of an order that was good for a day are nothing of the next one under its id', async () => {
    const late = { timestamp: `${day}T23:00:00Z` };
    const route = { order_receiver: BANK, transmission: 'complete', complex_trade_id: 'OLD' };
    await create({ ...agency('C-1'), ...route }, { validity: 'day' });
    start += 86_400_000;
    day = new Date(start).toISOString().slice(0, 10);
    const next = `ORDER ${late.timestamp.slice(0, 10)}`;
    await post('create', { symbol: 'SHR', side: 'buy', exchange: 'XPAR', quantity: '1000' }, OWN, undefined, next);
    await post('fill', FILL, code(), undefined, next);
    expect(await lastDraft()).toMatchObject({ status: 'reportable', f40_complex_trade_id: null });
  });

  it('are held where a correction does not say what became of it, until another one does', async () => {
    await create();
    const id = await fill();
    expect(await submitAnd('ACPT')).toEqual(['NEWT v1 send']);
    const unclear = await post('trade_correct', { ...FILL, price: '60' }, code(), id);
    expect(await submitAnd('ACPT')).toEqual(['CANC v1 send', 'NEWT v2 held']);
    expect(await lastDraft()).toMatchObject({
      to_mend: expect.stringMatching(/^field 1: trade_correct does not say what became of the execution/),
    });
    await corrected(unclear, { price: '60' });
    expect(await submitAnd('ACPT')).toEqual(['CANC v1 as-sent', 'CANC v2 not-there', 'NEWT v3 send']);
    expect(had.size).toBe(1);
  });

  it('of a block that says beforehand who is to get it are its allocations that come after', async () => {
    const block = { ...agency('C-1'), client_id: undefined, client_id_type: 'pending_allocation' };
    const allocations = [{ client_id: 'C-1', quantity: '100', price: '61.38' }];
    await create({ ...block, allocations });
    expect(await submitAnd('ACPT')).toEqual([]);
    await fill();
    expect(await submitAnd('ACPT')).toEqual(['NEWT v1 held', 'NEWT v1 send']);
    await post('change_status', {}, { allocations });
    // what was intended is held no more, and nothing is to be reported of it
    expect(await submitAnd('ACPT')).toEqual(['NEWT v1 over', 'NEWT v1 as-sent', 'NEWT v1 send']);
  });

  it('have the venue that the execution states, and nothing of where the one before it was', async () => {
    await create(OWN, { segment_mic: 'XPAR' });
    await fill({ exchange: 'XANO' }, {});
    expect(await lastDraft()).toMatchObject({ f36_venue: 'XANO' });
    await fill();
    expect(await lastDraft()).toMatchObject({ f36_venue: 'XPAR' });
  });

  it('are unanswered when nothing is heard of a file after the day on which an answer should have come', async () => {
    start = Date.now() - 60_000;
    day = new Date(start).toISOString().slice(0, 10);
    await create();
    await fill();
    await submit();
    const later = (after: number): string => new Date(Date.now() + after * 86_400_000).toISOString();
    expect(await ageing({ at: later(0) })).toEqual(['v1 awaiting sent as-sent']);
    expect(await ageing({ at: later(10) })).toEqual(['v1 unanswered sent as-sent']);
  });

  it('are held of an execution that another order tells of before, by its execution_id', async () => {
    const [first, second] = [`ORDER ${day}`, `COPY ${day}`];
    const state = { symbol: 'SHR', side: 'buy', exchange: 'XPAR' };
    const of = (order: string, more: Members = {}, stated: Members = {}, corrects?: string) =>
      post(
        'fill',
        { ...FILL, ...state, ...stated },
        { ...OWN, ...code(), execution_id: 'X-1', ...more },
        corrects,
        order,
      );
    const original = await of(first);
    const copy = await of(second);
    expect((await submit())[0]).toEqual(['NEWT v1 send', 'NEWT v1 held']);
    expect(await lastDraft()).toMatchObject({
      status: 'held',
      to_mend: `field 1: metadata.execution_id must be of no other execution of its source, venue, instrument, side and day: event ${original} of order ${first} tells of it already. Void one of both, or state drop_copy: true if this is a copy, false if it is another execution`,
    });
    // whichever says that it is another one, or a copy
    await of(second, { drop_copy: false }, {}, copy);
    expect((await submit())[0]).toEqual(['NEWT v1 as-sent', 'CANC v1 not-there', 'NEWT v2 send']);
    const another = `ANOTHER ${day}`;
    const third = await of(another);
    expect((await submit())[0].at(-1)).toBe('NEWT v1 held');
    // what tells of it before is void
    await post('void', {}, {}, original, first);
    await post('void', {}, {}, copy, second);
    expect((await submit())[0]).toEqual([
      ...[
        'CANC v1 send',
        'CANC v1 not-there',
        'CANC v2 send',
        'CANC v1 not-there',
        'CANC v2 not-there',
        'NEWT v3 send',
      ],
    ]);
    expect(await lastDraft()).toMatchObject({ event_id: third, status: 'reportable' });
  });

  it('are sent of executions of one id in another place, instrument, side, day, source or firm', async () => {
    const known = { symbol: 'SHR', side: 'buy', exchange: 'XPAR' };
    const others: [Members, Members, Members][] = [
      [{}, {}, {}],
      [{ side: 'sell' }, {}, {}],
      [{ exchange: 'XPAR', symbol: 'TWO' }, {}, {}],
      [{ exchange: 'XOFF' }, { counterparty_id: BANK }, {}],
      [{}, {}, { source: 'another' }],
      [{}, { execution_time: new Date(start - 86_400_000).toISOString() }, {}],
    ];
    for (const [i, [state, metadata, more]] of others.entries()) {
      const event = {
        ...{ event_id: uuidv7(), event_type: 'order_lifecycle', entity_type: 'order', entity_id: `ONE-ID ${day} ${i}` },
        ...{ timestamp: new Date(start + i * 1_000).toISOString(), action: 'fill', user_id: 'T-2' },
        new_state: { ...FILL, ...known, ...state },
        metadata: { ...OWN, ...code(), execution_id: 7, ...metadata },
        ...more,
      };
      await service.http().post('/v1/ledgers/main/events').send(event).expect(201);
    }
    const told = async (more: Record<string, string> = {}): Promise<string[]> => {
      const asked = { from_date: day, to_date: day, ...more };
      const { body } = await service.http().get('/v1/ledgers/main/reports/transactions').query(asked).expect(200);
      const rows = body.rows as Record<string, string | null>[];
      expect(rows.length).toBeGreaterThanOrEqual(others.length);
      return rows.flatMap((row) => (row.to_mend?.includes('execution_id') ? [row.order_id!] : []));
    };
    expect(await told()).toEqual([]);
    const again = `ONE-ID ${day} again`;
    await post('fill', { ...FILL, ...known }, { ...OWN, ...code(), execution_id: '7' }, undefined, again);
    expect(await told()).toEqual([again]);
    // an order that one firm passed on to the other: each reports its own
    for (const firm of [FIRM, BANK]) {
      const stated = { ...OWN, ...code(), execution_id: 'X-F', executing_entity: firm };
      await post('fill', { ...FILL, ...known }, stated, undefined, `OF ${firm} ${day}`);
    }
    expect(await told({ executing_entity: FIRM })).toEqual([again]);
    expect(await told({ executing_entity: BANK })).toEqual([again]);
    const unsaid = `OF NOBODY ${day}`;
    await post('fill', { ...FILL, ...known }, { ...OWN, ...code(), execution_id: 'X-F' }, undefined, unsaid);
    expect((await told({ executing_entity: BANK })).sort()).toEqual([unsaid, again]);
  });

  it('are held also where what tells of it before is of another period, or one of very many', async () => {
    const state = { ...FILL, symbol: 'SHR', side: 'buy', exchange: 'XPAR' };
    const time = new Date(start).toISOString();
    const metadata = { ...OWN, ...code(), execution_id: 'X-LATE', execution_time: time };
    const original = await post('fill', state, metadata);
    // more than are looked up at once, by one order
    const many = Array.from({ length: 450 }, (_, i) => ({
      ...{ event_id: uuidv7(), event_type: 'order_lifecycle', entity_type: 'order', entity_id: `MANY ${day}` },
      ...{ timestamp: new Date(start + 86_400_000 + i).toISOString(), action: 'partial_fill', user_id: 'T-2' },
      new_state: state,
      metadata: {
        ...OWN,
        execution_id: i === 449 ? 'X-LATE' : `X-${i}`,
        execution_time: time,
        venue_transaction_id: `V${i}`,
      },
    }));
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: many }).expect(201);
    day = new Date(start + 86_400_000).toISOString().slice(0, 10);
    const [decisions] = await submit();
    expect(decisions.filter((each) => each === 'NEWT v1 send')).toHaveLength(449);
    expect(decisions.at(-1)).toBe('NEWT v1 held');
    expect((await lastDraft()).to_mend).toContain(original);
  });

  it('read what a day that was copied under other order ids tells of by sets, and not order by order', async () => {
    const pool = service.app.get<pg.Pool>(POOL);
    /** Reads of the database for the reports of a day with so many orders and a copy of each; half of them are held. */
    async function readsOf(orders: number): Promise<number> {
      const state = { ...FILL, symbol: 'SHR', side: 'buy', exchange: 'XPAR' };
      const events = ['ONE', 'COPY'].flatMap((name) =>
        Array.from({ length: orders }, (_, i) => ({
          ...{
            event_id: uuidv7(),
            event_type: 'order_lifecycle',
            entity_type: 'order',
            entity_id: `${name}-${i} ${day}`,
          },
          ...{ timestamp: new Date(start + i).toISOString(), action: 'fill', user_id: 'T-2', new_state: state },
          metadata: { ...OWN, execution_id: `X-${i}`, venue_transaction_id: `V${day.replaceAll('-', '')}${i}` },
        })),
      );
      const { body } = await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
      const asOf = BigInt((body.receipts as { sequence: string }[]).at(-1)!.sequence);
      const [from, to] = [new Date(start).toISOString(), new Date(start + 3_600_000).toISOString()];
      let reads = 0;
      let held = 0;
      const drafts = draftsOf({
        ...{ ledger: 'main', asOf, deleted: [], parameters: {}, archive: service.app.get(ARCHIVED_EVENTS) },
        ...{ period: { from: { time: from, nanos: 0 }, to: { time: to, nanos: 0 } } },
        ...{ executingEntity: FIRM, referenceRevision: 10_000n, submittedAt: to },
        read: (work, ledger = 'main') => {
          reads += 1;
          return readPage(pool, 10_000, ledger, work);
        },
      });
      for await (const draft of drafts) if (draft.is === 'draft' && !isReady(draft)) held += 1;
      expect(held).toBe(orders);
      return reads;
    }
    const few = await readsOf(5);
    start += 86_400_000;
    day = new Date(start).toISOString().slice(0, 10);
    expect((await readsOf(80)) - few).toBeLessThan(10);
  });
});
