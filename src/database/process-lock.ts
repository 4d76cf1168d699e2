import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface ProcessLock {
  release(): void;
}

/** Another process, which lives, holds the lock. */
export class LockHeldError extends Error {
  override name = 'LockHeldError';
  constructor(readonly pid: number) {
    super(`process ${pid} holds the lock`);
  }
}

/**
 * Takes a lock that one process of this machine can hold, and that needs no release when its holder is killed: it
 * carries pid and start time, and is taken over once no such process is left (a later one with the same pid is
 * not it). Not for folders that several machines or pid namespaces share. Throws LockHeldError.
 *
 * The lock is a folder that is moved into place with its owner written in it, because a rename onto a folder that is
 * not empty fails. A dead owner's is moved aside to a name made of that owner's random id, and left there: of two
 * processes that saw it dead only one can ever move it, and none can move its successor's.
 */
export function takeProcessLock(folder: string): ProcessLock {
  const id = randomBytes(8).toString('hex');
  const mine = `${folder}-${id}`;
  mkdirSync(mine, { mode: 0o700 });
  try {
    // to the disk before it is moved: a lock without an owner in it would outlive a power cut
    writeFileSync(join(mine, 'owner'), `${process.pid}\n${id}\n${processStart(process.pid)}\n`, { flush: true });
    for (let attempt = 1; !moved(mine, folder); attempt++) {
      if (attempt > 1000) throw new Error(`the lock ${folder} is damaged: remove it`);
      const owner = readOwner(folder);
      if (owner === undefined) continue; // released meanwhile
      if (processStart(owner.pid) === owner.start) throw new LockHeldError(owner.pid);
      const aside = `${folder}-${owner.id}`;
      if (moved(folder, aside)) utimesSync(aside, new Date(), new Date());
    }
  } catch (error) {
    rmSync(mine, { recursive: true, force: true });
    throw error;
  }
  removeOldLocks(folder);
  return {
    release() {
      removeOldLocks(folder);
      // moved first: emptied in place it could be a successor's by the time that it is removed
      if (readOwner(folder)?.id === id && moved(folder, mine)) rmSync(mine, { recursive: true, force: true });
    },
  };
}

/**
 * When a process began, in units that only compare for equality; undefined when there is none with that pid, or only
 * what is left of one until its parent asks for its exit status.
 */
export function processStart(pid: number): string | undefined {
  if (process.platform === 'linux') {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    } catch {
      return isHidden(pid) ? 'unknown' : undefined;
    }
    // proc(5): after the command's closing bracket come the state (field 3) … and the start time in ticks (field 22)
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${fields[19]}`;
  }
  const ps = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
  });
  const [, state, start] = /^\s*(\S+)\s+(.+?)\s*$/m.exec(ps.stdout ?? '') ?? [];
  return state === undefined || state.startsWith('Z') ? undefined : start;
}

/** Whether there is such a process, of another user, that /proc does not show (`hidepid`). */
function isHidden(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false; // it has just ended, or is ours and just began
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function readOwner(folder: string): { pid: number; id: string; start: string } | undefined {
  try {
    const [pid = '', id = '', start = ''] = readFileSync(join(folder, 'owner'), 'utf8').split('\n');
    return { pid: Number(pid), id, start };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** A minute is more than anybody takes between seeing a dead owner and moving its lock aside. */
function removeOldLocks(folder: string): void {
  for (const name of readdirSync(dirname(folder))) {
    if (!name.startsWith(basename(folder)) || !/^-[0-9a-f]{16}$/.test(name.slice(basename(folder).length))) continue;
    const path = join(dirname(folder), name);
    const modified = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (Date.now() - modified > 60_000) rmSync(path, { recursive: true, force: true });
  }
}
