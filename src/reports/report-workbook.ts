import { strToU8, Zip, ZipDeflate } from 'fflate';
import { headingOf } from './report-heading.js';
import type { ReportWriter } from './report-writer.js';
import type { Report, ReportRun, Row } from './report.js';

/*
 * An answer as a workbook: ECMA-376 part 1 (SpreadsheetML), the least that spreadsheets open. A sheet that says what it is,
 * and the rows. Every cell is a text: none is run as a formula, and no digit of a price is lost to a double. The zip is
 * packed by fflate, whose bytes are the same under every version of Node.
 */

export const WORKBOOK_MEDIA_TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

/** Of a sheet: what spreadsheets take. Rows past them go on in another. */
const MAX_SHEET_ROWS = 1_048_576;
/** Of a cell, in UTF-16 code units. */
const MAX_CELL_CHARACTERS = 32_767;
const CUT = ' […: cut, the whole text stands in the other formats]';
/** Characters of a sheet that are packed at once. */
const PART_CHARACTERS = 65_536;
/** 1980-01-01: a zip has a date for each part, and the same run must have the same bytes. */
const NO_TIME = new Date(1980, 0, 1);
const LEVEL = 6;

const SPREADSHEET = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const RELATIONSHIPS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006';
const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
/** style 1: bold, on grey */
const STYLES = `${XML}<styleSheet xmlns="${SPREADSHEET}"><fonts count="2"><font/><font><b/></font></fonts><fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill><fill><patternFill patternType="solid"><fgColor rgb="FFEEEEEE"/></patternFill></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf xfId="0"/><xf xfId="0" fontId="1" fillId="2" applyFont="1" applyFill="1"/></cellXfs></styleSheet>`;

export class WorkbookWriter implements ReportWriter {
  private packed: Uint8Array[] = [];
  private readonly zip: Zip;
  private readonly sheets: string[] = [];
  private sheet: Sheet;

  constructor(
    private readonly report: Report,
    run: ReportRun,
    private readonly maxSheetRows = MAX_SHEET_ROWS,
  ) {
    this.zip = new Zip((error, bytes) => {
      if (error) throw error;
      this.packed.push(bytes);
    });
    const about = this.openSheet('About', [24, 110]);
    for (const [name, value] of [['Report', report.title], ...headingOf(report, run)]) about.row([name!, value!]);
    about.row([]);
    about.row(['Column', 'What stands in it'], 1);
    for (const { name, description } of report.columns) about.row([name, description]);
    about.end();
    this.sheet = this.openRows();
  }

  row(row: Row): Uint8Array {
    if (this.sheet.rows === this.maxSheetRows) {
      this.sheet.end();
      this.sheet = this.openRows();
    }
    this.sheet.row(this.report.columns.map(({ name }) => row[name] ?? null));
    return this.taken();
  }

  end(): Uint8Array {
    this.sheet.end();
    const sheets = this.sheets.map((name, i) => `<sheet name="${name}" sheetId="${i + 1}" r:id="rId${i + 1}"/>`);
    const active = `<bookViews><workbookView activeTab="1"/></bookViews>`;
    this.add(
      'xl/workbook.xml',
      `<workbook xmlns="${SPREADSHEET}" xmlns:r="${RELATIONSHIPS}">${active}<sheets>${sheets.join('')}</sheets></workbook>`,
    );
    const parts = this.sheets.map((_, i) => ({ kind: 'worksheet', path: `worksheets/sheet${i + 1}.xml` }));
    parts.push({ kind: 'styles', path: 'styles.xml' });
    const links = parts.map(
      ({ kind, path }, i) => `<Relationship Id="rId${i + 1}" Type="${RELATIONSHIPS}/${kind}" Target="${path}"/>`,
    );
    this.add(
      'xl/_rels/workbook.xml.rels',
      `<Relationships xmlns="${PACKAGE}/relationships">${links.join('')}</Relationships>`,
    );
    this.add(
      '_rels/.rels',
      `<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" Type="${RELATIONSHIPS}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    );
    const type = 'application/vnd.openxmlformats-officedocument.spreadsheetml';
    const overrides = [{ kind: 'sheet.main', path: 'workbook.xml' }, ...parts].map(
      ({ kind, path }) => `<Override PartName="/xl/${path}" ContentType="${type}.${kind}+xml"/>`,
    );
    this.add(
      '[Content_Types].xml',
      `<Types xmlns="${PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>${overrides.join('')}</Types>`,
    );
    this.part('xl/styles.xml')(STYLES, true);
    this.zip.end();
    return this.taken();
  }

