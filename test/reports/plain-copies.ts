import { exact, shown } from './plain-aggregation.js';
import { nanosOf, text, utc, type PlacedEvent } from './plain-computation.js';
import { factsInPeriod, known } from './plain-replay.js';

type Row = Record<string, string | null>;

/** The rows of drop-copy-reconciliation. */
export function expectedCopies(
  events: readonly PlacedEvent[],
  { source, other_source: other, tolerance_ms: toleranceMs = '1000' }: Record<string, string>,
  from: string,
  to: string,
): Row[] {
  const tolerance = BigInt(toleranceMs) * 1_000_000n;
  const [low, high] = [nanosOf(from), nanosOf(to)];
  const told = factsInPeriod(events, '1970-01-01T00:00:00Z', '2199-12-31T23:59:59Z', true)
    .filter(({ final }) => final.action === 'fill' || final.action === 'partial_fill')
    .filter(({ original }) => original.source === source || original.source === other)
    .filter(({ final }) => {
      const at = nanosOf(final.timestamp);
      return at >= low - tolerance && at < high + tolerance;
    })
    .map((fact) => {
      const { final } = fact;
      const given = text(final.metadata.execution_time);
      const time = utc(given !== null && /^\d{4}-\d\d-\d\dT/.test(given) ? given : final.timestamp);
      const at = nanosOf(final.timestamp);
      const names = [
        final.entity_id,
        known(fact, 'metadata', 'client_order_id'),
        known(fact, 'metadata', 'venue_order_id'),
      ];
      return {
        ...{
          final,
          time,
          at: nanosOf(time),
          isListed: at >= low && at < high,
          isSource: fact.original.source === source,
        },
        names: names.filter((name) => name !== null),
        id: text(final.metadata.execution_id),
        transaction: text(final.metadata.venue_transaction_id),
        isin: known(fact, 'new_state', 'isin'),
        instrument: known(fact, 'new_state', 'symbol'),
        side: known(fact, 'new_state', 'side'),
        venue: known(fact, 'new_state', 'exchange'),
        currency: known(fact, 'new_state', 'currency'),
        quantity: text(final.new_state.quantity),
        price: text(final.new_state.price),
      };
    });
  type Told = (typeof told)[number];
  const same = (a: string | null, b: string | null): boolean => {
    const [x, y] = [exact(a), exact(b)];
    return x && y ? shown(x) === shown(y) : a === b;
  };
  const near = (a: Told, b: Told): boolean => (a.at > b.at ? a.at - b.at : b.at - a.at) <= tolerance;
  const oneOrder = (a: Told, b: Told): boolean => a.names.some((name) => b.names.includes(name));

  const pairs: { by: string; a: Told; b: Told }[] = [];
  const left: Told[] = [];
  const pair = (by: string, x: Told, y: Told): void => {
    left.splice(left.indexOf(y), 1);
    pairs.push(x.isSource ? { by, a: x, b: y } : { by, a: y, b: x });
  };
  for (const each of told) {
    const others = left.filter(({ isSource }) => isSource !== each.isSource);
    const byId = others.find(({ id }) => id !== null && id === each.id);
    const byTransaction = others.find(({ transaction }) => transaction !== null && transaction === each.transaction);
    if (byId) pair('execution_id', each, byId);
    else if (byTransaction) pair('venue_transaction_id', each, byTransaction);
    else left.push(each);
  }
  for (const a of left.filter(({ isSource }) => isSource)) {
    if (a.quantity === null || a.price === null) continue;
    const b = left.find(
      (each) =>
        !each.isSource &&
        oneOrder(a, each) &&
        same(a.quantity, each.quantity) &&
        same(a.price, each.price) &&
        near(a, each),
    );
    if (!b) continue;
    left.splice(left.indexOf(a), 1);
    pair('order-quantity-price-time', a, b);
  }

  const row = (kind: string, by: string | null, differing: string[], a?: Told, b?: Told): Row => ({
    ...{ kind, matched_by: by, differing: differing.join(' ') || null, execution_id: a?.id ?? b?.id ?? null },
    ...{ order_id: a?.final.entity_id ?? null, other_order_id: b?.final.entity_id ?? null },
    ...{ instrument: a?.instrument ?? null, other_instrument: b?.instrument ?? null },
    ...{ side: a?.side ?? null, other_side: b?.side ?? null },
    ...{ quantity: a?.quantity ?? null, other_quantity: b?.quantity ?? null },
    ...{ price: a?.price ?? null, other_price: b?.price ?? null },
    ...{ currency: a?.currency ?? null, other_currency: b?.currency ?? null },
    ...{ venue: a?.venue ?? null, other_venue: b?.venue ?? null },
    ...{ time: a?.time ?? null, other_time: b?.time ?? null },
    time_difference_ns: a && b ? String(b.at - a.at) : null,
    ...{ event_id: a?.final.event_id ?? null, sequence: a ? String(a.final.sequence) : null },
    ...{ other_event_id: b?.final.event_id ?? null, other_sequence: b ? String(b.final.sequence) : null },
    ...{ total_of: null, count: null },
  });
  const counted = pairs.filter(({ a, b }) => a.isListed || b.isListed);
  const rows: { row: Row; first: Told }[] = [];
  for (const { by, a, b } of counted) {
    const both = (x: string | null, y: string | null): boolean => x !== null && y !== null && !same(x, y);
    const differing = [
      oneOrder(a, b) ? '' : 'order',
      a.isin !== null && a.isin === b.isin
        ? ''
        : both(a.isin, b.isin) || both(a.instrument, b.instrument)
          ? 'instrument'
          : '',
      both(a.side, b.side) ? 'side' : '',
      both(a.quantity, b.quantity) ? 'quantity' : '',
      both(a.price, b.price) ? 'price' : '',
      both(a.currency, b.currency) ? 'currency' : '',
      both(a.venue, b.venue) ? 'venue' : '',
      near(a, b) ? '' : 'time',
    ].filter((name) => name !== '');
    if (differing.length > 0) rows.push({ row: row('differs', by, differing, a, b), first: a });
  }
  for (const each of left.filter(({ isListed }) => isListed)) {
    const alone = each.isSource
      ? row('only-in-source', null, [], each)
      : row('only-in-other', null, [], undefined, each);
    rows.push({ row: alone, first: each });
  }
  rows.sort(({ first: a }, { first: b }) =>
    a.at === b.at ? a.final.sequence - b.final.sequence : a.at < b.at ? -1 : 1,
  );
  const total = (of: string, count: number): Row => ({ ...row('total', null, []), total_of: of, count: String(count) });
  return [
    ...rows.map((each) => each.row),
    ...['execution_id', 'venue_transaction_id', 'order-quantity-price-time'].map((by) =>
      total(`matched by ${by}`, counted.filter((each) => each.by === by).length),
    ),
    ...['differs', 'only-in-source', 'only-in-other'].map((kind) =>
      total(kind, rows.filter((each) => each.row.kind === kind).length),
    ),
  ];
}
