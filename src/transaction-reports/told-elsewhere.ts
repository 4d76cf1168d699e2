import type { StoredRow } from '../integrity/stored-event.js';
import { OrdersOfExecutions, sharedExecutionKey } from '../reports/orders-of-executions.js';
import type { ReportRun } from '../reports/report.js';
import { tradeTimeOf } from '../reports/trade-time.js';
import { lifeOfOrder, livesOfOrders, type LifeEvent, type OrderLife } from '../reports/whole-lives.js';
import type { ToldBefore } from './held-content.js';
import { combined, type Timeline } from './timeline.js';
import {
  isFill,
  transactionsOf,
  type NoTransaction,
  type OtherOrders,
  type Transaction,
  type TransactionVersion,
} from './transactions.js';

/** Events of a life that are looked up at once. */
const EVENTS_AT_ONCE = 200;
/** Executions of other orders that are kept: one order is often the counterpart of the next ones. */
const KEPT_EXECUTIONS = 10_000;
/** Of these what is read before it is asked for. */
const MOST_AT_ONCE = KEPT_EXECUTIONS / 2;

/** What tells an execution apart at one of its versions; undefined where it is none, or a copy. */
type Told = { key: string; executingEntity: string | undefined } | undefined;

/** An execution of another order. */
interface OtherExecution {
  /** of the event as first recorded */
  sequence: bigint;
  by: ToldBefore;
  told: Timeline<Told>;
}

/**
 * What other orders of a run's ledger tell of its executions: by `lifecycle-exceptions`' key, of one source, venue, instrument,
 * side and day, UTC, and, where both state one, of one executing entity. The first one recorded counts, whichever period is asked for.
 */
export class ToldElsewhere implements OtherOrders {
  private readonly orders: OrdersOfExecutions;
  private readonly kept = new Map<string, readonly OtherExecution[]>();
  private keptExecutions = 0;
  private readWith: readonly StoredRow[] | undefined;

  constructor(private readonly run: ReportRun) {
    this.orders = new OrdersOfExecutions(run);
  }

  async *events(life: OrderLife): AsyncGenerator<LifeEvent> {
    if (life.readWith !== this.readWith) {
      this.orders.forget();
      this.readWith = life.readWith;
      await this.lookUp(life.readWith ?? []);
    }
    let waiting: LifeEvent[] = [];
    for await (const event of life.events()) {
      waiting.push(event);
      if (waiting.length < EVENTS_AT_ONCE) continue;
      yield* await this.lookedUp(waiting);
      waiting = [];
    }
    yield* await this.lookedUp(waiting);
  }

  async toldBefore({ orderId, versions }: Transaction): Promise<Timeline<ToldBefore | undefined>> {
    const asked = new Set<string>();
    for (const version of versions) {
      for (const other of isExecution(version) ? this.orders.ordersOf(toldIn(version)) : []) asked.add(other);
    }
    asked.delete(orderId);
    if (asked.size === 0) return [];
    const [own, sequence] = [timelineOf(versions), BigInt(versions[0]!.row.sequence)];
    const others: OtherExecution[] = [];
    for (const other of asked) others.push(...(await this.executionsOf(other)));
    return others
      .filter((other) => other.sequence < sequence)
      .sort((a, b) => Number(a.sequence - b.sequence))
      .reduce<Timeline<ToldBefore | undefined>>((before, { by, told }) => {
        const same = combined(own, told, (ours, theirs) => (isSame(ours, theirs) ? by : undefined));
        return combined(before, same, (earlier, other) => earlier ?? other);
      }, []);
  }

  private async lookedUp(events: readonly LifeEvent[]): Promise<readonly LifeEvent[]> {
    await this.lookUp(events.flatMap((event) => (event.kind === 'correction' ? [] : event.versions)));
    return events;
  }

  /** What other orders tell of executions that some events tell of: by sets, where a day was copied under other order ids. */
  private async lookUp(rows: readonly StoredRow[]): Promise<void> {
    await this.orders.lookUp(rows);
    const missing = [...this.orders.ordersOfAll(rows)].filter((orderId) => !this.kept.has(orderId));
    if (missing.length === 0) return;
    let count = 0;
    for await (const life of livesOfOrders(this.unlisted(), missing)) {
      count += (await this.keep(life.orderId, life)).length + 1;
      if (count >= MOST_AT_ONCE) return; // what would push the first of these out is read as it is asked for
    }
  }

  /** All that an order tells of, whether or not others do before it. */
  private async executionsOf(orderId: string): Promise<readonly OtherExecution[]> {
    const known = this.kept.get(orderId);
    if (known) return known;
    return this.keep(orderId, await lifeOfOrder(this.unlisted(), orderId));
  }

  /** The run, of which nothing that is read counts as read: it is looked up. */
  private unlisted(): ReportRun {
    const { readRanges: _, ...run } = this.run;
    return run;
  }

  private async keep(orderId: string, life: OrderLife | undefined): Promise<readonly OtherExecution[]> {
    const executions: OtherExecution[] = [];
    for await (const { eventId, versions } of life ? transactionsOf(life) : []) {
      const told = timelineOf(versions);
      if (told.every(({ value }) => value === undefined)) continue;
      executions.push({ sequence: BigInt(versions[0]!.row.sequence), by: { eventId, orderId }, told });
    }
    this.kept.set(orderId, executions);
    this.keptExecutions += executions.length + 1;
    while (this.keptExecutions > KEPT_EXECUTIONS && this.kept.size > 1) {
      const [oldest, { length }] = this.kept.entries().next().value!;
      this.kept.delete(oldest);
      this.keptExecutions -= length + 1;
    }
    return executions;
  }
}

function isSame(a: Told, b: Told): boolean {
  if (a?.key === undefined || a.key !== b?.key) return false;
  const [ours, theirs] = [a.executingEntity, b.executingEntity];
  return ours === undefined || theirs === undefined || ours === theirs;
}

function timelineOf(versions: readonly (TransactionVersion | NoTransaction)[]): Timeline<Told> {
  return versions.map((version) => {
    const { cause } = version;
    return { by: { row: cause, from: BigInt(cause.sequence), stated: undefined }, value: toldAt(version) };
  });
}

function toldAt(version: TransactionVersion | NoTransaction): Told {
  if (!isExecution(version) || version.facts.text('drop_copy') === 'true') return undefined;
  const { facts } = version;
  const instrument = facts.text('isin') ?? facts.text('symbol');
  const venue = facts.text('exchange') ?? facts.text('segment_mic');
  const key = sharedExecutionKey({ ...toldIn(version), side: facts.text('side'), instrument, venue });
  return key === undefined ? undefined : { key, executingEntity: facts.text('executing_entity') };
}

function toldIn({ content, facts }: TransactionVersion) {
  const day = tradeTimeOf(content).time.slice(0, 10);
  return { source: content.source ?? '', executionId: facts.text('execution_id')!, day };
}

/** Whether it is an execution that has an id. */
function isExecution(version: TransactionVersion | NoTransaction): version is TransactionVersion {
  return version.content !== undefined && isFill(version) && version.facts.isOwn('execution_id');
}
