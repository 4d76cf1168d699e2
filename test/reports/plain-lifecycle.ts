import { correctionCells, nanosOf, Rulings, text, utc, type PlacedEvent } from './plain-computation.js';
import { isCopy, leave, statements, type State } from './plain-life.js';

type Row = Record<string, string | null>;

/** What docs/reports.md says of each rule. */
const SEVERITY: Record<string, string> = {
  'duplicate-event': 'warning',
  'execution-of-another-order': 'warning',
  'unreadable-decimal': 'error',
  'fill-without-quantity': 'error',
  'fill-without-price': 'error',
  'fill-quantity-not-positive': 'error',
  'execution-twice': 'warning',
  'time-backwards': 'warning',
  'created-twice': 'warning',
  'fill-after-end': 'error',
  'modify-after-end': 'error',
  'ended-twice': 'warning',
  'over-fill': 'error',
  'remaining-differs': 'error',
  'fill-incomplete': 'error',
  'modified-below-filled': 'error',
  'previous-state-differs': 'warning',
  'fill-of-another-instrument': 'error',
  'fill-of-another-side': 'error',
  'fill-beyond-limit': 'error',
  'fill-after-validity': 'error',
  'fill-without-order': 'error',
  'step-without-order': 'warning',
  'open-at-period-end': 'info',
  'correction-target-unknown': 'error',
  'correction-target-later': 'error',
  'correction-of-another-entity': 'error',
  'correction-circle': 'error',
  'correction-outdated': 'error',
};
export const RULE_IDS = Object.keys(SEVERITY);

/** Whole numbers of 10^-60: enough for what the tests send. */
const PLACES = 60;
type Amount = bigint;

function amount(value: string | null): Amount | undefined {
  const match = value === null ? null : /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:e([+-])(\d+))?$/.exec(value);
  if (!match || value!.length > 400) return undefined;
  const [, minus, whole, fraction = '', down, exponent = '0'] = match;
  const shift = PLACES - fraction.length + (down === '-' ? -1 : 1) * Number(exponent);
  const digits = BigInt(`${whole}${fraction}`) * 10n ** BigInt(shift);
  return minus ? -digits : digits;
}

export function plain(value: Amount): string {
  const digits = String(value < 0n ? -value : value).padStart(PLACES + 1, '0');
  const fraction = digits.slice(-PLACES).replace(/0+$/, '');
  return `${value < 0n ? '-' : ''}${digits.slice(0, -PLACES)}${fraction && '.'}${fraction}`;
}

const isFill = ({ action }: PlacedEvent): boolean => action === 'fill' || action === 'partial_fill';
const isEnd = ({ action }: PlacedEvent): boolean => ['cancel', 'reject', 'expire'].includes(action);

/** Whether a is before b as far as the coarser of the two says. */
function isBefore(a: PlacedEvent, b: PlacedEvent): boolean {
  const digits = Math.min(...[a, b].map(({ timestamp }) => /\.(\d+)/.exec(timestamp)?.[1]?.length ?? 0));
  const cut = 10n ** BigInt(9 - digits);
  return nanosOf(a.timestamp) / cut < nanosOf(b.timestamp) / cut;
}

const isAfter = (a: PlacedEvent, b: PlacedEvent): boolean => (a.source ?? '') === (b.source ?? '') || !isBefore(a, b);

