import { isUtf8 } from 'node:buffer';
import { setImmediate as breathe } from 'node:timers/promises';
import { CsvError, csvLine, readCsv } from '../http/csv.js';
import type { FieldError } from '../http/problem.js';
import { columnsOf, flatten, readChange, type Change } from './change.js';
import type { Kind } from './kinds.js';

/** What one file may have. */
export const MAX_FILE_BYTES = 4 * 1024 * 1024;
export const MAX_FILE_CHANGES = 10_000;
/** More than any kind has columns: of a line of a million commas there is nothing to tell but that. */
const MAX_FIELDS = 100;
const MAX_FIELD_CHARACTERS = 10_000;
/** Lines that are read before others get their turn on the thread that takes events in. */
const LINES_AT_ONCE = 500;
/** Characters of a name that no column has, as it is told. */
const SHOWN_CHARACTERS = 40;

/** A change, and where it stands. */
export interface PlacedChange {
  line: number;
  change: Change;
}

/** What is wrong at a line of a file; `column` is empty for the line as a whole. */
export function lineError(line: number, column: string, rule: string, detail: string): FieldError {
  return {
    pointer: column === '' ? `/lines/${line}` : `/lines/${line}/${column}`,
    rule,
    detail: `line ${line}: ${detail}`,
  };
}

/** The changes of a CSV file of a kind, and all that is wrong with it. Blanks around a field are none of it. */
export async function readReferenceFile(
  kind: Kind,
  bytes: Buffer,
): Promise<{ changes: PlacedChange[]; errors: FieldError[] }> {
  if (!isUtf8(bytes)) {
    return { changes: [], errors: [{ pointer: '', rule: 'encoding', detail: 'the file must be text in UTF-8' }] };
  }
  let records;
  try {
    const most = { records: MAX_FILE_CHANGES + 2, fields: MAX_FIELDS, characters: MAX_FIELD_CHARACTERS };
    records = readCsv(bytes.toString('utf8'), most);
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { changes: [], errors: [lineError(error.line, '', 'csv', csvDetail(error))] };
  }
  const [header, ...rest] = records;
  const errors = headerErrors(kind, header?.cells ?? []);
  if (errors.length > 0) return { changes: [], errors };
  if (rest.length > MAX_FILE_CHANGES) {
    const detail = `a file may have ${MAX_FILE_CHANGES} changes, and this one has more`;
    return { changes: [], errors: [{ pointer: '', rule: 'limit', detail }] };
  }
  const names = header!.cells;
  const changes: PlacedChange[] = [];
  const mistaken: PlacedError[] = [];
  for (const [i, { line, cells }] of rest.entries()) {
    if (i % LINES_AT_ONCE === LINES_AT_ONCE - 1) await breathe();
    if (cells.length !== names.length) {
      const detail = `has ${cells.length} fields, and the header ${names.length}`;
      mistaken.push({ line, error: lineError(line, '', 'fields', detail) });
      continue;
    }
    const { change, mistakes } = readChange(kind, Object.fromEntries(cells.map((cell, i) => [names[i]!, cell.trim()])));
    for (const { column, rule, detail } of mistakes) {
      mistaken.push({ line, error: lineError(line, column, rule, detail) });
    }
    if (change) changes.push({ line, change });
  }
  mistaken.push(...overlaps(kind, changes));
  return { changes, errors: mistaken.sort((a, b) => a.line - b.line).map(({ error }) => error) };
}

interface PlacedError {
  line: number;
  error: FieldError;
}

function csvDetail({ line, message }: CsvError): string {
  return message.slice(`line ${line}: `.length);
}

function headerErrors(kind: Kind, names: readonly string[]): FieldError[] {
  const columns = columnsOf(kind);
  const errors: FieldError[] = [];
  for (const [i, name] of names.entries()) {
    if (!columns.includes(name)) {
      const shown = name.length > SHOWN_CHARACTERS ? `${name.slice(0, SHOWN_CHARACTERS)}…` : name;
      const detail = `${JSON.stringify(shown)} is no column of ${kind.name}; there are ${columns.join(', ')}`;
      errors.push(lineError(1, '', 'unknown', detail));
    } else if (names.indexOf(name) !== i) errors.push(lineError(1, name, 'once', `${name} stands there twice`));
  }
  for (const { name } of [kind.id, ...kind.fields.filter(({ required }) => required), { name: 'valid_from' }]) {
    if (!names.includes(name)) errors.push(lineError(1, name, 'required', `the header must have the column ${name}`));
  }
  return errors;
}

/** Of one entry and one time a file may say one thing only: which of two counts would be chance. */
function overlaps(kind: Kind, changes: readonly PlacedChange[]): PlacedError[] {
  const latest = new Map<string, PlacedChange>();
  const inTime = changes.toSorted((a, b) => (a.change.valid_from < b.change.valid_from ? -1 : 1));
  return inTime.flatMap((placed) => {
    const { line, change } = placed;
    const before = latest.get(change.entry_id);
    const end = before?.change.valid_to;
    if (before === undefined || end === undefined || (end !== null && end <= change.valid_from)) {
      latest.set(change.entry_id, placed);
      return [];
    }
    if (end !== null && (change.valid_to === null || change.valid_to > end)) latest.set(change.entry_id, placed);
    const [first, second] = [before.line, line].sort((a, b) => a - b) as [number, number];
    const detail = `${kind.id.name} ${change.entry_id}: its validity overlaps that of line ${first}`;
    return [{ line: second, error: lineError(second, 'valid_from', 'overlap', detail) }];
  });
}

/** The header of a kind's CSV. */
export function headerLine(kind: Kind): string {
  return csvLine(columnsOf(kind));
}

/** A change as a line of it. */
export function changeLine(kind: Kind, change: Change): string {
  const flat = flatten(kind, change);
  return csvLine(columnsOf(kind).map((column) => flat[column] ?? null));
}
