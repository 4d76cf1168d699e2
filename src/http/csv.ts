/** RFC 4180: fields in quotes where they need them, CRLF at the end. */
export function csvLine(cells: readonly (string | null)[]): string {
  let line = '';
  for (const [i, cell] of cells.entries()) line += i === 0 ? csvField(cell) : `,${csvField(cell)}`;
  return `${line}\r\n`;
}

/**
 * A field that a spreadsheet shows and does not run: a text that begins with = + - @, also in full width, a tab or a line's
 * end gets an apostrophe before it (OWASP, "CSV injection"), and so does one that has apostrophes there already, so that
 * what is read back is what was written. A part after a semicolon gets it too: where the decimal sign is a comma spreadsheets
 * take that for the end of a cell. A plain negative number keeps its minus and stays a number.
 */
export function csvField(cell: string | null): string {
  if (cell === null) return '';
  if (!MAY_NEED_MORE.test(cell)) return cell;
  const text = NEGATIVE_NUMBER.test(cell) ? cell : cell.replace(RUN, "$1'");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What most fields do not have: a character that needs quotes, a semicolon, or such a beginning. */
const MAY_NEED_MORE = /^['=+\-@\t＝＋－＠]|[",;\r\n]/;

/** Where what a spreadsheet runs begins, and where an apostrophe was put before it. */
const RUN = /(^|;)(?='*[=+\-@\t\r\n＝＋－＠])/g;
const GUARDED = /(^|;)'(?='*[=+\-@\t\r\n＝＋－＠])/g;

/** Also in the form that JCS gives to the smallest and largest: -1e-7, -1e+21. */
const NEGATIVE_NUMBER = /^-[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?$/;

/** What ends a field without quotes; a quote wrongly. */
const PLAIN_END = /[,\r\n"]/g;

/** A record of a CSV file. */
export interface CsvRecord {
  /** of its beginning, from 1 */
  line: number;
  cells: string[];
}

/** The text is no CSV by RFC 4180. `message` begins with the line. */
export class CsvError extends Error {
  override readonly name = 'CsvError';

  constructor(
    readonly line: number,
    message: string,
  ) {
    super(`line ${line}: ${message}`);
  }
}

/** How much of a CSV text is read. */
export interface CsvLimits {
  /** with the header; whatever comes after so many is not looked at */
  records: number;
  /** of a record; more are a CsvError */
  fields: number;
  /** of a field as it stands there, quotes included; more are a CsvError */
  characters: number;
}

/**
 * The records of a CSV text by RFC 4180, its header among them; lines may end in LF alone, and a byte order mark is
 * passed over. Empty lines are none. The apostrophe that csvField puts before a text is taken away again. Throws CsvError.
 */
export function readCsv(text: string, most: CsvLimits): CsvRecord[] {
  const records: CsvRecord[] = [];
  const tooLong = (): CsvError => new CsvError(line, `a field may have ${most.characters} characters`);
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let line = 1;
  while (at < text.length && records.length < most.records) {
    const emptyTo = text[at] === '\r' ? at + 1 : at;
    if (text[emptyTo] === '\n') {
      at = emptyTo + 1;
      line += 1;
      continue;
    }
    const record: CsvRecord = { line, cells: [] };
    for (;;) {
      let cell: string;
      if (text[at] === '"') {
        const begin = line;
        let end = at + 1;
        for (;;) {
          end = text.indexOf('"', end);
          if (end < 0) throw new CsvError(begin, 'a quoted field does not end');
          if (text[end + 1] !== '"') break;
          end += 2;
          if (end - at > most.characters) throw tooLong();
        }
        cell = text.slice(at + 1, end).replaceAll('""', '"');
        line += cell.split('\n').length - 1;
        at = end + 1;
        if (at < text.length && !/^(?:,|\r?\n)/.test(text.slice(at, at + 2))) {
          throw new CsvError(line, 'after the closing quote of a field must come a comma or the end of the line');
        }
      } else {
        PLAIN_END.lastIndex = at;
        cell = text.slice(at, PLAIN_END.exec(text)?.index ?? text.length);
        at += cell.length;
        if (text[at] === '"') throw new CsvError(line, 'a quote stands inside of a field that does not begin with one');
      }
      if (cell.length > most.characters) throw tooLong();
      if (record.cells.length === most.fields) throw new CsvError(line, `a line may have ${most.fields} fields`);
      record.cells.push(cell.replace(GUARDED, '$1'));
      if (text[at] !== ',') break;
      at += 1;
    }
    if (text[at] === '\r') at += 1;
    if (at < text.length && text[at] !== '\n') throw new CsvError(line, 'a carriage return stands inside of a line');
    at += 1;
    line += 1;
    records.push(record);
  }
  return records;
}
