// `node bench/evidence.mjs [--events 500000]`: how long a bundle of one trade date takes over HTTP, from the request to the
// last byte on disk, and to be verified by truetrail-verify from there; and the most that service and verifier held in
// memory meanwhile. Processor time stands beside the wall's, which other work on the machine lengthens. Prints JSON.
import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/build.mjs';
import { Cleanup, KEY } from './processes.mjs';
import { LEDGER, Trail } from './trail.mjs';

/** Of /proc, on Linux. */
const TICKS_A_SECOND = 100;

const { values } = parseArgs({ options: { events: { type: 'string', default: '500000' } } });
const events = Number(values.events);
const build = ensureBuilt({ hold: true });
const cleanup = new Cleanup();
try {
  const env = { ARCHIVE_URL: 'file:archive', CHECKPOINT_SCHEDULE: 'off' };
  const trail = await Trail.start({ build, cleanup, log: (line) => console.error(line), env });
  await trail.fill(events);
  await runJob(trail, 'checkpoint');
  const key = (await ask(trail, 'GET', `/v1/ledgers/${LEDGER}/keys`).then((answer) => answer.text())).trim();

  const file = join(trail.folder, 'bundle.zip');
  const before = usage(trail.service.pid);
  const begun = performance.now();
  const response = await ask(trail, 'POST', `/v1/ledgers/${LEDGER}/evidence`, { to_sequence: String(events) });
  if (response.status !== 200) throw new Error(`the bundle was refused: ${await response.text()}`);
  const firstMs = performance.now() - begun;
  await pipeline(Readable.fromWeb(response.body), createWriteStream(file));
  const madeMs = performance.now() - begun;
  const after = usage(trail.service.pid);

  const verified = await verify(file, key);
  console.log(
    JSON.stringify(
      {
        events,
        bundle_mb: round(statSync(file).size / 1e6),
        first_byte_s: round(firstMs / 1000),
        made_s: round(madeMs / 1000),
        made_cpu_s_of_service: round(after.cpuSeconds - before.cpuSeconds),
        service_peak_rss_mb_before: before.peakMb,
        service_peak_rss_mb_after: after.peakMb,
        verified_s: round(verified.ms / 1000),
        verified_cpu_s: round(verified.cpuSeconds),
        verifier_peak_rss_mb: verified.peakMb,
        verdict: verified.verdict,
      },
      null,
      2,
    ),
  );
  if (verified.verdict !== 'valid') process.exitCode = 1;
} finally {
  await cleanup.run();
}

function ask({ service }, method, path, body) {
  return fetch(`${service.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${KEY}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
}

async function runJob(trail, job) {
  const asked = await ask(trail, 'POST', `/v1/jobs/${job}/runs`);
  for (;;) {
    const run = await (await ask(trail, 'GET', asked.headers.get('location'))).json();
    if (run.status === 'done') return;
    if (run.status === 'failed') throw new Error(`${job} failed: ${JSON.stringify(run.outcome)}`);
    await pause(100);
  }
}

/** In a process of its own, from its start to its end. */
async function verify(path, trusted) {
  const begun = performance.now();
  const main = join(build, 'src', 'verify', 'truetrail-verify.js');
  const child = spawn(process.execPath, [main, path, '--key', trusted, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let last = { peakMb: null, cpuSeconds: null };
  const watch = setInterval(() => (last = usage(child.pid) ?? last), 20);
  child.stdout.setEncoding('utf8').on('data', (chunk) => (output += chunk));
  await new Promise((resolve) => child.once('close', resolve));
  clearInterval(watch);
  return { ms: performance.now() - begun, ...last, verdict: JSON.parse(output).verdict };
}

/** Of a process so far; undefined once it has ended. */
function usage(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
    return {
      peakMb: Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1e3),
      cpuSeconds: (Number(user) + Number(system)) / TICKS_A_SECOND,
    };
  } catch {
    return undefined;
  }
}

function round(number) {
  return number === null ? null : Math.round(number * 10) / 10;
}
