import { compare, parseDecimal } from '../reports/decimal.js';
import { FIELD_SETS, fieldsOfAll, type FieldSet } from './field-sets.js';
import { valuesOf } from './fields.js';
import type { ReportField } from './report-field.js';
import type { ReportRecord } from './report-records.js';
import type { TransactionReport } from './transaction-report.js';
import { xmlBoolean, xmlDecimal, xmlMicros } from './xml-values.js';

/** A value that is another there. Undefined where one side has none. */
export interface FieldDifference {
  /** 1 to 65 */
  field: number;
  name: string;
  path: string;
  ours: string | undefined;
  theirs: string | undefined;
}

/** In no XML, and so in no value. */
const SEPARATOR = '\u0000';
const NUMBERED = /^(.*?)\[([0-9]+)\](.*)$/;

const PATHS: ReadonlySet<string> = new Set(fieldsOfAll().flatMap(({ paths }) => paths));

/** Which report a record is of. */
type RecordKey = Pick<TransactionReport, 'executingEntity' | 'transactionReference'>;

/**
 * Records of a file that reports of the front office's records meet one after the other, each once: Delegated Regulation
 * (EU) 2017/590, Article 15(3). Held as one text each, with paths as numbers: a
 * tenth of what they take as maps.
 */
export class RecordsToMeet {
  private readonly unmet = new Map<string, string[]>();
  private readonly paths: string[] = [];
  private readonly numbers = new Map<string, number>();
  private count = 0;

  /** How many were added. */
  get size(): number {
    return this.count;
  }

  /**
   * In the order of the file: a cancellation takes the new report before it back, and a new report after a cancellation
   * stands instead of that, so that a history of one report leaves what came of it.
   */
  add(record: ReportRecord): void {
    this.count += 1;
    const key = keyOf(record);
    const same = this.unmet.get(key);
    const last = same?.at(-1);
    if (!same) this.unmet.set(key, [this.packed(record)]);
    else if (last!.startsWith(`${record.status}${SEPARATOR}`)) same.push(this.packed(record));
    else same[same.length - 1] = this.packed(record);
  }

  /** The next record of a report that was not met yet. */
  take(report: RecordKey): ReportRecord | undefined {
    const key = keyOf(report);
    const packed = this.unmet.get(key);
    const first = packed?.shift();
    if (packed?.length === 0) this.unmet.delete(key);
    return first === undefined ? undefined : this.unpacked(key, first);
  }

  /** Those that were not met. */
  *rest(): Generator<ReportRecord, void, undefined> {
    for (const [key, all] of this.unmet) for (const packed of all) yield this.unpacked(key, packed);
  }

  private packed({ status, values }: ReportRecord): string {
    return [status, ...[...values].flatMap(([path, text]) => [this.numberOf(path), text])].join(SEPARATOR);
  }

  private unpacked(key: string, packed: string): ReportRecord {
    const [status, ...pairs] = packed.split(SEPARATOR);
    const values = new Map<string, string>();
    for (let i = 0; i < pairs.length; i += 2) values.set(this.paths[Number(pairs[i])]!, pairs[i + 1]!);
    const [executingEntity = '', ...reference] = key.split(' ');
    return {
      ...{ status: status as ReportRecord['status'], executingEntity, transactionReference: reference.join(' ') },
      values,
    };
  }

  private numberOf(path: string): number {
    let number = this.numbers.get(path);
    if (number === undefined) {
      number = this.paths.push(path) - 1;
      this.numbers.set(path, number);
    }
    return number;
  }
}

/** A report as a record that says the same, with the fields of a set: the last one when left out. */
export function recordOfReport(
  report: TransactionReport,
  { fields }: Pick<FieldSet, 'fields'> = FIELD_SETS.at(-1)!,
): ReportRecord {
  const values = new Map<string, string>();
  for (const field of fields) {
    for (const { path, text } of readValuesOf(field, report)) if (text !== undefined) values.set(path, text);
  }
  const { status, transactionReference, executingEntity = '' } = report;
  return { status, transactionReference, executingEntity, values };
}

/**
 * What is another in a record than in a report of the same reference, by number of the field, as on the day of the record. Equal numbers and times are
 * the same however they are written.
 */
