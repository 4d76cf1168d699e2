import { execFileSync, spawnSync } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type DiskFault = `sync DELAY ${number}` | 'fdatasync EIO' | 'write ENOSPC /pg_wal/';

/** A disk that is slow, fails or is full for the programs that are started by `under`; needs a C compiler and Linux. */
export class DiskFaults {
  private constructor(
    private readonly library: string,
    private readonly control: string,
  ) {}

  /** Throws in CI that may install a compiler and has not. */
  static areThere(): boolean {
    if (process.platform !== 'linux') return false;
    if (spawnSync('cc', ['--version']).status === 0) return true;
    if (process.env.CI && process.getuid?.() === 0)
      throw new Error('There is no C compiler (cc) for faults of disks: .ci/run installs gcc and libc6-dev.');
    return false;
  }

  /** `folder` must be one that the user of the programs gets through to. */
  static make(folder: string): DiskFaults {
    const [library, control] = [join(folder, 'disk-faults.so'), join(folder, 'disk-fault')];
    execFileSync('cc', [
      ...['-O2', '-shared', '-fPIC', `-DCONTROL_FILE="${control}"`, '-o', library],
      ...[join(import.meta.dirname, 'disk-faults.c'), '-ldl'],
    ]);
    return new DiskFaults(library, control);
  }

  /** What `start` starts, and what that starts, meets the faults. */
  async under<T>(start: () => Promise<T>): Promise<T> {
    process.env.LD_PRELOAD = this.library;
    try {
      return await start();
    } finally {
      delete process.env.LD_PRELOAD;
    }
  }

  begin(fault: DiskFault): void {
    writeFileSync(`${this.control}.new`, `${fault}\n`, { mode: 0o644 });
    renameSync(`${this.control}.new`, this.control);
  }

  end(): void {
    rmSync(this.control, { force: true });
  }
}
