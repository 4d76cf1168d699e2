import type { Content } from '../integrity/event.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { factsOf } from '../reports/order-facts.js';
import { FILLS, type FactName } from '../reports/regimes/regime.js';
import { tradeTimeOf } from '../reports/trade-time.js';
import { ORDER_LIFECYCLE } from '../reports/whole-lives.js';
import type { Stated } from './trace.js';

/** By what an execution says where it took place. */
const OF_PLACE: readonly FactName[] = ['segment_mic', 'exchange'];

/** What holds for the execution that states it alone, and is not taken over by the next one. */
const OF_ONE_EXECUTION: ReadonlySet<FactName> = new Set<FactName>([
  ...(['price', 'price_absent', 'quantity', 'remaining_quantity', 'execution_id', 'execution_time'] as const),
  ...(['venue_transaction_id', 'waivers', 'otc_flags', 'net_amount', 'accrued_interest', 'upfront_payment'] as const),
  ...(['upfront_payment_currency', 'notional_change', 'complex_trade_id', 'counterparty_id', 'allocations'] as const),
  ...(['transaction_nature', 'short_sale', 'firm_short_sale'] as const),
  ...OF_PLACE,
  'central_counterparty',
]);

/** A content that an event had. */
export interface HeldContent {
  row: StoredRow;
  /** sequence from which on it was the event's content */
  from: bigint;
  /** what it states; undefined where it never happened, or is no event of an order's life */
  stated: { content: Content; facts: ReadonlyMap<FactName, Stated> } | undefined;
}

/** The contents that an event had, one after the other. Throws DamagedRowError. */
export function contentsOf(versions: readonly StoredRow[]): readonly HeldContent[] {
  const contents: HeldContent[] = [];
  for (const row of versions) {
    const [own, before] = [BigInt(row.sequence), contents.at(-1)?.from ?? 0n];
    contents.push({ row, from: own > before ? own : before, stated: statedIn(row) });
  }
  return contents;
}

/** An execution that holds, or held. */
export type HeldFill = HeldContent & { stated: NonNullable<HeldContent['stated']> };

export function isExecution(held: HeldContent | undefined): held is HeldFill {
  return held?.stated !== undefined && FILLS.includes(held.stated.content.action);
}

/** That an order is transmitted no more, since when, and what held before. */
interface TransmissionEnd extends Stated {
  since: string;
  before: Stated | undefined;
}

/** What was known of an order at a sequence: the latest that was stated by name, and the last execution. */
export interface KnownThen {
  facts: ReadonlyMap<FactName, Stated>;
  /** with how its order was transmitted */
  lastFill: (HeldFill & { transmission: Stated | undefined }) | undefined;
}

/**
 * The events of an order up to one of them, as they were known at any sequence: what was corrected counts as it was before
 * the correction was recorded. Holds of events that were never corrected what they come to, of others all they ever said.
 */
export class OrderPast {
  private readonly parts: (KnownThen | readonly HeldContent[])[] = [];
  /** corrections that change what an execution takes over */
  private readonly telling = new Set<HeldContent>();

  add(contents: readonly HeldContent[]): void {
    if (contents.length > 1) {
      this.parts.push(contents);
      for (const [i, held] of contents.slice(1).entries()) {
        if (!saysTheSame(after(NOTHING, contents[i]!), after(NOTHING, held))) this.telling.add(held);
      }
      return;
    }
    const [held] = contents as [HeldContent];
    const last = this.parts.at(-1);
    const [known, isAll] =
      last && 'facts' in last ? [last, this.parts.length === 1] : [NOTHING, this.parts.length === 0];
    if (!isAll && isOfTransmission(held)) {
      // what it comes to depends on all that is known before it
      this.parts.push(contents);
      return;
    }
    const next = after(known, held);
    if (known === NOTHING) this.parts.push(next);
    else this.parts[this.parts.length - 1] = next;
  }

  /**
   * The corrections of these events that were recorded after a sequence and changed what holds, in no order: for an
   * execution, to which others are of no account, those alone that change what it takes over.
   */
  changesAfter(sequence: bigint, isForExecution: boolean): readonly HeldContent[] {
    const counts = (held: HeldContent): boolean => held.from > sequence && (!isForExecution || this.telling.has(held));
    return this.parts.flatMap((part) => ('facts' in part ? [] : part.slice(1).filter(counts)));
  }

  at(sequence: bigint): KnownThen {
    const [only, ...more] = this.parts;
    if (only && 'facts' in only && more.length === 0) return { ...only, facts: new Map(only.facts) };
    let known: KnownThen = { facts: new Map(), lastFill: undefined };
    for (const part of this.parts) {
      if ('facts' in part) {
        const lastFill = part.lastFill && { ...part.lastFill };
        if (lastFill) lastFill.transmission ??= transmissionAt(known.facts.get('transmission'), lastFill);
        known = { facts: new Map([...known.facts, ...part.facts]), lastFill: lastFill ?? known.lastFill };
        continue;
      }
      const held = part.findLast(({ from }) => from <= sequence);
      if (held) known = after(known, held);
    }
    return known;
  }
}

