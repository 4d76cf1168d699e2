import { madeId, order, type SentEvent } from './reports/made-day.js';
import { ARM, BANK, FIRM, SHARE, SWAP, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { decisionsOf, submitted } from './support/submissions.js';

type Row = Record<string, string | null>;

const DAY = '2025-06-03';
const PERIOD = { from_date: DAY, to_date: DAY };

const OWN = {
  ...{ trading_capacity: 'own_account', client_id_type: 'none' },
  ...{ investment_decision_maker: 'MM7', investment_decision_maker_type: 'algorithm' },
  ...{ execution_decision_maker: 'SOR7V3', execution_decision_maker_type: 'algorithm' },
};
const WITH_BANK = { ...OWN, counterparty_id: BANK };
const OFF = { exchange: 'XOFF', quantity: '1000000', price: '1.0875', side: 'buy' };
const SPOT = { ...OFF, symbol: 'EURUSD', cfi: 'IFXXXP', currency: 'USD', received_currency: 'EUR' };
const FORWARD = { ...SPOT, symbol: 'EURUSD 3M', cfi: 'JFTXFP', second_leg_currency: 'USD' };
const RATE_SWAP = { ...OFF, cfi: 'SRCCSP', swap_role: 'pays_fixed', price: '2.3', price_notation: 'percentage' };
const COIN = {
  symbol: 'BTC/EUR',
  side: 'buy',
  quantity: '0.5',
  price: '91000',
  currency: 'EUR',
  exchange: 'Some exchange',
};
const NO_VENUE = { venue_traded: false };

const SCOPE = 'Regulation (EU) No 600/2014, Article 26(2)';
const INSTRUMENTS = 'Directive 2014/65/EU, Annex I, Section C';
const BY_STATEMENT =
  'Neither the instrument nor what it is on is admitted to trading or traded on a trading venue, as venue_traded says';
const NO_INSTRUMENT = 'It is no financial instrument, as financial_instrument says';
const AT_SPOT = 'It is no financial instrument: cfi IFXXXP is of currencies at spot';

/** Executions by order: what the event states, and why nothing is reported, by which name of it. */
const OUT: Record<string, [state: object, reason: string, rule: string, by: string]> = {
  'euros at spot': [SPOT, AT_SPOT, INSTRUMENTS, 'cfi'],
  'a currency forward': [{ ...FORWARD, ...NO_VENUE }, BY_STATEMENT, SCOPE, 'venue_traded'],
  'a rate swap': [{ ...RATE_SWAP, ...NO_VENUE }, BY_STATEMENT, SCOPE, 'venue_traded'],
  'a coin': [{ ...COIN, financial_instrument: false }, NO_INSTRUMENT, INSTRUMENTS, 'financial_instrument'],
  'what is on a coin': [{ ...COIN, cfi: 'JTNXFC', ...NO_VENUE }, BY_STATEMENT, SCOPE, 'venue_traded'],
};

const WAY_OUT =
  'or venue_traded be stated as false where neither it nor what it is on is traded on one, or financial_instrument where it is none';
/** Held: what must be among what is to be mended. */
const HELD: Record<string, [state: object, told: string]> = {
  'HELD-forward': [
    { ...FORWARD, symbol: undefined },
    `field 41: an instrument without isin must be described, with an underlying that is traded on a venue, ${WAY_OUT}`,
  ],
  'HELD-symbol': [
    { ...COIN, exchange: 'XOFF' },
    `field 41: symbol BTC/EUR is of no instrument in the reference data: new_state.isin must be stated, or an entry have that symbol, or the instrument be described, with an underlying that is traded on a venue, ${WAY_OUT}`,
  ],
  'HELD-listed': [
    { ...OFF, isin: SHARE, ...NO_VENUE },
    `field 41: venue_traded is false, and instrument ${SHARE} is on the reference list: one of both must be corrected`,
  ],
  'HELD-underlying': [
    { ...OFF, isin: SWAP, ...NO_VENUE },
    `field 47: venue_traded is false, and it is on instrument ${SHARE}, which is on the reference list: one of both must be corrected`,
  ],
  'HELD-described': [
    { ...OFF, cfi: 'HESAVC', underlying_isins: [SHARE], ...NO_VENUE },
    `field 47: venue_traded is false, and it is on instrument ${SHARE}, which is on the reference list: one of both must be corrected`,
  ],
  'HELD-venue': [
    { ...FORWARD, exchange: 'XPAR', ...NO_VENUE },
    'field 36: venue_traded is false, and it was executed on trading venue XPAR: one of both must be corrected',
  ],
  'HELD-spot': [
    { ...SPOT, exchange: 'XPAR' },
    'field 36: cfi IFXXXP is of currencies at spot, and it was executed on trading venue XPAR: one of both must be corrected',
  ],
  'HELD-spot-said': [
    { ...SPOT, financial_instrument: true },
    'field 43: cfi IFXXXP is of currencies at spot, and financial_instrument is true: one of both must be corrected',
  ],
  'HELD-share': [
    { ...OFF, cfi: 'ESVUFR', financial_instrument: false },
    'field 43: financial_instrument is false, and cfi ESVUFR is of a financial instrument: one of both must be corrected',
  ],
  'HELD-traded': [
    { ...OFF, symbol: 'UNL', venue_traded: true },
    'field 41: venue_traded is true, and by the reference data neither the instrument nor what it is on is on the reference list: one of both must be corrected',
  ],
  // four letters may be a trading venue that the reference data lack
  'HELD-unknown': [{ ...FORWARD, exchange: 'ZZZZ', ...NO_VENUE }, 'field 36: venue ZZZZ is not in the reference data'],
  'HELD-nowhere': [
    { ...FORWARD, exchange: undefined, ...NO_VENUE },
    'field 36: new_state.exchange must name the venue, or be XOFF',
  ],
  'HELD-word': [{ ...FORWARD, venue_traded: 'no' }, 'field 41: new_state.venue_traded no must be true or false'],
};

function defined(members: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

const NAMES = [...Object.keys(OUT), ...Object.keys(HELD)];
const EVENTS: readonly SentEvent[] = NAMES.map((name, i) => {
  const [state] = OUT[name] ?? HELD[name]!;
  const isOnVenue = (state as Row).exchange === 'XPAR' || (state as Row).exchange === undefined;
  const metadata = isOnVenue ? { ...OWN, venue_transaction_id: `V${i}` } : WITH_BANK;
  return order(i + 1, name, 'fill', `${DAY}T10:${String(i).padStart(2, '0')}:00.123456Z`, {
    new_state: defined(state),
    metadata: defined(metadata),
  });
});

describe('transactions in what is not reported', () => {
  let service: TestService;
  const report = async (name: string, more: Record<string, string> = {}): Promise<Row[]> => {
    const { body } = await service
      .http()
      .get(`/v1/ledgers/main/reports/${name}`)
      .query({ ...PERIOD, ...more })
      .expect(200);
    return (body as { rows: Row[] }).rows;
  };
  beforeAll(async () => {
    service = await startService({
      env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_TIME_ZONE: 'Europe/Paris' },
    });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      const sent = service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text);
      await sent.expect(201);
    }
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: EVENTS }).expect(201);
  });
  afterAll(() => service.close());

  it('are listed with the reason that the firm stated, and what says so', async () => {
    const rows = await report('transactions', { lineage: 'yes' });
    const found = rows.filter(({ order_id: id }) => id! in OUT);
    expect(Object.fromEntries(found.map((row) => [row.order_id, [row.status, row.reason, row.reason_rule]]))).toEqual(
      Object.fromEntries(Object.entries(OUT).map(([id, [, ...why]]) => [id, ['not_reportable', ...why.slice(0, 2)]])),
    );
    expect(found).toHaveLength(Object.keys(OUT).length);
    for (const { order_id: id, event_id: event, lineage } of found) {
      const [, , rule, by] = OUT[id!]!;
      const [own, ...others] = (JSON.parse(lineage!) as { rule: string; sources: object[] }[])[0]!.sources;
      const of = { event_id: event, sequence: String(NAMES.indexOf(id!) + 1) };
      expect([id, JSON.parse(lineage!)]).toEqual([id, [{ rule, sources: [own, ...others] }]]);
      expect([own, others]).toEqual([{ ...of, name: by }, [{ ...of, name: 'exchange' }]]);
    }
  });

  it('are held where something else says that they may be, with what to mend', async () => {
    const rows = await report('transactions');
    for (const [name, [, text]] of Object.entries(HELD)) {
      const found = rows.filter(({ order_id: id }) => id === name);
      expect([name, found.map(({ status }) => status)]).toEqual([name, ['held']]);
      expect([name, found[0]!.to_mend!.split('; ')]).toEqual([name, expect.arrayContaining([text])]);
    }
  });

  it('are not sent, and not waited for', async () => {
    const sent = await submitted(service, PERIOD);
    expect([sent.status, sent.error]).toEqual(['done', null]);
    const decided = await decisionsOf(service, sent.id);
    expect(decided.map((each) => `${each.order_id} ${each.decision}`).sort()).toEqual(
      Object.keys(HELD)
        .map((name) => `${name} held`)
        .sort(),
    );
    const listed = (await report('transaction-ageing')).filter(({ kind }) => kind === 'report');
    expect(listed.map((row) => `${row.order_id} ${row.timeliness}`).sort()).toEqual(
      Object.keys(HELD)
        .map((name) => `${name} overdue`)
        .sort(),
    );
  });

  it('are not waited for any more once it is stated by a correction, and are again once that is taken back', async () => {
    const name = 'HELD-forward';
    const first = EVENTS[NAMES.indexOf(name)]!;
    const correct = (number: number, corrects: string, more: object) =>
      service
        .http()
        .post('/v1/ledgers/main/events')
        .send({ ...first, event_id: madeId(number), corrects, new_state: { ...first.new_state, ...more } })
        .expect(201);
    const statuses = async () =>
      (await report('transactions')).filter(({ order_id: id }) => id === name).map((row) => row.status);
    const overdue = async () => (await report('transaction-ageing')).filter(({ order_id: id }) => id === name).length;
    await correct(500, first.event_id, NO_VENUE);
    expect(await statuses()).toEqual(['held', 'reportable', 'not_reportable']);
    expect(await overdue()).toBe(0);
    await correct(501, madeId(500), { venue_traded: undefined });
    expect((await statuses()).at(-1)).toBe('held');
    expect(await overdue()).toBe(1);
  });

  it('are held once the reference data have it on their list', async () => {
    const entry = {
      isin: 'EZ0000000128',
      name: 'Forward',
      symbol: 'EURUSD 3M',
      cfi: 'JFTXFP',
      listed_from: '2018-01-03',
    };
    await service
      .http()
      .post('/v1/reference/instrument')
      .send({ ...entry, valid_from: '2018-01-03' })
      .expect(201);
    const [row] = (await report('transactions')).filter(({ order_id: id }) => id === 'a currency forward');
    expect([row!.status, row!.f6_submitting_entity]).toEqual(['held', ARM]);
    expect(row!.to_mend!.split('; ')).toContain(
      'field 41: venue_traded is false, and instrument EZ0000000128 is on the reference list: one of both must be corrected',
    );
    expect(row!.f4_executing_entity).toBe(FIRM);
  });
});
