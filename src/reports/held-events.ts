import type { Content } from '../integrity/event.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { holds, readCorrections, type Original } from './corrections-of.js';
import { eventsInPeriod } from './event-scan.js';
import { factsOf, ORDER_FACTS, type FactRow } from './order-facts.js';
import { OrderLives, type OrderValues } from './order-lives.js';
import type { FactName } from './regimes/regime.js';
import type { ReportRun } from './report.js';
import { ORDER, ORDER_LIFECYCLE } from './whole-lives.js';

/** An event of an order whose content holds, with what is known of the order there. */
export interface HeldEvent {
  row: StoredRow;
  content: Content;
  /** the event as first recorded, where this one is its correction in force */
  original: Original | undefined;
  /** what the event itself states */
  own: ReadonlyMap<FactName, string>;
  /** the latest that is stated up to the event as first recorded, itself included; corrected */
  known: OrderValues<FactName>;
}

/**
 * The events of orders in a run's period, a page at a time, in the order of (timestamp, nanos, sequence): corrected
 * events as their corrections say, voided ones not at all. Of some actions alone, if they are given. Throws
 * DamagedRowError.
 */
export async function* heldEvents(run: ReportRun, actions?: readonly string[]): AsyncGenerator<HeldEvent[]> {
  const lives = new OrderLives(run, ORDER_FACTS);
  const scan = {
    by: { column: 'event_type', value: ORDER_LIFECYCLE },
    keep: { entityType: ORDER, ...(actions ? { actions } : {}) },
  } as const;
  for await (const page of eventsInPeriod(run, scan)) {
    const corrections = await readCorrections<FactRow>(run, page, ORDER_FACTS);
    const holding = page
      .filter((row) => row.action !== 'void' && holds(row, corrections))
      .map((row) => ({ row, original: corrections.original(row) }));
    const values = await lives.valuesAt(
      holding.map(({ row, original }) => ({ orderId: row.entity_id, place: BigInt((original ?? row).sequence) })),
      corrections,
    );
    if (holding.length > 0) yield holding.map((held, i) => ({ ...held, ...stating(held.row), known: values[i]! }));
  }
}

/** A name's value at an event: its own, otherwise the order's. */
export function factAt({ own, known }: HeldEvent, name: FactName): string | null {
  return own.get(name) ?? known.get(name)?.text ?? null;
}

/** Who did it; of a corrected event who sent the corrected one, unless that was deleted. */
export function userOf({ content, original }: HeldEvent): string {
  return original?.user_id ?? content.user_id;
}

function stating(row: StoredRow): Pick<HeldEvent, 'content' | 'own'> {
  const content = contentOf(row);
  return { content, own: factsOf(content.action, content.timestamp, content.new_state, content.metadata) };
}
