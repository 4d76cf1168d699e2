import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { TEST_ORIGIN } from './app.js';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the built command line as an operator does. */
export function truetrail(env: Record<string, string>, ...args: string[]): Promise<Ended> {
  return startTruetrail(env, ...args).ended;
}

export interface Running {
  child: ChildProcess;
  /** of what it wrote to standard error, when a pattern has come so often; rejects where it ends before */
  until(pattern: RegExp, times?: number): Promise<void>;
  ended: Promise<Ended>;
}

/** The same, for a test that stops it or kills it at what it says. */
export function startTruetrail(env: Record<string, string>, ...args: string[]): Running {
  const build = process.env.TRUETRAIL_BUILD;
  if (!build) throw new Error('TRUETRAIL_BUILD is not set: run the tests by `npm test`');
  const child = spawn(process.execPath, [join(build, 'src/cli/truetrail.js'), ...args], {
    env: { PATH: process.env.PATH, LOG_ORIGIN: TEST_ORIGIN, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended: Ended = { code: -1, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (ended.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (ended.stderr += text));
  const end = once(child, 'close').then(([code]) => ({ ...ended, code: (code as number | null) ?? -1 }));
  return {
    child,
    ended: end,
    until: (pattern, times = 1) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if ([...ended.stderr.matchAll(new RegExp(pattern, 'g'))].length >= times) resolve();
        };
        child.stderr.on('data', look);
        child.once('close', () => reject(new Error(`it ended before ${pattern}: ${ended.stderr}`)));
        look();
      }),
  };
}
