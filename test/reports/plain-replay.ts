import { inPeriod, Rulings, text, utc, type PlacedEvent } from './plain-computation.js';

type Row = Record<string, string | null>;
type Part = 'new_state' | 'metadata';

/** An event that holds, and all that does of its order up to there. */
export interface Fact {
  original: PlacedEvent;
  final: PlacedEvent;
  life: readonly PlacedEvent[];
}

const isFill = ({ action }: PlacedEvent): boolean => action === 'fill' || action === 'partial_fill';

/** The order events that hold and happened in the period, in time. */
export function factsInPeriod(events: readonly PlacedEvent[], from: string, to: string): Fact[] {
  const all = new Rulings(events)
    .facts()
    .filter(({ final }) => final.entity_type === 'order' && final.action !== 'void');
  const own = all.filter(({ final }) => final.event_type === 'order_lifecycle');
  return inPeriod(own, ({ final }) => final, from, to).map(({ original, final }) => ({
    original,
    final,
    life: all
      .filter((each) => each.original.sequence <= original.sequence && each.final.entity_id === final.entity_id)
      .map((each) => each.final),
  }));
}

/** The latest that the order's events state. */
export function known({ life }: Fact, part: Part, name: string): string | null {
  return life.map((event) => text(event[part][name])).findLast((value) => value !== null) ?? null;
}

/** The order's own quantity or limit: outside of fills plain `quantity` and `price` say it too. */
export function ofOrder({ life }: Fact, name: 'order_quantity' | 'limit_price'): string | null {
  const plain = name === 'order_quantity' ? 'quantity' : 'price';
  const values = life.map(
    (event) => text(event.new_state[name]) ?? (isFill(event) ? null : text(event.new_state[plain])),
  );
  return values.findLast((value) => value !== null) ?? null;
}

/** The rows of replay. */
export function expectedReplay(
  events: readonly PlacedEvent[],
  filters: Record<string, string>,
  from: string,
  to: string,
): Row[] {
  return factsInPeriod(events, from, to)
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
        client: known(fact, 'metadata', 'client_id'),
        investment_decision_maker: known(fact, 'metadata', 'investment_decision_maker'),
        execution_decision_maker: known(fact, 'metadata', 'execution_decision_maker'),
        desk: known(fact, 'metadata', 'desk'),
        execution_id: text(final.metadata.execution_id),
        user_id: original.user_id,
        source: final.source ?? null,
        event_id: final.event_id,
        recorded_at: final.recorded_at,
        corrects: original === final ? (final.corrects ?? null) : original.event_id,
        corrects_sequence: original === final ? null : String(original.sequence),
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
