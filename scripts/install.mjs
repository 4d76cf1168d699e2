// Brings node_modules up to package-lock.json, so that `npm start` and `npm test` are all that a fresh checkout needs.
// Imports nothing but Node's own modules, and keeps to old syntax: it must run before there is anything else, and an
// old Node must get as far as the sentence that says it is too old.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  accessSync,
  constants as fsConstants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
/** npm's own record of what it put into node_modules; written last, so absent after a killed `npm ci`. */
const hiddenLockfile = join(modules, '.package-lock.json');
const stampFile = join(modules, '.truetrail-install');
const lockFolder = join(root, 'dist', '.install-lock');

/**
 * Runs `npm ci` unless node_modules holds what package-lock.json asks for, whoever installed it. A node_modules that
 * npm cannot or must not replace (read-only, a link, of another package manager, in an image without sources) is taken
 * as it is when the packages are there. Two processes at once: the second waits for the first. Throws an Error whose
 * message says what to do.
 */
export async function ensureInstalled() {
  requireNode();
  if (isInstalled()) return;
  if (isForeign()) {
    const missing = missingDependencies();
    if (missing.length === 0) return;
    throw new Error(
      `node_modules lacks ${missing.join(', ')}, and cannot be replaced here (read-only, a link, or made by another ` +
        'package manager).\nInstall the packages of package-lock.json the way it was made, or remove it and start again.',
    );
  }
  const release = await takeLock();
  let endedBy;
  try {
    if (isInstalled()) return;
    endedBy = await npmCi();
    if (!endedBy) writeStamp();
  } finally {
    release();
  }
  if (endedBy) process.exit(128 + constants.signals[endedBy]);
}

/** Throws when this Node is older than what the packages run on (the `engines` of NestJS 12 and TypeORM 1.1). */
export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const fits = major > 22 || (major === 22 && minor >= 13) || (major === 20 && minor >= 19);
  if (!fits) {
    throw new Error(
      `Truetrail needs Node.js 20.19, 22.13, 24 or later; this is ${process.version} (${process.execPath}).\n` +
        'Install a newer one from https://nodejs.org and start again.',
    );
  }
}

function isInstalled() {
  if (!existsSync(join(root, 'package-lock.json'))) return false;
  if (!existsSync(hiddenLockfile)) return false;
  if (readIfThere(stampFile) === stamp()) return true;
  if (!matchesLockfile()) return false;
  writeStamp();
  return true;
}

/**
 * What was installed, for what and on what. An optional package that cannot be installed here is missing from npm's
 * record for good: once `npm ci` has ended well, only a change of these three asks for another.
 */
function stamp() {
  const digest = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');
  return (
    [digest(join(root, 'package-lock.json')), digest(hiddenLockfile), process.platform, process.arch].join('\n') + '\n'
  );
}

function writeStamp() {
  try {
    writeFileSync(stampFile, stamp());
  } catch {
    // without it the lockfiles are compared at each start, 10 ms
  }
}

/** Whether npm's record has every package of package-lock.json that belongs on this machine, each in its version. */
function matchesLockfile() {
  let wanted, present;
  try {
    wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    present = JSON.parse(readFileSync(hiddenLockfile, 'utf8')).packages;
  } catch {
    return false;
  }
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = present[path];
    if (found ? found.version !== entry.version || found.integrity !== entry.integrity : !mayBeMissing(entry))
      return false;
    if (found && !existsSync(join(root, path))) return false;
  }
  return Object.keys(present).every((path) => path in wanted);
}

/** npm leaves out optional packages made for other machines, and what only those need. */
function mayBeMissing({ optional, os, cpu, libc }) {
  const isMadeForThis = os && os.includes(process.platform) && cpu && cpu.includes(process.arch);
  return Boolean(optional) && !(isMadeForThis && (!libc || libc.includes(cLibrary())));
}

let knownCLibrary;
function cLibrary() {
  if (!knownCLibrary) {
    process.report.excludeNetwork = true; // its look-ups can take seconds
    knownCLibrary = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
  }
  return knownCLibrary;
}

