import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/*
 * The tamper matrix: docs/tamper-matrix.md, which the tests of tampering write (`npm run docs:tamper`) and are compared
 * with. A test says what it is about to do, in words; what found it is what the verdicts said that the test then read. A
 * row that no test yields any more, and one that is not in the page, fail the suite that they belong to.
 */

/** The ways of tampering that there must be a row for, each below whoever could go it. */
export const WAYS = {
  'The application’s role': [
    'INSERT',
    'UPDATE',
    'DELETE',
    'TRUNCATE',
    'calls the append function with forged arguments',
  ],
  'The table’s owner or a superuser': [
    'changes a column of a row',
    'changes a number past its 17th digit',
    'deletes events',
    'swaps two events',
    'inserts an event',
    'moves recorded_at',
    'DDL that rewrites',
    'rules and triggers that swallow or change',
    'cuts the tail',
    'rewrites all from an event on, with right hashes',
    'drops a month',
    'swaps in an older month',
    'edits the catalogue',
    'edits keys',
    'edits the head',
    'edits what was signed',
    'restores an old backup',
  ],
  'Whoever runs the service': ['signs two histories'],
  'Whoever holds the bucket': [
    'replaces an object',
    'hides an object behind a newer version',
    'hides an object behind a delete marker',
    'removes an object',
    'shortens retention',
    'adds an object',
  ],
} as const;

export type Way = (typeof WAYS)[keyof typeof WAYS][number];

/** As whom a test does it. */
export type Actor =
  'the service’s role' | 'the owner' | 'a superuser' | 'the bucket’s owner' | 'the folder’s owner' | 'the key’s holder';

/** What looked, and what it found: nothing, or the kinds of its findings. */
export interface Sight {
  by: string;
  kinds: string[];
}

export interface MatrixRow {
  way: string;
  done: string;
  as: string;
  by: string[];
  found: string[];
  test: string;
}

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'tamper-matrix.md');
const IS_WRITTEN = process.env.TAMPER_MATRIX === 'write';
const NOTHING = 'nothing';

let current: { way: Way; as: Actor; done: string; sights: Sight[]; test: string } | undefined;
const yielded: MatrixRow[] = [];

/** Says what a test does from here on. What it did before is over, as far as the matrix goes. */
export function tampering(way: Way, as: Actor, done: string): void {
  endRow();
  const name = expect.getState().currentTestName ?? '';
  current = { way, as, done, sights: [], test: name };
}

/** What a verdict said, for the row of the test that runs; for none outside the tests of tampering. */
export function seen(by: string, kinds: readonly string[]): void {
  current?.sights.push({ by, kinds: [...new Set(kinds)] });
}

/** It was not even done: by what it was refused, and how that names it. */
export function refused(by: string, how: string): void {
  seen(by, [`refused: ${how}`]);
  endRow();
}

/** What comes now is not about the tampering any more. */
export function endRow(): void {
  if (!current) return;
  const { way, as, done, sights, test } = current;
  current = undefined;
  const [by, found]: [string[], string[]] = [[], []];
  for (const sight of sights) {
    const kinds = sight.kinds.join(', ') || NOTHING;
    if (by.some((each, at) => each === sight.by && found[at] === kinds)) continue;
    by.push(sight.by);
    found.push(kinds);
  }
  yielded.push({ way, done, as, by, found, test });
}

/**
 * To be called at the end of a suite of tests of tampering: gives it a last test, which compares what its tests yielded
 * with the page. `suite` is the file's name; `groups` are the beginnings of tests' names that tell stores apart, which
 * the page does not; `absent` are those as whom this run could do nothing.
 */
