// What the bench starts: the embedded PostgreSQL and the service, each a process of its own, in one temporary folder.
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { HttpConnection } from './http-connection.mjs';

export const KEY = 'bench-key-with-every-scope-0123456789abcdef';
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;

/** Undoes in reverse order what was done; a step that fails does not keep the others from running. */
export class Cleanup {
  #steps = [];
  #begun = false;

  add(step) {
    this.#steps.push(step);
  }

  /** Throws once cleaning up has begun: what is started after that nobody would stop. */
  requireNotBegun() {
    if (this.#begun) throw new Error('the bench is ending');
  }

  async run() {
    this.#begun = true;
    for (;;) {
      const step = this.#steps.pop();
      if (!step) return;
      try {
        await step();
      } catch (error) {
        console.error(`cleaning up: ${error.message}`);
      }
    }
  }
}

/** A folder of the system's temporary ones (TMPDIR chooses another disk), passable for PostgreSQL's own user. */
export function temporaryFolder(cleanup) {
  const folder = mkdtempSync(join(tmpdir(), 'truetrail-bench-'));
  chmodSync(folder, 0o711);
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function importFrom(build, path) {
  return import(pathToFileURL(join(build, path)).href);
}

/** The embedded PostgreSQL as the service starts it, with the settings that it ships with. */
export async function startDatabase({ build, dataDir, cleanup }) {
  const { startEmbeddedPostgres } = await importFrom(build, 'src/database/embedded-postgres.js');
  cleanup.requireNotBegun();
  const starting = startEmbeddedPostgres({ dataDir, log: () => undefined });
  cleanup.add(async () => (await starting).stop());
  return starting;
}

/**
 * Starts the service on that database with its shipped settings, but for the nightly verification, which must not
 * happen to run just now. `nodeArgs` come before its script.
 */
export function startService({ build, database, folder, cleanup, nodeArgs = [], env = {} }) {
  return startProcess({
    args: [...nodeArgs, join(build, 'src', 'main.js')],
    env: {
      DATABASE_URL: database.serviceUrl,
      DATABASE_OWNER_URL: database.ownerUrl,
      VERIFICATION_SCHEDULE: 'off',
      ...env,
    },
    folder,
    cleanup,
  });
}

let started = 0;

/** Starts Node with these arguments and waits until it says where it listens and until it is ready. */
export async function startProcess({ args, env, folder, cleanup }) {
  cleanup.requireNotBegun();
  const logFile = join(folder, `service-${++started}.log`);
  const log = openSync(logFile, 'w');
  const begun = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: folder,
    // A process group of its own: a terminal's Ctrl-C is for the bench, which then stops this one.
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...inherited(), PORT: '0', HOST: '127.0.0.1', BOOTSTRAP_API_KEY: KEY, ...env },
  });
  closeSync(log);
  let ended;
  const exit = new Promise((resolve) => {
    child.once('error', (error) => resolve((ended = error.message)));
    child.once('exit', (code, signal) => resolve((ended = signal ?? `code ${code}`)));
  });
  const wholeLog = () => readFileSync(logFile, 'utf8').trimEnd();
  const logTail = () => wholeLog().split('\n').slice(-15).join('\n');
  let stopped;
  const stop = () =>
    (stopped ??= (async () => {
      if (ended === undefined) child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exit;
      clearTimeout(timer);
      if (ended !== 'code 0') throw new Error(`the service ended with ${ended}:\n${logTail()}`);
    })());
  cleanup.add(() => stop());

  let url;
  for (;;) {
    if (ended !== undefined) throw new Error(`the service did not start (${ended}):\n${logTail()}`);
    if (performance.now() - begun > START_TIMEOUT_MS)
      throw new Error(`the service did not start in time:\n${logTail()}`);
    url ??= /Truetrail listens on (http:\/\/\S+)/.exec(readFileSync(logFile, 'utf8'))?.[1];
    if (url !== undefined && (await isReady(url))) break;
    await pause(5);
  }
  return { url, pid: child.pid, readyAfterMs: performance.now() - begun, stop, log: wholeLog, logTail };
}

async function isReady(url) {
  const connection = await HttpConnection.open(url, KEY);
  try {
    return (await connection.call('GET', '/health/ready')).status === 200;
  } finally {
    connection.close();
  }
}

/** Nothing of the caller's settings may change what is measured. */
function inherited() {
  const env = {};
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LD_LIBRARY_PATH']) {
    if (process.env[name] !== undefined) env[name] = process.env[name];
  }
  return env;
}
