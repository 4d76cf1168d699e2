import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  EmbeddedPostgresError,
  messageOf,
  type OsUser,
  osUserFor,
  type Package,
  serverEnvironment,
  usablePrograms,
} from './embedded-programs.js';
import { isListed } from './process-list.js';
import { processStart } from './process-lock.js';

/** The cluster's superuser. */
export const ADMIN = 'truetrail_admin';

/** A log longer than this starts anew, and one predecessor is kept: weeks of an ordinary service, 20 MB at most. */
const MAX_LOG_BYTES = 10 * 1024 * 1024;
/** Crash recovery replays up to max_wal_size: a minute or two on a slow disk. */
const START_TIMEOUT_MS = 5 * 60_000;
/** Fast shutdown ends with a checkpoint of at most shared_buffers. */
const STOP_TIMEOUT_MS = 30_000;
const IMMEDIATE_STOP_TIMEOUT_MS = 10_000;
/** A killed postmaster keeps its pid until a parent asks for its status; some containers' init does so late or never. */
const ZOMBIE_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

export interface Server {
  port: number;
  stop(): Promise<void>;
}

interface PidFile {
  pid: number;
  port: number;
  status: string;
}

/** The server that was started has ended again. */
class StartFailure extends Error {}

export class Cluster {
  private readonly folder: string;
  private readonly logFile: string;
  private readonly user: OsUser;
  private readonly bin: string;

  constructor(
    private readonly dataDir: string,
    private readonly program: Package,
    private readonly log: (message: string) => void,
    private readonly settings: Record<string, string>,
    private readonly onEnded: (message: string) => void,
  ) {
    this.folder = join(dataDir, 'postgres');
    this.logFile = join(dataDir, 'postgres.log');
    this.user = osUserFor(this.folder);
    this.bin = usablePrograms(program, this.user);
  }

