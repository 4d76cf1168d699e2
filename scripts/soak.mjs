// `npm run soak`: the built service under a mixed load for an hour or a night, and whether it is at the end as it was at the
// beginning. Usage: --help.
import { parseArgs } from 'node:util';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';

const USAGE = `npm run soak -- [options]      (npm run -s soak -- --json: without npm's own lines)

  --minutes N      how long the load lasts: 60
  --short          a minute and a half, as CI does it: every rule but those of memory and latencies, which it is too short for
  --rate N         events a second, over all ways in: 100
  --json           the results as JSON on standard output instead of the table
  --node-arg ARG   an argument of Node before the service's script, such as --max-old-space-size=200; may be repeated
  --dashboard FILE the chart's dashboard as a Prometheus on this machine saw the service, drawn into an HTML file; a query
                   that is refused and a panel without data, where it may not be without, are rules that do not hold
  --build FOLDER   a build that was made earlier (dist/<digest>)

Starts PostgreSQL and the service, each a process of its own, in a temporary folder (TMPDIR chooses where), with an archive
beside them, or in a new bucket when AWS_ENDPOINT_URL_S3 is set. Sends single events, batches, streams, steps of orders,
repeats and conflicts; reads, searches, asks for histories, proofs, reports and bundles; runs the jobs. Then judges, by the
rules of docs/soak.md. Ends with 1 when a rule is broken, with 2 when it could not be run. Linux only.
`;

/** Throws an Error whose message is for the caller. */
function readOptions() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' },
      short: { type: 'boolean', default: false },
      rate: { type: 'string', default: '100' },
      json: { type: 'boolean', default: false },
      'node-arg': { type: 'string', multiple: true, default: [] },
      dashboard: { type: 'string' },
      build: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { short, json, help, build, dashboard } = values;
  if (short && values.minutes !== undefined) throw new Error('--short and --minutes exclude each other');
  const minutes = short ? 1.5 : Number(values.minutes ?? 60);
  if (!(minutes >= 1 && minutes <= 7 * 24 * 60)) throw new Error('--minutes must be from 1 to 10080');
  const rate = Number(values.rate);
  if (!(rate >= 20 && rate <= 5000)) throw new Error('--rate must be from 20 to 5000');
  return { minutes, short, rate, json, help, build, dashboard, nodeArgs: values['node-arg'] };
}

try {
  const options = readOptions();
  if (options.help) process.stdout.write(USAGE);
  else {
    if (process.platform !== 'linux') throw new Error('memory and handles are read from /proc, which only Linux has');
    await ensureInstalled();
    const build = options.build ?? ensureBuilt({ hold: true });
    const { soak } = await import('./soak-run.mjs');
    const holds = await soak({ ...options, build });
    process.stdout.write('', () => process.exit(holds ? 0 : 1));
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
