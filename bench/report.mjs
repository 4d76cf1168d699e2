import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { round } from './statistics.mjs';

/** What the figures depend on, for the reader. */
export async function environment(trail, command) {
  const { rows } = await trail.owner.query('SHOW server_version');
  return {
    command,
    date: new Date().toISOString().slice(0, 10),
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgresql: rows[0].server_version,
  };
}

/** The JSON form: what the table has, and all that the rows were made of. */
export function resultsAsJson(environment, sizes, rows) {
  return JSON.stringify(
    { environment, sizes, rows },
    (_, value) => (typeof value === 'number' ? round(value) : value),
    2,
  );
}

const HEADINGS = ['what', 'ours', 'limit', 'ratio', 'target', 'met'];

function cells({ what, unit, limitName, limit, ours, ratio, target, met, note, failure }) {
  const value = (number) => (number === undefined ? '' : `${shown(number)} ${unit}`);
  return [
    note === undefined ? what : `${what} (${note})`,
    failure === undefined ? value(ours) : `failed: ${failure}`,
    limit === undefined ? '' : `${value(limit)}, ${limitName}`,
    ratio === undefined ? '' : `${ratio.toFixed(2)}×`,
    target ?? '',
    met === null || met === undefined ? '' : met ? 'yes' : 'no',
  ];
}

function shown(number) {
  if (number >= 1000) return String(Math.round(number));
  return String(Number(number.toPrecision(3)));
}

/** The table of a terminal. */
export function resultsAsText(environment, rows) {
  const lines = rows.map((row) => {
    const [what, ours, limit, ratio, target, met] = cells(row);
    const verdict = met === '' ? '' : met === 'yes' ? '  met' : '  NOT MET';
    return [
      `${row.row.padEnd(13)} ${what}`,
      `${''.padEnd(13)} ${[ours, ratio, target && `target ${target}`].filter(Boolean).join('   ')}${verdict}`,
      ...(limit === '' ? [] : [`${''.padEnd(13)} limit: ${limit}`]),
    ].join('\n');
  });
  return `${lines.join('\n')}\n\n${describe(environment)}\n`;
}

function describe({ date, platform, cores, memoryGiB, node, postgresql }) {
  return `${date}, ${platform}, ${cores} cores, ${memoryGiB} GiB, Node ${node}, PostgreSQL ${postgresql}; load generator, service and database share the cores.`;
}

/** The section about an hour of mixed load: what docs/soak.md, whose text is given, has between its two marks. */
export function soakSection(text) {
  const [, figures] = /<!-- for performance\.md: begin -->\n([^]*?)<!-- for performance\.md: end -->/.exec(text) ?? [];
  if (figures === undefined) throw new Error('docs/soak.md does not mark what is for docs/performance.md');
  return `## An hour of mixed load\n\nTaken from [soak.md](soak.md), which says what the load is and what the rules are.\n\n${figures.trim()}\n`;
}

/** Of rows that are not in every run, what they are: a point of the list each, for those that are in this one. */
const READING = {
  levels: `- **Verification, level by level**: 1 recomputes the rows with their links and keys, 2 holds them against every
  checkpoint that was signed, 3 reads and recomputes every object of the archive, all in the service and over the whole
  ledger; 4 verifies a bundle of events in a process of its own, from its start to its end, on one thread.`,
  ledgers: `- **A round of very many ledgers** signs each of them for the first time, and then each with one more event, from when
  the job begins to when the anchor is written, read back and stored.`,
  bundles: `- **Bundles** are of a trade date: all that was recorded in a range of time, as [evidence.md](evidence.md) has it, asked for
  over HTTP as whoever needs it does, and timed from the request to the last byte on disk; then verified from there by
  truetrail-verify from its start to its end. That it is valid, and shows that nothing of the range was left out, is
  required of each.`,
};

/** docs/performance.md as a whole: it is never edited by hand. */
export function writeDocument(file, environment, sizes, rows) {
  const soak = soakSection(readFileSync(join(dirname(file), 'soak.md'), 'utf8'));
  const line = (values) => `| ${values.map((value) => value.replaceAll('|', '\\|')).join(' | ')} |`;
  writeFileSync(
    file,
    `# Performance

Written by the bench from the results of one run; do not edit it by hand. Measured by

    ${environment.command}

on ${describe(environment)}

${line(HEADINGS)}
${line(HEADINGS.map(() => '---'))}
${rows.map((row) => line(cells(row))).join('\n')}

## How to read it

What counts are the ratios. Each limit is measured beside the service in the same run, in turns with it, so that whatever
else the machine does hits both; a figure by itself says as much about the machine as about the service.

- **The service** runs as \`npm start\` runs it: its own process, over HTTP, with the settings that it ships with, on the
  PostgreSQL that it ships with (fsync, full_page_writes and synchronous_commit on), all indexes there, one ledger, and
  events of 590 bytes with ids of UUID version 7. A POST is answered when its events are durable.
- **INSERT and COPY** write finished rows of the same size, with true hashes, into the same tables, as the tables' owner
  and under another ledger's name, by the same PostgreSQL driver. They read nothing, check nothing, hash nothing, and find
  no repeats.
- **Message DB** (npm \`@eventide/message-db\`, MIT) is an event store that one might take instead: functions in PostgreSQL,
  a stream an order, one global order. It is called by the same driver, without HTTP; it neither checks nor hashes what it
  is given. Its one lock a category is held by each writer to its commit.
- **Rates** are medians of ${sizes.rounds} rounds; latencies are percentiles over all rounds.
- **Reads** are measured at ${sizes.events} events or a little more. After filling, the tables are vacuumed and analysed once, as
  autovacuum would have done by then.
- **Memory** is the highest resident size of a service that was started for that one read.
${Object.entries(READING)
  .filter(([name]) => rows.some(({ row }) => row === name))
  .map(([, text]) => `${text}\n`)
  .join(
    '',
  )}- The load generator is part of the machine's load. It writes bytes that were made before the clock starts, over bare
  sockets, but on few cores it still takes from what service and database could use.

\`npm run bench -- --events 10000000\` measures reads on ten million events (about 25 GB in the temporary folder, which TMPDIR
chooses), \`--only proofs --events 10000000\` proofs alone, without an export of them; \`npm run bench -- --only indexes\` what each index costs the way in; \`--only wal\` bytes of WAL and of keys with UUIDv7 and with random ids, by settings of PostgreSQL; \`--only month-steps\` how long each step of a
month waits for a search that runs for a minute, and whether POSTs do; \`--only slow-store\` (with an S3, by the AWS_* variables)
what POSTs take beside a store that is slow or hangs; \`--only archived-memory\` the peak memory of long reads over 24 archived
months; \`--only rebuild\` (to S3 as well, by the AWS_* variables) time and peak memory of \`truetrail rebuild\` and \`truetrail recover\`; \`--only reports\` time, memory and the effect on POST p99 of each report, with \`--events\` at any size;
\`--only report-files,submissions\` time and memory of files of a million transaction reports, and of a submission of 50,000;
\`node bench/profile.mjs batches\` shows where the service spends its time. Of the rows that are not met,
[where-time-goes.md](where-time-goes.md) says why.

${soak}`,
  );
}