  /** Throws when there is something that is no cluster, or one of another major version. */
  exists(): boolean {
    let version: string;
    try {
      version = readFileSync(join(this.folder, 'PG_VERSION'), 'utf8').trim();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw new EmbeddedPostgresError(
          `${this.folder} cannot be read: ${messageOf(cause)}. Run as the user that made it, or choose another folder by DATA_DIR.`,
          { cause },
        );
      }
      if (!existsSync(this.folder) || readdirSync(this.folder).length === 0) return false;
      throw new EmbeddedPostgresError(
        `${this.folder} is not a PostgreSQL data folder (no PG_VERSION in it). Move it away, or choose another folder by DATA_DIR.`,
      );
    }
    const major = this.program.version.split('.')[0];
    if (version !== major) {
      throw new EmbeddedPostgresError(
        `${this.folder} was made by PostgreSQL ${version}, and this is ${major}. Dump it with the programs of ${version} and ` +
          'restore it into a new DATA_DIR, or serve it by a PostgreSQL of yours and set DATABASE_URL.',
      );
    }
    return true;
  }

  /** Makes the cluster under another name, and gives it its own when it is whole; clears away what a killed run left. */
  async initialise(adminPassword: string): Promise<void> {
    for (const name of readdirSync(this.dataDir)) {
      if (/^postgres\.new-/.test(name)) await removeWhileWrittenTo(join(this.dataDir, name));
    }
    this.log(`making a PostgreSQL ${this.program.version.split('.')[0]} cluster in ${this.folder}`);
    // a new name each time: a killed run's initdb may still be writing to its own
    const fresh = join(this.dataDir, `postgres.new-${randomBytes(4).toString('hex')}`);
    mkdirSync(fresh, { mode: 0o700 });
    this.handOver(fresh);
    const passwordFd = this.unlinkedFile(`${adminPassword}\n`);
    try {
      const child = spawn(
        join(this.bin, 'initdb'),
        [
          ...['-D', this.pathForServer(fresh), `--username=${ADMIN}`, '--pwfile=/dev/fd/3', '--auth=scram-sha-256'],
          ...[
            '--encoding=UTF8',
            '--locale-provider=builtin',
            '--builtin-locale=C.UTF-8',
            '--locale=C',
            '--data-checksums',
          ],
        ],
        { ...this.user, cwd: fresh, env: serverEnvironment(), stdio: ['ignore', 'pipe', 'pipe', passwordFd] },
      );
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
      }
      const failure = await new Promise<string | undefined>((done) => {
        child.once('error', (error) => done(error.message));
        child.once('close', (code, signal) =>
          done(code === 0 ? undefined : `initdb ended with ${signal ?? `code ${code}`}`),
        );
      });
      if (failure !== undefined) {
        await removeWhileWrittenTo(fresh);
        throw new EmbeddedPostgresError(
          `No PostgreSQL cluster could be made in ${this.dataDir}: ${failure}.${quoted(output)}\n` +
            'Look for a full disk or missing rights, or choose another folder by DATA_DIR.',
        );
      }
    } finally {
      closeSync(passwordFd);
    }
    renameSync(fresh, this.folder); // initdb has synced what is in it
    syncFolder(this.dataDir);
  }

  /** Uses the server that already runs on this folder, else starts one; ready for connections either way. */
  async start(): Promise<Server> {
    this.boundLog();
    const running = await this.findRunning();
    if (running !== undefined && this.wasStartedWithOurSettings()) {
      this.log(`using the PostgreSQL that a killed service left running (pid ${running.pid}, port ${running.port})`);
      try {
        const { port } = await this.untilReady(running.pid, undefined, this.logLength());
        return this.server(running.pid, port, undefined);
      } catch (cause) {
        if (!(cause instanceof StartFailure)) throw cause;
        this.log(`it has ended meanwhile: starting another`);
      }
    } else if (running !== undefined) {
      this.log(
        `restarting the PostgreSQL that a killed service left running (pid ${running.pid}): its settings differ`,
      );
      await this.stop(running.pid);
    }
    const deadline = Date.now() + ZOMBIE_TIMEOUT_MS;
    let port = await freePort(this.lastPort());
    for (;;) {
      const logStart = this.logLength();
      try {
        return await this.launch(port, logStart);
      } catch (cause) {
        const written = this.logSince(logStart);
        // Two that pass by themselves: another program took the port; a killed postmaster's backends have not noticed yet.
        const portTaken = /could not bind|could not create any TCP\/IP sockets/.test(written);
        const dying = /pre-existing shared memory block|lock file "postmaster.pid" (already exists|is empty)/.test(
          written,
        );
        if (!(cause instanceof StartFailure && (portTaken || dying) && Date.now() < deadline)) {
          throw new EmbeddedPostgresError(
            `PostgreSQL did not start on ${this.folder}: ${messageOf(cause)}.${quoted(written)}\n` +
              `The whole log is ${this.logFile}. Look there for a full disk, missing rights or a damaged file. Do not delete ` +
              'anything in the data folder: it is the audit trail. Restore from a backup if it is damaged.',
            { cause },
          );
        }
        if (portTaken) port = await freePort(undefined);
        else await sleep(250);
        await this.findRunning(); // clears a pid file that belongs to nobody
      }
    }
  }

  /**
   * Started directly rather than by pg_ctl: an own child's end is seen at once, its log needs no rights of its user,
   * and nothing passes through a shell. In a session of its own, so that a terminal's Ctrl-C is for the service alone.
   */
  private async launch(port: number, logStart: number): Promise<Server> {
    const fd = this.openLog();
    let child: ChildProcess;
    try {
      child = spawn(
        join(this.bin, 'postgres'),
        ['-D', this.pathForServer(this.folder), '-p', String(port), ...this.arguments()],
        {
          ...this.user,
          cwd: this.folder,
          env: serverEnvironment(),
          detached: true,
          stdio: ['ignore', fd, fd],
        },
      );
    } finally {
      closeSync(fd);
    }
    const pid = await new Promise<number>((done, fail) => {
      child.once('spawn', () => done(child.pid!));
      child.once('error', (error) => fail(new StartFailure(error.message)));
    });
    child.unref();
    await this.untilReady(pid, child, logStart);
    return this.server(pid, port, child);
  }

  private server(pid: number, port: number, child: ChildProcess | undefined): Server {
    const bound = setInterval(() => this.boundLog(), 60_000).unref();
    let stopping = false;
    child?.once('exit', (code, signal) => {
      if (stopping) return;
      const message = `PostgreSQL (pid ${pid}) has ended by itself (${signal ?? `code ${code}`}); its log is ${this.logFile}`;
      this.log(message);
      this.onEnded(message);
    });
    return {
      port,
      stop: async () => {
        stopping = true;
        clearInterval(bound);
        await this.stop(pid);
      },
    };
  }

  private async stop(pid: number): Promise<void> {
    if (await this.ends(pid, 'SIGINT', STOP_TIMEOUT_MS)) return;
    this.log(
      `PostgreSQL (pid ${pid}) has not stopped within ${STOP_TIMEOUT_MS / 1000} s; stopping it at once (nothing committed is ` +
        'lost: the next start recovers)',
    );
    if (await this.ends(pid, 'SIGQUIT', IMMEDIATE_STOP_TIMEOUT_MS)) return;
    throw new EmbeddedPostgresError(
      `PostgreSQL (pid ${pid}) on ${this.folder} does not stop: a disk that does not answer, most likely. Its log is ${this.logFile}.`,
    );
  }

  /** Sends the signal and says whether the server has ended in time. */
  private async ends(pid: number, signal: NodeJS.Signals, timeoutMs: number): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    if (this.isOurServer(pid)) killIfThere(pid, signal);
    while (this.isOurServer(pid)) {
      if (Date.now() > deadline) return false;
      await sleep(POLL_MS);
    }
    return true;
  }

  /** Throws StartFailure when the server ends instead. */
  private async untilReady(pid: number, child: ChildProcess | undefined, logStart: number): Promise<PidFile> {
    const began = Date.now();
    let told = began;
    for (;;) {
      const file = this.readPidFile();
      if (file?.pid === pid && file.status === 'ready') return file;
      if (child ? child.exitCode !== null || child.signalCode !== null : !this.isOurServer(pid)) {
        throw new StartFailure(`the server ended with ${child?.signalCode ?? `code ${child?.exitCode ?? 'unknown'}`}`);
      }
      if (Date.now() - began > START_TIMEOUT_MS) {
        await this.stop(pid);
        throw new EmbeddedPostgresError(
          `PostgreSQL was not ready within ${START_TIMEOUT_MS / 60_000} minutes.${quoted(this.logSince(logStart))}\n` +
            `The whole log is ${this.logFile}.`,
        );
      }
      if (Date.now() - told > 10_000) {
        told = Date.now();
        this.log(
          `PostgreSQL is not ready yet (recovery after a crash can take minutes): ${lastLines(this.logSince(logStart), 1)}`,
        );
      }
      await sleep(POLL_MS);
    }
  }

  /**
   * The server of this folder, if one lives; one that is about to end is waited for. Removes a pid file whose process
   * is not a server of this folder, which PostgreSQL itself, seeing a process, would not dare.
   */
  private async findRunning(): Promise<PidFile | undefined> {
    const began = Date.now();
    for (;;) {
      const file = this.readPidFile();
      if (file === undefined) return undefined;
      const waitedMs = Date.now() - began;
      if (this.isOurServer(file.pid)) {
        if (file.status !== 'stopping') return file;
        if (waitedMs > ZOMBIE_TIMEOUT_MS) {
          await this.stop(file.pid); // a smart shutdown, which waits for clients for ever
          return undefined;
        }
      } else if (!isListed(file.pid)) {
        return undefined; // stale, which PostgreSQL sees by itself
      } else if (processStart(file.pid) !== undefined || waitedMs > ZOMBIE_TIMEOUT_MS) {
        this.log(`removing a stale postmaster.pid: process ${file.pid} is no PostgreSQL of ${this.folder}`);
        rmSync(join(this.folder, 'postmaster.pid'), { force: true });
        return undefined;
      }
      await sleep(POLL_MS);
    }
  }

  private readPidFile(): PidFile | undefined {
    const path = join(this.folder, 'postmaster.pid');
    let lines: string[];
    try {
      lines = readFileSync(path, 'utf8').split('\n');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const pid = Number(lines[0]);
    if (!Number.isSafeInteger(pid) || pid <= 0) {
      // Cut off by a crash as it was written. A server that lives writes it at once, so two seconds later it is nobody's.
      const writtenMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
      if (Date.now() - writtenMs > 2000) rmSync(path, { force: true });
      return undefined;
    }
    return { pid, port: Number(lines[3]), status: (lines[7] ?? '').trim() };
  }

  /** Whether this process is a PostgreSQL that serves this folder: postmasters work in their data folder. */
  private isOurServer(pid: number): boolean {
    if (processStart(pid) === undefined) return false;
    if (process.platform === 'linux') {
      try {
        const program = basename(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '');
        const [there, here] = [statSync(`/proc/${pid}/cwd`), statSync(this.folder)];
        return program === 'postgres' && there.dev === here.dev && there.ino === here.ino;
      } catch {
        return false; // just ended, or another user's, and then not ours
      }
    }
    const command = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
    return command.includes(`postgres -D ${this.folder} -p `);
  }

  /** The server writes its command line to a file, which stays when it stops. */
  private commandLine(): string {
    try {
      return readFileSync(join(this.folder, 'postmaster.opts'), 'utf8').trim();
    } catch {
      return '';
    }
  }

  private wasStartedWithOurSettings(): boolean {
    const ours = this.arguments().map((argument) => `"${argument}"`);
    return this.commandLine().replace(/^.*?"-p" "\d+" /, '') === ours.join(' ');
  }

  private lastPort(): number | undefined {
    const port = /"-p" "(\d+)"/.exec(this.commandLine())?.[1];
    return port === undefined ? undefined : Number(port);
  }

  private arguments(): string[] {
    return Object.entries(this.settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  }

  /**
   * How the server is told a folder that it is started in. Where its user has no way in (a data folder below root's
   * 0700 home), Linux's link to the folder that a process works in leads there all the same, and gives that user
   * nothing else; PostgreSQL never leaves that folder. Elsewhere there is no such way.
   */
  private pathForServer(folder: string): string {
    if (this.user === undefined) return folder;
    const there = spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], { ...this.user, cwd: '/' });
    if (there.status === 0) return folder;
    const link = '/proc/self/cwd';
    if (spawnSync('/bin/sh', ['-c', `ls ${link}/`], { ...this.user, cwd: folder }).status === 0) return link;
    throw new EmbeddedPostgresError(
      `Root's PostgreSQL runs as the user with id ${this.user.uid}, who cannot get to ${folder}. Choose a folder that others can ` +
        'reach by DATA_DIR (such as /var/lib/truetrail), or run Truetrail as an ordinary user.',
    );
  }

  private handOver(path: string): void {
    if (this.user !== undefined) chownSync(path, this.user.uid, this.user.gid);
  }

  /** A file that only the server's user can open, by the descriptor: without a name, it leaves nothing behind. */
  private unlinkedFile(content: string): number {
    const path = join(this.dataDir, `postgres.new-${randomBytes(4).toString('hex')}`);
    const fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    if (this.user !== undefined) fchownSync(fd, this.user.uid, this.user.gid);
    writeSync(fd, content, 0); // at a position, so that the descriptor's own stays at the beginning
    return fd;
  }

  // -- the log

  private openLog(): number {
    const fd = openSync(this.logFile, 'a', 0o600);
    if (this.user !== undefined) fchownSync(fd, this.user.uid, this.user.gid);
    return fd;
  }

  /** Copied and cut off rather than renamed, since a server has it open (for appending); a line or two may be lost. */
  private boundLog(): void {
    if (this.logLength() <= MAX_LOG_BYTES) return;
    try {
      copyFileSync(this.logFile, `${this.logFile}.1`);
      chmodSync(`${this.logFile}.1`, 0o600);
    } catch (cause) {
      this.log(`the PostgreSQL log starts anew, and its predecessor could not be kept: ${messageOf(cause)}`);
    }
    truncateSync(this.logFile);
  }

  private logLength(): number {
    return statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** At most the last 64 KiB of what was written since the log was that long. */
  private logSince(start: number): string {
    const fd = openSync(this.logFile, 'a+', 0o600);
    try {
      const { size } = fstatSync(fd);
      const from = Math.max(start, size - 65_536);
      const buffer = Buffer.alloc(Math.max(0, size - from));
      return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, from));
    } finally {
      closeSync(fd);
    }
  }
}

function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The preferred port if nobody listens on it, else one that the kernel picks. */
async function freePort(preferred: number | undefined): Promise<number> {
  const listen = (port: number): Promise<number | undefined> =>
    new Promise((done) => {
      const probe = createServer();
      probe.once('error', () => done(undefined));
      probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
        const address = probe.address();
        probe.close(() => done(typeof address === 'object' && address !== null ? address.port : undefined));
      });
    });
  const port = (preferred === undefined ? undefined : await listen(preferred)) ?? (await listen(0));
  if (port === undefined) throw new EmbeddedPostgresError('No port is free on 127.0.0.1.');
  return port;
}

/** Removes a folder in which an initdb whose starter was killed may still be making files, until that one notices. */
async function removeWhileWrittenTo(folder: string): Promise<void> {
  for (let attempts = 50; ; attempts -= 1) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || attempts === 0) throw error;
    }
    await sleep(100);
  }
}

export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

function quoted(output: string): string {
  return output.trim() === '' ? '' : `\n${lastLines(output, 12).replace(/^/gm, '  | ')}`;
}
