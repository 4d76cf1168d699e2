import { isUtf8 } from 'node:buffer';
import { CsvError, csvLine, readCsv } from '../http/csv.js';
import type { FieldError } from '../http/problem.js';
import { columnsOf, flatten, readChange, type Change } from './change.js';
import type { Kind } from './kinds.js';

/** What one file may have. */
export const MAX_FILE_BYTES = 4 * 1024 * 1024;
export const MAX_FILE_CHANGES = 10_000;
/** More than any kind has columns: of a line of a million commas there is nothing to tell but that. */
const MAX_FIELDS = 100;

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
export function readReferenceFile(kind: Kind, bytes: Buffer): { changes: PlacedChange[]; errors: FieldError[] } {
  if (!isUtf8(bytes)) {
    return { changes: [], errors: [{ pointer: '', rule: 'encoding', detail: 'the file must be text in UTF-8' }] };
  }
  let records;
  try {
    records = readCsv(bytes.toString('utf8'), { records: MAX_FILE_CHANGES + 2, fields: MAX_FIELDS });
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
  for (const { line, cells } of rest) {
    if (cells.length !== names.length) {
      const detail = `has ${cells.length} fields, and the header ${names.length}`;
      errors.push(lineError(line, '', 'fields', detail));
      continue;
    }
    const { change, mistakes } = readChange(kind, Object.fromEntries(cells.map((cell, i) => [names[i]!, cell.trim()])));
    for (const { column, rule, detail } of mistakes) errors.push(lineError(line, column, rule, detail));
    if (change) changes.push({ line, change });
  }
  errors.push(...overlaps(kind, changes));
  const lineOf = ({ pointer }: FieldError): number => Number(pointer.split('/')[2]);
  return { changes, errors: errors.sort((a, b) => lineOf(a) - lineOf(b)) };
}

function csvDetail({ line, message }: CsvError): string {
  return message.slice(`line ${line}: `.length);
}

function headerErrors(kind: Kind, names: readonly string[]): FieldError[] {
  const columns = columnsOf(kind);
  const errors: FieldError[] = [];
  for (const [i, name] of names.entries()) {
    if (!columns.includes(name)) {
      const detail = `${JSON.stringify(name)} is no column of ${kind.name}; there are ${columns.join(', ')}`;
      errors.push(lineError(1, '', 'unknown', detail));
    } else if (names.indexOf(name) !== i) errors.push(lineError(1, name, 'once', `${name} stands there twice`));
  }
  for (const { name } of [kind.id, ...kind.fields.filter(({ required }) => required), { name: 'valid_from' }]) {
    if (!names.includes(name)) errors.push(lineError(1, name, 'required', `the header must have the column ${name}`));
  }
  return errors;
}

/** Of one entry and one time a file may say one thing only: which of two counts would be chance. */
function overlaps(kind: Kind, changes: readonly PlacedChange[]): FieldError[] {
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
    return [lineError(second, 'valid_from', 'overlap', detail)];
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
