import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { RandomAccess } from '../integrity/zip.js';

/** A file that is read at any place. */
export class FileAccess implements RandomAccess {
  private readonly descriptor: number;
  readonly size: number;

  /** Throws the file system's errors. */
  constructor(path: string) {
    this.descriptor = openSync(path, 'r');
    this.size = fstatSync(this.descriptor).size;
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const count = readSync(this.descriptor, bytes, done, length - done, offset + done);
      if (count === 0) throw new Error('the file has become shorter while it was read');
      done += count;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