/** Quantities of an order after some of its events; each looked at anew from the first. */
export function quantitiesAfter(events: readonly PlacedEvent[]): {
  quantity?: Amount | undefined;
  price?: Amount | undefined;
  executed: Amount | undefined;
  open?: Amount | undefined;
  end?: PlacedEvent | undefined;
} {
  let quantity: Amount | undefined;
  let price: Amount | undefined;
  let executed: Amount | undefined = 0n;
  let open: Amount | undefined;
  let end: PlacedEvent | undefined;
  for (const event of events) {
    const said = (name: string): Amount | undefined => amount(text(event.new_state[name]));
    const remaining = said('remaining_quantity');
    const ownQuantity = said('quantity');
    if (isEnd(event)) end ??= event;
    if (isFill(event)) {
      const taken = ownQuantity !== undefined && ownQuantity > 0n ? ownQuantity : undefined;
      executed = executed === undefined || taken === undefined ? undefined : executed + taken;
      const left = open === undefined || taken === undefined ? undefined : open - taken;
      open = remaining ?? (left === undefined ? undefined : left < 0n ? 0n : left);
      const isLast = open === 0n || (open === undefined && event.action === 'fill');
      if (isLast) end ??= event;
    }
    if (event.action === 'create') {
      const left = ownQuantity === undefined || executed === undefined ? undefined : ownQuantity - executed;
      open ??= remaining ?? (left === undefined ? undefined : left < 0n ? 0n : left);
      quantity ??= ownQuantity;
      price ??= said('price');
    }
    if (event.action === 'modify') {
      const changes = text(event.new_state.quantity) !== null;
      let left = open;
      if (changes) {
        left =
          open === undefined || ownQuantity === undefined || quantity === undefined
            ? undefined
            : open + ownQuantity - quantity;
        quantity = ownQuantity;
      }
      open = remaining ?? (left === undefined ? undefined : left < 0n ? 0n : left);
      if (text(event.new_state.price) !== null) price = said('price');
    }
  }
  return { quantity, price, executed, open, end };
}

function short(value: string | null): string {
  if (value === null) return 'nothing';
  return [...value].length <= 60 ? value : `${[...value].slice(0, 60).join('')}…`;
}

const bareTexts = new WeakMap<PlacedEvent, string>();

/** The content without event_id and corrects, its members in one order. */
export function bare(event: PlacedEvent): string {
  const known = bareTexts.get(event);
  if (known !== undefined) return known;
  const { sequence: _, recorded_at: __, event_id: ___, corrects: ____, ...rest } = event;
  const whole = { ...rest, previous_state: rest.previous_state ?? null };
  const bareText = JSON.stringify(whole, (_, part: unknown) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([x], [y]) => (x < y ? -1 : 1)))
      : part,
  );
  bareTexts.set(event, bareText);
  return bareText;
}

function age(nanoseconds: bigint): string {
  const all = nanoseconds / 1_000_000_000n;
  const date = new Date(Number(all % 86_400n) * 1000);
  return `P${all / 86_400n}DT${date.getUTCHours()}H${date.getUTCMinutes()}M${date.getUTCSeconds()}S`;
}

/** The rows of lifecycle-exceptions without their texts; `events` are all up to as_of, in sequence. */
export function expectedExceptions(events: readonly PlacedEvent[], from: string, to: string): Row[] {
  const lifecycle = ({ event_type, entity_type }: PlacedEvent): boolean =>
    event_type === 'order_lifecycle' && entity_type === 'order';
  const inPeriod = events
    .filter(lifecycle)
    .filter(({ timestamp }) => nanosOf(timestamp) >= nanosOf(from) && nanosOf(timestamp) < nanosOf(to))
    .sort((a, b) => {
      const [x, y] = [nanosOf(a.timestamp), nanosOf(b.timestamp)];
      return x === y ? a.sequence - b.sequence : x < y ? -1 : 1;
    });
  const orders = [...new Set(inPeriod.map(({ entity_id }) => entity_id))];
  const byOrder = new Map<string, PlacedEvent[]>(orders.map((order) => [order, []]));
  for (const event of events) if (event.entity_type === 'order') byOrder.get(event.entity_id)?.push(event);
  const executions: Shared[] = [];
  return orders.flatMap((order) => exceptionsOfOrder(order, byOrder.get(order)!, events, nanosOf(to), executions));
}

/** An execution of an order that was looked at, by what tells whether another one may be the same. */
interface Shared {
  order: string;
  event: PlacedEvent;
  alike: string;
}

