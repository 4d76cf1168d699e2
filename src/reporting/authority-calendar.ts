import type pg from 'pg';
import { invalidParameters, queryError } from '../http/parameters.js';
import { ReferenceTimelines } from '../reference-data/reference-timelines.js';
import type { ReportRun } from '../reports/report.js';
import { REFERENCE_AS_OF } from '../reports/with-reference-data.js';
import { ReportingCalendar } from '../transaction-reports/reporting-calendar.js';
import { firmSettings, type FirmSettings } from './firm-settings.js';
import { AT, NONE, RECEIVER, TIME_ZONE } from './reporting-parameters.js';

const HOLIDAY = 'authority-holiday';

/** However its code is written, big or small. */
export function isSameAuthority(one: string, other: string): boolean {
  return one.toUpperCase() === other.toUpperCase();
}

/** A day off, and of which authorities; undefined for every one. */
interface Holiday {
  day: string;
  receivers: readonly string[] | undefined;
}

/**
 * The days of the authorities of some firms, by which every deadline is reckoned: a time zone, and the holidays of the
 * reference data up to the run's revision. Zone and authority are those of the firm's entry, and what that does not say
 * those of the run. A holiday is one that is valid on its own day, and of every authority or of this one. Throws
 * invalid-parameter where a firm has no zone, or holidays leave no working day.
 */
export class AuthorityCalendars {
  private readonly calendars = new Map<string, ReportingCalendar>();

  private constructor(
    private readonly timelines: ReferenceTimelines,
    private readonly holidays: readonly Holiday[],
    /** of firms whose entry says none */
    private readonly ofRun: Pick<FirmSettings, 'receiver' | 'timeZone'>,
  ) {}

  static async read(
    run: Pick<ReportRun, 'read' | 'parameters'>,
    firms: readonly string[],
  ): Promise<AuthorityCalendars> {
    const read = <T>(work: (client: pg.ClientBase) => Promise<T>) => run.read((client) => work(client));
    const timelines = new ReferenceTimelines(read, BigInt(run.parameters[REFERENCE_AS_OF] ?? '0'));
    // no entry is valid at another time
    const days = (await timelines.idsHaving(HOLIDAY, {})).filter((day) => day >= '1970' && day < '2200');
    const validDays = (): Holiday[] =>
      days.flatMap((day) => {
        const entry = timelines.at(`${day}T00:00:00Z`).find(HOLIDAY, day);
        return entry ? [{ day, receivers: entry.attributes.receivers?.split(' ') }] : [];
      });
    let holidays = validDays();
    while (await timelines.readWanted()) holidays = validDays();
    const at = run.parameters[AT]!;
    for (const firm of firms) firmSettings(timelines, firm, at);
    await timelines.readWanted();
    const calendars = new AuthorityCalendars(timelines, holidays, {
      receiver: givenIn(run.parameters[RECEIVER]),
      timeZone: givenIn(run.parameters[TIME_ZONE]),
    });
    for (const firm of firms) calendars.of(firm, at);
    return calendars;
  }

  /** Whether one of these firms was an investment firm at a time. */
  isFirmAt(firm: string, time: string): boolean {
    return this.timelines.at(time).find('legal-entity', firm)?.attributes.investment_firm === 'yes';
  }

  /** By which a report of one of these firms of what was executed at a time is due. */
  of(firm: string, time: string): ReportingCalendar {
    const { receiver = this.ofRun.receiver, timeZone = this.ofRun.timeZone } = firmSettings(this.timelines, firm, time);
    if (timeZone === undefined) {
      const rest = `is required: legal entity ${firm} has no report_time_zone, and nobody says one for the installation (REPORTING_TIME_ZONE)`;
      throw invalidParameters([queryError(TIME_ZONE, 'required', rest)]);
    }
    const name = `${timeZone} ${receiver ?? ''}`;
    let calendar = this.calendars.get(name);
    if (!calendar) {
      const holidays = this.holidays.flatMap(({ day, receivers }) =>
        receivers?.some((each) => receiver !== undefined && isSameAuthority(each, receiver)) === false ? [] : [day],
      );
      calendar = new ReportingCalendar({ timeZone, holidays });
      assertWorkingDays(calendar, holidays);
      this.calendars.set(name, calendar);
    }
    return calendar;
  }
}

/** What a parameter says; runs of releases before it have none of that name. */
function givenIn(parameter: string | undefined): string | undefined {
  return parameter === NONE ? undefined : parameter;
}

/** Holidays that leave no working day are a mistake that somebody can mend. */
function assertWorkingDays(calendar: ReportingCalendar, holidays: readonly string[]): void {
  try {
    for (const day of holidays) calendar.nextWorkingDay(day);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const rest = `has reference data of kind ${HOLIDAY} by which ${error.message}: end those that are none`;
    throw invalidParameters([queryError(REFERENCE_AS_OF, 'holidays', rest)]);
  }
}