  private openRows(): Sheet {
    const before = this.sheets.length - 1;
    const { columns } = this.report;
    const sheet = this.openSheet(
      before === 0 ? 'Rows' : `Rows ${before + 1}`,
      columns.map(() => 22),
      true,
    );
    sheet.row(
      columns.map(({ name }) => name),
      1,
    );
    return sheet;
  }

  private openSheet(name: string, widths: readonly number[], isTable = false): Sheet {
    this.sheets.push(name);
    return new Sheet(this.part(`xl/worksheets/sheet${this.sheets.length}.xml`), widths, isTable);
  }

  private add(path: string, xml: string): void {
    this.part(path)(XML + xml, true);
  }

  /** Opens a part of the zip: what it returns takes its text. One is open at a time. */
  private part(path: string): (text: string, isLast: boolean) => void {
    const entry = new ZipDeflate(path, { level: LEVEL });
    entry.mtime = NO_TIME;
    this.zip.add(entry);
    return (text, isLast) => entry.push(strToU8(text), isLast);
  }

  private taken(): Uint8Array {
    const bytes = Buffer.concat(this.packed);
    this.packed = [];
    return bytes;
  }
}

/** A sheet that is being written. */
class Sheet {
  rows = 0;
  private text: string;

  constructor(
    private readonly put: (text: string, isLast: boolean) => void,
    widths: readonly number[],
    isTable: boolean,
  ) {
    const view = isTable
      ? '<sheetViews><sheetView workbookViewId="0" tabSelected="1"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
      : '';
    const columns = widths.map((width, i) => `<col min="${i + 1}" max="${i + 1}" width="${width}" customWidth="1"/>`);
    this.text = `${XML}<worksheet xmlns="${SPREADSHEET}">${view}<cols>${columns.join('')}</cols><sheetData>`;
    this.lastColumn = columnName(widths.length - 1);
  }

  private readonly lastColumn: string;

  row(cells: readonly (string | null)[], style = 0): void {
    this.rows += 1;
    const row = this.rows;
    const written = cells.map((cell, column) => {
      if (cell === null) return '';
      const styled = style === 0 ? '' : ` s="${style}"`;
      return `<c r="${columnName(column)}${row}" t="inlineStr"${styled}><is><t xml:space="preserve">${xmlText(cell)}</t></is></c>`;
    });
    this.text += `<row r="${row}">${written.join('')}</row>`;
    if (this.text.length < PART_CHARACTERS) return;
    this.put(this.text, false);
    this.text = '';
  }

  end(): void {
    // a price is a text on purpose: without this each would be marked as a mistake
    const quiet = `<ignoredErrors><ignoredError sqref="A1:${this.lastColumn}${Math.max(this.rows, 1)}" numberStoredAsText="1"/></ignoredErrors>`;
    this.put(`${this.text}</sheetData>${quiet}</worksheet>`, true);
  }
}

/** A, B, ... Z, AA, ...; `column` counts from 0. */
function columnName(column: number): string {
  const last = String.fromCharCode(65 + (column % 26));
  return column < 26 ? last : columnName(Math.floor(column / 26) - 1) + last;
}

const XML_ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
/** What XML 1.0 has no way to say, and what would be read as saying it: ECMA-376 part 1, 22.9.2.19 (ST_Xstring). */
const UNSAID = /_(?=x[0-9A-Fa-f]{4}_)|[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g;

function xmlText(cell: string): string {
  const shown =
    cell.length <= MAX_CELL_CHARACTERS ? cell : `${cutBefore(cell, MAX_CELL_CHARACTERS - CUT.length)}${CUT}`;
  return shown
    .replace(UNSAID, (character) => `_x${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`)
    .replace(/[&<>]/g, (character) => XML_ENTITIES[character]!);
}

/** The beginning of a text, without half of a surrogate pair at its end. */
function cutBefore(text: string, end: number): string {
  const last = text.charCodeAt(end - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end);
}
