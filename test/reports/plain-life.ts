import { nanosOf, text, utc, type PlacedEvent } from './plain-computation.js';

/** What holds of an order, by name, and the event that says so. */
export type State = Map<string, { text: string; sequence: number }>;

/** An event as recorded, and what holds in its place. */
interface Ruled {
  original: PlacedEvent;
  final: PlacedEvent;
}

const isFill = (action: string): boolean => action === 'fill' || action === 'partial_fill';
export const isCopy = (event: PlacedEvent): boolean => text(event.metadata.drop_copy) === 'true';

/** What one event says, by name. */
export function statements(event: PlacedEvent): Map<string, string> {
  const all = new Map<string, string>();
  for (const [name, value] of [...Object.entries(event.new_state), ...Object.entries(event.metadata)]) {
    const cell = Array.isArray(value) ? JSON.stringify(value) : text(value);
    if (cell !== null) all.set(name, cell);
  }
  if (event.action === 'create') all.set('created', utc(event.timestamp));
  if (event.action === 'decide') all.set('decided', utc(event.timestamp));
  if (!isFill(event.action)) {
    if (all.has('price') && !all.has('limit_price')) all.set('limit_price', all.get('price')!);
    if (all.has('quantity') && !all.has('order_quantity')) all.set('order_quantity', all.get('quantity')!);
  }
  return all;
}

const isLei = (id: string): boolean =>
  /^[0-9A-Z]{18}\d\d$/.test(id) && BigInt([...id].map((c) => parseInt(c, 36)).join('')) % 97n === 1n;

/** What an event leaves of what was said before: of another instrument, client or person nothing. */
export function leave(state: State, own: Map<string, string>): void {
  const was = (name: string): string | undefined => state.get(name)?.text;
  const changes = (name: string): boolean => own.has(name) && was(name) !== undefined && own.get(name) !== was(name);
  const gone: string[] = [];
  if (changes('isin')) gone.push('symbol');
  if (changes('symbol')) gone.push('isin');
  if (own.has('isin') ? changes('isin') : changes('symbol')) {
    gone.push('cfi', 'instrument_name', 'underlying_isins', 'option_type', 'strike_price', 'strike_price_currency');
    gone.push('exercise_style', 'delivery_type', 'price_multiplier', 'maturity_date', 'expiry_date', 'swap_role');
    gone.push('received_currency', 'second_leg_currency', 'currency', 'price_notation', 'quantity_notation');
    gone.push('quantity_currency');
  }
  if (changes('side')) gone.push('swap_role', 'received_currency');
  if (own.has('exchange') && own.get('exchange') !== was('exchange')) gone.push('segment_mic');
  if (changes('exchange') || changes('segment_mic')) gone.push('central_counterparty');
  const [client, before] = [own.get('client_id'), was('client_id')];
  const isPerson = was('client_id_type') === 'natural_person';
  if (client && before && client !== before && (isLei(client) === isLei(before) || (isLei(client) && isPerson))) {
    gone.push('client_id_type', 'client_first_names', 'client_surnames', 'client_birth_date');
    gone.push('client_representative_id', 'client_representative_first_names', 'client_representative_surnames');
    gone.push('client_representative_birth_date', 'transmitting_firm', 'branch', 'short_sale');
    gone.push('commodity_risk_reducing', 'client_representative_ids');
  }
  if (client && ['none', 'aggregated', 'pending_allocation'].includes(was('client_id_type') ?? '')) {
    gone.push('client_id_type');
  }
  if (changes('client_representative_id')) {
    gone.push('client_representative_first_names', 'client_representative_surnames');
    gone.push('client_representative_birth_date');
  }
  if (own.has('client_representative_id')) gone.push('client_representative_ids');
  if (own.has('client_representative_ids')) {
    gone.push('client_representative_id', 'client_representative_first_names', 'client_representative_surnames');
    gone.push('client_representative_birth_date');
  }
  for (const maker of ['investment_decision_maker', 'execution_decision_maker']) {
    if (changes(maker) || (own.has(maker) && was(`${maker}_type`) === 'client')) gone.push(`${maker}_type`);
  }
  const type = own.get('order_type');
  if (type && !['limit', 'stop_limit', 'pegged', 'quote', 'other'].includes(type)) gone.push('limit_price');
  if (type && type !== 'stop' && type !== 'stop_limit') gone.push('stop_price');
  if (type && type !== 'pegged') gone.push('pegged_limit_price');
  if (changes('order_type')) gone.push('venue_order_type');
  if (changes('validity')) gone.push('valid_until', 'valid_from', 'venue_validity');
  for (const name of gone) if (!own.has(name)) state.delete(name);
}

