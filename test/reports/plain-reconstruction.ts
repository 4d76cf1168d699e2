import { nanosOf, Rulings, text, utc, type PlacedEvent } from './plain-computation.js';

type Row = Record<string, string | null>;

/** What the service alone says of an event, by its id. */
export type Envelopes = ReadonlyMap<string, { ledger: string; recorded_by: string; event_hash: string }>;

/** JSON with members in order. */
export function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${sortedJson(member)}`).join(',')}}`;
}

/** What docs/reports.md says of each action. */
const STAGE: Record<string, string> = {
  decide: 'decision',
  create: 'order',
  route: 'routing',
  acknowledge: 'acknowledgement',
  trigger: 'activation',
  modify: 'modification',
  change_status: 'status',
  partial_fill: 'execution',
  fill: 'execution',
  cancel: 'end',
  expire: 'end',
  reject: 'end',
  void: 'correction',
};

/** The rows of order-reconstruction. */
export function expectedReconstruction(
  events: readonly PlacedEvent[],
  asked: { order_id?: string; execution_id?: string },
  /** none: all time, and what is linked within 31 days of the orders that were asked for */
  period: readonly [from: string, to: string] | undefined,
  envelopes: Envelopes,
): Row[] {
  const rulings = new Rulings(events);
  const ofOrders = events.filter(({ entity_type: type }) => type === 'order');
  const life = (orderId: string): PlacedEvent[] => ofOrders.filter(({ entity_id: id }) => id === orderId);
  const isWithin = ({ timestamp }: PlacedEvent, low: bigint, high: bigint): boolean =>
    nanosOf(timestamp) >= low && nanosOf(timestamp) < high;
  const stating = (name: string, value: string, low: bigint, high: bigint): string[] => {
    const found = ofOrders.filter(
      (event) =>
        event.event_type === 'order_lifecycle' && isWithin(event, low, high) && text(event.metadata[name]) === value,
    );
    return [...new Set(found.map(({ entity_id: id }) => id))].sort();
  };
  let [low, high] = (period ?? ['1970-01-01T00:00:00Z', '2199-12-31T23:59:59.999999999Z']).map(nanosOf) as [
    bigint,
    bigint,
  ];

  const orders: { id: string; relation: string; by: string | null }[] = [];
  const add = (id: string, relation: string, by: string | null): void => {
    if (!orders.some((each) => each.id === id)) orders.push({ id, relation, by });
  };
  if (asked.order_id !== undefined) {
    if (life(asked.order_id).some((event) => isWithin(event, low, high))) add(asked.order_id, 'self', null);
  } else {
    for (const name of ['execution_id', 'venue_transaction_id']) {
      const value = asked.execution_id!;
      for (const id of stating(name, value, low, high)) add(id, 'self', `${name}=${value}`);
    }
  }

  if (!period && orders.length > 0) {
    const times = orders.flatMap(({ id }) => life(id).map(({ timestamp }) => nanosOf(timestamp)));
    const days = 31n * 86_400n * 1_000_000_000n;
    low = times.reduce((a, b) => (b < a ? b : a)) - days;
    high = times.reduce((a, b) => (b > a ? b : a)) + 1n + days;
  }

  const rows: Row[] = [];
  for (let i = 0; i < orders.length; i++) {
    const { id, relation, by } = orders[i]!;
    const own = life(id);
    own.forEach((event, place) => {
      const target = rulings.target(event);
      const final = rulings.final(event);
      const isVain = event.corrects !== undefined && !target;
      let root = event;
      for (let before = rulings.target(root); before; before = rulings.target(root)) root = before;
      let standing = 'in-force';
      if (isVain) standing = 'corrects-nothing';
      else if (final !== event) standing = !target && final.action === 'void' ? 'voided' : 'corrected';
      else if (target && rulings.final(root) !== event) standing = 'superseded';
      const allocates = Array.isArray(event.metadata.allocations) && event.metadata.allocations.length > 0;
      const stage = event.event_type === 'order_lifecycle' ? (STAGE[event.action] ?? 'other') : null;
      const isAsked = ['execution_id', 'venue_transaction_id'].some(
        (name) => asked.execution_id !== undefined && text(event.metadata[name]) === asked.execution_id,
      );
      const raw = event.raw && Buffer.from(event.raw.data, 'base64');
      const isText = raw?.equals(Buffer.from(raw.toString('utf8'))) && !raw.includes(0);
      rows.push({
        order_id: id,
        relation,
        linked_by: by,
        ordinal: String(place + 1),
        stage: stage === null ? 'other' : allocates && /^(mod|other)/.test(stage) ? 'allocation' : stage,
        action: event.action,
        event_type: event.event_type,
        timestamp: utc(event.timestamp),
        decision_time: text(event.metadata.decision_time),
        order_entry_time: text(event.metadata.order_entry_time),
        submission_time: text(event.metadata.submission_time),
        message_time: text(event.metadata.message_time),
        execution_time: text(event.metadata.execution_time),
        recorded_at: event.recorded_at,
        user_id: event.user_id,
        recorded_by: envelopes.get(event.event_id)!.recorded_by,
        source: event.source ?? null,
        execution: isAsked ? 'asked' : null,
        reported_event_id: null,
        reporting_id: null,
        previous_state: event.previous_state ? sortedJson(event.previous_state) : null,
        new_state: sortedJson(event.new_state),
        metadata: sortedJson(event.metadata),
        standing,
        corrects: event.corrects ?? null,
        correction: isVain ? `corrects nothing: ${whyVain(event, rulings)}` : target ? difference(target, event) : null,
        corrected_by: final !== event ? final.event_id : null,
        raw_media_type: event.raw?.media_type ?? null,
        raw_text: raw && isText ? raw.toString('utf8').split('\u0001').join('|') : null,
        raw_base64: event.raw?.data ?? null,
        ledger: envelopes.get(event.event_id)!.ledger,
        event_id: event.event_id,
        sequence: String(event.sequence),
        event_hash: envelopes.get(event.event_id)!.event_hash,
      });
    });

    // who it is linked to, by what holds of it; looked for in the period and for as long as the order lived
    const said = (name: string): string[] => {
      const facts = own.filter((event) => event.corrects === undefined).map((event) => rulings.final(event));
      const values = facts
        .filter(({ action, event_type: type }) => action !== 'void' && type === 'order_lifecycle')
        .map(({ metadata }) => text(metadata[name]));
      return [...new Set(values.filter((value) => value !== null))].sort();
    };
    const times = own.map(({ timestamp }) => nanosOf(timestamp));
    const first = times.reduce((a, b) => (b < a ? b : a), low);
    const last = times.reduce((a, b) => (b > a ? b : a), high - 1n) + 1n;
    for (const parent of said('parent_order_id')) add(parent, 'parent', `parent_order_id=${parent}`);
    const search = (as: string, name: string, linkedBy: string, values: string[]): void => {
      for (const value of values) {
        for (const found of stating(name, value, first, last)) {
          // what was corrected to another one links no more
          const life = events.filter((event) => event.entity_type === 'order' && event.entity_id === found);
          const holding = new Rulings(life);
          const links = life
            .filter((event) => event.corrects === undefined)
            .map((event) => holding.final(event))
            .filter(({ action, event_type: type }) => action !== 'void' && type === 'order_lifecycle');
          if (found === id || links.some(({ metadata }) => text(metadata[name]) === value)) {
            add(found, as, `${linkedBy}=${value}`);
          }
        }
      }
    };
    search('parent', 'client_order_id', 'parent_client_order_id', said('parent_client_order_id'));
    search('child', 'parent_order_id', 'parent_order_id', [id]);
    search('child', 'parent_client_order_id', 'parent_client_order_id', said('client_order_id'));
    if (relation !== 'self') continue;
    search('aggregated', 'aggregation_group', 'aggregation_group', said('aggregation_group'));
    search('strategy', 'strategy_linked_order_id', 'strategy_linked_order_id', said('strategy_linked_order_id'));
  }
  return rows;
}

