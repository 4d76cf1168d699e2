import { correctionCells, inPeriod, nanosOf, Rulings, utc, type PlacedEvent } from './plain-computation.js';
import { beginsAnother, isCopy, stateAt, statements, type State } from './plain-life.js';

/**
 * The rows of order-records, written from the regulations' tables a field at a time and with nothing of the service's:
 * [number, column, value, whether it must be there, whether the value is right].
 */
type Value = string | null;
type Field = [number: string, column: string, value: Value, needed: boolean, isRight: boolean];
type Row = Record<string, Value>;

/** One event with what it says (`own`) and what its order's events say up to it (`last`), by name. */
interface Seen {
  event: PlacedEvent;
  sequence: number;
  own: Map<string, string>;
  last: State;
  /** what they say first by a name after it, up to the create of another order */
  later: (name: string) => { text: string; sequence: number } | undefined;
}

const isFill = (action: string): boolean => action === 'fill' || action === 'partial_fill';

function seenIn(events: readonly PlacedEvent[], from: string, to: string): Seen[] {
  const facts = new Rulings(events)
    .facts()
    .filter(({ original, final }) => original.entity_type === 'order' && final.action !== 'void');
  const rows = facts.filter(({ final }) => final.event_type === 'order_lifecycle' && !isCopy(final));
  return inPeriod(rows, ({ final }) => final, from, to).map(({ original, final }) => {
    const last = stateAt(facts, { original, final });
    const later: Seen['later'] = (name) => {
      const created = facts.find((each) => each.final.sequence === last.get('created')?.sequence);
      let isBegun = created !== undefined && created.original.sequence <= original.sequence;
      for (const each of facts) {
        const { entity_id: id, sequence } = each.original;
        if (id !== original.entity_id || sequence <= original.sequence || isCopy(each.final)) continue;
        if (each.final.action === 'create') {
          const isLater = nanosOf(each.final.timestamp) > nanosOf(final.timestamp) + 2_000_000_000n;
          if (isBegun ? beginsAnother(facts, each) : isLater) return undefined;
          isBegun = true;
        }
        const said = statements(each.final).get(name);
        if (said !== undefined) return { text: said, sequence: each.final.sequence };
      }
      return undefined;
    };
    return { event: final, sequence: original.sequence, own: statements(final), last, later };
  });
}

