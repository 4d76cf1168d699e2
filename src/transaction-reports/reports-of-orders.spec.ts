import { ENTRIES, referenceOf, rowOf, type Entries, type StatedValues } from '../../test/support/executions.js';
import { BANK, CCP, CLIENT, FIRM, FUND } from '../../test/support/transaction-reports.js';
import type { StoredRow } from '../integrity/stored-event.js';
import type { LifeEvent } from '../reports/whole-lives.js';
import type { Draft, NotReportable } from './draft.js';
import { draftsOfTransaction } from './drafts.js';
import { toldOf } from './told-of-drafts.js';
import { transactionsOf } from './transactions.js';

const OF_CLIENT: StatedValues = {
  ...{ isin: 'FR0000131104', exchange: 'XPAR', side: 'buy', trading_capacity: 'any_other' },
  ...{ execution_decision_maker: 'T-1', client_id: 'C-1' },
};
const OF_SEVERAL: StatedValues = { ...OF_CLIENT, client_id: undefined, client_id_type: 'aggregated' };
const FILL: StatedValues = { action: 'partial_fill', quantity: '10', price: '61.38', venue_transaction_id: 'TV1' };
const part = (quantity: string, client = 'C-1') => ({ client_id: client, quantity, price: '61.38' });

const OR_OUT =
  'or venue_traded be stated as false where neither it nor what it is on is traded on one, or financial_instrument where it is none';

/** An event with the corrections of it, by sequence; each states what is given here. */
type Stated = StatedValues | StatedValues[];

/** All that the drafts of an order's events say; event n has sequence n, the m-th correction of it n + 100 m. */
async function draftsOf(
  events: readonly Stated[],
  entries: Entries = ENTRIES,
  days: readonly string[] = [],
): Promise<(Draft | NotReportable)[]> {
  const lives = events.map((event, i): StoredRow[] => {
    const [first, ...others] = Array.isArray(event) ? event : [event];
    const time = `08:00:${String(i).padStart(2, '0')}`;
    const timestamp = `${days[i] ?? '2026-06-02'} ${time}+00`;
    const row = { ...rowOf(i + 1, first!), timestamp };
    const corrections = others.map((each, n) => ({
      ...rowOf(100 * (n + 1) + i, each),
      timestamp,
      corrects: row.event_id,
    }));
    return [row, ...corrections];
  });
  const life = async function* (): AsyncGenerator<LifeEvent> {
    for (const versions of lives) {
      yield await Promise.resolve({ kind: 'event', row: versions[0]!, stated: versions.at(-1)!, versions });
    }
  };
  const made: (Draft | NotReportable)[] = [];
  for await (const each of transactionsOf({ orderId: 'O-1', targets: new Set(), events: life }))
    made.push(...draftsOfTransaction(each, FIRM, { at: () => referenceOf(entries) }, '2026-06-02T23:00:00Z'));
  return made;
}

/** A line each: of which event, and what keeps it back. */
async function toldOfOrder(events: readonly Stated[], entries?: Entries, days?: readonly string[]): Promise<string[]> {
  return (await draftsOf(events, entries, days)).map((each) => {
    const of = Number(each.eventId.slice(-3));
    if (each.is === 'not-reportable') return `${of} none: ${each.reason}`;
    return `${of} ${each.report.status} v${each.version} leg ${each.leg}: ${toldOf(each).toMend ?? 'ready'}`;
  });
}