function exceptionsOfOrder(
  order: string,
  own: readonly PlacedEvent[],
  all: readonly PlacedEvent[],
  periodEnd: bigint,
  executions: Shared[],
): Row[] {
  const rulings = new Rulings(own);
  const rows: Row[] = [];
  const tell: Tell = (rule, concerned, expected, found) => {
    rows.push({
      order_id: order,
      rule,
      severity: SEVERITY[rule]!,
      expected,
      found,
      sequence: String(concerned[0]!.sequence),
      event_id: concerned[0]!.event_id,
      events: concerned.map(({ event_id, sequence }) => `${event_id}@${sequence}`).join(' '),
      ...correctionCells(rulings, concerned[0]!),
    });
  };
  let life: PlacedEvent[] = [];
  for (const event of own) {
    if (rulings.target(event)) continue;
    if (event.corrects !== undefined) {
      if (event.event_type !== 'order_lifecycle') continue;
      const target = all.find(({ event_id }) => event_id === event.corrects);
      const isCircle = rulings.isInCycle(event) || (target && own.includes(target) && rulings.isInCycle(target));
      const concerned = target && target !== event ? [event, target] : [event];
      const found = `corrects ${event.corrects}`;
      if (isCircle) tell('correction-circle', concerned, 'corrections that end at an event', found);
      else if (!target) tell('correction-target-unknown', concerned, 'an earlier event of the order', found);
      else if (target.sequence > event.sequence)
        tell('correction-target-later', concerned, 'an earlier event of the order', found);
      else tell('correction-of-another-entity', concerned, 'an event of the same order', found);
      continue;
    }
    const step = rulings.final(event);
    const history = rulings.history(event);
    for (const each of own) {
      const isOutdated = rulings.target(each) && rulings.history(each)[0] === event && !history.includes(each);
      if (!isOutdated || each.event_type !== 'order_lifecycle') continue;
      const expected = 'a correction of what holds, or of the event itself';
      tell('correction-outdated', [each, step], expected, `corrects ${each.corrects}`);
    }
    if (step.event_type !== 'order_lifecycle' || (step !== event && step.action === 'void')) continue;
    if (isCopy(step)) continue;
    const first = life.find((earlier) => bare(earlier) === bare(step));
    if (first) tell('duplicate-event', [step, first], 'one event', 'the same content again');
    else {
      const { end: over } = quantitiesAfter(life);
      const dayOf = (each: PlacedEvent): string => utc(each.timestamp).slice(0, 10);
      const hasCreate = life.some(({ action }) => action === 'create');
      if (step.action === 'create' && hasCreate && over && dayOf(step) > dayOf(over)) {
        atEnd(life, periodEnd, tell);
        life = [];
      }
      const compare = (fill: PlacedEvent, alike: string | undefined, before: readonly PlacedEvent[]): void => {
        if (alike === undefined) return;
        const other = executions.find((each) => each.alike === alike);
        const id = text(fill.metadata.execution_id);
        if (!other) executions.push({ order, event: fill, alike });
        else if (other.order !== order && !isTold(fill, before)) {
          const found = `execution_id ${short(id)}, which order ${short(other.order)} has`;
          tell('execution-of-another-order', [fill, other.event], 'an execution_id of its own', found);
        }
      };
      compare(step, whatIsShared(life, step), life);
      atStep(life, step, tell);
      life.push(step);
      // an execution may be recorded before its order
      if (step.action === 'create' && !hasCreate) {
        for (const [at, fill] of life.entries()) {
          const wasKnown = whatIsShared(life.slice(0, at), fill) !== undefined;
          if (wasKnown || nanosOf(step.timestamp) > executedAt(fill) + 2n * SECONDS) continue;
          if (!isTold(fill, life.slice(0, at))) compare(fill, whatIsShared(life, fill), []);
        }
      }
    }
  }
  atEnd(life, periodEnd, tell);
  return rows;
}

/** Whether an earlier execution of the order has the id of this one, by the same source. */
function isTold(fill: PlacedEvent, before: readonly PlacedEvent[]): boolean {
  const id = text(fill.metadata.execution_id);
  return before.some(
    (each) => isFill(each) && text(each.metadata.execution_id) === id && (each.source ?? '') === (fill.source ?? ''),
  );
}