export function differencesOf(
  report: TransactionReport,
  { status, values }: ReportRecord,
  set: Pick<FieldSet, 'fields'> = FIELD_SETS.at(-1)!,
): FieldDifference[] {
  if (report.status !== status) {
    return [{ field: 1, name: 'report_status', path: '.', ours: report.status, theirs: status }];
  }
  const met = new Set<string>();
  const differences: FieldDifference[] = [];
  const there = inOrderOf(recordOfReport(report, set).values, values);
  for (const field of set.fields.slice(1)) {
    const stated = [...readValuesOf(field, report)];
    for (const { path } of stated) met.add(path);
    const theirsAlone = pathsOf(field, there).filter((path) => !met.has(path));
    for (const path of theirsAlone) met.add(path);
    for (const { path, text } of [...stated, ...theirsAlone.map((path) => ({ path, text: undefined }))]) {
      const theirs = there.get(path);
      if (isSame(field, text, theirs)) continue;
      differences.push({ field: field.number, name: field.name, path, ours: text, theirs });
    }
  }
  return differences;
}

/**
 * Their values with the numbers that ours have: of elements of which there may be several the order says nothing. What is
 * the same on both sides has our number, what is not the numbers that are left.
 */
function inOrderOf(ours: ReadonlyMap<string, string>, theirs: ReadonlyMap<string, string>): Map<string, string> {
  const own = severalIn(ours);
  const numbers = new Map<string, number>();
  for (const [name, held] of severalIn(theirs)) {
    const left = new Map(own.get(name));
    const others: number[] = [];
    for (const [number, text] of held) {
      const [same] = [...left].find(([, each]) => each === text) ?? [];
      if (same === undefined) others.push(number);
      else numbers.set(`${name}[${number}]`, same);
      left.delete(same ?? NaN);
    }
    const taken = new Set([...(own.get(name)?.keys() ?? [])].filter((number) => !left.has(number)));
    let next = 1;
    for (const number of others) {
      while (taken.has(next)) next += 1;
      numbers.set(`${name}[${number}]`, next);
      next += 1;
    }
  }
  return new Map(
    [...theirs].map(([path, text]) => {
      const [, name, number, rest] = NUMBERED.exec(path) ?? [];
      return [name === undefined ? path : `${name}[${numbers.get(`${name}[${number}]`)}]${rest}`, text];
    }),
  );
}

/** Of each element of which there are several what they hold of fields, by their numbers: the same for the same. */
function severalIn(values: ReadonlyMap<string, string>): Map<string, Map<number, string>> {
  const several = new Map<string, Map<number, string[]>>();
  for (const [path, text] of values) {
    const [, name, number, rest] = NUMBERED.exec(path) ?? [];
    if (name === undefined) continue;
    const held = several.get(name) ?? new Map<number, string[]>();
    const texts = held.get(Number(number)) ?? [];
    if (PATHS.has(placeOf(path))) texts.push(`${rest}=${text}`);
    several.set(name, held.set(Number(number), texts));
  }
  const joined = (held: Map<number, string[]>): Map<number, string> =>
    new Map([...held].map(([number, texts]) => [number, texts.sort().join(SEPARATOR)]));
  return new Map([...several].map(([name, held]) => [name, joined(held)]));
}

/** As a record is read: without blanks at the ends, which text may have in XML wherever it is written. */
function* readValuesOf(field: ReportField, report: TransactionReport): Generator<{ path: string; text?: string }> {
  for (const { path, text } of valuesOf(field, report))
    yield { path, ...(text === undefined ? {} : { text: text.trim() }) };
}

/** Paths of the record that are places of the field. */
function pathsOf({ paths }: ReportField, values: ReadonlyMap<string, string>): string[] {
  return [...values.keys()].filter((path) => paths.includes(placeOf(path)));
}

/** A path as fields have it, of whichever of several elements. */
function placeOf(path: string): string {
  return path.replace(/^New\//, '').replace(/\[[0-9]+\]/g, '');
}

function isSame({ format }: ReportField, ours: string | undefined, theirs: string | undefined): boolean {
  if (ours === theirs) return true;
  if (ours === undefined || theirs === undefined) return false;
  if (ours === 'true' || ours === 'false') return xmlBoolean(theirs) === (ours === 'true');
  if (format.startsWith('DEC')) {
    const [a, b] = [parseDecimal(ours), xmlDecimal(theirs)];
    return a !== undefined && b !== undefined && compare(a, b) === 0;
  }
  // what is no time of ours is the same as nothing else
  return format === 'DTM' && xmlMicros(ours) === xmlMicros(theirs);
}

/** An LEI has no blank. */
function keyOf({ executingEntity, transactionReference }: RecordKey): string {
  return `${executingEntity ?? ''} ${transactionReference}`;
}