describe('what is reported along an order', () => {
  const create = { action: 'create', ...OF_CLIENT };

  it('is held where the correction of an execution does not say what became of it', async () => {
    const corrected = (action: string, more: StatedValues = {}) =>
      toldOfOrder([create, [FILL, { ...FILL, action, price: '61.4', ...more }]]);
    const told = (action: string) => [
      '2 NEWT v1 leg 0: ready',
      '2 CANC v1 leg 0: ready',
      `2 NEWT v2 leg 0: field 1: ${action} does not say what became of the execution that it corrects: correct it by fill or partial_fill, with all that holds now, or by void`,
    ];
    expect(await corrected('trade_correct')).toEqual(told('trade_correct'));
    // an order's action that names an execution
    expect(await corrected('modify')).toEqual(told('modify'));
    // a known one that does not, and one that ends something, say that there was none
    const none = told('').slice(0, 2);
    expect(await corrected('modify', { venue_transaction_id: undefined })).toEqual(none);
    expect(await corrected('cancel')).toEqual(none);
    // until it is said
    const twice = await toldOfOrder([create, [FILL, { ...FILL, action: 'bust' }, { action: 'void' }]]);
    expect(twice.at(-1)).toBe('2 CANC v2 leg 0: ready');
    // what allocates it waits for that, too
    const block = { action: 'create', ...OF_SEVERAL };
    const allocate = { action: 'change_status', allocations: [part('10')] };
    const bust = { ...FILL, action: 'bust' };
    const allocated = await toldOfOrder([block, [FILL, bust], allocate]);
    expect(allocated.slice(-3)).toEqual([
      ...['3 NEWT v1 leg 2: ready', '3 CANC v1 leg 2: ready'],
      `3 NEWT v2 leg 2: ${told('bust')[2]!.split(': ').slice(1).join(': ')}`,
    ]);
    const settled = await toldOfOrder([block, [FILL, bust, FILL], allocate]);
    expect(settled.at(-1)).toBe('3 NEWT v3 leg 2: ready');
    const right = await toldOfOrder([create, [FILL, { ...FILL, action: 'correct' }, { ...FILL, price: '61.4' }]]);
    expect(right.at(-1)).toBe('2 NEWT v3 leg 0: ready');
  });

  it('of what an execution leaves of itself is allocated later, where nothing else is to be allocated', async () => {
    const opened = { action: 'create', ...OF_SEVERAL };
    const allocate = { action: 'change_status', allocations: [part('6')] };
    const fill = { ...FILL, allocations: [part('4')] };
    const ready = ['2 NEWT v1 leg 0: ready', '2 NEWT v1 leg 2: ready'];
    expect(await toldOfOrder([opened, fill, allocate])).toEqual([...ready, '3 NEWT v1 leg 2: ready']);
    // one that leaves nothing
    const whole = await toldOfOrder([opened, { ...fill, allocations: [part('10')] }, allocate]);
    expect(whole.at(-1)).toBe(
      '3 NEWT v1 leg 2: field 28: the order has no execution before it that could be allocated: what an execution allocates itself, all of it, is allocated already',
    );
    // beside one that does, until the rest is allocated
    const all = { ...fill, allocations: [part('10')] };
    expect((await toldOfOrder([opened, fill, all, allocate])).at(-1)).toBe('4 NEWT v1 leg 2: ready');
    expect((await toldOfOrder([opened, fill, allocate, all, allocate])).at(-1)).toMatch(/^5 NEWT v1 leg 2: field 28: /);
    // those that do not allocate themselves go first
    const both = await draftsOf([opened, FILL, { ...fill, execution_time: '2026-06-02T07:00:00Z' }, allocate]);
    expect(both.at(-1)).toMatchObject({ report: { tradingTime: '2026-06-02T08:00:01Z' } });
  });

  it('of allocations that come to more than was executed are held, also once an execution was busted', async () => {
    const opened = { action: 'create', ...OF_SEVERAL };
    const allocate = (quantity: string) => ({ action: 'change_status', allocations: [part(quantity)] });
    const over = (allocated: string, executed: string) =>
      `field 30: allocations come to ${allocated}, which is more than the ${executed} that was executed and not allocated before: correct these or the executions, or void what was allocated twice`;
    expect((await toldOfOrder([opened, FILL, FILL, allocate('20')])).at(-1)).toBe('4 NEWT v1 leg 2: ready');
    expect((await toldOfOrder([opened, FILL, FILL, allocate('20.5')])).at(-1)).toBe(
      `4 NEWT v1 leg 2: ${over('20.5', '20')}`,
    );
    // the same told again by another event
    const twice = await toldOfOrder([opened, FILL, allocate('10'), allocate('10')]);
    expect(twice.slice(-2)).toEqual(['3 NEWT v1 leg 2: ready', `4 NEWT v1 leg 2: ${over('10', '0')}`]);
    // an earlier execution that is taken back, or was of less
    for (const [correction, left] of [
      [{ action: 'void' }, '10'],
      [{ ...FILL, quantity: '4' }, '14'],
    ] as const) {
      const told = await toldOfOrder([opened, [FILL, correction], FILL, allocate('20')]);
      expect(told.slice(-3)).toEqual([
        ...['4 NEWT v1 leg 2: ready', '4 CANC v1 leg 2: ready'],
        `4 NEWT v2 leg 2: ${over('20', left)}`,
      ]);
    }
    // until the allocation is corrected, too
    const mended = [allocate('20'), allocate('10')];
    expect((await toldOfOrder([opened, [FILL, { action: 'void' }], FILL, mended])).at(-1)).toMatch(
      /^4 NEWT v3 .*ready$/,
    );
    // and the one that was told twice, once the other is void
    const first = [allocate('10'), { action: 'void' }];
    expect((await toldOfOrder([opened, FILL, first, allocate('10')])).at(-1)).toBe('4 NEWT v2 leg 2: ready');
    // what nobody knows the quantity of is not compared
    expect((await toldOfOrder([opened, { ...FILL, quantity: undefined }, allocate('10')])).at(-1)).toMatch(/ready$/);
    // what is left of some and what was executed since make one
    expect((await toldOfOrder([opened, FILL, allocate('6'), FILL, allocate('14')])).at(-1)).toMatch(/ready$/);
    const self = { ...FILL, allocations: [part('4')] };
    expect((await toldOfOrder([opened, FILL, self, allocate('10'), allocate('6')])).at(-1)).toMatch(/ready$/);
    expect((await toldOfOrder([opened, self, FILL, allocate('16')])).at(-1)).toMatch(/ready$/);
  });

  it('of an allocation is held where what is left of earlier executions is not like the last one', async () => {
    const opened = { action: 'create', ...OF_SEVERAL };
    const allocate = (quantity: string, more: StatedValues = {}) => ({
      ...{ action: 'change_status', allocations: [part(quantity)], ...more },
    });
    const sell = { action: 'modify', side: 'sell', short_sale: 'not_short' };
    const last = async (...events: Stated[]) => (await toldOfOrder([opened, ...events])).at(-1)!.replace(/^.*?: /, '');
    const inDoubt =
      'field 7: new_state.side must be stated with the allocation, as the last execution has it, or each execution allocate itself: those before it do not say the same';
    expect(await last(FILL, allocate('6'), sell, FILL, allocate('4'))).toBe(inDoubt);
    expect(await last({ ...FILL, allocations: [part('6')] }, sell, FILL, allocate('4'))).toBe(inDoubt);
    // where it says of which, where nothing is left, and where all say the same
    expect(await last(FILL, allocate('6'), sell, FILL, allocate('10', { side: 'sell' }))).toBe('ready');
    expect(await last(FILL, allocate('6'), allocate('4'), sell, FILL, allocate('10'))).toBe('ready');
    expect(await last(FILL, allocate('6'), FILL, allocate('4'))).toBe('ready');
    // what one leaves of itself is nothing once later allocations had it
    expect(await last({ ...FILL, allocations: [part('6')] }, allocate('4'), sell, FILL, allocate('10'))).toBe('ready');
  });

  it('of an allocation is held as long as nobody says what became of an earlier one of the executions', async () => {
    const opened = { action: 'create', ...OF_SEVERAL };
    const allocate = { action: 'change_status', allocations: [part('20')] };
    const bust = { ...FILL, action: 'bust' };
    const told = await toldOfOrder([opened, [FILL, bust], FILL, allocate]);
    expect(told.slice(-3)).toEqual([
      ...['4 NEWT v1 leg 2: ready', '4 CANC v1 leg 2: ready'],
      '4 NEWT v2 leg 2: field 1: bust does not say what became of the execution that it corrects: correct it by fill or partial_fill, with all that holds now, or by void',
    ]);
    expect((await toldOfOrder([opened, [FILL, bust, FILL], FILL, allocate])).at(-1)).toBe('4 NEWT v3 leg 2: ready');
    // of what was allocated before it is of no account
    const part10 = { ...allocate, allocations: [part('10')] };
    expect((await toldOfOrder([opened, [FILL, bust], part10, FILL, part10])).at(-1)).toBe('5 NEWT v1 leg 2: ready');
  });

  it('tells once of a symbol that nobody knows, and not of all that follows', async () => {
    const told = async (order: StatedValues, own: StatedValues = {}) =>
      (
        await toldOfOrder([
          { ...create, isin: undefined, ...order },
          { ...FILL, ...own },
        ])
      )[0]!.replace(/^.*?: /, '');
    const unknown =
      'field 41: symbol NOPE is of no instrument in the reference data: new_state.isin must be stated, or an entry have that symbol';
    expect(await told({ symbol: 'NOPE' })).toBe(unknown);
    expect(await told({ isin: 'FR0000131104', symbol: 'SHR' }, { symbol: 'NOPE' })).toBe(unknown);
    expect(await told({ exchange: 'XOFF', counterparty_id: 'C-1' }, { symbol: 'NOPE' })).toBe(
      `${unknown}, or the instrument be described, with an underlying that is traded on a venue, ${OR_OUT}`,
    );
    expect(await told({})).toBe('field 41: new_state.isin, or a symbol that an entry has, must be stated');
    // what is stated of it is looked at
    expect(await told({ symbol: 'NOPE' }, { currency: 'GBX' })).toMatch(
      /^field 34 \(GBX\): .*; field 41: [^;]*; field 44 \(GBX\): [^;]*$/,
    );
    expect(await told({ symbol: 'NOPE' }, { cfi: 'ESVUFR' })).toMatch(
      /^field 34: new_state.currency must be stated.*field 42: /,
    );
  });

  it('has nothing of an instrument that is out of scope by what the order says of it, until it says otherwise or names another', async () => {
    const [order, fill] = [{ ...create, isin: '', exchange: 'XOFF', symbol: 'EURUSD', cfi: 'JFTXFP' }, { ...FILL }];
    const told = async (...events: Stated[]) => (await toldOfOrder(events)).map((each) => each.slice(0, 23));
    const said = { ...order, venue_traded: false };
    expect(await told(said, fill)).toEqual(['2 none: Neither the ins']);
    const since = (reason: string) => ['2 NEWT v1 leg 0: field ', '2 CANC v1 leg 0: ready', `2 none: ${reason}`];
    expect(await told([order, said], fill)).toEqual(since('Neither the ins'));
    expect(await told(order, [fill, { ...fill, financial_instrument: false }])).toEqual(since('It is no financ'));
    for (const more of [{ symbol: 'USDJPY' }, { venue_traded: true }])
      expect(await told(said, { ...fill, ...more })).toEqual(['2 NEWT v1 leg 0: field ']);
  });

  it('of an allocation is as that of what it allocates, and held where executions are not alike in it', async () => {
    const block = { action: 'create', ...OF_SEVERAL, isin: '', exchange: 'XOFF', symbol: 'EURUSD', cfi: 'JFTXFP' };
    const allocate = { action: 'change_status', allocations: [part('20')] };
    const last = async (...events: Stated[]) => (await toldOfOrder(events)).at(-1)!;
    const out = { venue_traded: false };
    expect(await last({ ...block, ...out }, FILL, FILL, allocate)).toMatch(/^4 none: Neither the instrument/);
    const inDoubt = 'field 41: new_state.venue_traded must be stated with the allocation, as the last execution has it';
    expect(await last(block, FILL, { ...FILL, ...out }, allocate)).toContain(inDoubt);
    expect(await last(block, FILL, FILL, { ...allocate, ...out })).toContain(
      'field 41: new_state.venue_traded must be as what is allocated has it, which does not say it, or not be stated',
    );
    expect(await last(block, FILL, { ...FILL, ...out }, { ...allocate, ...out })).toMatch(/^4 none: Neither/);
  });

  it('has a hint where it was executed on a venue in whole seconds, unless its clock may be so coarse', async () => {
    const hints = async (own: StatedValues, order: StatedValues = {}) => {
      const [draft] = await draftsOf([
        { ...create, ...order },
        { ...FILL, ...own },
      ]);
      return draft?.is === 'draft' ? toldOf(draft).hints : null;
    };
    const hint = expect.stringMatching(/\[TR-028-4\]$/);
    expect(await hints({})).toEqual(hint);
    expect(await hints({ clock_class: 'member_other' })).toEqual(hint);
    expect(await hints({}, { clock_class: 'member_voice' })).toEqual(hint);
    expect(await hints({ clock_class: 'member_voice' })).toBeNull();
    expect(await hints({ execution_time: '2026-06-02T08:00:01.1Z' })).toBeNull();
  });

  it('is with the central counterparty that the order names, also on another segment of the same market', async () => {
    const otherSide = async (order: StatedValues, own: StatedValues): Promise<unknown> => {
      const [report] = await draftsOf([
        { ...create, central_counterparty: BANK, ...order },
        { ...FILL, ...own },
      ]);
      return report?.is === 'draft' && report.report.status === 'NEWT' && report.report.seller.owners[0]!.id;
    };
    const ofOrder = { is: 'legal-entity', lei: BANK };
    expect(await otherSide({}, {})).toEqual(ofOrder);
    expect(await otherSide({}, { exchange: 'PARS' })).toEqual(ofOrder);
    expect(await otherSide({}, { segment_mic: 'PARS' })).toEqual(ofOrder);
    expect(await otherSide({ segment_mic: 'PARS' }, { exchange: 'XPAR' })).toEqual(ofOrder);
    // elsewhere, what the reference data have of the market
    expect(await otherSide({}, { exchange: 'XANO' })).toEqual({ is: 'venue', mic: 'XANO' });
    expect(await otherSide({ exchange: 'XANO' }, { exchange: 'PARS' })).toEqual({ is: 'legal-entity', lei: CCP });
    expect(await otherSide({}, { exchange: 'PARS', central_counterparty: CCP })).toEqual({
      ...{ is: 'legal-entity', lei: CCP },
    });
  });

  it('of an allocation is held where it may be of the order that had the id before, and does not say of which', async () => {
    const block = { action: 'create', ...OF_SEVERAL };
    const last = { ...FILL, action: 'fill' };
    const allocate = { action: 'change_status', allocations: [part('10')] };
    const after = async (former: readonly Stated[], allocation: StatedValues = allocate, next: StatedValues = block) =>
      (await toldOfOrder([...former, next, last, allocation])).at(-1)!.replace(/^.*?: /, '');
    const inDoubt =
      'field 28: metadata.execution_time, isin or symbol must say of which order the allocation is: of the one that had its id before, executions are not allocated';
    expect(await after([block, last])).toBe(inDoubt);
    // where it says so, where they were allocated, and where there were none to be
    expect(await after([block, last], { ...allocate, isin: 'FR0000131104' })).toBe('ready');
    expect(await after([block, last], { ...allocate, execution_time: '2026-06-02T08:00:03Z' })).toBe('ready');
    expect(await after([block, last, allocate])).toBe('ready');
    expect(await after([block, { ...last, allocations: [part('10')] }])).toBe('ready');
    expect(await after([create, last])).toBe('ready');
    expect(await after([{ ...block, client_id_type: 'none', trading_capacity: 'own_account' }, last])).toBe('ready');
    expect(await after([block, { action: 'cancel' }])).toBe('ready');
    // of which a part is left
    const some = { ...allocate, allocations: [part('6')] };
    expect(await after([block, last, some])).toBe(inDoubt);
    expect(await after([block, { ...last, allocations: [part('6')] }])).toBe(inDoubt);
    expect(await after([block, { ...last, allocations: [part('6')] }, { ...allocate, allocations: [part('4')] }])).toBe(
      'ready',
    );
    expect(await after([block, last, some, { ...allocate, allocations: [part('4')] }])).toBe('ready');
    expect(await after([block, FILL, some, FILL, { action: 'cancel' }])).toBe(inDoubt);
    expect(await after([block, last, some], { ...allocate, isin: 'FR0000131104' })).toBe('ready');
    // also where the later one is one client's, so that nothing of it would be reported
    expect(await after([block, last], allocate, create)).toBe(inDoubt);
    // until the executions of the former allocate themselves
    const allocated = { ...last, allocations: [part('10')] };
    const told = await toldOfOrder([block, [last, allocated], block, last, allocate]);
    expect(told.slice(-3)).toEqual([
      ...[`5 NEWT v1 leg 2: ${inDoubt}`, '5 CANC v1 leg 2: ready', '5 NEWT v2 leg 2: ready'],
    ]);
  });

  it('has the one who acts for the client also beside a list of nobody', async () => {
    const makers = async (order: StatedValues, own: StatedValues): Promise<unknown> => {
      const [report] = await draftsOf([
        { ...create, ...order },
        { ...FILL, ...own },
      ]);
      return report?.is === 'draft' && report.report.status === 'NEWT' && report.report.buyer.decisionMakers;
    };
    const [one, nobody] = [{ client_representative_id: FUND }, { client_representative_ids: [] }];
    const fund = [{ is: 'legal-entity', lei: FUND }];
    expect(await makers({ ...one, ...nobody }, {})).toEqual(fund);
    expect(await makers(one, nobody)).toEqual(fund);
    expect(await makers({ client_representative_ids: [FUND] }, nobody)).toEqual(fund);
  });

  it('is held where an execution is told once more by another event of the order', async () => {
    const fill = { ...FILL, execution_id: 'X-1' };
    const again =
      /^3 NEWT v1 leg 0: field 1: metadata.execution_id must be of no other execution of the order: event 0197f3a1-6c00-7000-8000-000000000002 tells of it already/;
    const [first, second] = await toldOfOrder([create, fill, fill]);
    expect([first, second]).toEqual(['2 NEWT v1 leg 0: ready', expect.stringMatching(again)]);
    const ready = async (...events: Stated[]) => (await toldOfOrder([create, ...events])).at(-1);
    // once one of both is void, where it says what it is, and where it is another one
    expect(await ready([fill, { action: 'void' }], fill)).toBe('3 NEWT v2 leg 0: ready');
    expect(await ready(fill, [fill, { action: 'void' }])).toBe('3 CANC v1 leg 0: ready');
    expect(await ready(fill, { ...fill, drop_copy: false })).toBe('3 NEWT v1 leg 0: ready');
    expect(await ready(fill, { ...fill, drop_copy: true })).toMatch(/^3 none: It is a copy/);
    expect(await ready({ ...fill, drop_copy: true }, fill)).toBe('3 NEWT v1 leg 0: ready');
    expect(await ready(fill, { ...fill, execution_id: 'X-2' })).toBe('3 NEWT v1 leg 0: ready');
    expect(await ready(FILL, FILL)).toBe('3 NEWT v1 leg 0: ready');
    // one that says that it is none says nothing of the next
    expect(await ready({ ...fill, drop_copy: false }, fill)).toMatch(again);
    // a correction is no other event, nor is it one of the order that has the id next
    expect(await ready([fill, { ...fill, price: '61.4' }])).toBe('2 NEWT v2 leg 0: ready');
    expect(await ready({ ...fill, action: 'fill' }, create, fill)).toBe('4 NEWT v1 leg 0: ready');
  });

  it('allocates nothing of an execution that is told once more', async () => {
    const opened = { action: 'create', ...OF_SEVERAL };
    const fill = { ...FILL, execution_id: 'X-1', execution_time: '2026-06-02T07:00:00Z' };
    const again = { ...fill, execution_time: '2026-06-02T07:00:05Z' };
    const allocate = (quantity: string) => ({ action: 'change_status', allocations: [part(quantity)] });
    const last = async (...events: Stated[]) => (await toldOfOrder([opened, ...events])).at(-1);
    const over =
      '4 NEWT v1 leg 2: field 30: allocations come to 20, which is more than the 10 that was executed and not allocated before: correct these or the executions, or void what was allocated twice';
    expect(await last(fill, again, allocate('20'))).toBe(over);
    expect(await last(fill, again, allocate('10'))).toBe('4 NEWT v1 leg 2: ready');
    expect(await last(fill, { ...again, drop_copy: false }, allocate('20'))).toBe('4 NEWT v1 leg 2: ready');
    // its time is that of the one that counts, as it was known then
    const timesOf = async (...events: Stated[]) =>
      (await draftsOf([opened, ...events, allocate('10')])).flatMap((each) =>
        each.is === 'draft' && each.report.status === 'NEWT' && each.eventId.endsWith('4')
          ? [`v${each.version} ${each.report.tradingTime} ${each.cause.sequence}`]
          : [],
      );
    expect(await timesOf(fill, again)).toEqual(['v1 2026-06-02T07:00:00Z 4']);
    expect(await timesOf([fill, { action: 'void' }], again)).toEqual([
      ...['v1 2026-06-02T07:00:00Z 4', 'v2 2026-06-02T07:00:05Z 101'],
    ]);
    // what a create intends waits for no allocation of it
    const intended = { ...opened, allocations: [part('10')] };
    const [first] = await toldOfOrder([intended, fill, allocate('10'), again]);
    expect(first).toMatch(/^1 none: /);
  });

  it('is held where one who acts for the client is named beside a list without that one, by the same event', async () => {
    const held = async (order: StatedValues, own: StatedValues = {}) =>
      (
        await toldOfOrder([
          { ...create, ...order },
          { ...FILL, ...own },
        ])
      )[0]!.replace(/^.*?: /, '');
    const both = (id: string, ...ids: string[]) => ({ client_representative_id: id, client_representative_ids: ids });
    const inDoubt = `field 12: metadata.client_representative_ids must have ${FUND}, or client_representative_id not be stated with it`;
    expect(await held(both(FUND, BANK))).toBe(inDoubt);
    expect(await held({}, both(FUND, BANK, CCP))).toBe(inDoubt);
    expect(await held(both(FUND, BANK, FUND))).toBe('ready');
    // one after the other the later one counts
    expect(await held({ client_representative_id: FUND }, { client_representative_ids: [BANK] })).toBe('ready');
    expect(await held(both(FUND, BANK), { client_representative_id: BANK })).toBe('ready');
    const sale = { side: 'sell', short_sale: 'not_short' };
    expect(await held({ ...both(FUND, BANK), ...sale })).toBe(inDoubt.replace('12', '21'));
  });

  it('is held where it is said what the client is, and not who', async () => {
    const told = async (order: StatedValues, own: StatedValues = {}, ...later: StatedValues[]) =>
      (await toldOfOrder([{ ...create, client_id: undefined, ...order }, { ...FILL, ...own }, ...later])).map((each) =>
        each.replace(/^.*?: /, ''),
      );
    const ofOwn = { trading_capacity: 'own_account', investment_decision_maker: 'T-1' };
    const nobody = (type: string) => `field 7: metadata.client_id must be stated with client_id_type ${type}`;
    for (const type of ['legal_entity', 'natural_person']) {
      expect(await told({ ...ofOwn, client_id_type: type })).toEqual([nobody(type)]);
      expect(await told(ofOwn, { client_id_type: type })).toEqual([nobody(type)]);
      expect((await told({ client_id_type: type }))[0]).toContain(nobody(type));
    }
    expect(await told({ ...ofOwn, client_id_type: 'none' })).toEqual(['ready']);
    expect(await told({ ...ofOwn, client_id_type: 'legal_entity' }, { client_id_type: 'none' })).toEqual(['ready']);
    // the firm is no client
    expect(await told({ ...ofOwn, client_id_type: 'legal_entity', client_id: FIRM })).toEqual(['ready']);
    // nor are several one
    const allocations = [part('10')];
    expect((await told({ client_id_type: 'legal_entity' }, { allocations }))[0]).toContain(nobody('legal_entity'));
    expect((await told({ client_id_type: 'legal_entity', aggregated: true }))[0]).toContain(nobody('legal_entity'));
  });

  it('is for the client of the order after an execution that names another one by an LEI, where the order has an id', async () => {
    const clients = async (ofOrder: string, own: string): Promise<unknown[]> =>
      (await draftsOf([{ ...create, client_id: ofOrder }, { ...FILL, client_id: own }, FILL])).map(
        (each) => each.is === 'draft' && each.report.status === 'NEWT' && each.report.buyer.owners[0]!.id,
      );
    const [fund, company] = [FUND, CLIENT].map((lei) => ({ is: 'legal-entity', lei }));
    expect(await clients('C-1', FUND)).toEqual([fund, company]);
    expect(await clients(FUND, 'C-1')).toEqual([company, fund]);
    expect(await clients('C-10', FUND)).toEqual([fund, fund]);
  });

  it('has nothing of what was said of another client, also where one is named by an LEI and the other is not', async () => {
    const client = { A: { name: 'A', lei: CLIENT }, B: { name: 'B', lei: FUND, branch: 'MIL' }, P: { name: 'P' } };
    const told = async (order: StatedValues, own: StatedValues, between: StatedValues[] = []) =>
      (await draftsOf([{ ...create, ...order }, ...between, { ...FILL, ...own }], { ...ENTRIES, client })).map(
        (each) => {
          if (each.is !== 'draft' || each.report.status !== 'NEWT') return each.is;
          const { owners, decisionMakers } = each.report.buyer;
          return [owners[0]?.branchCountry, decisionMakers.length, toldOf(each).toMend ?? 'ready'].join(' ');
        },
      );
    const of = { client_representative_id: BANK, branch: 'DE' };
    // the same one is the same by its entry's LEI
    expect(await told({ client_id: 'A', ...of }, { client_id: CLIENT })).toEqual(['DE 1 ready']);
    expect(await told({ client_id: CLIENT, ...of }, { client_id: 'A' })).toEqual(['DE 1 ready']);
    // another one is another
    expect(await told({ client_id: 'A', ...of }, { client_id: FUND })).toEqual(['IT 0 ready']);
    expect(await told({ client_id: FUND, ...of }, { client_id: 'A' })).toEqual(['FR 0 ready']);
    expect(await told({ client_id: CCP, ...of }, { client_id: 'B' })).toEqual(['IT 0 ready']);
    expect(await told({ client_id: 'P', ...of }, { client_id: FUND })).toEqual(['IT 0 ready']);
    // also by way of an event between, and where the first one is named again
    const named = (id: string) => ({ action: 'modify', client_id: id });
    expect(await told({ client_id: 'A', ...of }, {}, [named(FUND)])).toEqual(['IT 0 ready']);
    expect(await told({ client_id: 'A', ...of }, {}, [named(FUND), named('A')])).toEqual(['DE 1 ready']);
    expect(await told({ client_id: 'A', ...of }, {}, [named(FUND), named('B')])).toEqual(['IT 0 ready']);
    // where executions alone say for whom it is, too
    const [, second] = await draftsOf(
      [
        { ...create, client_id: undefined },
        { ...FILL, client_id: 'A', ...of },
        { ...FILL, client_id: CCP },
      ],
      {
        ...ENTRIES,
        client,
      },
    );
    expect(second).toMatchObject({ report: { buyer: { decisionMakers: [] } } });
    // what it says of the client itself counts
    expect(await told({ client_id: 'A', ...of }, { client_id: FUND, branch: 'ES' })).toEqual(['ES 0 ready']);
    // of one whom nobody knows nobody knows whether it is the same
    const inDoubt = `field 7: metadata.branch, metadata.client_representative_id must be stated of client ${FUND}: they were said of C-77, who is not in the reference data and may be another one`;
    expect(await told({ client_id: 'C-77', ...of }, { client_id: FUND })).toEqual([`IT 0 ${inDoubt}`]);
    expect(await told({ client_id: 'C-77' }, { client_id: FUND })).toEqual(['IT 0 ready']);
    expect(await told({ client_id: 'C-77', ...of }, { client_id: FUND, ...of })).toEqual(['DE 1 ready']);
  });

  it('of allocations that are stated before anything was executed is what came of them', async () => {
    const allocations = [part('10')];
    const block = { action: 'create', ...OF_SEVERAL, allocations };
    const allocate = { action: 'change_status', allocations };
    const first = async (...events: Stated[]) => (await toldOfOrder(events))[0]!;
    const none = '1 none: It allocates what was not executed';
    expect(await first(block)).toBe(`${none} yet, as it is intended: nothing was executed so far`);
    expect(await first(block, { action: 'cancel' })).toBe(`${none}: the order ended without an execution`);
    const again =
      'field 28: allocations were stated before the executions: they must be stated again, of what was executed and with the price of each, by an event after them or by each execution';
    expect(await first(block, FILL)).toBe(`1 NEWT v1 leg 2: ${again}`);
    const done = `${none} yet, as it was intended: what was executed is allocated since`;
    expect(await first(block, FILL, allocate)).toBe(done);
    expect(await first(block, { ...FILL, allocations })).toBe(done);
    // that was recorded late, or again
    expect((await toldOfOrder([{ ...block, allocations: undefined }, FILL, block])).at(-1)).toBe(
      `3 NEWT v1 leg 2: ${again}`,
    );
    const late = await toldOfOrder([{ ...block, allocations: undefined }, FILL, block, allocate]);
    expect(late.slice(1)).toEqual([`3${done.slice(1)}`, '4 NEWT v1 leg 2: ready']);
    // by what holds, and of the same order
    expect(await first(block, FILL, [allocate, { action: 'void' }])).toBe(`1 NEWT v1 leg 2: ${again}`);
    expect(await first(block, [FILL, { action: 'void' }], allocate)).toBe(
      `${none} yet, as it is intended: nothing was executed so far`,
    );
    expect(await first(block, { action: 'cancel' }, block, FILL, allocate)).toMatch(/ended without an execution$/);
    expect(await first(block, { ...FILL, drop_copy: true })).toMatch(/nothing was executed so far$/);
    // what is said to be an allocation is asked for
    const opened = { action: 'create', ...OF_SEVERAL };
    const [held] = await toldOfOrder([opened, allocate]);
    expect(held).toMatch(/^2 NEWT v1 leg 2: field 28: the order has no execution before it that could be allocated: /);
    expect(await toldOfOrder([opened, allocate, FILL])).toEqual([
      `2 NEWT v1 leg 2: ${again}`,
      '3 NEWT v1 leg 0: ready',
    ]);
    // beside executions that allocate all of themselves there is nothing to come
    const twice = await toldOfOrder([opened, { ...FILL, allocations }, allocate, { action: 'cancel' }]);
    expect(twice.at(-1)).toMatch(/^3 NEWT v1 leg 2: field 28: the order has no execution before it that could/);
    const next = [{ ...FILL, action: 'fill', allocations }, block, { action: 'cancel' }];
    expect((await toldOfOrder([opened, ...next])).at(-1)).toBe(
      `3${none.slice(1)}: the order ended without an execution`,
    );
    // until all that was executed is allocated, but what says for whom it is
    expect(await first(block, { ...FILL, allocations }, FILL)).toBe(`1 NEWT v1 leg 2: ${again}`);
    expect(await first(block, FILL, allocate, FILL)).toBe(`1 NEWT v1 leg 2: ${again}`);
    expect(await first(block, FILL, allocate, FILL, allocate)).toBe(done);
    const ofOne = { ...FILL, client_id: 'C-6', client_id_type: 'legal_entity' };
    expect(await first(block, FILL, allocate, ofOne)).toBe(done);
    // under an id of its own
    const ofParent = { ...allocate, parent_order_id: 'P-1' };
    const told =
      'field 28: metadata.allocations of what was executed for order P-1 must be recorded as an event of that order';
    for (const action of ['create', 'change_status'])
      expect(await first({ ...ofParent, action })).toBe(
        `1 NEWT v1 leg 2: ${told}, with its id as entity_id: nothing was executed for the order that has parent_order_id P-1`,
      );
  });

  it('of allocations beforehand is what came of the order that they are of, where its id is used again', async () => {
    const allocations = [part('10')];
    const block = { action: 'create', ...OF_SEVERAL, allocations, validity: 'day' };
    const days = ['2026-06-01', '2026-06-02', '2026-06-02', '2026-06-02'];
    const none = 'none: It allocates what was not executed yet, as it';
    const now = `${none} is intended: nothing was executed so far`;
    // good for a day, which ended without a word
    expect((await toldOfOrder([block, block, FILL], ENTRIES, days))[0]).toBe(`1 ${now}`);
    const [first, ...others] = days;
    const later = await toldOfOrder([block, FILL, block], ENTRIES, [first!, first!, ...others]);
    expect(later.at(-1)).toBe(`3 ${now}`);
    const good = { ...block, validity: undefined };
    const filled = { ...FILL, action: 'fill' };
    for (const former of [[filled], [filled, { action: 'change_status', allocations }]]) {
      const all = await toldOfOrder([{ ...good, allocations: undefined }, ...former, good]);
      expect(all.at(-1)).toBe(`${former.length + 2} ${now}`);
    }
    expect((await toldOfOrder([good, filled, { ...good, isin: undefined }])).at(-1)).toBe(`3 ${now}`);
    // that the end is taken back later makes no one order of both
    const cancel = [{ action: 'cancel' }, { action: 'void' }];
    expect((await toldOfOrder([block, cancel, block, FILL]))[0]).toBe(`1 ${now}`);
    // one that begins before the other ended is none of its own
    const before = ['2026-06-02', '2026-06-02', '2026-06-01', '2026-06-02'];
    expect((await toldOfOrder([block, { action: 'cancel' }, block, FILL], ENTRIES, before))[0]).toMatch(
      /^1 NEWT v1 leg 2: field 28: allocations were stated before the executions/,
    );
  });

  it('of an allocation by itself is held where nothing was executed, also once the order ended', async () => {
    const opened = { action: 'create', ...OF_SEVERAL };
    const allocate = { action: 'change_status', allocations: [part('10')] };
    const held = /NEWT v1 leg 2: field 28: the order has no execution before it that could be allocated/;
    // what was executed may stand under the ids of other orders
    expect((await toldOfOrder([opened, allocate, { action: 'expire' }]))[0]).toMatch(held);
    expect((await toldOfOrder([opened, { action: 'expire' }, allocate]))[0]).toMatch(held);
    const modify = { ...allocate, action: 'modify' };
    expect((await toldOfOrder([opened, { action: 'expire' }, modify]))[0]).toMatch(held);
    expect((await toldOfOrder([opened, modify, { action: 'expire' }]))[0]).toMatch(/ended without an execution$/);
  });
});
