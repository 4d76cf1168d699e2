import type { Content } from '../integrity/event.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { factsOf } from '../reports/order-facts.js';
import { FILLS, type FactName } from '../reports/regimes/regime.js';
import { ORDER_LIFECYCLE } from '../reports/whole-lives.js';
import type { Stated } from './trace.js';

/** Where an execution took place: of its allocations, too, and of no other one. */
export const OF_PLACE: readonly FactName[] = ['exchange', 'segment_mic', 'central_counterparty'];

/** What holds for the execution that states it alone, and is not taken over by the next one. */
const OF_ONE_EXECUTION: ReadonlySet<FactName> = new Set<FactName>([
  ...(['price', 'price_absent', 'quantity', 'remaining_quantity', 'execution_id', 'execution_time'] as const),
  ...(['venue_transaction_id', 'waivers', 'otc_flags', 'net_amount', 'accrued_interest', 'upfront_payment'] as const),
  ...(['upfront_payment_currency', 'notional_change', 'complex_trade_id', 'counterparty_id', 'allocations'] as const),
  ...(['transaction_nature', 'short_sale'] as const),
  ...OF_PLACE,
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

/** What was known of an order at a sequence: the latest that was stated by name, and the last execution. */
export interface KnownThen {
  facts: ReadonlyMap<FactName, Stated>;
  lastFill: HeldFill | undefined;
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
    const last = this.parts.at(-1);
    const known = last && 'facts' in last ? last : NOTHING;
    const next = after(known, contents[0]!);
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
        known = { facts: new Map([...known.facts, ...part.facts]), lastFill: part.lastFill ?? known.lastFill };
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
  if (isTransmittedNoMore(held.stated)) {
    const { event_id } = held.stated.content;
    facts.set('transmission', { text: 'none', name: 'transmission', event_id, sequence: held.row.sequence });
  }
  for (const [name, stated] of held.stated.facts) {
    if (!isFill || !OF_ONE_EXECUTION.has(name)) facts.set(name, stated);
  }
  return { facts, lastFill: isFill ? held : known.lastFill };
}

/** It was cancelled, or goes to somebody else now, and nothing is said of how. */
function isTransmittedNoMore({ content: { action }, facts }: NonNullable<HeldContent['stated']>): boolean {
  return action === 'cancel' || (facts.has('order_receiver') && !FILLS.includes(action));
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
