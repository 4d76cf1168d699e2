// `npm start`: packages, build, then the service, all in this one process. A child process for the service would have
// to be handed every signal and its exit code, would cost 40 MB more, and would live on when only its parent is killed.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';
import { endBySignalsAsProcessOne } from './process-one.mjs';

const USAGE = `npm start

Installs and builds what is missing, and runs the service until Ctrl-C. It takes no arguments: settings are environment
variables, all of them in docs/configuration.md. Some that are wanted first, with what they are without being set:

  PORT=3000          where it listens
  DATA_DIR=./data    its own PostgreSQL, archive and keys
  DATABASE_URL       a PostgreSQL server of yours instead of its own
  ARCHIVE_URL        where records are archived: file:FOLDER, s3://BUCKET, or off

For example:  PORT=3001 npm start
`;

const given = process.argv.slice(2);
if (given.length > 0) {
  const isAsked = given.some((argument) => ['--help', '-h'].includes(argument));
  if (isAsked) process.stdout.write(USAGE);
  else process.stderr.write(`npm start takes no arguments: ${given.join(' ')}\n\n${USAGE}`);
  process.exit(isAsked ? 0 : 2);
}

endBySignalsAsProcessOne();
let main;
try {
  await ensureInstalled();
  main = join(ensureBuilt({ hold: true }), 'src', 'main.js');
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
const last = new Map(); // signal → when it last came
deliverSignalsOnce();
endWithNpm();
process.setSourceMapsEnabled(true); // as --enable-source-maps
process.argv[1] = main;
await import(pathToFileURL(main).href);

/**
 * Ctrl-C comes twice: the terminal sends it to the whole process group, and npm passes on the one that it got itself.
 * A service that stops at the first and gives up at the second would give up at once. So the same signal within a
 * second counts as one; a later one, of somebody who has lost patience, does arrive.
 */
function deliverSignalsOnce() {
  const windowMs = 1000;
  const emit = process.emit;
  process.emit = function (name, ...args) {
    if (name === 'SIGINT' || name === 'SIGTERM') {
      const now = performance.now();
      if (now - (last.get(name) ?? -Infinity) < windowMs) return true;
      last.set(name, now);
    }
    return emit.call(this, name, ...args);
  };
}

/**
 * npm passes SIGTERM on to the shell that it runs scripts in, and most shells die of it without a word to us. Whoever
 * stopped npm meant the service.
 */
function endWithNpm() {
  if (process.env.npm_lifecycle_event !== 'start') return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    if (last.size === 0) process.kill(process.pid, 'SIGTERM');
  }, 500);
  watch.unref();
}
