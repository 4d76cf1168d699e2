// Commands of the build, each a process of its own from its start to its end, and what it took of the machine.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Of /proc, on Linux. */
const TICKS_A_SECOND = 100;
const LOOK_MS = 20;

/**
 * Runs a script of Node to its end. Returns what it wrote, the lines of its standard error with the milliseconds after
 * which each came, and what it took: `peakMb` (10^6 bytes resident) and `cpuSeconds` are null where there is no /proc,
 * `temporaryMb` is 0 without `temporary`, the folder that it has for its temporary files. Throws an Error with its last
 * lines when it ends with anything but 0.
 */
export async function runScript(args, { env = process.env, temporary, cleanup } = {}) {
  const begun = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: temporary === undefined ? env : { ...env, TMPDIR: temporary },
  });
  cleanup?.add(() => child.kill('SIGKILL'));
  let output = '';
  let said = '';
  const lines = [];
  let last = { peakMb: null, cpuSeconds: null };
  let temporaryBytes = 0;
  const watch = setInterval(() => {
    last = usage(child.pid) ?? last;
    if (temporary !== undefined) temporaryBytes = Math.max(temporaryBytes, bytesIn(temporary));
  }, LOOK_MS);
  child.stdout.setEncoding('utf8').on('data', (chunk) => (output += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    const parts = (said + chunk).split('\n');
    said = parts.pop();
    for (const text of parts) lines.push({ ms: performance.now() - begun, text });
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearInterval(watch);
  const ms = performance.now() - begun;
  if (code !== 0) {
    const end = [...lines.map(({ text }) => text), said, output].slice(-15).join('\n');
    throw new Error(`${args.join(' ')} ended with ${code}:\n${end}`);
  }
  return { ms, output, lines, ...last, temporaryMb: temporaryBytes / 1e6 };
}

/** Of a process so far; undefined once it has ended, and where there is no /proc. */
export function usage(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
    return {
      peakMb: Math.round((Number(/VmHWM:\s+(\d+)/.exec(status)[1]) * 1024) / 1e6),
      cpuSeconds: (Number(user) + Number(system)) / TICKS_A_SECOND,
    };
  } catch {
    return undefined;
  }
}

/** Of what is in a folder now; what goes away meanwhile counts for nothing. */
function bytesIn(folder) {
  let bytes = 0;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      bytes += entry.isDirectory() ? bytesIn(path) : statSync(path).size;
    }
  } catch {
    // it is gone
  }
  return bytes;
}
