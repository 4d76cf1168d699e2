// `node bench/profile.mjs ROW`: runs the service under Node's CPU profiler during one row's work and prints where its
// time went, function by function, and whose CPU it was: the service's, the database's or the load generator's.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/build.mjs';
import { ensureInstalled, root } from '../scripts/install.mjs';

const USAGE = `node bench/profile.mjs single|clients|batches|history|report|verification|proofs|bundles|export
                            [--seconds N] [--top N] [--events N]

  --seconds N   how long the work goes on (10)
  --top N       how many functions are shown (30)
  --build DIR   a build that was made earlier (dist/<digest>), to compare two
  --events N    size of the ledger for history, report, verification, proofs and bundles, and events that are exported
                (100000)
  --report NAME which report is made, of all events (mifid2-trades)
  --node-arg A  an argument of Node before the service's script, such as --max-semi-space-size=4; may be repeated
`;
const WARM_UP_EVENTS = 2_000;

/** Rows that are measured on a ledger that was filled, and the one that runs once, for it leaves nothing to do again. */
const FILLED = ['history', 'report', 'verification', 'proofs', 'bundles'];
const ONCE = 'export';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    top: { type: 'string', default: '30' },
    events: { type: 'string', default: '100000' },
    build: { type: 'string' },
    report: { type: 'string', default: 'mifid2-trades' },
    'node-arg': { type: 'string', multiple: true, default: [] },
  },
});
const [seconds, top, events] = [Number(values.seconds), Number(values.top), Number(values.events)];

/** What goes on while the profile counts; each does a second or so of work. */
const WORK = {
  single: (trail) =>
    trail.withConnections(1, ([one]) => trail.postSingles([one], trail.makeSingles(one, 1_000))).then(() => 1_000),
  clients: (trail) =>
    trail.withConnections(64, (all) => trail.postSingles(all, trail.makeSingles(all[0], 10_000))).then(() => 10_000),
  batches: (trail) =>
    trail.withConnections(4, (all) => trail.postBatches(all, trail.makeBatches(all[0], 10_000))).then(() => 10_000),
  history: async (trail, { measureHistory }) => {
    await measureHistory(trail, { rounds: 1, orders: 1_000 });
    return 1_000;
  },
  report: async (trail, { drain }) => {
    const period = new URLSearchParams({ format: 'csv', from: timeOf(0), to: timeOf(events) });
    await drain(trail, `/v1/ledgers/${LEDGER}/reports/${values.report}?${period}`, 'text/csv');
    return events;
  },
  verification: async (trail, { verify }) => (await verify(trail)).checked,
  export: async (trail, { runExport }) => (await runExport(trail)).events,
  proofs: async (trail) => {
    const ids = trail.proofIds ?? (trail.proofIds = await randomEventIds(trail, 20_000));
    await trail.withConnections(1, async ([connection]) => {
      for (let i = 0; i < 500; i++) await proveEvent(connection, ids[Math.floor(Math.random() * ids.length)]);
    });
    return 500;
  },
  bundles: async (trail) => {
    const { content } = await askForBundle(trail, { to_sequence: String(events) });
    await content.arrayBuffer();
    return events;
  },
};

if (positionals.length !== 1 || !WORK[positionals[0]] || !(seconds > 0 && top > 0 && events >= 8_000)) {
  process.stderr.write(USAGE);
  process.exit(1);
}

await ensureInstalled();
const build = values.build === undefined ? ensureBuilt({ hold: true }) : resolve(values.build);
const [{ Cleanup }, { Trail, LEDGER }, reads, { signalToStop }, { cpuSeconds }] = await Promise.all([
  import('./processes.mjs'),
  import('./trail.mjs'),
  import('./read-rows.mjs'),
  import('./bench.mjs'),
  import('./cpu-time.mjs'),
]);
const { timeOf } = await import('./order-events.mjs');
const { runExport } = await import('./jobs.mjs');
const { proveEvent, randomEventIds, runRound } = await import('./checkpoint-rows.mjs');
const { askForBundle } = await import('./evidence-rows.mjs');

