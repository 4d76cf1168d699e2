import type { ApiQueryOptions } from '@nestjs/swagger';
import type { FieldError } from '../http/problem.js';
import { invalidParameters, queryError, type Parameters } from '../http/parameters.js';
import {
  formatMicros,
  formatTimestamp,
  parseTimestamp,
  TimestampError,
  type Timestamp,
} from '../integrity/timestamp.js';
import { DISPLAY_TIME_ZONE_PARAMETER } from './display-time-zone.js';
import { grouped } from './grouped.js';
import { REPORT_FORMATS } from './report-formats.js';
import { ALL_TIME } from './periods.js';
import { formOf } from './report-forms.js';
import type { AnyReport, Instant, Period, Report, ReportParameter } from './report.js';

/** What a report is asked for. */
export interface ReportRequest {
  /** in the form that is asked for */
  report: Report;
  period: Period;
  /** all but `as_of` and `format`, in canonical form and always in the same order */
  parameters: Parameters;
  asOf: bigint | undefined;
  format: string | undefined;
}

/** A parameter as the list of reports and the API's document show it. */
export interface DescribedParameter {
  name: string;
  description: string;
  required: boolean;
  example: string;
}

const PERIOD: readonly DescribedParameter[] = [
  {
    name: 'from_date',
    description: 'First day of the period by event time, UTC, included. Days or times, not both',
    required: false,
    example: '2026-06-02',
  },
  { name: 'to_date', description: 'Last day of the period, UTC, included', required: false, example: '2026-06-02' },
  {
    name: 'from',
    description: 'Beginning of the period by event time, included; write the + of an offset as %2B',
    required: false,
    example: '2026-06-02T08:00:00Z',
  },
  { name: 'to', description: 'End of the period, not included', required: false, example: '2026-06-02T16:30:00Z' },
];

const ALWAYS: readonly DescribedParameter[] = [
  described(DISPLAY_TIME_ZONE_PARAMETER),
  {
    name: 'as_of',
    description:
      "Sequence up to which events count; the ledger's size when left out. The answer says it: with it, the same bytes come again",
    required: false,
    example: '1000',
  },
  {
    name: 'format',
    description: 'json, csv, ndjson, xlsx or html; goes before Accept',
    required: false,
    example: 'csv',
  },
];

export function parametersOf(report: AnyReport): DescribedParameter[] {
  return [...PERIOD, ...report.parameters.map(described), ...ALWAYS];
}

/** In the order in which they are read, whoever or whatever said them: with the same ones an answer has the same bytes. */
export function inOrder(report: AnyReport, parameters: Parameters): Parameters {
  const known = parametersOf(report).filter(({ name }) => parameters[name] !== undefined);
  return Object.fromEntries(known.map(({ name }) => [name, parameters[name]!]));
}

function described({ mistake: _, ...parameter }: ReportParameter): DescribedParameter {
  return parameter;
}

/** The parameters of all reports, for the API's document of the one route that they have. */
export function parametersOfAll(reports: readonly AnyReport[]): ApiQueryOptions[] {
  const all = reports.flatMap((report) =>
    report.parameters.map((parameter) => ({ report: report.name, ...parameter })),
  );
  const own = [...grouped(all, ({ name }) => name)].map(([name, uses]) => ({
    name,
    description: uses
      .map(({ report, description, required }) => `${description} (${report}${required ? ', required there' : ''})`)
      .join('. '),
    required: false,
    example: uses[0]!.example,
  }));
  return [...PERIOD, ...own, ...ALWAYS].map((parameter) => ({
    ...parameter,
    schema: {
      type: 'string',
      ...(parameter.name === 'format' ? { enum: REPORT_FORMATS.map(({ name }) => name) } : {}),
    },
  }));
}

