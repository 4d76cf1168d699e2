// `npm run bench`: packages, build, then the bench itself, which may import packages only after that. Usage: --help.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/build.mjs';
import { ensureInstalled, root } from '../scripts/install.mjs';

const USAGE = `npm run bench -- [options]      (npm run -s bench -- --json: without npm's own lines)

  --json             the results as JSON on standard output instead of the table
  --quick            tiny sizes, under a minute: does every row run? Its figures mean nothing
  --only ROW[,ROW]   these rows alone; an unknown name lists them. indexes, wal, month-steps, slow-store, archived-memory,
                     rebuild, reports, report-files and submissions are in no run that does not name them
  --report NAME[,NAME]  of the row reports these alone
  --events N         events of the ledger that reads are measured on: 1000000, and 16000 at least
  --node-arg ARG     an argument of Node before the service's script, such as --max-semi-space-size=4; may be repeated
  --build FOLDER     measures a build that was made earlier (dist/<digest>), to compare two
  --write-docs       rewrites docs/performance.md from the results, with the command that gave them

Ends with 1 when a row could not be measured; a target that is not met is no failure. Everything is in a temporary folder
(TMPDIR chooses where), about 2.5 kB an event, and is removed at the end.
`;

/** Throws an Error whose message is for the caller. */
function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      report: { type: 'string' },
      events: { type: 'string' },
      build: { type: 'string' },
      'node-arg': { type: 'string', multiple: true, default: [] },
      'write-docs': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { json, quick, help } = values;
  const events = values.events === undefined ? undefined : Number(values.events);
  if (events !== undefined && !(Number.isSafeInteger(events) && events >= 16_000)) {
    throw new Error('--events must be a whole number of at least 16000');
  }
  const writeDocs = values['write-docs'];
  const nodeArgs = values['node-arg'];
  if (writeDocs && (quick || values.build !== undefined || nodeArgs.length > 0)) {
    throw new Error('--write-docs takes a run of the present sources in their full sizes, as they ship');
  }
  const build = values.build === undefined ? undefined : resolve(values.build);
  const [only, reports] = [values.only?.split(','), values.report?.split(',')];
  return { json, quick, help, writeDocs, events, build, nodeArgs, only, reports };
}

try {
  const options = readOptions();
  if (options.help) process.stdout.write(USAGE);
  else {
    await ensureInstalled();
    const build = options.build ?? ensureBuilt({ hold: true });
    const startScript = join(...(options.build ? [build, 'src', 'main.js'] : [root, 'scripts', 'start.mjs']));
    const { runBench } = await import('./bench.mjs');
    const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');
    const code = await runBench({ ...options, build, startScript, root, command });
    process.stdout.write('', () => process.exit(code)); // when all is written; what hangs is not waited for
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
