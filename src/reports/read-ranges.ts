import { formatTimestamp, parseTimestamp } from '../integrity/timestamp.js';
import type { Instant, Period } from './instant.js';

/** What a run asked the trail for, as its manifest tells. Sequences and counts are decimal strings, both ends included. */
export interface ReadRange {
  ledger: string;
  /** which events of the range */
  of: string;
  from_sequence: string;
  /** null in another ledger than the run's: a parameter bounds it there, as `reporting_as_of` */
  to_sequence: string | null;
  /** event time, RFC 3339; null where it is not bounded. `to` is not included */
  from: string | null;
  to: string | null;
  /** how many there were; null where they were looked up by key, as far as needed, and not counted */
  events: string | null;
  /** of these; null where there were none, or they were not counted */
  first_sequence: string | null;
  last_sequence: string | null;
}

interface Asked {
  ledger: string;
  of: string;
  asOf: bigint | undefined;
  period: Period | undefined;
}

interface Count {
  asked: Asked;
  events: bigint | undefined;
  first: bigint | undefined;
  last: bigint | undefined;
}

/**
 * Collects what a run asks for, in the order in which it first does. It depends on the run alone, and not on which part of
 * the trail is archived: what is counted are events that were handed to the report, not rows that a statement looked at.
 */
export class ReadRanges {
  private readonly counts = new Map<string, Count>();

  /** Begins to count events; goes on with the same range where it is asked for again. */
  scan(asked: Asked): { add: (sequences: Iterable<string>) => void } {
    const count = this.of(asked);
    count.events ??= 0n;
    return {
      add: (sequences) => {
        for (const text of sequences) {
          const sequence = BigInt(text);
          count.events! += 1n;
          if (count.first === undefined || sequence < count.first) count.first = sequence;
          if (count.last === undefined || sequence > count.last) count.last = sequence;
        }
      },
    };
  }

  /** Notes that events were looked up by key. */
  lookUp(asked: Asked): void {
    this.of(asked);
  }

  ranges(): ReadRange[] {
    return [...this.counts.values()].map(({ asked: { ledger, of, asOf, period }, events, first, last }) => ({
      ledger,
      of,
      from_sequence: asOf === 0n ? '0' : '1',
      to_sequence: asOf === undefined ? null : String(asOf),
      from: period ? timeOf(period.from) : null,
      to: period ? timeOf(period.to) : null,
      events: events === undefined ? null : String(events),
      first_sequence: first === undefined ? null : String(first),
      last_sequence: last === undefined ? null : String(last),
    }));
  }

  private of(asked: Asked): Count {
    const { ledger, of, asOf, period } = asked;
    const key = JSON.stringify([ledger, of, String(asOf), period ?? null]);
    const known = this.counts.get(key) ?? { asked, events: undefined, first: undefined, last: undefined };
    this.counts.set(key, known);
    return known;
  }
}

/** Events that were read and counted, of all ranges. */
export function eventsOf(ranges: readonly ReadRange[]): string {
  return String(ranges.reduce((sum, { events }) => sum + BigInt(events ?? 0), 0n));
}

/** Null for the end of all time. */
function timeOf({ time, nanos }: Instant): string | null {
  return time === 'infinity' ? null : formatTimestamp(parseTimestamp(time).micros, nanos, 9);
}