/** Reads the parameters of a report. Throws invalid-parameter, which names every parameter that is wrong. */
export function readReportRequest(report: AnyReport, given: Parameters): ReportRequest {
  const errors: FieldError[] = [];
  const known = new Set(parametersOf(report).map(({ name }) => name));
  for (const name of Object.keys(given)) {
    if (!known.has(name)) errors.push(queryError(name, 'unknown', 'is not known here'));
    else if (given[name]!.includes('\u0000')) errors.push(queryError(name, 'text', 'must have no NUL character'));
  }
  const ends = readPeriod(given, errors, report.isPeriodOptional === true);
  const parameters: Record<string, string> = { ...ends?.parameters };
  for (const { name, required, mistake } of [...report.parameters, DISPLAY_TIME_ZONE_PARAMETER]) {
    const value = given[name];
    if (value === undefined) {
      if (required) errors.push(queryError(name, 'required', 'is required by this report'));
      continue;
    }
    const wrong = mistake(value);
    if (wrong) errors.push(queryError(name, wrong.rule, wrong.rest));
    parameters[name] = value;
  }
  const together = errors.length === 0 ? report.mistakeTogether?.(parameters) : undefined;
  if (together) errors.push(queryError(together.name, together.rule, together.rest));
  const { as_of: asOf, format } = given;
  if (asOf !== undefined && !/^(?:0|[1-9][0-9]{0,17})$/.test(asOf)) {
    errors.push(queryError('as_of', 'sequence', "must be a sequence, or 0, and no more than the ledger's size"));
  }
  const form = formOf(report, parameters);
  if (errors.length > 0 || !ends || !form) throw invalidParameters(errors);
  return { report: form, period: ends.period, parameters, asOf: asOf === undefined ? undefined : BigInt(asOf), format };
}

/** The period, or what is wrong with it as errors. */
function readPeriod(
  given: Parameters,
  errors: FieldError[],
  isOptional: boolean,
): { period: Period; parameters: Parameters } | undefined {
  const days = given.from_date !== undefined || given.to_date !== undefined;
  const times = given.from !== undefined || given.to !== undefined;
  if (isOptional && !days && !times) return { period: ALL_TIME, parameters: {} };
  if (days && times) {
    for (const name of ['from', 'to'].filter((name) => given[name] !== undefined)) {
      errors.push(queryError(name, 'either', 'cannot stand beside from_date and to_date: give days or times'));
    }
    return undefined;
  }
  return times ? readTimes(given, errors) : readDays(given, errors);
}

function readDays(given: Parameters, errors: FieldError[]): { period: Period; parameters: Parameters } | undefined {
  const first = read(given, 'from_date', dayOf, errors);
  const last = read(given, 'to_date', dayOf, errors);
  if (first === undefined || last === undefined) return undefined;
  if (last < first) {
    errors.push(queryError('to_date', 'range', 'must not be earlier than from_date: both days are included'));
    return undefined;
  }
  return {
    period: { from: { time: formatMicros(first), nanos: 0 }, to: { time: startOfDayAfter(last), nanos: 0 } },
    parameters: { from_date: given.from_date!, to_date: given.to_date! },
  };
}

function readTimes(given: Parameters, errors: FieldError[]): { period: Period; parameters: Parameters } | undefined {
  const from = read(given, 'from', parseTimestamp, errors);
  const to = read(given, 'to', parseTimestamp, errors);
  if (from === undefined || to === undefined) return undefined;
  const [fromText, toText] = [from, to].map(({ micros, nanos }) => formatTimestamp(micros, nanos, 9)) as [
    string,
    string,
  ];
  if (toText <= fromText) {
    errors.push(queryError('to', 'range', 'must be later than from: it is not included itself'));
    return undefined;
  }
  return { period: { from: instantOf(from), to: instantOf(to) }, parameters: { from: fromText, to: toText } };
}

function instantOf({ micros, nanos }: Timestamp): Instant {
  return { time: formatMicros(micros), nanos };
}

/** A parameter that must be there; `reader` throws TimestampError. */
function read<T>(given: Parameters, name: string, reader: (text: string) => T, errors: FieldError[]): T | undefined {
  const text = given[name];
  if (text === undefined) {
    errors.push(
      queryError(name, 'required', 'is required: a period has two ends (from_date and to_date, or from and to)'),
    );
    return undefined;
  }
  try {
    return reader(text);
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    // A + in a URL stands for a blank, which has made many a time wrong that looked right.
    const hint = text.includes(' ') ? ' (in a URL, + stands for a blank: write %2B)' : '';
    errors.push(queryError(name, error.rule, `${error.message}${hint}`));
    return undefined;
  }
}

const MICROS_PER_DAY = 86_400_000_000;
/** Its day after is past all times that there are. */
const LAST_DAY_MICROS = parseTimestamp('2199-12-31T00:00:00Z').micros;

/** The beginning of a day in UTC, in microseconds since 1970. Throws TimestampError. */
function dayOf(text: string): number {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text)) throw new TimestampError('timestamp', 'must be a day, YYYY-MM-DD');
  return parseTimestamp(`${text}T00:00:00Z`).micros;
}

function startOfDayAfter(dayMicros: number): string {
  return dayMicros === LAST_DAY_MICROS ? 'infinity' : formatMicros(dayMicros + MICROS_PER_DAY);
}