const lei = (value: string): boolean => {
  if (!/^[0-9A-Z]{18}\d\d$/.test(value)) return false;
  return BigInt([...value].map((c) => parseInt(c, 36)).join('')) % 97n === 1n;
};
const isin = (value: string): boolean => {
  if (!/^[A-Z]{2}[0-9A-Z]{9}\d$/.test(value)) return false;
  const digits = [...[...value].map((c) => parseInt(c, 36)).join('')].map(Number).reverse();
  const doubled = digits.map((d, i) => (i % 2 ? [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][d]! : d));
  return doubled.reduce((a, b) => a + b, 0) % 10 === 0;
};
const mic = (value: string): boolean => /^[0-9A-Z]{4}$/.test(value);
const person = (value: string): boolean => /^[A-Z]{2}[0-9A-Z#+-]{1,33}$/.test(value);
const dec = (value: string, n: number, m: number): boolean => {
  const parts = /^-?(\d+)(?:\.(\d+))?$/.exec(value);
  if (!parts || /^-?0\d/.test(value)) return false;
  const whole = parts[1] === '0' ? '' : parts[1]!;
  return (parts[2] ?? '').length <= m && (whole + (parts[2] ?? '')).length <= n;
};

function fieldsOf(seen: Seen, regime: string, used: Set<string>): Field[] {
  const { event, own, last } = seen;
  const { action } = event;
  const peek = (name: string): Value => own.get(name) ?? last.get(name)?.text ?? null;
  const get = (name: string): Value => {
    const value = peek(name);
    if (value !== null && !own.has(name)) used.add(name);
    return value;
  };
  const mine = (name: string): Value => own.get(name) ?? null;
  const code = (name: string, codes: Record<string, string>, value = get(name)): [Value, boolean] => {
    if (value === null) return [null, true];
    const items = value.startsWith('["') ? (JSON.parse(value) as string[]) : [value];
    return [
      items.map((item) => new Map(Object.entries(codes)).get(item) ?? item).join(),
      items.every((i) => Object.keys(codes).includes(i)),
    ];
  };
  /** Also of what is said later, where nothing was before. */
  const everSaid = (name: string): Value => {
    const value = peek(name) ?? seen.later(name)?.text ?? null;
    if (value !== null && !own.has(name)) used.add(name);
    return value;
  };
  const isNumbered = peek('venue_sequence_number') !== null || seen.later('venue_sequence_number') !== undefined;
  const plain = (value: Value, isRight: (value: string) => boolean): [Value, boolean] => [
    value,
    value === null || isRight(value),
  ];
  const bool = (value: Value): [Value, boolean] => plain(value, (v) => v === 'true' || v === 'false');
  const notation = peek('price_notation');
  const price = (value: Value): [Value, boolean] =>
    plain(value, (v) => ['PNDG', 'NOAP'].includes(v) || (notation === 'percentage' ? dec(v, 11, 10) : dec(v, 18, 13)));
  const inUnits = [null, 'units'].includes(peek('quantity_notation'));
  const qty = (value: Value): [Value, boolean] => plain(value, (v) => dec(v, 18, inUnits ? 17 : 5) && v[0] !== '-');
  const atMost = (value: Value, n: number): [Value, boolean] => plain(value, (v) => v.length <= n);
  const right = (value: Value): [Value, boolean] => [value, true];
  const time = (value: Value): [Value, boolean] => [value && utc(value), true];

  const fill = isFill(action);
  const ended = ['fill', 'cancel', 'expire', 'reject'].includes(action);
  const type = peek('order_type');
  const isStop = type === 'stop' || type === 'stop_limit';
  const hasPrice = ['limit_price', 'stop_price', 'pegged_limit_price', 'price'].some((name) => peek(name) !== null);
  const ownAccount = peek('client_id_type') === 'none' || peek('trading_capacity') === 'own_account';
  const isOption = (peek('cfi') ?? '').startsWith('O') || peek('option_type') !== null;
  const inMoney = notation === 'monetary';

  const client = (): [Value, boolean] => {
    const kind = peek('client_id_type');
    if (kind === 'none') return [null, true];
    if (kind === 'aggregated' || kind === 'pending_allocation') {
      get('client_id_type');
      return [kind === 'aggregated' ? 'AGGR' : 'PNAL', true];
    }
    return plain(get('client_id'), (v) => lei(v) || person(v));
  };
  const decider = (name: string): [Value, boolean] => plain(get(name), (v) => person(v) || /^[A-Z0-9]{1,50}$/.test(v));
  const validity = (codes: string): [Value, boolean] => {
    const names = ['day', 'good_till_cancelled', 'good_till_time', 'good_till_date', 'good_till_date_time'];
    names.push('good_after_time', 'good_after_date', 'good_after_date_time', 'immediate_or_cancel', 'fill_or_kill');
    const stated = peek('validity');
    if (stated === null || stated === 'other') return plain(get('venue_validity'), mic);
    get('validity');
    const at = names.indexOf(stated);
    return at < 0 ? [stated, false] : [codes.split(' ')[at]!, true];
  };
  const restriction = (): [Value, boolean] => {
    const codes = new Map([
      ['closing_price_crossing', 'SESR'],
      ['auction_only', 'VFAR'],
      ['continuous_only', 'VFCR'],
    ]);
    const neutral = JSON.parse(get('restrictions') ?? '[]') as string[];
    const venues = JSON.parse(get('venue_restrictions') ?? '[]') as string[];
    if (neutral.length + venues.length === 0) return [null, true];
    const text = [...neutral.map((item) => codes.get(item) ?? item), ...venues].join();
    return [text, neutral.every((item) => codes.has(item)) && venues.every(mic)];
  };
  const validityTime = () =>
    time(get((peek('validity') ?? '').startsWith('good_after') ? 'valid_from' : 'valid_until'));
  const withEnd = /^good_(till|after)_(time|date)/.test(peek('validity') ?? '');
  const remaining = qty(mine('remaining_quantity') ?? (action === 'create' ? get('order_quantity') : null));
  const eventCode = (): [Value, boolean] => {
    const by = mine('initiated_by') ?? 'member';
    const place = ['member', 'venue_automatic', 'venue_human'].indexOf(by);
    const codes = new Map([
      ['create', 'NEWO NEWO NEWO'],
      ['trigger', 'TRIG TRIG TRIG'],
      ['modify', 'REME REMA REMH'],
      ['change_status', 'CHME CHMO CHMO'],
      ['cancel', 'CAME CAMO CAMO'],
      ['reject', 'REMO REMO REMO'],
      ['expire', 'EXPI EXPI EXPI'],
      ['partial_fill', 'PARF PARF PARF'],
      ['fill', 'FILL FILL FILL'],
    ]);
    if (['decide', 'route', 'acknowledge'].includes(action)) return [null, true];
    if (action === 'cancel' && mine('status') === 'expired') return ['EXPI', true];
    const found = codes.get(action)?.split(' ')[place];
    return found === undefined ? [action, false] : [found, true];
  };
  const hasEventCode = !['decide', 'route', 'acknowledge'].includes(action);
  const first = (...names: string[]): Value => {
    const name = names.find((each) => peek(each) !== null);
    return name === undefined ? null : get(name);
  };
  const nearest = (...names: string[]): Value =>
    first(...(names.some((name) => own.has(name)) ? names.filter((name) => own.has(name)) : names));
  const f = (number: string, column: string, [value, isRight]: [Value, boolean], needed: boolean): Field => [
    number,
    column,
    value,
    needed,
    isRight,
  ];
  const capacity = { own_account: 'DEAL', matched_principal: 'MTCH', any_other: 'AOTC' };
  const notations = { monetary: 'MONE', percentage: 'PERC', yield: 'YIEL', basis_points: 'BAPO' };
  const quantityNotations = { units: 'UNIT', nominal: 'NOML', monetary: 'MONE' };
  const sides = { buy: 'BUYI', sell: 'SELL' };
  const currency = (value: Value): [Value, boolean] => plain(value, (v) => /^[A-Z]{3}$/.test(v));
  const nominal = ['nominal', 'monetary'].includes(peek('quantity_notation') ?? '');

  const executionPrice = (): [Value, boolean] => {
    if (mine('price') !== null) return price(mine('price'));
    return [mine('price_absent') === 'not_applicable' ? 'NOAP' : null, true];
  };

  const classification = (): [Value, boolean] => {
    const stated = get('order_type');
    if (stated === null || !/^(limit|market|pegged|quote|stop|stop_limit)$/.test(stated))
      return [stated, stated === null];
    return [isStop ? 'STOP' : 'LMTO', true];
  };

  if (regime === 'rts24') {
    return [
      f('1', 'submitting_member', plain(get('submitting_member'), lei), true),
      f('2', 'direct_electronic_access', bool(get('direct_electronic_access')), true),
      f('3', 'client', client(), !ownAccount),
      f(
        '4',
        'investment_decision',
        decider('investment_decision_maker'),
        peek('investment_decision_maker_type') !== 'client',
      ),
      f(
        '5',
        'execution_within_firm',
        decider('execution_decision_maker'),
        peek('execution_decision_maker_type') !== 'client',
      ),
      f('6', 'non_executing_broker', plain(get('non_executing_broker'), lei), false),
      f('7', 'trading_capacity', code('trading_capacity', capacity), true),
      f('8', 'liquidity_provision', bool(get('liquidity_provision')), true),
      f('9', 'date_time', time((fill ? mine('execution_time') : null) ?? event.timestamp), true),
      f('10', 'validity_period', validity('DAVY GTCV GTTV GTDV GTSV GATV GADV GASV IOCV FOKV'), true),
      f('11', 'order_restriction', restriction(), false),
      f(
        '12',
        'validity_date_time',
        validityTime(),
        withEnd || /^(day|good_till_cancelled)$/.test(peek('validity') ?? ''),
      ),
      f('13', 'priority_time', time(get('priority_time')), action !== 'reject'),
      f('14', 'priority_size', qty(get('priority_size')), false),
      f(
        '15',
        'sequence_number',
        plain(mine('venue_sequence_number') ?? (isNumbered ? null : String(seen.sequence)), (v) =>
          /^\d{1,50}$/.test(v),
        ),
        true,
      ),
      f('16', 'segment_mic', plain(nearest('segment_mic', 'exchange'), mic), true),
      f('17', 'order_book', atMost(get('order_book'), 20), true),
      f('18', 'instrument', plain(get('isin'), isin), true),
      f('19', 'date_of_receipt', right(first('order_entry_time', 'created')?.slice(0, 10) ?? null), true),
      f('20', 'order_identification', atMost(everSaid('venue_order_id') ?? event.entity_id, 50), true),
      f('21', 'event', eventCode(), hasEventCode),
      f('22', 'order_type', atMost(first('venue_order_type', 'order_type'), 50), true),
      f('23', 'order_type_classification', classification(), true),
      f('24', 'limit_price', price(get('limit_price')), type === 'limit' || type === 'stop_limit'),
      f('25', 'additional_limit_price', price(get('additional_limit_price')), false),
      f('26', 'stop_price', price(get('stop_price')), isStop),
      f('27', 'pegged_limit_price', price(get('pegged_limit_price')), false),
      f('28', 'transaction_price', fill ? executionPrice() : [null, true], fill),
      f('29', 'price_currency', currency(get('currency')), inMoney),
      f('30', 'second_leg_currency', currency(get('second_leg_currency')), false),
      f('31', 'price_notation', code('price_notation', notations), hasPrice),
      f('32', 'buy_sell', code('side', sides), true),
      f(
        '33',
        'order_status',
        code('book_status', {
          active: 'ACTI',
          inactive: 'INAC',
          firm_quote: 'FIRM',
          indicative_quote: 'INDI',
          implied: 'IMPL',
          routed: 'ROUT',
        }),
        !ended,
      ),
      f('34', 'quantity_notation', code('quantity_notation', quantityNotations), true),
      f('35', 'quantity_currency', currency(get('quantity_currency')), nominal),
      f('36', 'initial_quantity', qty(get('order_quantity')), true),
      f('37', 'remaining_quantity', remaining, true),
      f('38', 'displayed_quantity', qty(get('displayed_quantity')), !ended),
      f('39', 'traded_quantity', qty(fill ? mine('quantity') : null), fill),
      f('40', 'minimum_acceptable_quantity', qty(get('minimum_acceptable_quantity')), false),
      f('41', 'minimum_executable_size', qty(get('minimum_executable_size')), false),
      f(
        '42',
        'mes_first_only',
        bool(get('minimum_executable_size_first_only')),
        peek('minimum_executable_size') !== null,
      ),
      f('43', 'passive_only', bool(get('passive_only')), true),
      f(
        '44',
        'passive_or_aggressive',
        code('liquidity', { passive: 'PASV', aggressive: 'AGRE' }, mine('liquidity')),
        fill,
      ),
      f('45', 'self_execution_prevention', bool(get('self_execution_prevention')), true),
      f('46', 'strategy_linked_order', atMost(get('strategy_linked_order_id'), 50), false),
      f('47', 'routing_strategy', atMost(get('routing_strategy'), 50), false),
      f('48', 'venue_transaction_id', atMost(mine('venue_transaction_id'), 52), fill),
      f('49', 'trading_phase', atMost(mine('trading_phase'), 50), true),
      f('50', 'indicative_auction_price', price(mine('indicative_auction_price')), false),
      f('51', 'indicative_auction_volume', qty(mine('indicative_auction_volume')), false),
    ];
  }
  if (regime === 'rts6-incoming') {
    const isPerson = peek('client_id_type') === 'natural_person';
    const absent = peek('limit_price') === null && peek('stop_price') === null ? get('price_absent') : null;
    return [
      f('1', 'client_first_names', right(get('client_first_names')), isPerson),
      f('2', 'client_surnames', right(get('client_surnames')), isPerson),
      f('3', 'client', client(), !ownAccount),
      f('4', 'representative_first_names', right(get('client_representative_first_names')), false),
      f('5', 'representative_surnames', right(get('client_representative_surnames')), false),
      f(
        '6',
        'investment_decision',
        decider('investment_decision_maker'),
        peek('investment_decision_maker_type') !== 'client',
      ),
      f('7', 'order_designation', atMost(get('order_designation'), 50), true),
      f('8', 'buy_sell', code('side', sides), true),
      f('9', 'instrument', plain(get('isin'), isin), true),
      f(
        '10',
        'price',
        absent ? [absent === 'pending' ? 'PNDG' : 'NOAP', true] : price(first('limit_price', 'stop_price')),
        true,
      ),
      f('11', 'price_notation', code('price_notation', notations), hasPrice),
      f(
        '12',
        'price_multiplier',
        plain(get('price_multiplier'), (v) => dec(v, 18, 17)),
        true,
      ),
      f('13', 'price_currency', currency(get('currency')), inMoney),
      f('14', 'second_leg_currency', currency(get('second_leg_currency')), false),
      f('15', 'underlying', right((JSON.parse(get('underlying_isins') ?? '[]') as string[]).join() || null), isOption),
      f('16', 'option_type', code('option_type', { put: 'PUTO', call: 'CALL', other: 'OTHR' }), isOption),
      f('17', 'strike_price', price(get('strike_price')), isOption),
      f('18', 'strike_price_currency', currency(get('strike_price_currency')), isOption),
      f(
        '19',
        'upfront_payment',
        plain(get('upfront_payment'), (v) => dec(v, 18, 5)),
        false,
      ),
      f('20', 'delivery_type', code('delivery_type', { physical: 'PHYS', cash: 'CASH', optional: 'OPTL' }), isOption),
      f(
        '21',
        'exercise_style',
        code('exercise_style', { european: 'EURO', american: 'AMER', asian: 'ASIA', bermudan: 'BERM', other: 'OTHR' }),
        isOption,
      ),
      f('22', 'maturity_date', right(get('maturity_date')), false),
      f('23', 'expiry_date', right(get('expiry_date')), isOption),
      f('24', 'quantity_currency', currency(get('quantity_currency')), nominal),
      f('25', 'quantity_notation', code('quantity_notation', quantityNotations), true),
      f('26', 'initial_quantity', qty(get('order_quantity')), true),
      f('27', 'date_time', time(mine('decision_time') ?? event.timestamp), true),
      f('28', 'additional_information', right(get('client_instructions')), false),
    ];
  }
  const isSale = fill && peek('side') === 'sell';
  const waiver = (): [Value, boolean] =>
    code(
      'waivers',
      {
        reference_price: 'RFPT',
        negotiated_liquid: 'NLIQ',
        negotiated_illiquid: 'OILQ',
        negotiated_conditions: 'PRIC',
        above_size: 'SIZE',
        illiquid: 'ILQD',
      },
      mine('waivers'),
    );
  if (regime.startsWith('annex4-')) {
    // only what both sections have in common is written once
    const names = (a: string, b: string): [Value, boolean] =>
      right([get(a), get(b)].filter((each) => each !== null).join(' ') || null);
    const who = (kind: 'investment' | 'execution', algorithm: boolean): [Value, boolean] => {
      const isAlgorithm = peek(`${kind}_decision_maker_type`) === 'algorithm';
      if (isAlgorithm !== algorithm) return [null, true];
      return plain(get(`${kind}_decision_maker`), algorithm ? (v) => /^[A-Z0-9]{1,50}$/.test(v) : person);
    };
    const algorithmDecided = peek('investment_decision_maker_type') === 'algorithm';
    const clientDecided = peek('investment_decision_maker_type') === 'client';
    const absentCodes: Record<string, string> = { pending: 'PNDG', not_applicable: 'NOAP' };
    const orderPrice = (): [Value, boolean] => {
      const stated = first('limit_price', 'stop_price');
      if (stated !== null) return price(stated);
      const absent = get('price_absent');
      return absent === null ? [null, true] : [absentCodes[absent]!, true];
    };
    const whom: Field[] = [
      f('1', 'client', client(), !ownAccount),
      f(
        '1n',
        'client_name',
        names('client_first_names', 'client_surnames'),
        peek('client_id_type') === 'natural_person',
      ),
      f(
        '2',
        'representative',
        plain(get('client_representative_id'), (v) => lei(v) || person(v)),
        false,
      ),
      f(
        '2n',
        'representative_name',
        names('client_representative_first_names', 'client_representative_surnames'),
        false,
      ),
      f('3', 'investment_trader', who('investment', false), !algorithmDecided && !clientDecided),
      f('4', 'investment_algorithm', who('investment', true), algorithmDecided),
    ];
    const multiplier = plain(get('price_multiplier'), (v) => dec(v, 18, 17));
    if (regime === 'annex4-orders') {
      return [
        ...whom,
        f('5', 'buy_sell', code('side', sides), true),
        f('6', 'instrument', plain(get('isin'), isin), true),
        f('7', 'price_notation', code('price_notation', notations), hasPrice),
        f('8', 'price', orderPrice(), true),
        f('9', 'price_multiplier', multiplier, true),
        f('10', 'currency_1', currency(get('currency')), inMoney),
        f('11', 'currency_2', currency(get('second_leg_currency')), false),
        f('12', 'initial_quantity', qty(get('order_quantity')), true),
        f('12n', 'quantity_notation', code('quantity_notation', quantityNotations), true),
        f('13', 'validity_period', validity('DAVY GTCV GTTV GTDV GTSV GATV GADV GASV IOCV FOKV'), true),
        f('14', 'order_type', atMost(first('venue_order_type', 'order_type'), 50), true),
        f('15', 'other_details', right(get('client_instructions')), false),
        f('16', 'date_time', time(mine('decision_time') ?? event.timestamp), true),
      ];
    }
    const toFirm = lei(peek('order_receiver') ?? '');
    const isMessage =
      action === 'route' || action === 'acknowledge' || mine('message_time') !== null || event.raw !== undefined;
    const messageAt = mine('message_time') ?? (isMessage ? event.timestamp : null);
    const told = event.raw?.data ?? mine('order_information');
    const executedBy = peek('execution_decision_maker_type');
    const side = peek('side');
    const party = (): [Value, boolean] => (ownAccount ? plain(get('executing_entity'), lei) : client());
    const short = isSale ? get('short_sale') : null;
    const isShort = short === 'exempt' || short === 'not_exempt';
    const clients = get('aggregated_clients');
    return [
      ...whom,
      f('5', 'transaction_reference', atMost(mine('execution_id'), 52), fill),
      f('6', 'order_identification', atMost(event.entity_id, 50), true),
      f('7', 'venue_order_id', atMost(get('venue_order_id'), 50), fill || action === 'acknowledge'),
      f(
        '8',
        'aggregated_orders',
        clients === null ? [null, true] : [`aggregated_${clients}`, /^[1-9][0-9]*$/.test(clients)],
        peek('aggregated') === 'true',
      ),
      f('8g', 'aggregation_group', right(get('aggregation_group')), peek('aggregated') === 'true'),
      f('9', 'segment_mic', toFirm ? [null, true] : plain(nearest('segment_mic', 'exchange'), mic), !toFirm),
      f(
        '10',
        'transmitted_to',
        plain(get('order_receiver'), (v) => lei(v) || mic(v)),
        false,
      ),
      f('11b', 'buyer', side === 'buy' ? party() : [null, true], fill && side === 'buy'),
      f('11s', 'seller', side === 'sell' ? party() : [null, true], isSale),
      f('12', 'trading_capacity', code('trading_capacity', capacity), true),
      f(
        '13',
        'execution_trader',
        who('execution', false),
        fill && executedBy !== 'client' && executedBy !== 'algorithm',
      ),
      f('14', 'execution_algorithm', who('execution', true), executedBy === 'algorithm'),
      f('15', 'buy_sell', code('side', sides), true),
      f('16', 'instrument', plain(get('isin'), isin), true),
      f(
        '17',
        'ultimate_underlying',
        right((JSON.parse(get('underlying_isins') ?? '[]') as string[]).join() || null),
        isOption,
      ),
      f('18', 'put_call', code('option_type', { put: 'PUTO', call: 'CALL', other: 'OTHR' }), isOption),
      f('19', 'strike_price', price(get('strike_price')), isOption),
      f(
        '20',
        'upfront_payment',
        plain(get('upfront_payment'), (v) => dec(v, 18, 5)),
        false,
      ),
      f('21', 'delivery_type', code('delivery_type', { physical: 'PHYS', cash: 'CASH', optional: 'OPTL' }), isOption),
      f(
        '22',
        'option_style',
        code('exercise_style', { european: 'EURO', american: 'AMER', asian: 'ASIA', bermudan: 'BERM', other: 'OTHR' }),
        isOption,
      ),
      f('23', 'maturity_date', right(first('maturity_date', 'expiry_date')), isOption),
      f('24', 'price_notation', code('price_notation', notations), hasPrice),
      f('25', 'price', fill ? executionPrice() : orderPrice(), true),
      f('26', 'price_multiplier', multiplier, true),
      f('27', 'currency_1', currency(get('currency')), inMoney),
      f('28', 'currency_2', currency(get('second_leg_currency')), false),
      f('29', 'remaining_quantity', remaining, fill || action === 'create' || action === 'modify'),
      f('30', 'modified_quantity', qty(action === 'modify' ? mine('order_quantity') : null), false),
      f('31', 'executed_quantity', qty(fill ? mine('quantity') : null), fill),
      f('32', 'submission_time', time(first('submission_time', 'order_entry_time', 'created', 'decided')), true),
      f('33', 'venue_message_time', time(toFirm ? null : messageAt), isMessage && !toFirm),
      f('34', 'firm_message_time', time(toFirm ? messageAt : null), isMessage && toFirm),
      f('35', 'venue_message', right(toFirm ? null : told), isMessage && !toFirm),
      f('36', 'firm_message', right(toFirm ? told : null), isMessage && toFirm),
      f('37', 'sequence', right(String(seen.sequence)), true),
      f(
        '38',
        'short_selling',
        code('short_sale', { not_exempt: 'SESH', exempt: 'SSEX', not_short: 'SELL', undisclosed: 'UNDI' }, short),
        isSale,
      ),
      f('39', 'short_selling_exemption', right(isShort ? String(short === 'exempt') : null), isShort),
      f('40', 'waiver', waiver(), false),
    ];
  }
  return [
    f('1', 'buy_sell', code('side', sides), true),
    f('2', 'trading_capacity', code('trading_capacity', capacity), true),
    f('3', 'liquidity_provision', bool(get('liquidity_provision')), true),
    f(
      '4',
      'execution_within_firm',
      decider('execution_decision_maker'),
      fill && peek('execution_decision_maker_type') !== 'client',
    ),
    f('5', 'order_identification', atMost(event.entity_id, 50), true),
    f('6', 'venue_order_id', atMost(get('venue_order_id'), 50), true),
    f(
      '7',
      'order_receiver',
      plain(nearest('order_receiver', 'segment_mic', 'exchange'), (v) => lei(v) || mic(v)),
      true,
    ),
    f('8', 'order_type', atMost(first('venue_order_type', 'order_type'), 50), true),
    f('9', 'limit_price', price(get('limit_price')), type === 'limit' || type === 'stop_limit'),
    f('9x', 'transaction_price', price(fill ? mine('price') : null), fill),
    f('10', 'price_currency', currency(get('currency')), inMoney),
    f('11', 'price_notation', code('price_notation', notations), hasPrice),
    f('12', 'additional_limit_price', price(get('additional_limit_price')), false),
    f('13', 'stop_price', price(get('stop_price')), isStop),
    f('14', 'pegged_limit_price', price(get('pegged_limit_price')), false),
    f('15', 'remaining_quantity', remaining, true),
    f('16', 'displayed_quantity', qty(get('displayed_quantity')), !ended),
    f('17', 'traded_quantity', qty(fill ? mine('quantity') : null), fill),
    f('18', 'minimum_acceptable_quantity', qty(get('minimum_acceptable_quantity')), false),
    f('19', 'minimum_executable_size', qty(get('minimum_executable_size')), false),
    f(
      '20',
      'mes_first_only',
      bool(get('minimum_executable_size_first_only')),
      peek('minimum_executable_size') !== null,
    ),
    f('21', 'passive_only', bool(get('passive_only')), true),
    f('22', 'self_execution_prevention', bool(get('self_execution_prevention')), true),
    f('23', 'submission_time', time(first('submission_time', 'order_entry_time', 'created')), true),
    f('24', 'message_time', time(mine('message_time') ?? event.timestamp), true),
    f('25', 'sequence_number', right(String(seen.sequence)), true),
    f('26', 'event', eventCode(), hasEventCode),
    f(
      '27',
      'short_selling',
      code(
        'short_sale',
        { not_exempt: 'SSHO', exempt: 'SSEX', not_short: 'SELL', undisclosed: 'UNDI' },
        isSale ? get('short_sale') : null,
      ),
      isSale,
    ),
    f('28', 'waiver', waiver(), false),
    f('29', 'routing_strategy', atMost(get('routing_strategy'), 50), false),
    f('30', 'venue_transaction_id', atMost(mine('venue_transaction_id'), 52), fill),
    f('31', 'validity_period', validity('GDAY GTCA GTHT GTHD GTDT GAFT GAFD GADT IOCA F'), true),
    f('32', 'order_restriction', restriction(), false),
    f('33', 'validity_date_time', validityTime(), withEnd),
    f('34', 'aggregated_order', bool(get('aggregated')), true),
    f('35', 'additional_information', right(mine('order_information')), false),
  ];
}

/** The columns that say what the reference data know. */
const SAID: Record<string, string> = {
  rts24:
    'f1_submitting_member_name f3_client_name f3_client_id f4_investment_decision_name f4_investment_decision_id f5_execution_within_firm_name f5_execution_within_firm_id f6_non_executing_broker_name',
  'rts6-incoming': 'f3_client_name f3_client_id f6_investment_decision_name f6_investment_decision_id',
  'rts6-outgoing': 'f4_execution_within_firm_name f4_execution_within_firm_id f7_order_receiver_name',
  'annex4-orders':
    'f1_client_name f1_client_id f2_representative_name f3_investment_trader_name f3_investment_trader_id f4_investment_algorithm_name',
  'annex4-transactions':
    'f1_client_name f1_client_id f2_representative_name f3_investment_trader_name f3_investment_trader_id f4_investment_algorithm_name f10_transmitted_to_name f11b_buyer_name f11b_buyer_id f11s_seller_name f11s_seller_id f13_execution_trader_name f13_execution_trader_id f14_execution_algorithm_name',
};

/** The rows of a regime's order records; `events` are all up to as_of, in sequence. `looked_up` is in no certain order. */
export function expectedOrderRecords(events: readonly PlacedEvent[], regime: string, from: string, to: string): Row[] {
  const rulings = new Rulings(events);
  return seenIn(events, from, to)
    .filter(({ event: { action }, last }) => {
      if (regime === 'rts24') return !['decide', 'route', 'acknowledge'].includes(action);
      if (regime === 'rts6-outgoing') return action !== 'decide';
      if (regime === 'annex4-transactions') return true;
      return action === 'decide' || (action === 'create' && !last.has('decided'));
    })
    .map((seen) => {
      const { event, sequence, last, later } = seen;
      const used = new Set<string>();
      const fields = fieldsOf(seen, regime, used);
      const numbers = (wanted: (field: Field) => boolean): Value =>
        fields
          .filter(wanted)
          .map(([number]) => number)
          .join(' ') || null;
      const original = rulings.target(event) === undefined ? undefined : events[sequence - 1]!;
      return {
        order_id: event.entity_id,
        action: event.action,
        timestamp: utc(event.timestamp),
        ...Object.fromEntries(fields.map(([number, column, value]) => [`f${number}_${column}`, value])),
        missing: numbers(([, , value, needed]) => value === null && needed),
        invalid: numbers(([, , value, , isRight]) => value !== null && !isRight),
        not_applicable: numbers(([, , value, needed]) => value === null && !needed),
        looked_up:
          [...used]
            .map(
              (name) => `${name.replace(/^(created|decided)$/, '$1_at')}@${(last.get(name) ?? later(name))!.sequence}`,
            )
            .sort()
            .join(' ') || null,
        event_id: event.event_id,
        sequence: String(event.sequence),
        recorded_at: event.recorded_at,
        corrects: original?.event_id ?? event.corrects ?? null,
        corrects_sequence: original ? String(sequence) : null,
        ...correctionCells(rulings, event),
        // nobody keeps reference data beside this trail
        ...Object.fromEntries((SAID[regime] ?? '').split(' ').map((column) => [column, null])),
        unknown_in_reference_data: null,
      };
    });
}
