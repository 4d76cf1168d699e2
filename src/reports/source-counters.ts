/** Where something was seen. */
export interface SeenAt {
  /** of the ledger */
  sequence: string;
  /** event time, UTC */
  day: string;
}

/** A counter, and where it is. */
export interface CounterAt {
  counter: bigint;
  at: SeenAt;
}

/** Counters that a source used one after the other, both ends included. */
export interface CounterRange {
  from: bigint;
  to: bigint;
}

/** Counters that are missing between two that are there. */
export type Gap = CounterRange & { after: SeenAt; before: SeenAt };

/** Counters that came once more than they should, on one day. */
export type Repeat = CounterRange & { at: SeenAt };

interface Run extends CounterRange {
  first: SeenAt;
  last: SeenAt;
}

/**
 * The counters of one session of one source, in whatever order they come. Takes memory by the gap, not by the counter:
 * those that come in order are one range.
 */
export class SessionCounters {
  /** ascending, and never next to each other */
  private runs: Run[] = [];
  private readonly repeated: Repeat[] = [];
  private isCollapsed = false;

  /** `mayRepeat`: a counter that was used already is not counted as one. */
  add(counter: bigint, at: SeenAt, mayRepeat: boolean): void {
    const { runs } = this;
    const last = runs.at(-1);
    if (last && counter === last.to + 1n) {
      last.to = counter;
      last.last = at;
      return;
    }
    const low = this.placeOf(counter);
    const next = runs[low];
    if (next && next.from <= counter) {
      if (!mayRepeat && !this.isCollapsed) this.addRepeat(counter, at);
      return;
    }
    const before = runs[low - 1];
    const joinsBefore = before?.to === counter - 1n;
    const joinsNext = next?.from === counter + 1n;
    if (this.isCollapsed) {
      // beyond the one range: that grows
      if (next) [next.from, next.first] = [counter, at];
      else if (before) [before.to, before.last] = [counter, at];
    } else if (joinsBefore && joinsNext) {
      [before.to, before.last] = [next.to, next.last];
      runs.splice(low, 1);
    } else if (joinsBefore) [before.to, before.last] = [counter, at];
    else if (joinsNext) [next.from, next.first] = [counter, at];
    else runs.splice(low, 0, { from: counter, to: counter, first: at, last: at });
  }

  /** Whether a counter was used. */
  has(counter: bigint): boolean {
    const next = this.runs[this.placeOf(counter)];
    return next !== undefined && next.from <= counter;
  }

  /**
   * Takes counters of corrections, which may be used already. Where they fill a part of a gap they are of the day of the
   * event after it: a correction has the time of what it corrects, and not that at which it was sent. `filling`: they fill
   * gaps, and are not what else is missing. One after the sequence `lastOfSource` may have been sent on any later day:
   * whatever counters come before it, past the last one that was used, are of days that are not looked at.
   */
  addCorrections(corrections: readonly CounterAt[], filling = false, lastOfSource?: bigint): void {
    const sorted = corrections.toSorted((a, b) => (a.counter < b.counter ? -1 : a.counter > b.counter ? 1 : 0));
    const beginning = this.beginning()?.counter;
    for (const { counter, at } of sorted) {
      // of what came before the time that is looked at
      if (beginning !== undefined && counter < beginning) continue;
      const next = this.runs[this.placeOf(counter)];
      if (filling && !next) continue;
      const isLate = lastOfSource !== undefined && BigInt(at.sequence) > lastOfSource;
      if (isLate && !next && counter > (this.runs.at(-1)?.to ?? 0n) + 1n) continue;
      const last = this.runs.at(-1)?.last.day;
      const day = next ? next.first.day : last !== undefined && last > at.day ? last : at.day;
      this.add(counter, { ...at, day }, true);
    }
    if (beginning !== undefined) this.addBeginning(sorted, beginning);
  }

  /** A session begins with corrections where these go down to 0 or 1 without a gap. */
  private addBeginning(sorted: readonly CounterAt[], beginning: bigint): void {
    const below = new Map(sorted.filter(({ counter }) => counter < beginning).map(({ counter, at }) => [counter, at]));
    let lowest = beginning;
    while (below.has(lowest - 1n)) lowest -= 1n;
    if (lowest > 1n) return;
    for (let counter = beginning - 1n; counter >= lowest; counter--) this.add(counter, below.get(counter)!, true);
  }

  /** Whether counters are missing before those of some days. */
  isDoubtful(days: ReadonlySet<string>): boolean {
    return this.runs.some(({ from, first }, i) => (i > 0 || from > 1n) && days.has(first.day));
  }

  /** How many ranges are held. */
  get size(): number {
    return this.runs.length + this.repeated.length;
  }

  /** Forgets gaps and repeats for good, where there are more than anybody would look at. */
  collapse(): void {
    const [first] = this.runs;
    const last = this.runs.at(-1);
    if (first && last) this.runs = [{ ...first, to: last.to, last: last.last }];
    this.repeated.length = 0;
    this.isCollapsed = true;
  }

  get collapsed(): boolean {
    return this.isCollapsed;
  }

  /** The lowest counter, and where it is. */
  beginning(): CounterAt | undefined {
    const [run] = this.runs;
    return run && { counter: run.from, at: run.first };
  }

  gaps(): Gap[] {
    return this.runs.slice(1).map((run, i) => {
      const before = this.runs[i]!;
      return { from: before.to + 1n, to: run.from - 1n, after: before.last, before: run.first };
    });
  }

  repeats(): readonly Repeat[] {
    return this.repeated;
  }

  /** The place of the first range that does not end before a counter. */
  private placeOf(counter: bigint): number {
    let low = 0;
    for (let high = this.runs.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (this.runs[middle]!.to < counter) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private addRepeat(counter: bigint, at: SeenAt): void {
    const last = this.repeated.at(-1);
    if (last && last.to + 1n === counter && last.at.day === at.day) last.to = counter;
    else this.repeated.push({ from: counter, to: counter, at });
  }
}
