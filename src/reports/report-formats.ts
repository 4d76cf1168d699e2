import { toldOf } from '../archive/deleted-ranges.js';
import { csvLine } from '../http/csv.js';
import { Problem } from '../http/problem.js';
import { withTimesShown } from './display-time-zone.js';
import { PageWriter } from './report-page.js';
import { WORKBOOK_MEDIA_TYPE, WorkbookWriter } from './report-workbook.js';
import type { ReportWriter } from './report-writer.js';
import type { Report, ReportRun, Row } from './report.js';

/** How the rows of a report become the bytes of an answer. Same run, same bytes. */
export interface ReportFormat {
  /** also the ending of the file's name */
  name: 'json' | 'csv' | 'ndjson' | 'xlsx' | 'html';
  mediaType: string;
  contentType: string;
  /** made to be read by people: times may be shown in a zone of theirs */
  isForPeople: boolean;
  begin: (report: Report, run: ReportRun) => ReportWriter;
}

interface TextFormat extends Pick<ReportFormat, 'name' | 'mediaType' | 'contentType'> {
  head: (report: Report, run: ReportRun) => string;
  /** `number` counts from 0 */
  row: (report: Report, row: Row, number: number) => string;
  tail: (run: ReportRun, rows: number) => string;
}

/** A format whose rows are texts that depend on nothing but themselves and their number. */
function textFormat({ head, row: rowText, tail, ...named }: TextFormat): ReportFormat {
  return {
    ...named,
    isForPeople: false,
    begin: (report, run) => {
      let rows = 0;
      const headOnce = (): string => (rows === 0 ? head(report, run) : '');
      return {
        row: (row) => headOnce() + rowText(report, row, rows++),
        end: () => headOnce() + tail(run, rows),
      };
    },
  };
}

const json = textFormat({
  name: 'json',
  mediaType: 'application/json',
  contentType: 'application/json; charset=utf-8',
  head: ({ name }, { ledger, parameters, asOf }) => {
    const known = JSON.stringify({ report: name, ledger, parameters, as_of: String(asOf) });
    return `${known.slice(0, -1)},"rows":[`;
  },
  row: (report, row, number) => `${number === 0 ? '\n' : ',\n'}${jsonOf(report, row)}`,
  tail: ({ deleted }, rows) => {
    const rest = deleted.length === 0 ? '' : `,"deleted":${JSON.stringify(deleted)}`;
    return `${rows === 0 ? '' : '\n'}],"rows_total":"${rows}"${rest}}\n`;
  },
});

const csv = textFormat({
  name: 'csv',
  mediaType: 'text/csv',
  contentType: 'text/csv; charset=utf-8; header=present',
  head: ({ columns }) => csvLine(columns.map(({ name }) => name)),
  row: ({ columns }, row) => csvLine(columns.map(({ name }) => row[name] ?? null)),
  tail: () => '',
});

const ndjson = textFormat({
  name: 'ndjson',
  mediaType: 'application/x-ndjson',
  contentType: 'application/x-ndjson; charset=utf-8',
  head: () => '',
  row: (report, row) => `${jsonOf(report, row)}\n`,
  tail: ({ asOf, deleted }, rows) => {
    const end = { rows: String(rows), as_of: String(asOf), ...toldOf(deleted) };
    return `${JSON.stringify({ end })}\n`;
  },
});

const xlsx: ReportFormat = {
  name: 'xlsx',
  mediaType: WORKBOOK_MEDIA_TYPE,
  contentType: WORKBOOK_MEDIA_TYPE,
  isForPeople: true,
  begin: (report, run) => withTimesShown(report, run, WorkbookWriter),
};

const html: ReportFormat = {
  name: 'html',
  mediaType: 'text/html',
  contentType: 'text/html; charset=utf-8',
  isForPeople: true,
  begin: (report, run) => withTimesShown(report, run, PageWriter),
};

/** The first is what is sent to whoever does not mind. */
export const REPORT_FORMATS = [json, csv, ndjson, xlsx, html] as const;

/** By a name that is known. */
export function formatOf(name: string): ReportFormat {
  return REPORT_FORMATS.find((format) => format.name === name)!;
}

/** A row as JSON, its members in the order of the columns. */
function jsonOf({ columns }: Report, row: Row): string {
  return JSON.stringify(Object.fromEntries(columns.map(({ name }) => [name, row[name] ?? null])));
}

/**
 * The format that is asked for by name, otherwise the one that `Accept` likes best: by weight, then the one that is
 * named more closely, then in the order of REPORT_FORMATS. Throws not-acceptable.
 */
export function chooseFormat(format: string | undefined, accept: string | undefined): ReportFormat {
  const found = format === undefined ? mostAcceptable(accept) : REPORT_FORMATS.find(({ name }) => name === format);
  if (found) return found;
  const known = REPORT_FORMATS.map(({ name, mediaType }) => `${name} (${mediaType})`).join(', ');
  throw new Problem('not-acceptable', `A report is given as ${known}`);
}

/** RFC 9110, section 12.5.1. */
function mostAcceptable(accept: string | undefined): ReportFormat | undefined {
  if (accept === undefined || accept.trim() === '') return REPORT_FORMATS[0];
  const ranges = accept.split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1');
    return { type, weight: weight >= 0 && weight <= 1 ? weight : 0 };
  });
  let best: { format: ReportFormat; weight: number; closeness: number } | undefined;
  for (const format of REPORT_FORMATS) {
    const forms = ['*/*', `${format.mediaType.split('/')[0]}/*`, format.mediaType];
    const matching = ranges.filter(({ type }) => forms.includes(type));
    const closeness = Math.max(...matching.map(({ type }) => forms.indexOf(type)));
    const closest = matching.find(({ type }) => forms.indexOf(type) === closeness);
    if (!closest || closest.weight === 0) continue;
    const isBetter =
      !best || closest.weight > best.weight || (closest.weight === best.weight && closeness > best.closeness);
    if (isBetter) best = { format, weight: closest.weight, closeness };
  }
  return best?.format;
}
