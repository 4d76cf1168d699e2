import { exact, shown } from './plain-aggregation.js';
import { correctionCells, nanosOf, Rulings, text, utc, type PlacedEvent } from './plain-computation.js';
import { isCopy } from './plain-life.js';
import { factsInPeriod, known } from './plain-replay.js';

type Row = Record<string, string | null>;

/** The rows of drop-copy-reconciliation. */
export function expectedCopies(
  events: readonly PlacedEvent[],
  {
    source,
    other_source: other,
    tolerance_ms: toleranceMs = '1000',
    late_days: lateDays = '1',
  }: Record<string, string>,
  from: string,
  to: string,
): Row[] {
  const rulings = new Rulings(events);
  const tolerance = BigInt(toleranceMs) * 1_000_000n;
  const [low, high] = [nanosOf(from), nanosOf(to)];
  const told = factsInPeriod(events, '1970-01-01T00:00:00Z', '2199-12-31T23:59:59Z', true)
    .filter(({ final }) => final.action === 'fill' || final.action === 'partial_fill')
    .filter(({ original }) => original.source === source || original.source === other)
    .filter(({ final }) => {
      const at = nanosOf(final.timestamp);
      const late = BigInt(lateDays) * 86_400_000_000_000n;
      const around = late > tolerance ? late : tolerance;
      return at >= low - around && at < high + around;
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
          isCopied: isCopy(final) && (given === null || !/^\d{4}-\d\d-\d\dT/.test(given)),
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

  const both = (x: string | null, y: string | null): boolean => x !== null && y !== null && !same(x, y);
  const isLate = (copy: Told, other: Told): boolean => copy.isCopied && copy.at > other.at;
  const differences = (a: Told, b: Told): string[] => {
    const hasSameIsin = a.isin !== null && a.isin === b.isin;
    return [
      oneOrder(a, b) ? '' : 'order',
      !hasSameIsin && (both(a.isin, b.isin) || both(a.instrument, b.instrument)) ? 'instrument' : '',
      both(a.side, b.side) ? 'side' : '',
      both(a.quantity, b.quantity) ? 'quantity' : '',
      both(a.price, b.price) ? 'price' : '',
      both(a.currency, b.currency) ? 'currency' : '',
      both(a.venue, b.venue) ? 'venue' : '',
      near(a, b) || isLate(a, b) || isLate(b, a) ? '' : 'time',
    ].filter((name) => name !== '');
  };
  const isOne = (a: Told, b: Told): boolean =>
    differences(a, b).every((name) => ['currency', 'venue', 'time'].includes(name));
  const hasId = (by: string, a: Told, b: Told): boolean =>
    by === 'execution_id' ? a.id !== null && a.id === b.id : a.transaction !== null && a.transaction === b.transaction;
  const IDS = ['execution_id', 'venue_transaction_id'];

  const pairs: { by: string; a: Told; b: Told }[] = [];
  let left: Told[] = [];
  const pair = (by: string, x: Told, y: Told): void => {
    left = left.filter((each) => each !== x && each !== y);
    pairs.push(x.isSource ? { by, a: x, b: y } : { by, a: y, b: x });
  };
  for (const each of told) {
    const others = left.filter((other) => other.isSource !== each.isSource && isOne(each, other));
    const by = IDS.find((id) => others.some((other) => hasId(id, each, other)));
    if (by === undefined) left.push(each);
    else
      pair(
        by,
        each,
        others.find((other) => hasId(by, each, other))!,
      );
  }
  // of what is left with an id: always the two that differ least, then those that are nearest, then the first
  for (const by of IDS) {
    for (;;) {
      const possible = left
        .filter(({ isSource }) => isSource)
        .flatMap((a) =>
          left
            .filter((b) => !b.isSource && hasId(by, a, b))
            .map((b) => ({
              a,
              b,
              differing: differences(a, b).length,
              apart: a.at > b.at ? a.at - b.at : b.at - a.at,
            })),
        );
      if (possible.length === 0) break;
      const [best] = possible.sort((x, y) => x.differing - y.differing || Number(x.apart - y.apart));
      pair(by, best!.a, best!.b);
    }
  }
  // without one: of the same order, by whatever name, with the same quantity and price
  const groups: Told[][] = [];
  for (const each of left.filter(({ quantity, price }) => quantity !== null && price !== null)) {
    const isLinked = (group: Told[]): boolean =>
      group.some(
        (other) => oneOrder(each, other) && same(each.quantity, other.quantity) && same(each.price, other.price),
      );
    const linked = groups.filter(isLinked);
    for (const group of linked) groups.splice(groups.indexOf(group), 1);
    groups.push([...linked.flat(), each]);
  }
  for (const group of groups) {
    const inTime = group.sort((a, b) => (a.at === b.at ? a.final.sequence - b.final.sequence : a.at < b.at ? -1 : 1));
    const parts: Told[][] = [];
    for (const each of inTime) {
      const last = parts.at(-1)?.at(-1);
      if (last && each.at - last.at <= tolerance) parts.at(-1)!.push(each);
      else parts.push([each]);
    }
    for (const part of parts) {
      const [ours, theirs] = [part.filter(({ isSource }) => isSource), part.filter(({ isSource }) => !isSource)];
      for (const [a, b] of mostPairs(ours, theirs)) pair('order-quantity-price-time', a, b);
    }
  }
  /** In the order of time, as many as can be, and of these the least far apart; of equal ways that which takes the first. */
  function mostPairs(ours: Told[], theirs: Told[]): [Told, Told][] {
    type Way = { pairs: [Told, Told][]; apart: bigint };
    const known = new Map<string, Way>();
    const waysFrom = (i: number, j: number): Way => {
      const [a, b] = [ours[i], theirs[j]];
      if (!a || !b) return { pairs: [], apart: 0n };
      const key = `${i} ${j}`;
      const before = known.get(key);
      if (before) return before;
      const ways: Way[] = [];
      if (oneOrder(a, b) && near(a, b)) {
        const { pairs: rest, apart } = waysFrom(i + 1, j + 1);
        ways.push({ pairs: [[a, b], ...rest], apart: apart + (a.at > b.at ? a.at - b.at : b.at - a.at) });
      }
      ways.push(waysFrom(i + 1, j), waysFrom(i, j + 1));
      const most = Math.max(...ways.map((way) => way.pairs.length));
      const full = ways.filter((way) => way.pairs.length === most);
      const least = full.reduce((x, y) => (y.apart < x.apart ? y : x));
      known.set(key, least);
      return least;
    };
    return waysFrom(0, 0).pairs;
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
    corrections: a ? correctionCells(rulings, a.final).corrections! : null,
    other_corrections: b ? correctionCells(rulings, b.final).corrections! : null,
    ...{ total_of: null, count: null },
  });
  const counted = pairs.filter(({ a, b }) => a.isListed || b.isListed);
  const rows: { row: Row; first: Told }[] = [];
  for (const { by, a, b } of counted) {
    const differing = differences(a, b);
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
