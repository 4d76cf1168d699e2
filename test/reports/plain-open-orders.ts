import { correctionCells, nanosOf, Rulings, utc, type PlacedEvent } from './plain-computation.js';
import { isCopy, leave, statements, type State } from './plain-life.js';
import { bare, plain, quantitiesAfter } from './plain-lifecycle.js';

type Row = Record<string, string | null>;

const DAY = 86_400_000_000_000n;
const OF_A_DAY = ['day', 'immediate_or_cancel', 'fill_or_kill'];
const GOOD_TILL = ['good_till_time', 'good_till_date', 'good_till_date_time'];

/** An event that counts, and the one first recorded that it stands for. */
interface Counting {
  original: PlacedEvent;
  final: PlacedEvent;
}

/** What is said of an order by all of its events, one after the other. */
function stateOf(life: readonly Counting[]): State {
  const state: State = new Map();
  for (const { final } of life) {
    const own = statements(final);
    leave(state, own);
    for (const [name, value] of own) state.set(name, { text: value, sequence: final.sequence });
  }
  return state;
}

/** When an order was over by its own events, whatever that says of quantities. */
function overAt(life: readonly Counting[]): bigint | undefined {
  const ends = life.filter(({ final }) => ['fill', 'cancel', 'expire', 'reject'].includes(final.action));
  const last = ends.at(-1)?.final ?? quantitiesAfter(life.map(({ final }) => final)).end;
  return last && nanosOf(last.timestamp);
}

function isOther(life: readonly Counting[], { final }: Counting): boolean {
  if (final.action !== 'create') return false;
  const over = overAt(life);
  const time = nanosOf(final.timestamp);
  const begin = life.filter(({ final: each }) => each.action === 'create').at(-1);
  if (!begin) return over !== undefined && time > over + 2_000_000_000n;
  if (over !== undefined) return time >= over;
  const isOfDay = OF_A_DAY.includes(stateOf(life).get('validity')?.text ?? '');
  return isOfDay && utc(final.timestamp).slice(0, 10) > utc(begin.final.timestamp).slice(0, 10);
}

/** The events of the order that has the id at an instant, before which they happened. */
function lifeBefore(own: readonly PlacedEvent[], rulings: Rulings, end: bigint): Counting[] {
  let life: Counting[] = [];
  for (const { original, final } of rulings.facts()) {
    if (!own.includes(original) || original.corrects !== undefined) continue;
    if (final.event_type !== 'order_lifecycle' || final.action === 'void' || isCopy(final)) continue;
    if (nanosOf(final.timestamp) >= end) continue;
    if (life.some((earlier) => bare(earlier.final) === bare(final))) continue;
    if (isOther(life, { original, final })) life = [];
    life.push({ original, final });
  }
  return life;
}

function isLapsed(state: State, last: bigint, end: bigint): boolean {
  const validity = state.get('validity')?.text;
  if (validity !== undefined && OF_A_DAY.includes(validity)) return (end - 1n) / DAY > last / DAY;
  if (validity !== undefined && !GOOD_TILL.includes(validity)) return false;
  const until = state.get('valid_until')?.text;
  if (until === undefined || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(until)) return false;
  const time = nanosOf(until);
  if (validity === 'good_till_time' || validity === 'good_till_date_time') return time < end;
  const midnight = (time / DAY) * DAY;
  return midnight + (DAY * 3n) / 2n < end && time + DAY < end;
}

/** The rows of open-orders; `events` are all up to as_of, in sequence. */
export function expectedOpenOrders(
  events: readonly PlacedEvent[],
  asked: Record<string, string>,
  from: string,
  to: string,
): Row[] {
  const end = nanosOf(to);
  const since = nanosOf(from) - BigInt(asked.look_back_days ?? '366') * DAY;
  const begun = events
    .filter(({ event_type: type, entity_type: entity }) => type === 'order_lifecycle' && entity === 'order')
    .filter(({ timestamp }) => nanosOf(timestamp) >= since && nanosOf(timestamp) < end)
    .sort((a, b) => Number(nanosOf(a.timestamp) - nanosOf(b.timestamp)) || a.sequence - b.sequence);
  const ids = [...new Set(begun.map(({ entity_id: id }) => id))];
  return ids.flatMap((id) => {
    const own = events.filter(({ entity_type: type, entity_id: each }) => type === 'order' && each === id);
    const rulings = new Rulings(own);
    const life = lifeBefore(own, rulings, end);
    const finals = life.map(({ final }) => final);
    const { executed, open, end: ended } = quantitiesAfter(finals);
    if (ended || finals.every(({ action }) => action === 'decide')) return [];
    const state = stateOf(life);
    const said = (name: string): string | null => state.get(name)?.text ?? null;
    const isNobody = ['none', 'aggregated', 'pending_allocation'].includes(said('client_id_type') ?? '');
    const client = isNobody ? null : said('client_id');
    const latest = life.reduce((a, b) => (nanosOf(b.final.timestamp) >= nanosOf(a.final.timestamp) ? b : a));
    const { original, final } = latest;
    const created = life.filter(({ final: each }) => each.action === 'create').at(-1);
    const row: Row = {
      order_id: id,
      state: isLapsed(state, nanosOf(final.timestamp), end) ? 'lapsed' : 'live',
      status: said('status'),
      instrument: said('symbol'),
      isin: said('isin'),
      venue: said('exchange'),
      side: said('side'),
      order_quantity: said('order_quantity'),
      executed_quantity: executed === undefined ? null : plain(executed),
      remaining_quantity: open === undefined ? null : plain(open),
      limit_price: said('limit_price'),
      stop_price: said('stop_price'),
      currency: said('currency'),
      order_type: said('order_type'),
      validity: said('validity'),
      valid_until: said('valid_until'),
      client,
      investment_decision_maker: said('investment_decision_maker'),
      execution_decision_maker: said('execution_decision_maker'),
      desk: said('desk'),
      parent_order_id: said('parent_order_id'),
      venue_order_id: said('venue_order_id'),
      created_at: said('created'),
      created_by: created?.original.user_id ?? null,
      last_time: utc(final.timestamp),
      last_action: final.action,
      last_user_id: original.user_id,
      source: original.source ?? null,
      event_id: final.event_id,
      sequence: String(final.sequence),
      recorded_at: final.recorded_at,
      ...correctionCells(rulings, original),
    };
    const has = (name: string, ...values: (string | null)[]): boolean =>
      asked[name] === undefined || values.includes(asked[name]);
    const isWanted =
      has('instrument', row.instrument ?? null, row.isin ?? null) &&
      has('venue', row.venue ?? null, said('segment_mic')) &&
      has('client', client) &&
      has('algorithm', row.investment_decision_maker ?? null, row.execution_decision_maker ?? null) &&
      has('desk', row.desk ?? null) &&
      has('user_id', row.created_by ?? null, original.user_id) &&
      has('state', row.state ?? null);
    return isWanted ? [row] : [];
  });
}
