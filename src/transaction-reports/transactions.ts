import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import type { Content } from '../integrity/event.js';
import { factsOf } from '../reports/order-facts.js';
import { FILLS, type FactName } from '../reports/regimes/regime.js';
import { ORDER_LIFECYCLE, type OrderLife } from '../reports/whole-lives.js';
import type { Stated } from './trace.js';

/** What holds for the execution that states it alone, and is not taken over by the next one. */
const OF_ONE_EXECUTION: ReadonlySet<FactName> = new Set<FactName>([
  ...(['price', 'price_absent', 'quantity', 'remaining_quantity', 'execution_id', 'execution_time'] as const),
  ...(['venue_transaction_id', 'waivers', 'otc_flags', 'net_amount', 'accrued_interest', 'upfront_payment'] as const),
  ...(['upfront_payment_currency', 'notional_change', 'complex_trade_id', 'counterparty_id', 'allocations'] as const),
  ...(['transaction_nature', 'short_sale'] as const),
]);
/** Of these only what the execution itself states counts. */
const NEVER_LOOKED_UP: ReadonlySet<FactName> = new Set<FactName>([
  'price',
  'price_absent',
  'quantity',
  'execution_time',
]);

/** What is known of an order at one of its events: what the event states, then the latest that was stated before. */
export class Facts {
  constructor(
    private readonly own: ReadonlyMap<FactName, Stated>,
    private readonly before: ReadonlyMap<FactName, Stated>,
  ) {}

  get(name: FactName): Stated | undefined {
    return this.own.get(name) ?? (NEVER_LOOKED_UP.has(name) ? undefined : this.before.get(name));
  }

  text(name: FactName): string | undefined {
    return this.get(name)?.text;
  }
}

/** The content that an event had for a time, with what was known of its order. */
export interface TransactionVersion {
  row: StoredRow;
  content: Content;
  facts: Facts;
}

/** From this event on it was no transaction: it never happened, or was something else. */
export interface NoTransaction {
  row: StoredRow;
  content?: undefined;
}

/** An execution, or the allocation of executions, with all that was ever said of it. */
export interface Transaction {
  orderId: string;
  /** of the event as first recorded */
  eventId: string;
  versions: readonly (TransactionVersion | NoTransaction)[];
  /** that the last version stands for: the last execution of the order up to there */
  lastFill: TransactionVersion | undefined;
}

/** The executions and allocations along an order's life, corrected. Throws DamagedRowError. */
export async function* transactionsOf(life: OrderLife): AsyncGenerator<Transaction> {
  const before = new Map<FactName, Stated>();
  let lastFill: TransactionVersion | undefined;
  for await (const event of life.events()) {
    if (event.kind === 'correction') continue;
    const rows = event.kind === 'event' ? event.versions : [event.stated];
    const snapshot = new Map(before);
    const versions = rows.map((row) => versionOf(row, snapshot));
    const held = versions.at(-1)!;
    if (!held.content) {
      if (versions.some(isTransaction)) yield made(versions);
      continue;
    }
    const isExecution = isFill(held);
    for (const [name, stated] of ownFacts(held.row, held.content)) {
      if (!isExecution || !OF_ONE_EXECUTION.has(name)) before.set(name, stated);
    }
    if (isExecution) lastFill = held;
    if (versions.some(isTransaction)) yield made(versions);

    function made(all: Transaction['versions']): Transaction {
      const ofTransactions = all.map((each) => (isTransaction(each) ? each : { row: each.row }));
      return { orderId: life.orderId, eventId: event.row.event_id, versions: ofTransactions, lastFill };
    }
  }
}

function isTransaction(version: TransactionVersion | NoTransaction): version is TransactionVersion {
  return version.content !== undefined && (isFill(version) || allocationsOf(version) !== undefined);
}

/** An execution, and not the allocation of some alone. */
export function isFill({ content }: TransactionVersion): boolean {
  return FILLS.includes(content.action);
}

/** What it states itself of who got what. */
export function allocationsOf({ content, facts }: TransactionVersion): Stated | undefined {
  const allocations = facts.get('allocations');
  return allocations?.event_id === content.event_id ? allocations : undefined;
}

function versionOf(row: StoredRow, before: ReadonlyMap<FactName, Stated>): TransactionVersion | NoTransaction {
  if (row.action === 'void' || row.event_type !== ORDER_LIFECYCLE) return { row };
  const content = contentOf(row);
  return { row, content, facts: new Facts(ownFacts(row, content), before) };
}

function ownFacts({ sequence }: StoredRow, content: Content): Map<FactName, Stated> {
  const { action, timestamp, new_state: state, metadata, event_id } = content;
  const facts = factsOf(action, timestamp, state, metadata);
  return new Map([...facts].map(([name, text]) => [name, { text, name, event_id, sequence }]));
}