/** Whether node_modules is somebody else's to change. */
function isForeign() {
  if (!existsSync(modules)) return false;
  if (lstatSync(modules).isSymbolicLink() || !isWritable(modules) || !isWritable(root)) return true;
  if (['.modules.yaml', '.yarn-integrity', '.yarn-state.yml'].some((name) => existsSync(join(modules, name))))
    return true;
  return !existsSync(join(root, 'src')) || !existsSync(join(root, 'package-lock.json')); // an image
}

function missingDependencies() {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.keys(dependencies).filter((name) => !existsSync(join(modules, name, 'package.json')));
}

/** Returns the signal that asked this process to end meanwhile, if one did; npm has ended by then. */
async function npmCi() {
  if (!existsSync(join(root, 'package-lock.json'))) {
    throw new Error(`${root} has no package-lock.json: the checkout is incomplete.`);
  }
  console.error(
    `${existsSync(modules) ? 'node_modules is not that of package-lock.json' : 'No node_modules yet'}: npm ci …`,
  );
  // The npm that runs us, if one does: a machine may have several. Development packages too, whatever NODE_ENV says:
  // the compiler is one.
  const own = process.env.npm_execpath;
  const [command, args] = own && basename(own) === 'npm-cli.js' ? [process.execPath, [own]] : ['npm', []];
  const child = spawn(command, [...args, 'ci', '--include=dev', '--include=optional'], { cwd: root, stdio: 'inherit' });
  // npm outlives a parent that is killed: as long as it works, the lock is not dead
  if (child.pid) writeFileSync(join(lockFolder, 'npm'), String(child.pid));
  let received;
  const passOn = (signal) => {
    received = signal;
    child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, passOn);
  const outcome = await new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be run: ${error.message}`));
    child.once('exit', (code, signal) =>
      resolve(code === 0 ? undefined : signal ? `was ended by ${signal}` : `ended with code ${code}`),
    );
  });
  for (const signal of signals) process.off(signal, passOn);
  if (received) return received;
  if (outcome) {
    throw new Error(
      `npm ci ${outcome}; its own lines above say why.\n` +
        'Usual causes: the package registry is not reached (see `npm config get registry` and `npm ping`), a full disk, or\n' +
        'files of another user in node_modules. Mend it and run the same command again; it starts over by itself.',
    );
  }
  return undefined;
}

/**
 * Waits until no other live process installs here, then holds the lock until the returned function is called. The lock
 * is a folder, moved into place with its owner's pid in it: a rename onto a folder that is not empty fails. A dead
 * owner's lock is moved aside to a name made of that owner's id and left there (build.mjs clears it away), so that of
 * two that saw it dead only one can ever move it, and never a successor's.
 */
async function takeLock() {
  mkdirSync(dirname(lockFolder), { recursive: true });
  const id = randomBytes(8).toString('hex');
  const mine = `${lockFolder}-${id}`;
  mkdirSync(mine);
  writeFileSync(join(mine, 'owner'), `${process.pid} ${id}`);
  let told = false;
  for (;;) {
    if (moved(mine, lockFolder)) break;
    const [pid, owner] = (readIfThere(join(lockFolder, 'owner')) || '').split(' ');
    const npm = readIfThere(join(lockFolder, 'npm'));
    if (owner && !isAlive(Number(pid)) && !(npm && isAlive(Number(npm)))) {
      moved(lockFolder, `${lockFolder}-dead-${owner}`);
    } else {
      if (owner && !told)
        console.error(
          `Process ${npm || pid} installs the packages; waiting for it (if it does not, remove ${lockFolder}) …`,
        );
      told = told || Boolean(owner);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  return () => {
    // moved first: emptied in place it could be another's by the time that it is removed
    if (moved(lockFolder, mine)) rmSync(mine, { recursive: true, force: true });
  };
}

function moved(from, to) {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'EPERM', 'ENOENT'].includes(error.code)) return false;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function isWritable(path) {
  try {
    accessSync(path, fsConstants.W_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  ensureInstalled().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