const NOTHING: KnownThen = { facts: new Map(), lastFill: undefined };

/** What is known after an event; the map of `known` is taken over, but for that of nothing. */
function after(known: KnownThen, held: HeldContent): KnownThen {
  const facts = known === NOTHING ? new Map<FactName, Stated>() : (known.facts as Map<FactName, Stated>);
  if (!held.stated) return { facts, lastFill: known.lastFill };
  const isFill = isExecution(held);
  const before = facts.get('transmission');
  const end = endOfTransmission(facts, held);
  if (end) facts.set('transmission', end);
  for (const [name, stated] of held.stated.facts) {
    if (!isFill || !OF_ONE_EXECUTION.has(name)) facts.set(name, stated);
  }
  if (!isFill) return { facts, lastFill: known.lastFill };
  const transmission = held.stated.facts.get('transmission') ?? transmissionAt(before, held);
  return { facts, lastFill: { ...held, transmission } };
}

/** Whether an event may say, or change, how its order was transmitted. */
function isOfTransmission({ stated }: HeldContent): boolean {
  if (!stated) return false;
  const { content, facts } = stated;
  return content.action === 'cancel' || facts.has('transmission') || facts.has('order_receiver');
}

/** It was cancelled, or goes to somebody else now, and nothing is said of how. */
function endOfTransmission(
  known: ReadonlyMap<FactName, Stated>,
  { row: { sequence }, stated }: HeldContent,
): TransmissionEnd | undefined {
  if (!stated) return undefined;
  const { content, facts } = stated;
  const { action, event_id, timestamp: since } = content;
  if (FILLS.includes(action) || facts.has('transmission')) return undefined;
  const [before, receiver] = [known.get('order_receiver')?.text, facts.get('order_receiver')];
  const isToAnother = before !== undefined && receiver !== undefined && receiver.text !== before;
  if (action !== 'cancel' && !isToAnother) return undefined;
  return { text: 'none', name: 'transmission', event_id, sequence, since, before: known.get('transmission') };
}

/** How the order was transmitted to what was executed then: what ended it later counts for later executions. */
function transmissionAt(
  stated: Stated | TransmissionEnd | undefined,
  { stated: { content } }: HeldFill,
): Stated | undefined {
  const { micros, nanos } = parseTimestamp(tradeTimeOf(content).time);
  let then = stated;
  while (then && 'since' in then) {
    const end = parseTimestamp(then.since);
    if ((micros - end.micros || nanos - end.nanos) >= 0) break;
    then = then.before;
  }
  return then;
}

/**
 * What an execution or allocation takes over of its order: what was known then, but of where it took place nothing where
 * it says that itself. An allocation is of the last execution: where that was, and as it was transmitted.
 */
export function takenOver(held: HeldContent, { facts, lastFill }: KnownThen): ReadonlyMap<FactName, Stated> {
  const taken = new Map(facts);
  const fill = isExecution(held) ? held : lastFill;
  if (!fill) return taken;
  const transmission = fill === lastFill ? lastFill.transmission : transmissionAt(facts.get('transmission'), fill);
  if (transmission) taken.set('transmission', transmission);
  else taken.delete('transmission');
  const own = fill.stated.facts;
  const place = (of: ReadonlyMap<FactName, Stated>) => OF_PLACE.map((name) => of.get(name)).find((each) => each);
  if (place(own)) {
    for (const name of OF_PLACE) taken.delete(name);
    // one that was named for another venue
    if (place(own)!.text !== place(facts)?.text) taken.delete('central_counterparty');
  }
  for (const name of [...OF_PLACE, 'central_counterparty'] as const) {
    const stated = own.get(name);
    if (stated) taken.set(name, stated);
  }
  return taken;
}

/** Whether the same is known by both; not whether by the same execution. */
export function saysTheSame(a: KnownThen, b: KnownThen): boolean {
  if (a.facts.size !== b.facts.size) return false;
  return [...a.facts].every(([name, { text }]) => b.facts.get(name)?.text === text);
}

function statedIn(row: StoredRow): HeldContent['stated'] {
  if (row.action === 'void' || row.event_type !== ORDER_LIFECYCLE) return undefined;
  const content = contentOf(row);
  const { action, timestamp, new_state: state, metadata, event_id } = content;
  const facts = [...factsOf(action, timestamp, state, metadata)].map(([name, text]): [FactName, Stated] => [
    name,
    { text, name, event_id, sequence: row.sequence },
  ]);
  return { content, facts: new Map(facts) };
}
