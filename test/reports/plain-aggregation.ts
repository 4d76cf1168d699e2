import { correctionCells, nanosOf, Rulings, text, type PlacedEvent } from './plain-computation.js';
import { isCopy } from './plain-life.js';
import { factsInPeriod, known } from './plain-replay.js';

type Row = Record<string, string | null>;

const MONTH_NS = 31n * 86_400_000_000_000n;
const WEEK_NS = 7n * 86_400_000_000_000n;

/** Exact: a whole number over a power of ten; NaN is undefined. */
type Exact = { n: bigint; d: number } | undefined;

export function exact(value: string | null): Exact {
  const match =
    value === null || value.length > 400 ? null : /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(value);
  if (!match) return undefined;
  const [, minus, whole, fraction = '', exponent = '0'] = match;
  const d = fraction.length - Number(exponent);
  const n = BigInt(`${minus}${whole}${fraction}`);
  return d < 0 ? { n: n * 10n ** BigInt(-d), d: 0 } : { n, d };
}

export function plus(a: Exact, b: Exact, sign = 1n): Exact {
  if (!a || !b) return undefined;
  const d = Math.max(a.d, b.d);
  return { n: a.n * 10n ** BigInt(d - a.d) + sign * b.n * 10n ** BigInt(d - b.d), d };
}

export function times(a: Exact, b: Exact): Exact {
  return a && b && { n: a.n * b.n, d: a.d + b.d };
}

export function total(values: Exact[]): Exact {
  return values.reduce((sum, value) => plus(sum, value), { n: 0n, d: 0 } as Exact);
}

export function shown(value: Exact): string | null {
  if (!value) return null;
  const digits = String(value.n < 0n ? -value.n : value.n).padStart(value.d + 1, '0');
  const cut = digits.length - value.d;
  const fraction = digits.slice(cut).replace(/0+$/, '');
  return `${value.n < 0n ? '-' : ''}${digits.slice(0, cut)}${fraction && '.'}${fraction}`;
}

const isFill = ({ action }: PlacedEvent): boolean => action === 'fill' || action === 'partial_fill';