function whyVain(event: PlacedEvent, rulings: Rulings): string {
  const target = rulings.byId(event.corrects);
  // a circle is one of an order's own corrections: what leads to another order is of another order
  const leadsBack = (start: PlacedEvent | undefined): boolean => {
    const seen = new Set<PlacedEvent | undefined>();
    let at = start;
    do {
      seen.add(at);
      at = rulings.byId(at?.corrects);
    } while (at?.entity_id === event.entity_id && at.entity_type === event.entity_type && !seen.has(at));
    return at !== undefined && at === start;
  };
  if (leadsBack(event) || (target?.entity_id === event.entity_id && leadsBack(target))) {
    return 'the corrections lead back to themselves';
  }
  if (!target) return 'the event is unknown';
  return target.sequence > event.sequence ? 'the event was recorded later' : 'the event is of another entity';
}

/** What a correction changed, each member from what to what. */
export function difference(before: PlacedEvent, after: PlacedEvent): string {
  const members = (event: PlacedEvent): Record<string, unknown> => {
    const all: Record<string, unknown> = { timestamp: utc(event.timestamp) };
    for (const name of ['event_type', 'entity_type', 'entity_id', 'action', 'user_id', 'source'] as const) {
      if (event[name] !== undefined) all[name] = event[name];
    }
    for (const name of ['source_session', 'source_sequence'] as const) if (event[name]) all[name] = event[name];
    for (const part of ['previous_state', 'new_state', 'metadata'] as const) {
      for (const [name, value] of Object.entries(event[part] ?? {})) all[`${part}.${name}`] = value;
    }
    return all;
  };
  const [a, b] = [members(before), members(after)];
  const changed = Object.fromEntries(
    Object.keys({ ...a, ...b })
      .filter((name) => sortedJson(a[name] ?? null) !== sortedJson(b[name] ?? null))
      .map((name) => [name, { from: a[name] ?? null, to: b[name] ?? null }]),
  );
  return sortedJson(changed);
}