type Tell = (rule: string, concerned: readonly PlacedEvent[], expected: string, found: string) => void;

function atEnd(life: readonly PlacedEvent[], periodEnd: bigint, tell: Tell): void {
  const [first] = life;
  if (!first) return;
  for (const [rule, step, expected, found] of misfits(life)) tell(rule, [step], expected, found);
  const create = life.find(({ action }) => action === 'create');
  const fills = life.filter(isFill);
  if (!create && fills.length > 0)
    tell('fill-without-order', [fills[0]!], 'a create', `none; executions: ${fills.length}`);
  else if (!create) tell('step-without-order', [first], 'a create', `none; events: ${life.length}`);
  const { end } = quantitiesAfter(life);
  const begun = create ?? first;
  const endedInTime = end && nanosOf(end.timestamp) < periodEnd;
  if (nanosOf(begun.timestamp) < periodEnd && !endedInTime) {
    const later = end ? `, then ${end.action} at ${end.timestamp}` : '';
    const open = `open for ${age(periodEnd - nanosOf(begun.timestamp))}${later}`;
    tell('open-at-period-end', end ? [begun, end] : [begun], 'an end in the period', open);
  }
}

function atStep(life: readonly PlacedEvent[], step: PlacedEvent, tell: Tell): void {
  const said = (name: string): string | null => text(step.new_state[name]);
  const saidBefore = (name: string): string | null => text(step.previous_state?.[name]);
  const unreadable = [
    ...['quantity', 'price', 'remaining_quantity'].map((name) => [name, said(name)] as const),
    ...['quantity', 'price'].map((name) => [`previous_state.${name}`, saidBefore(name)] as const),
  ].filter(([, value]) => value !== null && amount(value) === undefined);
  if (unreadable.length > 0) {
    const found = unreadable.map(([name, value]) => `${name} ${short(value)}`).join(', ');
    tell('unreadable-decimal', [step], 'a decimal such as 585.33', found);
  }
  const quantity = amount(said('quantity'));
  const remaining = amount(said('remaining_quantity'));
  if (isFill(step)) {
    if (said('quantity') === null) tell('fill-without-quantity', [step], 'new_state.quantity', 'nothing');
    if (said('price') === null) tell('fill-without-price', [step], 'new_state.price', 'nothing');
    if (quantity !== undefined && quantity <= 0n)
      tell('fill-quantity-not-positive', [step], 'a quantity above 0', `quantity ${short(said('quantity'))}`);
    const id = text(step.metadata.execution_id);
    const first = life.find(
      (earlier) =>
        isFill(earlier) &&
        id !== null &&
        text(earlier.metadata.execution_id) === id &&
        (earlier.source ?? '') === (step.source ?? ''),
    );
    if (first) tell('execution-twice', [step, first], 'an execution_id of its own', `execution_id ${short(id)}`);
  }
  // the last of those of the source that were not themselves said to be before another
  let latest: PlacedEvent | undefined;
  for (const earlier of life.filter(({ source }) => (source ?? '') === (step.source ?? ''))) {
    if (!latest || !isBefore(earlier, latest)) latest = earlier;
  }
  if (latest && isBefore(step, latest))
    tell('time-backwards', [step, latest], `not before ${latest.timestamp}`, step.timestamp);

  const create = life.find(({ action }) => action === 'create');
  if (step.action === 'create' && create) tell('created-twice', [step, create], 'one create', 'another create');

  const before = quantitiesAfter(life);
  const { end } = before;
  const isPastEnd = end !== undefined && isAfter(step, end);
  if (isFill(step) && isPastEnd) tell('fill-after-end', [step, end], `nothing after ${end.action}`, step.action);
  if (isEnd(step) && !end) {
    let lastFill: PlacedEvent | undefined;
    for (const fill of life.filter(isFill)) if (!lastFill || !isBefore(fill, lastFill)) lastFill = fill;
    if (lastFill && (lastFill.source ?? '') !== (step.source ?? '') && isBefore(step, lastFill))
      tell('fill-after-end', [lastFill, step], `nothing after ${step.action}`, lastFill.action);
  }
  if (step.action === 'modify' && isPastEnd)
    tell('modify-after-end', [step, end], `nothing after ${end.action}`, step.action);
  if (isEnd(step) && isPastEnd) tell('ended-twice', [step, end], `nothing after ${end.action}`, step.action);

  if (step.action === 'create' && !create && quantity !== undefined) {
    const [firstFill] = life.filter(isFill);
    if (firstFill && before.executed !== undefined && before.executed > quantity)
      tell('over-fill', [firstFill, step], `at most ${plain(quantity)}`, `${plain(before.executed)} executed`);
  }
  if (isPastEnd) return;
  const { open } = before;
  if (isFill(step)) {
    const left = open !== undefined && quantity !== undefined && quantity > 0n ? open - quantity : undefined;
    if (left !== undefined && left < 0n) {
      tell('over-fill', [step], `at most ${plain(open!)} open`, `${short(said('quantity'))} executed`);
    } else if (left !== undefined && remaining !== undefined && left !== remaining) {
      tell('remaining-differs', [step], `remaining_quantity ${plain(left)}`, short(said('remaining_quantity')));
      return;
    }
    if (step.action !== 'fill') return;
    if (remaining !== undefined && left !== undefined && left !== remaining) return;
    const rest = remaining ?? left;
    if (rest !== undefined && rest > 0n) tell('fill-incomplete', [step], 'nothing open', `${plain(rest)} open`);
  }
  if (step.action === 'modify') {
    const isFeed = quantity !== undefined && quantity === remaining;
    let left = open;
    if (said('quantity') !== null)
      left =
        open === undefined || quantity === undefined || before.quantity === undefined
          ? undefined
          : open + quantity - before.quantity;
    if (!isFeed && left !== undefined && left >= 0n && remaining !== undefined && remaining !== left)
      tell('remaining-differs', [step], `remaining_quantity ${plain(left)}`, short(said('remaining_quantity')));
    if (!isFeed && left !== undefined && left < 0n && before.quantity !== undefined) {
      const least = `a quantity of at least ${plain(before.quantity - open!)}`;
      tell('modified-below-filled', [step], least, `quantity ${short(said('quantity'))}`);
    }
    const differences: [string, string][] = [];
    const beforeQuantity = amount(saidBefore('quantity'));
    if (
      beforeQuantity !== undefined &&
      before.quantity !== undefined &&
      ![before.quantity, open].includes(beforeQuantity)
    )
      differences.push([`quantity ${plain(before.quantity)}`, `quantity ${short(saidBefore('quantity'))}`]);
    const beforePrice = amount(saidBefore('price'));
    if (beforePrice !== undefined && before.price !== undefined && before.price !== beforePrice)
      differences.push([`price ${plain(before.price)}`, `price ${short(saidBefore('price'))}`]);
    if (differences.length > 0)
      tell(
        'previous-state-differs',
        [step],
        differences.map(([expected]) => expected).join(', '),
        differences.map(([, found]) => found).join(', '),
      );
  }
}

