import type pg from 'pg';
import { later, lesser } from '../events/sequences.js';
import { TRAIL_INDEXES } from '../events/trail-indexes.js';
import { FindingList, type RecordedFinding } from './findings.js';
import { listPartitions, type EntryKey, type IndexedTable, type StrayEntry } from './index-comparison.sql.js';
import { readArchivedTo } from './trail.sql.js';
import type { EntriesOfTable, ResultOf, VerificationSubject, VerificationTask } from './verification-tasks.js';

/** What a comparison is done with. */
export interface ComparisonMeans {
  pool: pg.Pool;
  subject: VerificationSubject;
  /** both included */
  range: { from: bigint; to: bigint };
  run<T extends VerificationTask>(task: T): Promise<ResultOf<T>>;
  /** Does pieces on all threads until `take` has no more. */
  inParallel<P>(take: () => P | undefined, work: (piece: P) => Promise<void>): Promise<void>;
  /** Does work again for as long as it may pass; what could not be done is put down as unread. */
  orUnread(what: string, from: bigint, to: bigint, work: () => Promise<void>): Promise<void>;
  /** how much was put down as unread so far */
  countUnread(): number;
  signal: AbortSignal;
  /** takes what is found */
  found: FindingList;
}

/** Look-ups of some 0.1 s: six for each event. */
const EVENTS_PER_TASK = 5_000n;

/**
 * Whether each index by which events and keys are found has exactly the rows of its table. What it lacks is left out by
 * every read that goes by it, and by nothing that level 1 reads otherwise: that goes by sequences, and keys by blocks.
 *
 * Of a whole ledger it compares sums, as for keys (docs/decisions/0005): of hashes of the entries that the rows should have,
 * which come with the rows, and of the entries that each index has, read from the index alone in its own order, page after page.
 * Rows are never changed, so pages need not be of one snapshot: what is recorded meanwhile lies past the range. Only
 * where sums differ, and of a part of a ledger, is each event looked up in each index by its own values.
 */
export class IndexComparison {
  private readonly found: FindingList;

  constructor(private readonly means: ComparisonMeans) {
    this.found = means.found;
  }

  /**
   * Of the months' tables. `entries` are the rows' sums by object id of their table; null where not all rows of the ledger have
   * been read, by this attempt. `isShort`: events are missing among these rows.
   */
  async compareMonths(entries: ReadonlyMap<number, EntriesOfTable> | null, isShort: boolean): Promise<void> {
    if (entries === null) {
      await this.lookUpEvents(this.means.range, null);
      return;
    }
    const tables = await listPartitions(this.means.pool, 'audit_events');
    const read = tables.filter(({ oid }) => entries.has(oid));
    const unreadBefore = this.means.countUnread();
    const sums = await this.sumMonths(read);
    // what has left for the archive meanwhile was read there, or was not read here
    const archivedTo = await readArchivedTo(this.means.pool, this.means.subject.ledger);
    const online = read.filter(({ oid }) => entries.get(oid)!.greatest > archivedTo);
    const differing = online.filter(
      ({ oid }) => sums.has(oid) && BigInt.asUintN(64, sums.get(oid)!) !== entries.get(oid)!.sum,
    );
    for (const table of differing) {
      const before = this.found.total;
      const { least, greatest } = entries.get(table.oid)!;
      await this.lookUpEvents({ from: least, to: greatest }, [table.name]);
      await this.findStrays([table], archivedTo);
      if (this.found.total > before || this.means.countUnread() > unreadBefore) continue;
      if ((await readArchivedTo(this.means.pool, this.means.subject.ledger)) >= greatest) continue;
      const detail = `the indexes of ${table.name} do not have exactly its events, and which one differs is not clear`;
      this.found.add({ kind: 'index', sequence: null, event_id: null, detail });
    }
    // of a month that reads by sequence leave out as a whole there are no rows to compare with
    const rowless = tables.filter(({ oid }) => !entries.has(oid));
    if (isShort && rowless.length > 0) await this.findStrays(rowless, archivedTo);
  }

  /** Of the tables of keys. `sum` is that of the keys of the range; null when it is not known. `blocks` is that of the longest table. */
  async compareKeys(sum: bigint | null, blocks: number, blocksPerTask: number): Promise<void> {
    const tables = await listPartitions(this.means.pool, 'event_keys');
    const { from, to } = this.means.range;
    const keys = BigInt(blocks * tables.length * KEYS_PER_BLOCK);
    const isMost = (to - from + 1n) * LOOK_UPS_COST >= keys;
    if (sum !== null && isMost && (await this.keySumsAgree(tables, sum))) return;
    const results: (RecordedFinding[] | undefined)[] = [];
    let total = 0;
    let block = 0;
    await this.means.inParallel(
      () => {
        if (block >= blocks) return undefined;
        const firstBlock = block;
        block += blocksPerTask;
        return { kind: 'unindexed-keys' as const, tables: names(tables), from, to, firstBlock, endBlock: block };
      },
      (task) =>
        this.means.orUnread('indexes of keys', from, to, async () => {
          const { listed, total: more } = await this.means.run(task);
          results[task.firstBlock / blocksPerTask] = listed;
          total += more;
        }),
    );
    this.found.append({ listed: results.flatMap((listed) => listed ?? []), total });
  }

