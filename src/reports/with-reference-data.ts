import type { Attributes } from '../reference-data/kinds.js';
import { ReferenceLookup, type Named } from '../reference-data/reference-lookup.js';
import type { Report, ReportParameter, ReportRun, Row } from './report.js';

/** A name of a run's parameter, which fixes the reference data that it reads. */
export const REFERENCE_AS_OF = 'reference_as_of';

/** What rows name that the reference data may know. */
export interface Subject<Name extends string> {
  /** as the column `unknown_in_reference_data` names it */
  label: string;
  /** what the row calls it; null where it names none */
  of: (row: Row<Name>, run: ReportRun) => string | null;
  /** kinds that it may be of, the first that knows it counts; for a report that is made from a regime, by the value */
  kinds: (value: string) => readonly string[];
  /** columns that say more of it */
  shows?: readonly { name: string; description: string; from: (attributes: Attributes) => string | null }[];
}

export const PERSONS: readonly string[] = ['trader', 'algorithm'];

/** Of a trader the name, of an algorithm its name and version. */
export function nameOf({ name, version, first_name: firstName, surname }: Attributes): string | null {
  if (version !== undefined) return `${name}, version ${version}`;
  if (surname !== undefined) return [firstName, surname].filter((part) => part !== undefined).join(' ');
  return name ?? null;
}

export const REFERENCE_PARAMETER: ReportParameter = {
  name: REFERENCE_AS_OF,
  description:
    'Revision up to which changes of reference data count. Without it: all of them, or with as_of those that were recorded before the event at as_of. The manifest says it',
  example: '12',
  required: false,
  mistake: (value) =>
    /^(?:0|[1-9][0-9]{0,17})$/.test(value)
      ? undefined
      : { rule: 'revision', rest: 'must be a revision of the reference data, or 0' },
};

/** Rows that are looked up at once. */
const BATCH = 500;

/**
 * A report whose rows are held against the reference data, as they stood at the time of the row and were known at
 * `reference_as_of`. What events say stays as it is; what the reference data say stands in columns of their own, after
 * the others, and the last one names what they do not know.
 */
export function withReferenceData<Name extends string>(
  report: Report<Name>,
  timeOf: (row: Row<Name>) => string,
  subjects: readonly Subject<Name>[],
): Report {
  const shown = subjects.flatMap(({ shows = [] }) => shows);
  return {
    ...report,
    parameters: [...report.parameters, REFERENCE_PARAMETER],
    columns: [
      ...report.columns,
      ...shown.map(({ name, description }) => ({ name, description: `${description}, from the reference data` })),
      {
        name: 'unknown_in_reference_data',
        description:
          'what the row names that is not in the reference data of its time; only of kinds that have any entries',
      },
    ],
    async *rows(run): AsyncGenerator<Row> {
      const revision = BigInt(run.parameters[REFERENCE_AS_OF] ?? '0');
      const lookup = new ReferenceLookup((work) => run.read((client) => work(client)), revision);
      for await (const rows of inBatches(report.rows(run), BATCH)) {
        if (revision === 0n) yield* rows;
        else yield* await lookedUp(rows, run, lookup);
      }
    },
  };

  async function lookedUp(rows: readonly Row<Name>[], run: ReportRun, lookup: ReferenceLookup): Promise<Row[]> {
    const places: { row: number; subject: Subject<Name>; named: readonly Named[] }[] = [];
    for (const [i, row] of rows.entries()) {
      for (const subject of subjects) {
        const id = subject.of(row, run);
        if (id === null) continue;
        const validAt = timeOf(row);
        places.push({ row: i, subject, named: subject.kinds(id).map((kind) => ({ kind, id, validAt })) });
      }
    }
    const found = await lookup.find(places.flatMap(({ named }) => named));
    const made = rows.map((row) => ({ ...row }) as Record<string, string | null>);
    const unknown = rows.map((): string[] => []);
    let at = 0;
    for (const { row, subject, named } of places) {
      const answers = found.slice(at, at + named.length);
      at += named.length;
      const attributes = answers.find((each) => each !== undefined && each !== null);
      // a kind that nothing is known of says nothing of this one either
      if (!attributes && answers.length > 0 && !answers.includes(null)) unknown[row]!.push(subject.label);
      for (const { name, from } of subject.shows ?? []) made[row]![name] = attributes ? from(attributes) : null;
    }
    return made.map((row, i) => ({ ...row, unknown_in_reference_data: unknown[i]!.join(' ') || null }));
  }
}

async function* inBatches<T>(all: AsyncGenerator<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const each of all) {
    batch.push(each);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
