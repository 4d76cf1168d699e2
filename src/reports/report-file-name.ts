import type { Parameters } from '../http/parameters.js';
import { DISPLAY_TIME_ZONE } from './display-time-zone.js';
import { formNameOf } from './report-forms.js';
import { REPORTS } from './reports.js';

/** A run as it is named; `report` and `format` by name. */
interface NamedRun {
  ledger: string;
  report: string;
  parameters: Parameters;
  asOf: bigint | string;
  format: string;
}

/** What the answer is called when it is kept as a file. Nothing in it needs quoting. */
export function fileName({ ledger, report: name, parameters, asOf, format }: NamedRun): string {
  const report = REPORTS.find((each) => each.name === name);
  const form = report && formNameOf(report, parameters);
  const { from_date, to_date, from, to, [DISPLAY_TIME_ZONE]: zone } = parameters;
  const [start, end] = [from_date ?? from, to_date ?? to].map((each) => each?.replaceAll(/[:]|\.0+(?=Z)/g, ''));
  const period = start === undefined ? [] : [start, 'to', end];
  const shown = zone === undefined ? [] : ['times-in', zone.replaceAll('/', '-')];
  const parts = [ledger, name, ...(form === undefined ? [] : [form]), ...period, 'as-of', String(asOf), ...shown];
  return `${parts.join('-')}.${format}`;
}
