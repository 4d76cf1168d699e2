import { isTimeZone } from '../config/settings.js';
import { parseTimestamp, TimestampError } from '../integrity/timestamp.js';
import type { ReportWriter } from './report-writer.js';
import type { Report, ReportParameter, ReportRun, VersionedTable } from './report.js';

/*
 * Times are stored, compared and sent in UTC. For people, who read a workbook or a page, they can be shown in another zone:
 * the last step before the bytes, so that nothing else of a report depends on it.
 */

export const DISPLAY_TIME_ZONE = 'display_time_zone';

const UTC = 'UTC';

export const DISPLAY_TIME_ZONE_PARAMETER: ReportParameter = {
  name: DISPLAY_TIME_ZONE,
  description:
    'Time zone of the IANA list in which xlsx and html show times, each with its offset; UTC when left out. The other formats are in UTC and take none',
  example: 'Europe/Berlin',
  required: false,
  mistake: (value) =>
    isTimeZone(value)
      ? undefined
      : { rule: 'time-zone', rest: 'must be a time zone of the IANA list, as Europe/Berlin' },
};

/** The time zone database that this process shows times by; for manifests, since the rules of a zone may change. */
export const TIME_ZONE_TABLE: VersionedTable = {
  name: 'iana-time-zones',
  version: process.versions.tz ?? 'unknown',
};

const SECONDS_PER_HOUR = 3600;
/** A year has fewer hours: a report rarely goes back and forth over more. */
const MOST_HOURS_KEPT = 10_000;

/** Shows instants in a time zone, as fine as they were declared. */
export class TimesInZone {
  private readonly offsetName: Intl.DateTimeFormat;
  /** by the hour since 1970 in UTC: its offset in seconds; undefined where it changes within the hour */
  private readonly offsets = new Map<number, number | undefined>();

  /** Throws RangeError for a zone that is not known. */
  constructor(private readonly timeZone: string) {
    this.offsetName = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  }

  /**
   * An RFC 3339 time as the clocks of the zone show it, with their offset: `2026-10-25T02:30:00.000000001+01:00`. The
   * fraction is the very digits that were given. In UTC it ends with Z. A text that is no time stays as it is.
   */
  shown(text: string): string {
    const time = timeOf(text);
    if (!time) return text;
    if (this.timeZone === UTC) return time.canonical;
    const seconds = Math.floor(time.micros / 1_000_000);
    const offset = this.offsetAt(seconds);
    // of whole seconds a Date loses nothing, and it knows the days before 1970 and after 2199 that a zone may reach
    const local = new Date((seconds + offset) * 1000).toISOString().slice(0, 19);
    return `${local}${time.canonical.slice(19, -1)}${offsetText(offset)}`;
  }

  private offsetAt(seconds: number): number {
    const hour = Math.floor(seconds / SECONDS_PER_HOUR);
    if (!this.offsets.has(hour)) {
      if (this.offsets.size >= MOST_HOURS_KEPT) this.offsets.clear();
      const first = this.readOffset(hour * SECONDS_PER_HOUR);
      const last = this.readOffset((hour + 1) * SECONDS_PER_HOUR - 1);
      this.offsets.set(hour, first === last ? first : undefined);
    }
    return this.offsets.get(hour) ?? this.readOffset(seconds);
  }

  /** In seconds: before 1972 Liberia was 44 minutes and 30 seconds behind UTC. */
  private readOffset(seconds: number): number {
    const parts = this.offsetName.formatToParts(seconds * 1000);
    const name = parts.find(({ type }) => type === 'timeZoneName')!.value;
    const [, sign, ...numbers] = /^GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(name)!;
    const [h = 0, m = 0, s = 0] = numbers.map((each) => Number(each ?? '0'));
    return (sign === '-' ? -1 : 1) * (h * SECONDS_PER_HOUR + m * 60 + s);
  }
}

/** `±hh:mm`, with seconds where there are any. */
function offsetText(offset: number): string {
  const sign = offset < 0 ? '-' : '+';
  const time = new Date(Math.abs(offset) * 1000).toISOString();
  return `${sign}${time.slice(11, offset % 60 === 0 ? 16 : 19)}`;
}

function timeOf(text: string): { micros: number; canonical: string } | undefined {
  try {
    return parseTimestamp(text);
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    return undefined;
  }
}

/**
 * The writer of a run, a `Writer`: where the run asks for a time zone, it is given times as they are shown there, and
 * columns that say so.
 */
export function withTimesShown(
  report: Report,
  run: ReportRun,
  Writer: new (report: Report, run: ReportRun) => ReportWriter,
): ReportWriter {
  const timeZone = run.parameters[DISPLAY_TIME_ZONE];
  if (timeZone === undefined) return new Writer(report, run);
  const times = new TimesInZone(timeZone);
  const names = report.columns.filter(({ holds }) => holds === 'time').map(({ name }) => name);
  const columns = report.columns.map((column) =>
    column.holds === 'time' ? { ...column, description: `${column.description}; shown in ${timeZone}` } : column,
  );
  const writer = new Writer({ ...report, columns }, run);
  return {
    row: (row) => {
      const shown: Record<string, string | null> = { ...row };
      for (const name of names) {
        const cell = row[name] ?? null;
        if (cell !== null) shown[name] = times.shown(cell);
      }
      return writer.row(shown);
    },
    end: () => writer.end(),
  };
}