/** A value that an event gives a name of the order; undefined where by the event nobody knows it any more. */
interface Said {
  at: number;
  time: bigint;
  source: string;
  name: string;
  value: string | undefined;
}

const SECONDS = 1_000_000_000n;

/** What each event of a life says the order is from then on. */
function saidOf(life: readonly PlacedEvent[]): Said[] {
  const said: Said[] = [];
  const state: State = new Map();
  for (const [at, event] of life.entries()) {
    const isOfOrder = ['create', 'modify', 'trigger', 'change_status'].includes(event.action);
    const own = new Map(
      [...statements(event)].filter(
        ([name]) =>
          isOfOrder || name === 'additional_limit_price' || (name === 'limit_price' && states(event, 'limit_price')),
      ),
    );
    const known = [...state.keys()];
    leave(state, own);
    const place = { at, time: nanosOf(event.timestamp), source: event.source ?? '' };
    for (const name of known.filter((each) => !state.has(each))) said.push({ ...place, name, value: undefined });
    for (const [name, value] of own) {
      state.set(name, { text: value, sequence: event.sequence });
      said.push({ ...place, name, value });
    }
  }
  return said;
}

const states = (event: PlacedEvent, name: string): boolean =>
  text(event.new_state[name]) !== null || text(event.metadata[name]) !== null;

