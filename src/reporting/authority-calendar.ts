import type pg from 'pg';
import { invalidParameters, queryError } from '../http/parameters.js';
import { ReferenceTimelines } from '../reference-data/reference-timelines.js';
import { REFERENCE_AS_OF } from '../reports/with-reference-data.js';
import { ReportingCalendar } from '../transaction-reports/reporting-calendar.js';

const HOLIDAY = 'authority-holiday';

/**
 * The days of the authority: a time zone, and the holidays of the reference data up to a revision. A holiday is one that
 * is valid on its own day. Throws invalid-parameter where they leave no working day.
 */
export async function authorityCalendar(
  read: <T>(work: (client: pg.ClientBase) => Promise<T>) => Promise<T>,
  referenceRevision: bigint,
  timeZone: string,
): Promise<ReportingCalendar> {
  const timelines = new ReferenceTimelines(read, referenceRevision);
  // no entry is valid at another time
  const days = (await timelines.idsHaving(HOLIDAY, {})).filter((day) => day >= '1970' && day < '2200');
  const validDays = (): string[] => days.filter((day) => timelines.at(`${day}T00:00:00Z`).find(HOLIDAY, day));
  let holidays = validDays();
  while (await timelines.readWanted()) holidays = validDays();
  const calendar = new ReportingCalendar({ timeZone, holidays });
  assertWorkingDays(calendar, holidays);
  return calendar;
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
