import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { TEST_KEY, TEST_ORIGIN } from './app.js';

/** The built service in a process of its own, as an operator runs it: for tests that kill it. */
export class Replica {
  private constructor(
    private readonly process: ChildProcess,
    readonly url: string,
    private readonly output: () => string,
  ) {}

  /**
   * Resolves once it listens. `build` is another one than that of the present sources; `without` are settings of every
   * replica here that this one is to be without.
   */
  static async start(
    env: Record<string, string>,
    build = process.env.TRUETRAIL_BUILD,
    without: readonly string[] = [],
  ): Promise<Replica> {
    if (!build) throw new Error('TRUETRAIL_BUILD is not set: run the tests by `npm test`');
    const settings: Record<string, string | undefined> = {
      PATH: process.env.PATH,
      PORT: '0',
      LOG_LEVEL: 'warn',
      LOG_ORIGIN: TEST_ORIGIN,
      BOOTSTRAP_API_KEY: TEST_KEY,
      VERIFICATION_SCHEDULE: 'off',
      CHECKPOINT_SCHEDULE: 'off',
      RECORD_READS_SECONDS: '0',
      ARCHIVE_URL: 'off',
      ...env,
    };
    for (const name of without) settings[name] = undefined;
    const child = spawn(process.execPath, [join(build, 'src/main.js')], {
      env: settings,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const url = await new Promise<string>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        output = (output + chunk.toString()).slice(-100_000);
        const found = /listens on (http:\/\/\S+)/.exec(output);
        if (found) resolve(found[1]!);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', (code, signal) =>
        reject(new Error(`the service ended (${code ?? signal}) before it listened:\n${output}`)),
      );
    });
    return new Replica(child, url, () => output);
  }

  get pid(): number {
    return this.process.pid!;
  }

  get log(): string {
    return this.output();
  }

  /** As a machine that is suspended, and woken. */
  suspend(): void {
    this.process.kill('SIGSTOP');
  }

  wake(): void {
    this.process.kill('SIGCONT');
  }

  /** Resolves with its exit code, or the signal that ended it. */
  async end(signal: NodeJS.Signals): Promise<number | string> {
    if (this.process.exitCode !== null || this.process.signalCode !== null)
      return this.process.exitCode ?? this.process.signalCode!;
    const exited = once(this.process, 'exit') as Promise<[number | null, string | null]>;
    this.process.kill(signal);
    const [code, by] = await exited;
    return code ?? by!;
  }
}