/** The rows of aggregation-allocation. */
export function expectedAggregation(
  events: readonly PlacedEvent[],
  asked: Record<string, string>,
  from: string,
  to: string,
): Row[] {
  const rulings = new Rulings(events);
  const facts = rulings.facts();
  const lifeOf = (orderId: string): PlacedEvent[] =>
    facts
      .filter(({ original }) => original.entity_type === 'order' && original.entity_id === orderId)
      .map(({ final }) => final)
      .filter((event) => event.action !== 'void' && event.event_type === 'order_lifecycle' && !isCopy(event));
  const latest = (life: PlacedEvent[], part: 'new_state' | 'metadata', name: string): string | null =>
    life.map((event) => text(event[part][name])).findLast((value) => value !== null) ?? null;

  const isAggregate = (life: PlacedEvent[]): boolean =>
    life.some(({ metadata }) => {
      const { allocations } = metadata;
      return Array.isArray(allocations) ? allocations.length > 0 : text(allocations) !== null;
    }) ||
    latest(life, 'metadata', 'aggregated') === 'true' ||
    ['aggregated', 'pending_allocation'].includes(latest(life, 'metadata', 'client_id_type') ?? '');
  /** Of an order without a client: the order that it is a part of. */
  const parentOf = (life: PlacedEvent[]): string | null => {
    const type = latest(life, 'metadata', 'client_id_type') ?? '';
    const isUnnamed = ['aggregated', 'pending_allocation', 'none'].includes(type);
    if (latest(life, 'metadata', 'client_id') !== null && !isUnnamed) return null;
    return latest(life, 'metadata', 'parent_order_id');
  };
  /** An order that says that it is an aggregate, and is a slice of another one, is of the group of that. */
  const wholeOf = (id: string): [name: string, by: string] => {
    if (latest(lifeOf(id), 'metadata', 'aggregation_group') !== null) return [id, 'order'];
    const passed = [id];
    for (;;) {
      const parent = parentOf(lifeOf(passed.at(-1)!));
      if (parent === null || !isAggregate(lifeOf(parent))) return [passed.at(-1)!, 'order'];
      if (passed.includes(parent)) return [id, 'order'];
      const group = latest(lifeOf(parent), 'metadata', 'aggregation_group');
      if (group !== null) return [group, 'aggregation_group'];
      passed.push(parent);
    }
  };

  const groups: { name: string; by: string }[] = [];
  for (const fact of factsInPeriod(events, from, to)) {
    const { metadata, entity_id: id } = fact.final;
    const says = (name: string): string | null => text(metadata[name]);
    const tells =
      says('aggregation_group') !== null ||
      says('allocations') !== null ||
      says('aggregated') === 'true' ||
      says('client_id_type') === 'aggregated' ||
      says('client_id_type') === 'pending_allocation';
    if (!tells) continue;
    const group = known(fact, 'metadata', 'aggregation_group');
    const [name, by] = group === null ? wholeOf(id) : [group, 'aggregation_group'];
    if (!groups.some((each) => each.name === name && each.by === by)) groups.push({ name, by });
  }

  return groups.flatMap(({ name, by }) => {
    if (asked.group !== undefined && asked.group !== name) return [];
    const naming = (member: string, value: string, low: bigint, high: bigint): string[] => {
      const all = events.filter(
        (event) =>
          event.entity_type === 'order' &&
          event.event_type === 'order_lifecycle' &&
          nanosOf(event.timestamp) >= low &&
          nanosOf(event.timestamp) < high &&
          text(event.metadata[member]) === value,
      );
      return [...new Set(all.map(({ entity_id: id }) => id))].sort();
    };
    const ids = (
      by === 'order' ? [name] : naming('aggregation_group', name, nanosOf(from) - MONTH_NS, nanosOf(to) + MONTH_NS)
    ).filter((id) => {
      const own = latest(lifeOf(id), 'metadata', 'aggregation_group');
      return by === 'order' ? own === null && lifeOf(id).length > 0 : own === name;
    });
    const isSlice = (id: string): boolean => {
      const above: string[] = [];
      for (let at = parentOf(lifeOf(id)); at !== null && ids.includes(at); at = parentOf(lifeOf(at))) {
        if (at === id || above.includes(at)) return false;
        above.push(at);
      }
      return above.some((each) => isAggregate(lifeOf(each)));
    };
    // in what its aggregates went to the market, and these in turn
    const isWhole = (id: string): boolean => isAggregate(lifeOf(id)) || isSlice(id);
    const inGroup = ids.filter(isWhole);
    for (let wholes = [...inGroup.filter((id) => !isSlice(id)), ...inGroup.filter(isSlice)]; wholes.length > 0;) {
      const parts: string[] = [];
      for (const whole of wholes) {
        const times = lifeOf(whole).map(({ timestamp }) => nanosOf(timestamp));
        const [first, last] = [times.reduce((a, b) => (a < b ? a : b)), times.reduce((a, b) => (a > b ? a : b))];
        for (const id of naming('parent_order_id', whole, first - WEEK_NS, last + 1n + WEEK_NS)) {
          const own = latest(lifeOf(id), 'metadata', 'aggregation_group');
          const isOfGroup = own === null || (by === 'aggregation_group' && own === name);
          if (ids.includes(id) || !isOfGroup || parentOf(lifeOf(id)) !== whole) continue;
          ids.push(id);
          parts.push(id);
        }
      }
      wholes = parts;
    }
    const orders = ids
      .map((id) => ({ id, life: lifeOf(id) }))
      .map(({ id, life }) => {
        const allocations = life.flatMap((event) => {
          const value = event.metadata.allocations;
          if (text(value) === null) return [];
          return (Array.isArray(value) ? (value as unknown[]) : [null]).map((each) => {
            const member = (key: string): string | null => {
              const isObject = each !== null && typeof each === 'object' && !Array.isArray(each);
              return isObject ? text((each as Record<string, unknown>)[key]) : null;
            };
            return {
              ...{ id, event, client: member('client_id'), account: member('account') },
              ...{ quantity: member('quantity'), price: member('price') },
            };
          });
        });
        const type = latest(life, 'metadata', 'client_id_type');
        const fills = life.filter(isFill);
        const ordered = life.map(
          (event) => text(event.new_state.order_quantity) ?? (isFill(event) ? null : text(event.new_state.quantity)),
        );
        return {
          ...{ id, life, allocations, isSlice: isSlice(id) },
          isAggregate:
            allocations.length > 0 ||
            latest(life, 'metadata', 'aggregated') === 'true' ||
            type === 'aggregated' ||
            type === 'pending_allocation',
          client: latest(life, 'metadata', 'client_id'),
          type,
          ordered: ordered.findLast((value) => value !== null) ?? null,
          executed: total(fills.map(({ new_state: state }) => exact(text(state.quantity)))),
          value: total(
            fills.map(({ new_state: state }) => times(exact(text(state.quantity)), exact(text(state.price)))),
          ),
        };
      });
    if (orders.length === 0) return [];

    const empty: Row = {
      ...{ group: name, grouped_by: by, kind: null, order_id: null, client: null, account: null, instrument: null },
      ...{ side: null, ordered: null, executed: null, allocated: null, price: null, difference: null, verdict: null },
      ...{ found: null, event_id: null, sequence: null },
      ...{ correction_user_id: null, correction_reason: null, corrections: null },
    };
    const slices = orders.filter((each) => each.isSlice);
    const aggregates = orders.filter((each) => each.isAggregate && !each.isSlice);
    const ofClients = orders.filter((each) => !each.isAggregate && !each.isSlice);
    const rows: Row[] = [...ofClients, ...aggregates, ...slices].map((each) => ({
      ...empty,
      kind: each.isSlice ? 'slice' : each.isAggregate ? 'aggregate' : 'client-order',
      order_id: each.id,
      client: each.client ?? each.type,
      account: latest(each.life, 'metadata', 'account'),
      instrument: latest(each.life, 'new_state', 'symbol'),
      side: latest(each.life, 'new_state', 'side'),
      ordered: each.ordered,
      executed: shown(each.executed),
    }));
    const allocations = orders.flatMap((each) => each.allocations).sort((a, b) => a.event.sequence - b.event.sequence);
    for (const { id, event, client, account, quantity, price } of allocations) {
      rows.push({
        ...{ ...empty, kind: 'allocation', order_id: id, client, account, allocated: quantity, price },
        ...{ event_id: event.event_id, sequence: String(event.sequence) },
        ...correctionCells(rulings, event),
      });
    }

    const executing = aggregates.length > 0 ? [...aggregates, ...slices] : ofClients;
    const executed = total(executing.map((each) => each.executed));
    const allocated = total(allocations.map(({ quantity }) => exact(quantity)));
    const difference = plus(allocated, executed, -1n);
    const found: string[] = [];
    if (aggregates.length > 0 && difference && difference.n < 0n) {
      found.push(allocations.length === 0 ? 'not-allocated' : 'under-allocated');
    }
    if (aggregates.length > 0 && difference && difference.n > 0n) found.push('over-allocated');
    if (aggregates.length === 0 && executed?.n !== 0n) found.push('no-aggregate');
    if (allocations.some(({ client }) => client === null)) found.push('allocation-without-client');

    const names = [...ofClients.map(({ client }) => client), ...allocations.map(({ client }) => client)];
    const clients = [...new Set(names.filter((client) => client !== null))].sort();
    let isUnreadable = !difference;
    for (const client of clients) {
      const own = ofClients.filter((each) => each.client === client);
      const parts = allocations.filter((each) => each.client === client);
      const ordered = total(own.map((each) => exact(each.ordered)));
      const done = total(own.map((each) => each.executed));
      const got = total(parts.map(({ quantity }) => exact(quantity)));
      if (!ordered) isUnreadable = true;
      rows.push({
        ...{ ...empty, kind: 'client', client },
        ordered: own.length > 0 ? shown(ordered) : null,
        executed: own.length > 0 ? shown(done) : null,
        allocated: parts.length > 0 ? shown(got) : null,
      });
      if (ofClients.length > 0 && own.length === 0) found.push(`client-without-order ${client}`);
      if (allocations.length > 0 && parts.length === 0) found.push(`client-without-allocation ${client}`);
      if (own.length === 0 || parts.length === 0 || !got) continue;
      if ((plus(got, ordered, -1n)?.n ?? 0n) > 0n) found.push(`more-than-ordered ${client}`);
      if (done && done.n !== 0n && plus(got, done, -1n)!.n !== 0n) found.push(`executed-differs ${client}`);
    }
    const counts = aggregates.map(({ life }) => latest(life, 'metadata', 'aggregated_clients'));
    for (const count of new Set(counts)) {
      if (count !== null && clients.length > 0 && count !== String(clients.length))
        found.push(`clients-differ ${count}`);
    }
    const sideOf = ({ life }: { life: PlacedEvent[] }): string | null => latest(life, 'new_state', 'side');
    const isinOf = ({ life }: { life: PlacedEvent[] }): string | null => latest(life, 'new_state', 'isin');
    const symbolOf = ({ life }: { life: PlacedEvent[] }): string | null => latest(life, 'new_state', 'symbol');
    const side = executing.map(sideOf).find((each) => each !== null);
    const model = executing.find((each) => isinOf(each) !== null || symbolOf(each) !== null);
    const all = [...ofClients, ...aggregates, ...slices];
    for (const each of all)
      if (side !== undefined && sideOf(each) !== null && sideOf(each) !== side) found.push(`side-differs ${each.id}`);
    for (const each of all) {
      if (!model) continue;
      const hasIsins = isinOf(model) !== null && isinOf(each) !== null;
      const [wanted, own] = hasIsins ? [isinOf(model), isinOf(each)] : [symbolOf(model), symbolOf(each)];
      if (wanted !== null && own !== null && wanted !== own) found.push(`instrument-differs ${each.id}`);
    }
    const worth = total(executing.map((each) => each.value));
    if (worth && difference?.n === 0n && allocations.length > 0) {
      const given = total(allocations.map((each) => times(exact(each.quantity), exact(each.price))));
      const off = plus(worth, given, -1n);
      // each price may be rounded: by half of its last digit
      const slack = total(
        allocations.map((each) => {
          const [quantity, price] = [exact(each.quantity), exact(each.price)];
          if (!quantity || !price) return undefined;
          return { n: 5n * (quantity.n < 0n ? -quantity.n : quantity.n), d: quantity.d + price.d + 1 };
        }),
      );
      const size = off && { n: off.n < 0n ? -off.n : off.n, d: off.d };
      const tolerance = exact(asked.price_tolerance ?? null);
      const isTolerated = size && tolerance && plus(size, times(tolerance, executed), -1n)!.n <= 0n;
      if (size && slack && plus(size, slack, -1n)!.n > 0n && !isTolerated) found.push('value-differs');
      for (const client of tolerance && executed!.n > 0n ? clients : []) {
        const parts = allocations.filter((each) => each.client === client);
        const got = total(parts.map(({ quantity }) => exact(quantity)));
        const paid = total(parts.map((each) => times(exact(each.quantity), exact(each.price))));
        if (!got || got.n <= 0n || !paid) continue;
        const apart = plus(times(paid, executed), times(worth, got), -1n)!;
        const most = times(tolerance, times(executed, got))!;
        const distance = { n: apart.n < 0n ? -apart.n : apart.n, d: apart.d };
        if (plus(distance, most, -1n)!.n > 0n) found.push(`price-differs ${client}`);
      }
    }
    if (isUnreadable) found.push('unreadable-quantity');
    const isOpen = executed?.n === 0n && allocations.length === 0;
    rows.push({
      ...{ ...empty, kind: 'group', executed: shown(executed), allocated: shown(allocated) },
      difference: aggregates.length > 0 ? shown(difference) : null,
      verdict: isUnreadable ? 'undecided' : found.length > 0 ? 'does-not-add-up' : isOpen ? 'open' : 'adds-up',
      found: found.join('; ') || null,
    });
    return asked.client !== undefined && !clients.includes(asked.client) ? [] : rows;
  });
}
