import type { Content } from '../integrity/event.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { lastVersions, type LastVersions } from './correction-story.js';
import { holds, withCorrectionsRead, type Corrections, type Original } from './corrections-of.js';
import { eventsInPeriod } from './event-scan.js';
import { factsOf, ORDER_FACTS, type FactRow } from './order-facts.js';
import { OrderLives, type OrderValues } from './order-lives.js';
import type { FactName } from './regimes/regime.js';
import type { ReportRun } from './report.js';
import { OF_NO_NAMED_CLIENT } from './subjects.js';
import { ORDER, ORDER_LIFECYCLE } from './whole-lives.js';

/** An event of an order whose content holds, with what is known of the order there. */
export interface HeldEvent {
  row: StoredRow;
  content: Content;
  /** the event as first recorded, where this one is its correction in force */
  original: Original | undefined;
  /** the contents that held, from that one to this one */
  versions: LastVersions;
  /** what the event itself states */
  own: ReadonlyMap<FactName, string>;
  /** the latest that is stated up to the event as first recorded, itself included; corrected (order-lives.ts) */
  known: OrderValues<FactName>;
  /** what is not known there, and is said of the order later; of the names that were asked for */
  later: OrderValues<FactName>;
  /** whether it is a copy of what another source or order tells of */
  isCopy: boolean;
}

/**
 * The events of orders in a run's period, a page at a time, in the order of (timestamp, nanos, sequence): corrected
 * events as their corrections say, voided ones not at all, copies only where they are asked for. Of some actions alone, if
 * they are given. `ahead`: by what names orders are looked at further, where nothing is known yet. `userId`: what this
 * user did alone. `mayBeWanted`: by what an event states itself, before anything is looked up for it. Throws DamagedRowError.
 */
export async function* heldEvents(
  run: ReportRun,
  {
    actions,
    withCopies = false,
    ahead = [],
    userId,
    mayBeWanted = () => true,
  }: {
    actions?: readonly string[] | undefined;
    withCopies?: boolean;
    ahead?: readonly FactName[];
    userId?: string | undefined;
    mayBeWanted?: (own: ReadonlyMap<FactName, string>) => boolean;
  } = {},
): AsyncGenerator<HeldEvent[]> {
  const lives = new OrderLives(run, ORDER_FACTS);
  const scan = {
    by: { column: 'event_type', value: ORDER_LIFECYCLE },
    keep: { entityType: ORDER, ...(actions ? { actions } : {}), ...(userId === undefined ? {} : { by: userId }) },
  } as const;
  for await (const { page, corrections } of withCorrectionsRead(run, eventsInPeriod(run, scan), ORDER_FACTS)) {
    const stated = page
      .filter((row) => row.action !== 'void' && holds(row, corrections))
      .map((row) => ({ row, original: corrections.original(row), ...stating(row) }));
    lives.rememberStated(new Map(stated.map(({ row, own }) => [row.sequence, own])));
    const holding = stated
      .filter(({ isCopy, own }) => (withCopies || !isCopy) && mayBeWanted(own))
      .filter((event) => userId === undefined || userOf(event) === userId);
    const values = await lives.valuesAt(
      holding.map(({ row, original }) => ({ orderId: row.entity_id, place: BigInt((original ?? row).sequence) })),
      corrections,
    );
    const events = holding.map((held, i) => ({
      ...held,
      versions: lastVersions(corrections.versions(held.row)),
      known: values[i]!,
      later: NOTHING,
    }));
    if (ahead.length > 0) await lookAhead(lives, events, ahead, corrections);
    if (events.length > 0) yield events;
  }
}

const NOTHING: OrderValues<FactName> = new Map();

async function lookAhead(
  lives: OrderLives<FactName, FactRow>,
  events: HeldEvent[],
  names: readonly FactName[],
  corrections: Corrections<FactRow>,
): Promise<void> {
  const asking = events.filter(({ own, known }) => names.some((name) => !own.has(name) && !known.has(name)));
  const asked = asking.map(({ row, original }) => ({
    ...{ orderId: row.entity_id, place: BigInt((original ?? row).sequence), nanos: ORDER_FACTS.nanosOf(row) },
  }));
  const later = await lives.valuesAfter(asked, names, corrections);
  for (const [i, event] of asking.entries()) {
    const unknown = [...later[i]!].filter(([name]) => !event.own.has(name) && !event.known.has(name));
    event.later = new Map(unknown);
  }
}

/** A name's value at an event: its own, otherwise the order's. */
export function factAt({ own, known }: HeldEvent, name: FactName): string | null {
  return own.get(name) ?? known.get(name)?.text ?? null;
}

/** Whom it is for; null where nobody is named, or the order is said to be for several or nobody. */
export function clientOf(event: HeldEvent): string | null {
  const type = event.own.has('client_id') ? event.own.get('client_id_type') : factAt(event, 'client_id_type');
  return OF_NO_NAMED_CLIENT.includes(type ?? '') ? null : factAt(event, 'client_id');
}

/** Who did it; of a corrected event who sent the corrected one, unless that was deleted. */
export function userOf({ content, original }: Pick<HeldEvent, 'content' | 'original'>): string {
  return original?.user_id ?? content.user_id;
}

/** The system that sent it; of a corrected event the one that sent the corrected one, unless that was deleted. */
export function sourceOf({ content, original }: HeldEvent): string {
  const isKnown = original !== undefined && original.user_id !== null;
  return (isKnown ? original.source : content.source) ?? '';
}

function stating(row: StoredRow): Pick<HeldEvent, 'content' | 'own' | 'isCopy'> {
  const content = contentOf(row);
  const own = factsOf(content.action, content.timestamp, content.new_state, content.metadata);
  return { content, own, isCopy: own.get('drop_copy') === 'true' };
}