const executedAt = (fill: PlacedEvent): bigint => {
  const told = text(fill.metadata.execution_time);
  return nanosOf(told !== null && /^\d{4}-\d\d-\d\dT/.test(told) ? told : fill.timestamp);
};

/** What may tell that an execution is one with another: undefined where too little is known. */
function whatIsShared(life: readonly PlacedEvent[], fill: PlacedEvent): string | undefined {
  const id = text(fill.metadata.execution_id);
  if (!isFill(fill) || id === null) return undefined;
  const said = saidOf(life);
  const ofOrder = (name: string): string | null =>
    said.filter((each) => each.name === name && isOf(each, fill)).at(-1)?.value ?? null;
  const own = (name: string): string | null => text(fill.new_state[name]);
  const side = own('side') ?? ofOrder('side');
  const isOtherSymbol = own('symbol') !== null && ofOrder('symbol') !== null && own('symbol') !== ofOrder('symbol');
  const isin = own('isin') ?? (isOtherSymbol ? null : ofOrder('isin'));
  const instrument = isin ?? own('symbol') ?? ofOrder('symbol');
  if (side === null || instrument === null) return undefined;
  const day = executedAt(fill) / (86_400n * SECONDS);
  const venue = own('exchange') ?? ofOrder('exchange');
  return JSON.stringify([fill.source ?? '', id, String(day), side, instrument, venue]);
}

/** A symbol is one of its source; where nothing is known any more, none of any source is. */
function isOf(said: Said, fill: PlacedEvent): boolean {
  return said.name !== 'symbol' || said.value === undefined || said.source === (fill.source ?? '');
}

type Misfit = [rule: string, fill: PlacedEvent, expected: string, found: string];

/** Executions that do not fit the order as it was recorded before them, nor as it was within two seconds of them. */
function misfits(life: readonly PlacedEvent[]): Misfit[] {
  if (life.filter(({ action }) => action === 'create').length > 1) return [];
  if (!life.some(isFill)) return [];
  const said = saidOf(life);
  const all = life.flatMap((fill, at): Misfit[] => {
    if (!isFill(fill)) return [];
    const of = (name: string): Said[] => said.filter((each) => each.name === name && isOf(each, fill));
    const time = executedAt(fill);
    const inTime = (name: string): (string | undefined)[] => {
      const sorted = of(name).sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
      const before = sorted.filter((each) => each.time < time - 2n * SECONDS).slice(-1);
      const around = sorted.filter((each) => each.time >= time - 2n * SECONDS && each.time <= time + 2n * SECONDS);
      return [...before, ...around].map(({ value }) => value);
    };
    const recorded = (name: string): (string | undefined)[] => {
      const last = of(name)
        .filter((each) => each.at < at)
        .at(-1)?.value;
      return last === undefined ? [] : [last];
    };
    const byTime = misfitsOf(fill, inTime);
    if (byTime.length === 0) return [];
    const isBegun = life.slice(0, at).some(({ action }) => action === 'create');
    const byRecord = misfitsOf(fill, recorded).map(([rule]) => rule);
    const { end } = quantitiesAfter(life.slice(0, at));
    return byTime
      .filter(([rule]) => {
        // one in another instrument, or on another side, is not compared any further
        const [instrument, side] = ['fill-of-another-instrument', 'fill-of-another-side'].map((each) =>
          byRecord.includes(each),
        );
        if (!isBegun || byRecord.includes(rule)) return true;
        return rule === 'fill-beyond-limit' ? instrument || side : rule === 'fill-of-another-side' && instrument;
      })
      .filter(([rule]) => !(rule === 'fill-after-validity' && end && isAfter(fill, end)));
  });
  return RULE_IDS.flatMap((rule) => all.filter(([each]) => each === rule));
}