  /** By object id; without those of which an index could not be read. */
  private async sumMonths(tables: readonly IndexedTable[]): Promise<Map<number, bigint>> {
    const sums = new Map(tables.map(({ oid }) => [oid, 0n]));
    await this.overIndexes(
      tables,
      async (table, index, after) => {
        const { from, to } = this.means.range;
        const part = await this.means.run({ kind: 'index-entries', table: table.name, index, from, to, after });
        return () => {
          sums.set(table.oid, (sums.get(table.oid) ?? 0n) + part.sum);
          return part.last;
        };
      },
      ({ oid }) => sums.delete(oid),
    );
    return sums;
  }

  private async findStrays(tables: readonly IndexedTable[], archivedTo: bigint): Promise<void> {
    const strays = new Map<string, StrayEntry[]>();
    const from = later(this.means.range.from, archivedTo + 1n);
    await this.overIndexes(tables, async ({ name: table }, index, after) => {
      const { to } = this.means.range;
      const part = await this.means.run({ kind: 'stray-entries', table, index, from, to, after });
      return () => {
        const place = `${table}_${TRAIL_INDEXES[index]!.suffix}`;
        strays.set(place, [...(strays.get(place) ?? []), ...part.strays]);
        return part.last;
      };
    });
    if ((await readArchivedTo(this.means.pool, this.means.subject.ledger)) !== archivedTo) return; // of another time
    const rowless = new Set<string>();
    for (const { name: table } of tables) {
      for (const { suffix } of TRAIL_INDEXES) {
        for (const { sequence, event_id, has_row } of strays.get(`${table}_${suffix}`) ?? []) {
          if (!has_row && rowless.has(`${table} ${sequence}`)) continue;
          if (!has_row) rowless.add(`${table} ${sequence}`);
          const detail = has_row
            ? `${table}_${suffix} has the event under values that are not its own`
            : `${table}_sequence_key does not have the event, of which ${table}_${suffix} has an entry: reads by sequence leave it out`;
          this.found.add({ kind: 'index', sequence, event_id, detail });
        }
      }
    }
  }

  /** Goes through each index of each table, page by page; `work` gives what takes the page in and says where it ended. */
  private async overIndexes(
    tables: readonly IndexedTable[],
    work: (table: IndexedTable, index: number, after: EntryKey) => Promise<() => EntryKey>,
    onUnread: (table: IndexedTable) => void = () => undefined,
  ): Promise<void> {
    const walks = tables.flatMap((table) => TRAIL_INDEXES.map((_, index) => ({ table, index })));
    const { from, to } = this.means.range;
    await this.means.inParallel(
      () => walks.shift(),
      async ({ table, index }) => {
        let after: EntryKey = null;
        do {
          let takeIn: (() => EntryKey) | undefined;
          await this.means.orUnread(`${table.name}_${TRAIL_INDEXES[index]!.suffix}`, from, to, async () => {
            takeIn = await work(table, index, after);
          });
          if (takeIn === undefined) onUnread(table);
          after = takeIn?.() ?? null;
        } while (after !== null && !this.means.signal.aborted);
      },
    );
  }

  /** `tables`: null for those that have events of the range. */
  private async lookUpEvents(range: { from: bigint; to: bigint }, tables: string[] | null): Promise<void> {
    const results: RecordedFinding[][] = [];
    let total = 0;
    let next = range.from;
    let place = 0;
    await this.means.inParallel(
      () => {
        if (next > range.to) return undefined;
        const from = next;
        next = lesser(from + EVENTS_PER_TASK, range.to + 1n);
        return { from, to: next - 1n, place: place++ };
      },
      ({ from, to, place }) =>
        this.means.orUnread('indexes of events', from, to, async () => {
          const found = await this.means.run({ kind: 'unindexed-events', from, to, tables });
          results[place] = found.listed;
          total += found.total;
        }),
    );
    this.found.append({ listed: results.flat(), total });
  }

  private async keySumsAgree(tables: readonly IndexedTable[], expected: bigint): Promise<boolean> {
    const { from, to } = this.means.range;
    const unreadBefore = this.means.countUnread();
    const walks = [...tables];
    let sum = 0n;
    let doAgree = true;
    await this.means.inParallel(
      () => walks.shift(),
      async ({ name: table }) => {
        let after: EntryKey = null;
        do {
          let last: EntryKey = null;
          await this.means.orUnread(`${table}_pkey`, from, to, async () => {
            const part = await this.means.run({ kind: 'key-entries', table, from, to, after });
            sum += part.sum;
            doAgree &&= part.agree;
            last = part.last;
          });
          after = last;
        } while (after !== null && !this.means.signal.aborted);
      },
    );
    if (this.means.countUnread() > unreadBefore) return true; // undecided it is, whatever the sums are
    return doAgree && BigInt.asUintN(64, sum) === BigInt.asUintN(64, expected);
  }
}

/** At least; of 60 bytes each, with their line pointers. */
const KEYS_PER_BLOCK = 115;
/** How many entries are read in the time of a look-up, about (docs/where-time-goes.md has the figures). */
const LOOK_UPS_COST = 8n;

function names(tables: readonly IndexedTable[]): string[] {
  return tables.map(({ name }) => name);
}
