import type pg from 'pg';
import type { RangeFacts } from './archive-format.js';
import { dayText, type LateExecutions } from './late-executions.js';
import * as sql from './late-executions.sql.js';

/** An event of which the list says otherwise than the event, for whoever is to mend it. */
export interface ListFinding {
  ledger: string;
  /** decimal */
  sequence: string;
  detail: string;
}

/** Entries of one statement. */
const PAGE = 10_000;
/** Of an object, and of what no object holds: a list that is gone altogether is no more to be mended if each is named. */
const MOST_FINDINGS = 100;
const HOW_TO_MEND = 'docs/archive.md, "A list that is wrong", has how to mend it';

/** The list of late executions (table late_executions), held against the objects of months, and completed by them. */
export class LateExecutionList {
  /** Objects that are to be read for months that had left unlisted; decimal. */
  readonly wanted: ReadonlySet<string>;
  private readonly entered = new Set<string>();

  /** `unlisted`: the months that are entered as their objects are read; none for whoever only compares. */
  constructor(
    private readonly pool: pg.Pool,
    private readonly unlisted: readonly sql.UnlistedMonth[] = [],
  ) {
    this.wanted = new Set(unlisted.flatMap(({ numbers }) => numbers));
  }

  /** To enter months that had left before there was the list: the last `months` of them, all with null. */
  static async toComplete(pool: pg.Pool, months: number | null): Promise<LateExecutionList> {
    return new LateExecutionList(pool, await sql.listUnlistedMonths(pool, months));
  }

  /** Enters what an object that was found right holds of unlisted months. Again after a stop, that changes nothing. */
  async enter(number: string, late: readonly LateExecutions[], signal: AbortSignal): Promise<void> {
    for (const { month, numbers } of this.unlisted) {
      if (!numbers.includes(number)) continue;
      for (const own of late) {
        for (let at = 0; at < own.sequences.length; at += PAGE) {
          signal.throwIfAborted();
          await sql.enterLateExecutions(this.pool, month, own.ledger, entriesOf(own, at, at + PAGE));
        }
      }
    }
    this.entered.add(number);
  }

  /** Says of the months all of whose objects were entered that they are listed; these. */
  async finish(): Promise<string[]> {
    const listed: string[] = [];
    for (const { month, numbers } of this.unlisted) {
      if (!numbers.every((number) => this.entered.has(number))) continue;
      if (await sql.finishLateExecutions(this.pool, month)) listed.push(month);
    }
    return listed;
  }

  /** Where the list says otherwise than an object of a month that was found right: the first ones. */
  async *differences(
    ranges: readonly RangeFacts[],
    late: readonly LateExecutions[],
    signal: AbortSignal,
  ): AsyncGenerator<ListFinding> {
    let left = MOST_FINDINGS;
    for (const { ledger, from_sequence, to_sequence } of ranges) {
      const own = late.find((each) => each.ledger === ledger) ?? NONE;
      let from = BigInt(from_sequence);
      for (let at = 0; from <= BigInt(to_sequence) && left > 0; at += PAGE) {
        signal.throwIfAborted();
        const next = own.sequences[at + PAGE];
        const to = next === undefined ? BigInt(to_sequence) : next - 1n;
        const range = { ledger, from: String(from), to: String(to) };
        const found = await sql.compareLateExecutions(this.pool, range, entriesOf(own, at, at + PAGE), left);
        for (const each of found) yield findingOf(ledger, each);
        left -= found.length;
        from = to + 1n;
      }
    }
  }

  /** Entries of events that no object holds: the first ones. */
  async strays(): Promise<ListFinding[]> {
    const found = await sql.listStrayExecutions(this.pool, MOST_FINDINGS);
    return found.map(({ ledger, sequence, listed }) => ({
      ...{ ledger, sequence },
      detail: `the list of late executions has event ${sequence} of ${ledger} under ${listed}, and no object of a month holds that event: ${HOW_TO_MEND}`,
    }));
  }
}

const NONE: Pick<LateExecutions, 'sequences' | 'days'> = { sequences: new BigInt64Array(), days: new Uint32Array() };

function entriesOf({ sequences, days }: typeof NONE, from: number, to: number): sql.ListedDays {
  return {
    sequences: Array.from(sequences.subarray(from, to), String),
    days: Array.from(days.subarray(from, to), dayText),
  };
}

function findingOf(ledger: string, { sequence, told, listed }: sql.ListDifference): ListFinding {
  const event = `event ${sequence} of ${ledger}`;
  const what =
    listed === null
      ? `${event} tells of an execution of ${told}, and the list of late executions has it not`
      : told === null
        ? `the list of late executions has ${event} under ${listed}, where it does not belong`
        : `${event} tells of an execution of ${told}, and the list of late executions has it under ${listed}`;
  return { ledger, sequence, detail: `${what}: ${HOW_TO_MEND}` };
}