function misfitsOf(fill: PlacedEvent, of: (name: string) => (string | undefined)[]): Misfit[] {
  const found: Misfit[] = [];
  const own = (name: string): string | undefined => text(fill.new_state[name]) ?? undefined;

  const ends = of('valid_until').map((until) => {
    if (until === undefined || !/^\d{4}-\d\d-\d\dT/.test(until)) return undefined;
    const instant = nanosOf(until);
    const isDay = of('validity').length === 0 || of('validity').includes('good_till_date');
    if (!isDay) return instant;
    const dayAfter = nanosOf(`${utc(until).slice(0, 10)}T00:00:00Z`) + 36n * 3600n * SECONDS;
    const within = instant + 24n * 3600n * SECONDS;
    return dayAfter > within ? dayAfter : within;
  });
  const isUntil = (validity: string | undefined): boolean =>
    ['good_till_time', 'good_till_date', 'good_till_date_time'].includes(validity ?? '');
  if (ends.length > 0 && of('validity').every(isUntil) && ends.every((end) => end !== undefined)) {
    if (ends.every((end) => executedAt(fill) > end + 2n * SECONDS)) {
      const latest = ends.reduce((a, b) => (b > a ? b : a));
      const until = of('valid_until')[ends.indexOf(latest)];
      found.push(['fill-after-validity', fill, `none after valid_until ${until}`, 'executed']);
    }
  }

  const isLeg = ['complex_trade_id', 'strategy_linked_order_id'].some(
    (name) => text(fill.metadata[name]) !== null || of(name).length > 0,
  );
  if (isLeg) return found;
  const name = own('isin') === undefined ? 'symbol' : 'isin';
  const known = of(name);
  if (own(name) !== undefined && known.length > 0 && !known.includes(undefined) && !known.includes(own(name))) {
    const [expected, says] = [`${name} ${short(known[0]!)}`, `${name} ${short(own(name)!)}`];
    found.push(['fill-of-another-instrument', fill, expected, says]);
    return found;
  }
  const sides = of('side');
  const stated = own('side');
  const isSide = (side: string | undefined): boolean => side === 'buy' || side === 'sell';
  if (own('notional_change') !== undefined || !sides.every(isSide) || (stated !== undefined && !isSide(stated)))
    return found;
  if (stated !== undefined && sides.length > 0 && !sides.includes(stated)) {
    found.push(['fill-of-another-side', fill, `side ${sides[0]}`, `side ${stated}`]);
    return found;
  }
  const side = stated ?? (sides.every((each) => each === sides[0]) ? sides[0] : undefined);
  const limits = [...of('limit_price'), ...(own('limit_price') === undefined ? [] : [own('limit_price')])];
  const amounts = limits.map((limit) => amount(limit ?? null));
  const price = amount(own('price') ?? null);
  const types = of('order_type');
  if (side === undefined || price === undefined || amounts.length === 0 || amounts.includes(undefined)) return found;
  if (types.some((type) => !['limit', 'stop_limit', 'quote'].includes(type ?? ''))) return found;
  if (types.length === 0 && amounts.includes(0n)) return found;
  if (of('additional_limit_price').length > 0 || own('additional_limit_price') !== undefined) return found;
  const among = (term: string): Set<string> => new Set([...of(term), own(term)].filter((each) => each !== undefined));
  if (among('price_notation').size > 1 || among('currency').size > 1) return found;
  if (among('price_notation').has('yield') || among('price_notation').has('basis_points')) return found;
  if ((own('transaction_nature') ?? 'trade') !== 'trade') return found;
  const sorted = amounts.map((each) => each!).sort((a, b) => (a < b ? -1 : 1));
  const [lowest, highest] = [sorted[0]!, sorted.at(-1)!];
  if (side === 'buy' && price > highest)
    found.push(['fill-beyond-limit', fill, `a price of at most ${plain(highest)}`, `price ${plain(price)}`]);
  if (side === 'sell' && price < lowest)
    found.push(['fill-beyond-limit', fill, `a price of at least ${plain(lowest)}`, `price ${plain(price)}`]);
  return found;
}