function stateAfter(events: readonly PlacedEvent[], hasRules = true): State {
  const state: State = new Map();
  for (const event of events) {
    const own = statements(event);
    if (hasRules) leave(state, own);
    for (const [name, value] of own) state.set(name, { text: value, sequence: event.sequence });
  }
  return state;
}

/** Whether with a create another order of the same id begins. */
export function beginsAnother(all: readonly Ruled[], create: Ruled): boolean {
  let [end, begun, validity]: [bigint | undefined, string | undefined, string] = [undefined, undefined, ''];
  for (const { original, final } of all) {
    if (original.entity_id !== create.original.entity_id || final.action === 'void' || isCopy(final)) continue;
    const time = nanosOf(final.timestamp);
    if (final.action === 'create') {
      const day = utc(final.timestamp).slice(0, 10);
      const isOfDay = ['day', 'immediate_or_cancel', 'fill_or_kill'].includes(validity);
      const isOver = begun !== undefined && (end === undefined ? isOfDay && day > begun : time >= end);
      if (original.sequence === create.original.sequence) return isOver;
      if (isOver) [end, validity] = [undefined, ''];
      begun = day;
    }
    if (['fill', 'cancel', 'expire', 'reject'].includes(final.action)) end = time;
    validity = statements(final).get('validity') ?? validity;
  }
  return false;
}

/** What is known of an order at one of its events: of all that was recorded of it up to there, and is not void. */
export function stateAt(all: readonly Ruled[], { original, final }: Ruled): State {
  const ofOrder = all.filter(
    (each) =>
      each.original.entity_type === 'order' &&
      each.original.entity_id === original.entity_id &&
      each.final.action !== 'void',
  );
  let [life, copies]: PlacedEvent[][] = [[], []];
  let end: bigint | undefined;
  let isBegun = false;
  let begun = '';
  for (const each of ofOrder) {
    if (each.original.sequence > original.sequence) break;
    const event = each.final;
    if (isCopy(event)) {
      copies!.push(event);
      continue;
    }
    const time = nanosOf(event.timestamp);
    if (event.action === 'create') {
      const validity = stateAfter(life!).get('validity')?.text ?? '';
      const isOfDay = ['day', 'immediate_or_cancel', 'fill_or_kill'].includes(validity);
      const day = utc(event.timestamp).slice(0, 10);
      const isOver = end === undefined ? isOfDay && day > begun : time >= end;
      if (isBegun && isOver) [life, copies, end] = [[], [], undefined];
      [isBegun, begun] = [true, day];
    }
    if (['fill', 'cancel', 'expire', 'reject'].includes(event.action)) end = time;
    life!.push(event);
  }
  const state = stateAfter(life!);
  if (isCopy(final)) {
    for (const [name, said] of stateAfter(copies!, false)) if (!state.has(name)) state.set(name, said);
  }
  const late = ofOrder.find(
    (each) => each.original.sequence > original.sequence && each.final.action === 'create' && !isCopy(each.final),
  );
  if (isBegun || !late) return state;
  if (nanosOf(late.final.timestamp) > nanosOf(original.timestamp) + 2_000_000_000n) return state;
  const begin = stateAfter([late.final]);
  leave(begin, new Map([...state].map(([name, said]) => [name, said.text])));
  for (const [name, said] of begin) if (!state.has(name)) state.set(name, said);
  return state;
}
