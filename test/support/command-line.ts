import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { TEST_ORIGIN } from './app.js';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the built command line as an operator does. */
export async function truetrail(env: Record<string, string>, ...args: string[]): Promise<Ended> {
  const build = process.env.TRUETRAIL_BUILD;
  if (!build) throw new Error('TRUETRAIL_BUILD is not set: run the tests by `npm test`');
  const child = spawn(process.execPath, [join(build, 'src/cli/truetrail.js'), ...args], {
    env: { PATH: process.env.PATH, LOG_ORIGIN: TEST_ORIGIN, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended: Ended = { code: -1, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (ended.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (ended.stderr += text));
  [ended.code] = (await once(child, 'close')) as [number];
  return ended;
}