export function publishesItsRows(suite: string, groups: readonly string[] = [], absent: readonly Actor[] = []): void {
  afterEach(endRow);

  it('yields the rows that docs/tamper-matrix.md has of it (otherwise: npm run docs:tamper)', async () => {
    endRow();
    const nameOf = (test: string): string => {
      const group = groups.find((each) => test.startsWith(each));
      return `${suite}: ${group === undefined ? test : test.slice(group.length).trim()}`;
    };
    const own = distinct(yielded.map((row) => ({ ...row, test: nameOf(row.test) })));
    const isOurs = ({ test, as }: MatrixRow): boolean => test.startsWith(`${suite}: `) && !absent.includes(as as Actor);
    if (IS_WRITTEN) {
      await inTurn(() => {
        const rows = [...readMatrix().filter((row) => !isOurs(row)), ...own];
        writeFileSync(PAGE, matrixPage(rows));
      });
    }
    const rows = readMatrix().filter(isOurs);
    expect(own.map(textOf).sort()).toEqual(rows.map(textOf).sort());
  });
}

/** The rows of the page. */
export function readMatrix(): MatrixRow[] {
  const rows: MatrixRow[] = [];
  let way = '';
  for (const line of pageText().split('\n')) {
    if (line.startsWith('### ')) way = line.slice(4);
    const cells = line.startsWith('| ') ? line.slice(2, -2).split(' | ') : [];
    if (cells.length !== 5 || cells[0] === 'what was done' || cells[0] === '---') continue;
    const [done, as, by, found, test] = cells as [string, string, string, string, string];
    rows.push({ way, done, as, by: by.split('<br>'), found: found.split('<br>'), test });
  }
  return rows;
}

/** The page of these rows: by way, within each by suite and test in the order in which they ran. */
export function matrixPage(rows: readonly MatrixRow[]): string {
  const parts = [INTRODUCTION];
  for (const [who, ways] of Object.entries(WAYS)) {
    parts.push(`## ${who}`);
    for (const way of ways) {
      const lines = rows
        .filter((row) => row.way === way)
        .sort((a, b) => (suiteOf(a) < suiteOf(b) ? -1 : suiteOf(a) > suiteOf(b) ? 1 : 0))
        .map(textOf);
      parts.push(`### ${way}`, [HEADER, ...lines].join('\n'));
    }
  }
  return `${parts.join('\n\n')}\n`;
}

const INTRODUCTION = `# The tamper matrix

What somebody could do to the trail, done for real by a test each time the tests run, and what the verdict then said. Written by \`npm run docs:tamper\` from that run; do not edit. A test fails when a row of it is not what this page says, when a row here was not run, and when a way of tampering has none.

*Found by*: **level 1** recomputes links, contents and keys, **level 2** compares them with what was signed, both in one verification; **schema check** is the daily look at the database's catalogue; **signing round** is the next one, which refuses to sign; **anchors** is the job \`anchor-verification\`, which compares what was signed with the object store (level 2); **archive** is the job \`archive-verification\` (level 3); **verifier** is \`truetrail-verify\`, which needs nothing of ours (level 4). \`${NOTHING}\` is what it says: the [threat model](threat-model.md) says why, and the line below it what finds it instead, where anything does. Kinds are those of [verification.md](verification.md), [archive.md](archive.md) and [evidence.md](evidence.md).`;
const HEADER = '| what was done | as | found by | finding | test |\n| --- | --- | --- | --- | --- |';

function textOf({ done, as, by, found, test }: MatrixRow): string {
  return `| ${[done, as, by.join('<br>'), found.join('<br>'), test].join(' | ')} |`;
}

function suiteOf({ test }: MatrixRow): string {
  return test.slice(0, test.indexOf(':'));
}

function distinct(rows: readonly MatrixRow[]): MatrixRow[] {
  return [...new Map(rows.map((row) => [`${row.way} ${textOf(row)}`, row])).values()];
}

function pageText(): string {
  try {
    return readFileSync(PAGE, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Suites run side by side, and each writes its own rows. */
async function inTurn(work: () => void): Promise<void> {
  const turn = `${PAGE}.turn`;
  for (;;) {
    try {
      mkdirSync(turn);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await pause(20);
    }
  }
  try {
    work();
  } finally {
    rmSync(turn, { recursive: true });
  }
}
