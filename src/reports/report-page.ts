import { hash } from 'node:crypto';
import { pageText } from '../integrity/page-text.js';
import { headingOf } from './report-heading.js';
import type { ReportWriter } from './report-writer.js';
import type { Report, ReportRun, Row } from './report.js';

const STYLE = `
body{font:10pt/1.4 system-ui,sans-serif;color:#111;margin:1.5rem}
h1{font-size:1.4rem;margin:0 0 .5rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.5rem 0 1rem}dt{color:#555}dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}th,td{border:1px solid #bbb;padding:.2rem .35rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#f2f2f2;font-weight:600}thead{display:table-header-group}tr{break-inside:avoid}tbody{font:8.5pt/1.35 ui-monospace,monospace}
@page{size:A4 landscape;margin:12mm}
@media print{body{margin:0;font-size:8pt}tbody{font-size:6.5pt}}
`;

/** An answer as a page to read and print: it loads nothing, and runs nothing. */
export class PageWriter implements ReportWriter {
  private rows = 0;
  private head: string;

  constructor(
    private readonly report: Report,
    run: ReportRun,
  ) {
    const heading = headingOf(report, run).map(
      ([name, value]) => `<dt>${pageText(name)}</dt><dd>${pageText(value)}</dd>`,
    );
    const columns = report.columns.map(
      ({ name, description }) => `<th title="${pageText(description)}">${pageText(name)}</th>`,
    );
    const policy = `default-src 'none'; style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`;
    this.head = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${pageText(report.title)}</title><style>${STYLE}</style></head>
<body><h1>${pageText(report.title)}</h1>
<dl>${heading.join('')}</dl>
<table><thead><tr>${columns.join('')}</tr></thead><tbody>
`;
  }

  row(row: Row): string {
    this.rows += 1;
    const cells = this.report.columns.map(({ name }) => `<td>${pageText(row[name] ?? '')}</td>`);
    return `${this.taken()}<tr>${cells.join('')}</tr>\n`;
  }

  end(): string {
    const rows = this.rows === 1 ? '1 row' : `${this.rows} rows`;
    return `${this.taken()}</tbody></table>\n<p>${rows}. End of the report.</p></body></html>\n`;
  }

  private taken(): string {
    const { head } = this;
    this.head = '';
    return head;
  }
}
