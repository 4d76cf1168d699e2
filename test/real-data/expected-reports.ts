import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PYTHON } from '../support/python.js';
import { sampleFolder, sampleSources, sharedDataFolder, type Source } from './sources.js';

/** A cell; what stands in JSON in it is compared member by member. */
type ExpectedCell = string | null | Record<string, string | null>;

/** A question to a report and its answer, as the source files have it: docs in expected_reports.py. */
export interface ExpectedReport {
  report: string;
  parameters: Record<string, string>;
  rows: Record<string, ExpectedCell>[];
}

export type ActualRow = Readonly<Record<string, string | null>>;

/**
 * The answers that expected_reports.py reads from the files of `source`; `what`: of the first so many events, 0 for all,
 * or of the log's messages, or of executions that are told twice. Throws if the files are not here or Python fails.
 */
export async function* expectedReports(
  source: Source,
  what: number | 'messages' | 'executions',
): AsyncGenerator<ExpectedReport> {
  const folder = sampleSources.includes(source) ? sampleFolder() : sharedDataFolder();
  if (folder === undefined) throw new Error(`${source.name}: the data are not on this machine`);
  const script = join(dirname(fileURLToPath(import.meta.url)), 'expected_reports.py');
  const args = ['-B', script, folder, source.name, String(what)];
  const python = spawn(PYTHON, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(python, 'close');
  for await (const line of createInterface({ input: python.stdout })) yield JSON.parse(line) as ExpectedReport;
  const [exitCode] = (await ended) as [number | null];
  if (exitCode !== 0) throw new Error(`expected_reports.py ${source.name} ended with ${exitCode}`);
}

/** The differences between what is expected and what a report says, each as a sentence; none if they agree. */
export function compareRows(expected: readonly ExpectedReport['rows'][number][], actual: readonly ActualRow[]) {
  const differences: string[] = [];
  if (expected.length !== actual.length) differences.push(`There are ${actual.length} rows, not ${expected.length}.`);
  for (const [i, row] of expected.entries()) {
    for (const [name, cell] of Object.entries(row)) {
      const found = actual[i]?.[name];
      if (isAsExpected(cell, found)) continue;
      differences.push(`Row ${i + 1}: ${name} is ${JSON.stringify(found)}, not ${JSON.stringify(cell)}.`);
    }
  }
  return differences;
}

function isAsExpected(cell: ExpectedCell, found: string | null | undefined): boolean {
  if (cell === null || typeof cell === 'string') return found === cell;
  if (found === undefined) return false;
  const members = (found === null ? {} : JSON.parse(found)) as Record<string, unknown>;
  return Object.entries(cell).every(([name, value]) => (members[name] ?? null) === value);
}
