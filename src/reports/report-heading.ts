import { DISPLAY_TIME_ZONE, TIME_ZONE_TABLE } from './display-time-zone.js';
import type { Report, ReportRun } from './report.js';

/** What stands above the rows of a report that people read: names and values, in order. */
export function headingOf(
  { question, name, version }: Report,
  { ledger, parameters, asOf, deleted }: ReportRun,
): [name: string, value: string][] {
  return [
    ['Question', question],
    ['Ledger', ledger],
    ...Object.entries(parameters).map(([parameter, value]): [string, string] => [parameter, value]),
    ['Times', timesIn(parameters[DISPLAY_TIME_ZONE])],
    ['as_of', `${asOf} (events up to this sequence count)`],
    ['Report', `${name}, version ${version}`],
    ...deleted.map(({ from_sequence: from, to_sequence: to, policy, deletion }): [string, string] => [
      'Not in it',
      `events ${from} to ${to} were deleted at the end of their retention (policy ${policy}, deletion ${deletion})`,
    ]),
  ];
}

function timesIn(timeZone: string | undefined): string {
  if (timeZone === undefined) return 'UTC';
  return `shown in ${timeZone}, each with its offset from UTC (time zone database ${TIME_ZONE_TABLE.version}); days are of UTC`;
}
