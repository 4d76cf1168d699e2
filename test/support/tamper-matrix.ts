import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/*
 * The tamper matrix: docs/tamper-matrix.md, which the tests of tampering write (`npm run docs:tamper`) and are compared
 * with. A test says what it is about to do, in words; what found it is what the verdicts said that the test then read. A
 * row that no test yields any more, and one that is not in the page, fail the suite that they belong to.
 */

/** What looks, or refuses, as the page calls it. */
export type Look =
  | 'PostgreSQL’s privileges'
  | 'triggers'
  | 'the append function'
  | 'level 1'
  | 'level 2'
  | 'levels 1 and 2'
  | 'level 4'
  | 'schema check'
  | 'appends'
  | 'signing round'
  | 'anchors'
  | 'archive'
  | 'Object Lock'
  | 'witness'
  | 'monitor';

interface Threat {
  who: string;
  /** each must have a row */
  ways: readonly string[];
  /** one of them must find each row, unless the row says why nothing does */
  mustFind: readonly Look[];
}

/** Who could tamper, how, and what must catch it. */
export const THREATS = {
  role: {
    who: 'The application’s role',
    ways: ['UPDATE', 'DELETE', 'TRUNCATE', 'INSERT', 'calls the append function with forged arguments'],
    mustFind: ['PostgreSQL’s privileges', 'triggers', 'the append function', 'level 1'],
  },
  records: {
    who: 'The table’s owner or a superuser: single records',
    ways: [
      'changes a column of a row',
      'changes a number past its 17th digit',
      'deletes events',
      'swaps two events',
      'inserts an event',
      'moves recorded_at',
      'DDL that rewrites',
      'rules and triggers that swallow or change',
      'leaves an event out of an index',
    ],
    mustFind: ['level 1', 'schema check', 'level 4'],
  },
  history: {
    who: 'The table’s owner or a superuser: history, so that it agrees with itself',
    ways: ['cuts the tail', 'rewrites all from an event on, with right hashes', 'edits what was signed'],
    mustFind: ['level 1', 'level 2', 'signing round', 'anchors', 'archive', 'level 4'],
  },
  catalogue: {
    who: 'The table’s owner or a superuser: what is around the records',
    ways: [
      'drops a month',
      'swaps in an older month',
      'edits the catalogue',
      'edits keys',
      'edits the head',
      'restores an old backup',
    ],
    mustFind: ['level 1', 'level 2', 'schema check', 'archive', 'appends'],
  },
  keeper: {
    who: 'Whoever runs the service',
    ways: ['signs two histories'],
    mustFind: ['signing round', 'level 2', 'monitor', 'witness'],
  },
  store: {
    who: 'Whoever holds the bucket, or the folder',
    ways: [
      'replaces an object',
      'hides an object behind a newer version',
      'hides an object behind a delete marker',
      'removes an object',
      'shortens retention',
      'adds an object',
    ],
    mustFind: ['Object Lock', 'archive', 'anchors', 'signing round', 'level 4'],
  },
} as const satisfies Record<string, Threat>;

export type Way = (typeof THREATS)[keyof typeof THREATS]['ways'][number];

/** As whom a test does it. */
export type Actor =
  'the service’s role' | 'the owner' | 'a superuser' | 'the bucket’s owner' | 'the folder’s owner' | 'the key’s holder';

/** A finding, or how something was refused; and the record or object that it names. */
export interface Found {
  kind: string;
  /** the event */
  sequence?: string | null;
  /** whatever else */
  names?: string;
}

export interface MatrixRow {
  way: string;
  done: string;
  as: string;
  by: string[];
  found: string[];
  test: string;
}

interface CurrentRow extends MatrixRow {
  blind: string | undefined;
}

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'tamper-matrix.md');
const IS_WRITTEN = process.env.TAMPER_MATRIX === 'write';
const NOTHING = 'nothing';
const BECAUSE = ': ';

let current: CurrentRow | undefined;
const yielded: MatrixRow[] = [];

/**
 * Says what a test does from here on. What it did before is over, as far as the matrix goes. `blind` is for what no check
 * here can find: why, and what finds it then.
 */
export function tampering(way: Way, as: Actor, done: string, { blind }: { blind?: string } = {}): void {
  endRow();
  const test = expect.getState().currentTestName ?? '';
  current = { way, as, done, by: [], found: [], test, blind };
}

/** What a verdict said, for the row of the test that runs; for none outside the tests of tampering. */
export function seen(by: Look, found: readonly Found[]): void {
  if (!current) return;
  const text = found.length === 0 ? NOTHING : textOfFindings(found);
  if (current.by.some((each, at) => each === by && current!.found[at] === text)) return;
  current.by.push(by);
  current.found.push(text);
}

/** It was not even done: by what it was refused, and how that names it. */
export function refused(by: Look, code: string | number): void {
  seen(by, [{ kind: `refused (${code})` }]);
  endRow();
}

