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
    ['as_of', `${asOf} (events up to this sequence count)`],
    ['Report', `${name}, version ${version}`],
    ...deleted.map(({ from_sequence: from, to_sequence: to, policy, deletion }): [string, string] => [
      'Not in it',
      `events ${from} to ${to} were deleted at the end of their retention (policy ${policy}, deletion ${deletion})`,
    ]),
  ];
}
