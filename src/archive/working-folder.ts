import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isListed } from '../database/process-list.js';

/** Folders of containers that share a volume are told apart, though each has a process 1. */
const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
const LEFT = new RegExp(`^truetrail-[a-z]+-${HOST}-([0-9]+)-[A-Za-z0-9]{6}$`);

/** A new folder for objects on their way, in the folder of temporary files; whoever makes it takes it away. */
export function makeWorkingFolder(purpose: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `truetrail-${purpose}-${HOST}-${process.pid}-`));
}

/** Takes away what processes of this machine that were killed have left; for the start, before any folder is made. */
export async function clearLeftFolders(): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const pid = Number(LEFT.exec(name)?.[1]);
    const isLeft = pid === process.pid || (pid > 0 && !isListed(pid));
    if (isLeft) await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined); // somebody else's
  }
}
