import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Mounts a file system in memory over a folder. Throws when it may not. */
export function mountTmpfs(folder: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' });
}

/** Whether tests may mount file systems here: by trying, since root in a container often may not. */
export function canMountTmpfs(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(join(tmpdir(), 'truetrail-mount-'));
  try {
    mountTmpfs(folder, 'size=64k');
    return spawnSync('umount', [folder]).status === 0;
  } catch {
    return false;
  } finally {
    rmdirSync(folder);
  }
}
