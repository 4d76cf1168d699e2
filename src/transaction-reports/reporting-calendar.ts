import { formatMicros, parseTimestamp } from '../integrity/timestamp.js';

const MICROS_PER_MINUTE = 60_000_000;
/** No zone is further from UTC, and none changes its offset in the middle of a minute any more. */
const MOST_MINUTES_FROM_UTC = 15 * 60;
const MS_PER_DAY = 86_400_000;
/** No time is later. */
const LAST_MICROS = parseTimestamp('2199-12-31T23:59:59.999999Z').micros;
/** Holidays in a row that cannot be meant. */
const MOST_DAYS_OFF = 31;

/** On which days an authority works, and when they begin and end. */
export interface AuthorityDays {
  /** of the IANA list: `Europe/Paris` */
  timeZone: string;
  /** `YYYY-MM-DD`, besides Saturdays and Sundays */
  holidays: readonly string[];
}

/** The working days of an authority, and by when it must have a report: MiFIR, Article 26(1). */
export class ReportingCalendar {
  private readonly local: Intl.DateTimeFormat;
  private readonly holidays: ReadonlySet<string>;
  private readonly ends = new Map<string, string>();
  /** by both days; most transactions of a list have the same few */
  private readonly lateBetween = new Map<string, number>();

  /** Throws RangeError for a zone that is not known and a holiday that is no day. */
  constructor({ timeZone, holidays }: AuthorityDays) {
    const parts = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;
    // the Swedish form is YYYY-MM-DD
    this.local = new Intl.DateTimeFormat('sv-SE', { timeZone, ...parts });
    const wrong = holidays.find((day) => !isDay(day));
    if (wrong !== undefined) throw new RangeError(`the holiday ${wrong} must be a day as YYYY-MM-DD`);
    this.holidays = new Set(holidays);
  }

  /** The authority's day of a time, `YYYY-MM-DD`. Throws TimestampError. */
  dayOf(time: string): string {
    return this.localDay(parseTimestamp(time).micros);
  }

  isWorkingDay(day: string): boolean {
    const weekday = new Date(`${day}T00:00:00Z`).getUTCDay();
    return weekday !== 0 && weekday !== 6 && !this.holidays.has(day);
  }

  /** The first working day after a day. */
  nextWorkingDay(day: string): string {
    let next = dayAfter(day);
    for (let skipped = 0; !this.isWorkingDay(next); skipped++) {
      if (skipped === MOST_DAYS_OFF)
        throw new RangeError(`no working day follows within ${MOST_DAYS_OFF} days after ${day}`);
      next = dayAfter(next);
    }
    return next;
  }

  /**
   * The end of the working day after the day of a transaction: the first instant at which a report of it is late, canonical.
   * Days are the authority's, from midnight to midnight there, also where the clocks are put forward or back.
   */
  deadlineOf(tradingTime: string): string {
    const day = this.nextWorkingDay(this.dayOf(tradingTime));
    let end = this.ends.get(day);
    if (end === undefined) {
      end = formatMicros(Math.min(this.startOf(dayAfter(day)), LAST_MICROS));
      this.ends.set(day, end);
    }
    return end;
  }

  /**
   * How many working days after the day on which a report was due a time is: 0 before the deadline, and from then on at
   * least 1; a day off counts as the working day that follows it.
   */
  workingDaysLate(tradingTime: string, at: string): number {
    const end = this.dayOf(at);
    const due = this.nextWorkingDay(this.dayOf(tradingTime));
    const between = `${due} ${end}`;
    let late = this.lateBetween.get(between);
    if (late === undefined) {
      late = 0;
      for (let day = due; day < end; late++) day = this.nextWorkingDay(day);
      this.lateBetween.set(between, late);
    }
    return late;
  }

  /** The first minute that belongs to a day there: not always 00:00, which is left out in zones that then go to 01:00. */
  private startOf(day: string): number {
    const utcMidnight = Date.parse(`${day}T00:00:00Z`) * 1000;
    let before = -MOST_MINUTES_FROM_UTC;
    let within = MOST_MINUTES_FROM_UTC;
    while (within - before > 1) {
      const middle = Math.floor((before + within) / 2);
      if (this.localDay(utcMidnight + middle * MICROS_PER_MINUTE) < day) before = middle;
      else within = middle;
    }
    return utcMidnight + within * MICROS_PER_MINUTE;
  }

  private localDay(micros: number): string {
    return this.local.format(Math.floor(micros / 1000));
  }
}

function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + MS_PER_DAY).toISOString().slice(0, 10);
}

function isDay(text: string): boolean {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text)) return false;
  const time = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text);
}