const cleanup = new Cleanup();
let code = 0;
try {
  await Promise.race([profile(positionals[0]), signalToStop()]);
} catch (error) {
  console.error(error.stack);
  code = 1;
} finally {
  process.on('unhandledRejection', () => undefined);
  await cleanup.run();
}
process.stdout.write('', () => process.exit(code));

async function profile(row) {
  const trail = await Trail.start({
    ...{ build, cleanup, log: (message) => console.error(message) },
    nodeArgs: ['--cpu-prof', '--cpu-prof-interval=200', ...values['node-arg']], // into its folder, a file for each thread
  });
  await trail.warmUp(WARM_UP_EVENTS);
  if (FILLED.includes(row)) await trail.fill(events);
  if (['proofs', 'bundles'].includes(row)) await runRound(trail);
  const run = () => WORK[row](trail, { ...reads, runExport });
  await run();
  if (row === ONCE) await trail.fill(trail.recorded + events);
  const before = cpuSeconds(trail);
  const fromMicros = nowMicros();
  let done = 0;
  const begun = performance.now();
  do done += await run();
  while (row !== ONCE && performance.now() - begun < seconds * 1000);
  const elapsed = (performance.now() - begun) / 1000;
  const toMicros = nowMicros();
  const after = cpuSeconds(trail);
  await trail.service.stop(); // writes the profiles

  console.log(`${row}: ${done} in ${elapsed.toFixed(1)} s, ${Math.round(done / elapsed)} a second`);
  for (const [name, value] of Object.entries(after ?? {})) {
    const used = value - before[name];
    console.log(
      `  ${name.padEnd(15)} ${(used / elapsed).toFixed(2)} cores, ${((used * 1e6) / done).toFixed(1)} µs each`,
    );
  }
  const files = readdirSync(trail.folder).filter((name) => name.endsWith('.cpuprofile'));
  for (const file of files) {
    printProfile(JSON.parse(readFileSync(join(trail.folder, file), 'utf8')), { fromMicros, toMicros, done });
  }
}

/** The clock of V8's profiles: monotonic, microseconds (on Linux and macOS the same for all processes). */
function nowMicros() {
  return Number(process.hrtime.bigint() / 1000n);
}

function printProfile({ nodes, samples, timeDeltas, startTime }, { fromMicros, toMicros, done }) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const self = new Map();
  let at = startTime;
  let total = 0;
  let idle = 0;
  samples.forEach((id, i) => {
    at += timeDeltas[i];
    // a sample stands for the time until the next one
    const micros = timeDeltas[i + 1] ?? 0;
    if (at < fromMicros || at > toMicros) return;
    const { functionName, url, lineNumber } = byId.get(id).callFrame;
    if (functionName === '(idle)') {
      idle += micros;
      return;
    }
    total += micros;
    const key = `${functionName || '(anonymous)'}  ${place(url, lineNumber)}`;
    self.set(key, (self.get(key) ?? 0) + micros);
  });
  if (total === 0) return;
  console.log(`\na thread: busy ${(total / 1e6).toFixed(2)} s, idle ${(idle / 1e6).toFixed(2)} s`);
  console.log('  self %   µs each  function');
  for (const [key, micros] of [...self].sort((a, b) => b[1] - a[1]).slice(0, top)) {
    const share = ((micros / total) * 100).toFixed(1);
    console.log(`  ${share.padStart(6)}  ${(micros / done).toFixed(2).padStart(8)}  ${key}`);
  }
}

function place(url, line) {
  if (url === '') return '';
  const path = url.startsWith('file:') ? relative(root, new URL(url).pathname) : url;
  return `${path.replace(/^dist\/[0-9a-f]{16}\//, '').replace(/^.*node_modules\//, '')}:${line + 1}`;
}
