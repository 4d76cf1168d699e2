import { correctionCells, inPeriod, Rulings, text, utc, type PlacedEvent } from './plain-computation.js';
import { isCopy, stateAt, statements, type State } from './plain-life.js';

type Row = Record<string, string | null>;
type Part = 'new_state' | 'metadata';

/** An event that holds, and what is known of its order there. */
export interface Fact {
  original: PlacedEvent;
  final: PlacedEvent;
  state: State;
}

/** The order events that hold and happened in the period, in time; copies only where they are wanted. */
export function factsInPeriod(events: readonly PlacedEvent[], from: string, to: string, withCopies = false): Fact[] {
  const all = new Rulings(events).facts().filter(({ final }) => final.entity_type === 'order');
  const own = all.filter(({ final }) => final.event_type === 'order_lifecycle' && final.action !== 'void');
  const wanted = own.filter(({ final }) => withCopies || !isCopy(final));
  return inPeriod(wanted, ({ final }) => final, from, to).map((ruled) => ({ ...ruled, state: stateAt(all, ruled) }));
}

/** What the event itself says, otherwise what is known of its order. */
export function known({ final, state }: Fact, part: Part, name: string): string | null {
  return text(final[part][name]) ?? state.get(name)?.text ?? null;
}

/** The order's own quantity or limit: outside of fills plain `quantity` and `price` say it too. */
export function ofOrder({ final, state }: Fact, name: 'order_quantity' | 'limit_price'): string | null {
  return statements(final).get(name) ?? state.get(name)?.text ?? null;
}

/** Nobody where it is said that there is none. */
export function clientAt(fact: Fact): string | null {
  const hasOwn = text(fact.final.metadata.client_id) !== null;
  const type = hasOwn ? text(fact.final.metadata.client_id_type) : known(fact, 'metadata', 'client_id_type');
  return ['none', 'aggregated', 'pending_allocation'].includes(type ?? '')
    ? null
    : known(fact, 'metadata', 'client_id');
}

/** The rows of replay. */
export function expectedReplay(
  events: readonly PlacedEvent[],
  filters: Record<string, string>,
  from: string,
  to: string,
): Row[] {
  const rulings = new Rulings(events);
  return factsInPeriod(events, from, to, true)
    .map((fact) => {
      const { original, final } = fact;
      const row: Row = {
        timestamp: utc(final.timestamp),
        sequence: String(final.sequence),
        order_id: final.entity_id,
        action: final.action,
        instrument: known(fact, 'new_state', 'symbol'),
        isin: known(fact, 'new_state', 'isin'),
        venue: known(fact, 'new_state', 'exchange'),
        side: known(fact, 'new_state', 'side'),
        quantity: text(final.new_state.quantity),
        price: text(final.new_state.price),
        remaining_quantity: text(final.new_state.remaining_quantity),
        order_quantity: ofOrder(fact, 'order_quantity'),
        limit_price: ofOrder(fact, 'limit_price'),
        client: clientAt(fact),
        investment_decision_maker: known(fact, 'metadata', 'investment_decision_maker'),
        execution_decision_maker: known(fact, 'metadata', 'execution_decision_maker'),
        desk: known(fact, 'metadata', 'desk'),
        execution_id: text(final.metadata.execution_id),
        user_id: original.user_id,
        source: final.source ?? null,
        copy: isCopy(final) ? 'true' : null,
        event_id: final.event_id,
        recorded_at: final.recorded_at,
        corrects: original === final ? (final.corrects ?? null) : original.event_id,
        corrects_sequence: original === final ? null : String(original.sequence),
        ...correctionCells(rulings, original),
      };
      return { row, segment: known(fact, 'new_state', 'segment_mic') };
    })
    .filter(({ row, segment }) => {
      const has = (name: string, ...values: (string | null | undefined)[]): boolean =>
        filters[name] === undefined || values.includes(filters[name]);
      return (
        has('instrument', row.instrument, row.isin) &&
        has('venue', row.venue, segment) &&
        has('client', row.client) &&
        has('algorithm', row.investment_decision_maker, row.execution_decision_maker) &&
        has('desk', row.desk) &&
        has('user_id', row.user_id)
      );
    })
    .map(({ row }) => row);
}