/** What comes now is not about the tampering any more. */
export function endRow(): void {
  if (!current) return;
  const { blind, ...row } = current;
  current = undefined;
  if (blind !== undefined)
    row.found = row.found.map((found) => (found === NOTHING ? NOTHING + BECAUSE + blind : found));
  yielded.push(row);
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
  let way: string | undefined;
  for (const line of pageText().split('\n')) {
    if (line.startsWith('## ')) way = undefined;
    if (line.startsWith('### ')) way = line.slice(4);
    const cells = line.startsWith('| ') ? line.slice(2, -2).split(' | ') : [];
    if (way === undefined || cells.length !== 5 || cells[0] === 'what was done' || cells[0] === '---') continue;
    const [done, as, by, found, test] = cells as [string, string, string, string, string];
    rows.push({ way, done, as, by: by.split('<br>'), found: found.split('<br>'), test });
  }
  return rows;
}

/** Whether nothing of what looked found anything. */
export function isUnseen({ found }: MatrixRow): boolean {
  return found.every((each) => each === NOTHING || each.startsWith(NOTHING + BECAUSE));
}

/** Whether the row says why nothing is found, if nothing is. */
export function isExplained(row: MatrixRow): boolean {
  return isUnseen(row) && row.found.some((each) => each.startsWith(NOTHING + BECAUSE));
}

/** Whether one of these found something. */
export function isFoundBy({ by, found }: MatrixRow, looks: readonly Look[]): boolean {
  return by.some((each, at) => looks.includes(each as Look) && !found[at]!.startsWith(NOTHING));
}

/** The page of these rows: by way, within each by suite and test in the order in which they ran. */
export function matrixPage(rows: readonly MatrixRow[]): string {
  const bySuite = [...rows].sort((a, b) => (suiteOf(a) < suiteOf(b) ? -1 : suiteOf(a) > suiteOf(b) ? 1 : 0));
  const parts = [INTRODUCTION];
  const unseen: string[] = [];
  for (const { who, ways } of Object.values(THREATS)) {
    parts.push(`## ${who}`);
    for (const way of ways) {
      const own = bySuite.filter((row) => row.way === way);
      parts.push(`### ${way}`, [HEADER, ...own.map(textOf)].join('\n'));
      for (const { as, done, found } of own.filter(isUnseen)) {
        const because = found.find((each) => each.startsWith(NOTHING + BECAUSE))?.slice((NOTHING + BECAUSE).length);
        unseen.push(`| ${as} ${way} | ${done} | ${because} |`);
      }
    }
  }
  parts.push(
    UNSEEN,
    ['| who and what | how | why nothing, and what then finds it |', '| --- | --- | --- |', ...unseen].join('\n'),
  );
  return `${parts.join('\n\n')}\n`;
}

const INTRODUCTION = `# The tamper matrix

What somebody could do to the trail, done for real by a test each time the tests run, and what the verdict then said. Written by \`npm run docs:tamper\` from that run; do not edit. The tests fail when a row is not what this page says, when a row of it was not run, when a way of tampering has none, and when a row was found by nothing and does not say why.

*Found by*: **level 1** recomputes links, contents and keys, **level 2** compares them with what was signed, both in one verification ([verification.md](verification.md)); **schema check** is the daily look at the database's catalogue; **signing round** is the next one, which does not sign; **appends** is the next one, which is not taken; **anchors** is the job \`anchor-verification\`, which compares what was signed with the object store ([checkpoints.md](checkpoints.md)); **archive** is the job \`archive-verification\`, level 3 ([archive.md](archive.md)); **level 4** is what the verifier of evidence bundles says, by public keys alone, of bundles that were made of the trail as it is then ([evidence.md](evidence.md)); **monitor** is \`truetrail-verify ledger\`, which somebody outside runs; **witness** is one of [witnesses.md](witnesses.md). Privileges, triggers, the append function and Object Lock find nothing: they refuse.

*Finding*: its kind, and the events or the object that it names. \`schema\` names the table, column, trigger, function or constraint in its own words. Whatever a finding names that was not touched stands beside the damage: the event after one whose hash was changed, say.`;

const UNSEEN = `## What no check finds

Each of these was done too. What Truetrail cannot show at all (that what was recorded is true, say) is in the [threat model](threat-model.md).`;

const HEADER = '| what was done | as | found by | finding | test |\n| --- | --- | --- | --- | --- |';

/** `kind: events 3–5, 9; kind: event 4`. */
function textOfFindings(found: readonly Found[]): string {
  const byKind = new Map<string, Found[]>();
  for (const each of found) byKind.set(each.kind, [...(byKind.get(each.kind) ?? []), each]);
  return [...byKind]
    .map(([kind, all]) => {
      const names = [eventsOf(all), ...new Set(all.map((each) => namesOf(each)))].filter((name) => name !== '');
      return names.length === 0 ? kind : `${kind}: ${names.join(', ')}`;
    })
    .join('; ');
}

function namesOf({ sequence, names }: Found): string {
  return names ?? (sequence === null ? 'the ledger' : '');
}

function eventsOf(found: readonly Found[]): string {
  const sequences = found.flatMap(({ sequence }) => (typeof sequence === 'string' ? [BigInt(sequence)] : []));
  const sorted = [...new Set(sequences)].sort((a, b) => (a < b ? -1 : 1));
  const runs: [from: bigint, to: bigint][] = [];
  for (const sequence of sorted) {
    const last = runs.at(-1);
    if (last && last[1] + 1n === sequence) last[1] = sequence;
    else runs.push([sequence, sequence]);
  }
  const text = runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
  return text === '' ? '' : `${sorted.length === 1 ? 'event' : 'events'} ${text}`;
}

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
