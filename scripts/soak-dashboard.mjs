// The chart's dashboard during a soak: a Prometheus that scrapes the service, and the picture of what it saw.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { KEY } from '../bench/processes.mjs';
import { root } from './install.mjs';

const SCRAPE_S = 2;
/** Longer than Grafana's four scrapes: some come late on a machine that tests. */
const RATE_INTERVAL = '20s';
const START_TIMEOUT_MS = 30_000;

/**
 * Starts this machine's Prometheus on a folder of its own, with the labels that the chart's ServiceMonitor gives: `{ url }`.
 * `cleanup` ends it. Throws where there is none.
 */
export async function watch({ service, folder, cleanup }) {
  const port = await freePort();
  const own = join(folder, 'prometheus');
  mkdirSync(own);
  const config = {
    global: { scrape_interval: `${SCRAPE_S}s` },
    scrape_configs: [
      {
        job_name: 'truetrail-metrics',
        authorization: { credentials: KEY },
        static_configs: [
          { targets: [new URL(service.url).host], labels: { namespace: 'truetrail', pod: 'truetrail-0' } },
        ],
      },
    ],
  };
  writeFileSync(join(own, 'prometheus.yaml'), JSON.stringify(config)); // JSON is YAML
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    'prometheus',
    [
      ...[`--config.file=${join(own, 'prometheus.yaml')}`, `--storage.tsdb.path=${join(own, 'data')}`],
      ...[`--web.listen-address=127.0.0.1:${port}`, '--log.level=error'],
    ],
    { stdio: ['ignore', 'inherit', 'inherit'], detached: true },
  );
  let ended;
  const gone = once(child, 'exit').then(
    ([code, signal]) => (ended = `ended with ${signal ?? `code ${code}`}`),
    (error) => (ended = error.message),
  );
  cleanup.add(async () => {
    child.kill('SIGTERM');
    await gone;
  });
  for (const until = Date.now() + START_TIMEOUT_MS; ; await pause(100)) {
    const answer = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (answer?.status === 200) break;
    if (ended !== undefined || Date.now() > until)
      throw new Error(`Prometheus did not start: ${ended ?? 'it is not ready'}`);
  }
  return { url };
}

/** Draws the last minutes into an HTML file; what is wrong with the panels, a line each. */
export async function draw({ url }, { file, minutes, say }) {
  const script = join(root, 'scripts', 'dashboard-picture.mjs');
  const args = [script, url, file, '--minutes', String(minutes), '--rate-interval', RATE_INTERVAL];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [code] = await once(child, 'close');
  say(output.trimEnd());
  const faults = output.split('\n').filter((line) => /^(FAILED|refused)/.test(line));
  return code === 0 || faults.length > 0 ? faults : [`the picture was not made (code ${code})`];
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
