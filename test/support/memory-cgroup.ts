import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

/** Processes that may not have more memory together than a limit, as those of a container: the kernel kills them. Linux, root. */
export class MemoryCgroup {
  private constructor(
    private readonly folder: string,
    private readonly limit: string,
  ) {}

  /** A new one; undefined where this machine lets nobody make one. */
  static make(): MemoryCgroup | undefined {
    const isV1 = existsSync(join(V1, 'memory.limit_in_bytes'));
    if (!isV1 && !isDelegated()) return undefined;
    const folder = join(isV1 ? V1 : V2, `truetrail-test-${process.pid}`);
    try {
      mkdirSync(folder);
      if (!isV1) writeFileSync(join(folder, 'memory.swap.max'), '0');
    } catch {
      return undefined;
    }
    const made = new MemoryCgroup(folder, isV1 ? 'memory.limit_in_bytes' : 'memory.max');
    if (spawnSync('sh', ['-c', 'echo $$ > "$0"', join(folder, 'cgroup.procs')]).status === 0) return made;
    rmdirSync(folder);
    return undefined;
  }

  /** What the process has already counts for where it was; what it takes from now on is bounded, in bytes. */
  add(pid: number, bytes: number): void {
    writeFileSync(join(this.folder, this.limit), String(bytes));
    writeFileSync(join(this.folder, 'cgroup.procs'), String(pid));
  }

  async remove(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        return rmdirSync(this.folder);
      } catch (error) {
        if (tries === 50) throw error; // processes that were killed are gone a moment later
        await pause(20);
      }
    }
  }
}

function isDelegated(): boolean {
  const file = join(V2, 'cgroup.subtree_control');
  return existsSync(file) && readFileSync(file, 'utf8').split(/\s+/).includes('memory');
}
