import type pg from 'pg';
import { ReferenceTimelines } from '../reference-data/reference-timelines.js';
import { ReportingCalendar } from '../transaction-reports/reporting-calendar.js';

const HOLIDAY = 'authority-holiday';

/**
 * The days of the authority: a time zone, and the holidays of the reference data up to a revision. A holiday is one that
 * is valid on its own day.
 */
export async function authorityCalendar(
  read: <T>(work: (client: pg.ClientBase) => Promise<T>) => Promise<T>,
  referenceRevision: bigint,
  timeZone: string,
): Promise<ReportingCalendar> {
  const timelines = new ReferenceTimelines(read, referenceRevision);
  const days = await timelines.idsHaving(HOLIDAY, {});
  const validDays = (): string[] => days.filter((day) => timelines.at(`${day}T00:00:00Z`).find(HOLIDAY, day));
  let holidays = validDays();
  while (await timelines.readWanted()) holidays = validDays();
  return new ReportingCalendar({ timeZone, holidays });
}
