import { hash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Of SHA-256, before the bytes of each file. */
const DIGEST_BYTES = 32;
/** How much of the bound is written before it is looked at again how much there is. */
const LOOK_EVERY = 1 / 16;

/**
 * Parts of archive objects on the local disk. What they are parts of never changes, so there is nothing to be told apart
 * but their names. Several threads and processes may share a folder; each looks from time to time at all that is there
 * and removes what was not used for the longest. A folder that cannot be used costs speed and nothing else.
 */
export class RangeCache {
  private writtenSinceLook = Infinity;

  constructor(
    private readonly folder: string,
    private readonly maxBytes: number,
  ) {}

  /** What is kept under a name of letters, digits and hyphens, or what `fetch` brings. Rejects as that does. */
  async get(name: string, fetch: () => Promise<Buffer>): Promise<Buffer> {
    const path = join(this.folder, name);
    try {
      const kept = await readFile(path);
      const bytes = kept.subarray(DIGEST_BYTES);
      // a file may be cut by a power failure, and is not the archive: it counts if it is what was put there
      if (!digestOf(bytes).equals(kept.subarray(0, DIGEST_BYTES))) throw new Error('it is not what was kept');
      const now = new Date();
      await utimes(path, now, now).catch(() => undefined);
      return bytes;
    } catch {
      // not there, or not to be read: both are mended by fetching
    }
    const bytes = await fetch();
    await this.keep(path, bytes).catch(() => undefined);
    return bytes;
  }

  /** Removes what is kept under names that begin with one of some prefixes, as far as that can be done. */
  async forget(prefixes: readonly string[]): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    const gone = names.filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
    await Promise.all(gone.map((name) => rm(join(this.folder, name), { force: true }).catch(() => undefined)));
  }

  private async keep(path: string, bytes: Buffer): Promise<void> {
    if (bytes.length > this.maxBytes * LOOK_EVERY) return;
    if (this.writtenSinceLook + bytes.length > this.maxBytes * LOOK_EVERY) {
      this.writtenSinceLook = 0;
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      await this.makeRoom(this.maxBytes * (1 - LOOK_EVERY));
    }
    this.writtenSinceLook += bytes.length;
    const temporary = `${path}.${randomUUID()}`;
    try {
      await writeFile(temporary, Buffer.concat([digestOf(bytes), bytes]), { mode: 0o600 });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  private async makeRoom(maxBytes: number): Promise<void> {
    const names = await readdir(this.folder);
    const files = await Promise.all(
      names.map(async (name) => {
        const found = await stat(join(this.folder, name)).catch(() => undefined);
        return { name, bytes: found?.size ?? 0, usedAt: found?.mtimeMs ?? 0 };
      }),
    );
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    for (const file of files.sort((a, b) => a.usedAt - b.usedAt)) {
      if (bytes <= maxBytes) return;
      await rm(join(this.folder, file.name), { force: true });
      bytes -= file.bytes;
    }
  }
}

function digestOf(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer');
}
