const BLOCK_BYTES = 512;
const [NAME, SIZE, CHECKSUM, TYPE, PREFIX] = [
  [0, 100],
  [124, 136],
  [148, 156],
  [156, 157],
  [345, 500],
] as const;

/**
 * Reads a tar file (POSIX.1-1988 ustar, with or without the extensions that lay further members before a file) as it comes
 * and holds only what it has to: whether every header's checksum is right, whether it ends as it should, and whether
 * certain files are in it.
 */
export class TarCheck {
  /** members that are files */
  files = 0;
  readonly found = new Set<string>();
  private pending = Buffer.alloc(0);
  /** bytes of the member under way that are still to come, its padding included */
  private rest = 0;
  private emptyBlocks = 0;
  private broken: string | null = null;

  constructor(private readonly wanted: ReadonlySet<string>) {}

  push(chunk: Buffer): void {
    let bytes = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    while (this.broken === null) {
      const skipped = Math.min(this.rest, bytes.length);
      this.rest -= skipped;
      bytes = bytes.subarray(skipped);
      if (this.rest > 0 || bytes.length < BLOCK_BYTES || this.emptyBlocks === 2) break;
      this.takeHeader(bytes.subarray(0, BLOCK_BYTES));
      bytes = bytes.subarray(BLOCK_BYTES);
    }
    this.pending = this.rest > 0 || this.emptyBlocks === 2 || this.broken !== null ? Buffer.alloc(0) : Buffer.from(bytes);
  }

  /** What is wrong with it, once all of it was pushed; null for nothing. */
  end(): string | null {
    if (this.broken !== null) return this.broken;
    return this.emptyBlocks === 2 ? null : 'it is no whole tar file: it ends in the middle';
  }

  private takeHeader(header: Buffer): void {
    if (header.every((byte) => byte === 0)) {
      this.emptyBlocks += 1;
      return;
    }
    if (this.emptyBlocks > 0) {
      this.broken = 'it is no tar file: something follows an empty block';
      return;
    }
    const text = ([from, to]: readonly [number, number]): string =>
      header.subarray(from, to).toString('latin1').replace(/\0.*$/s, '');
    // the checksum is over the header with blanks in its own place
    const sum = header.reduce((total, byte, at) => total + (at >= CHECKSUM[0] && at < CHECKSUM[1] ? 0x20 : byte), 0);
    if (parseInt(text(CHECKSUM).trim(), 8) !== sum) {
      this.broken = `it is no whole tar file: the header of member ${this.files + 1} is damaged`;
      return;
    }
    const size = sizeOf(header);
    this.rest = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    const prefix = text(PREFIX);
    const name = (prefix === '' ? text(NAME) : `${prefix}/${text(NAME)}`).replace(/^\.\//, '');
    const type = text(TYPE);
    if (type !== '' && type !== '0') return; // folders, links, and what extensions put before a file
    this.files += 1;
    if (this.wanted.has(name)) this.found.add(name);
  }
}

/** Octal, or, where the first bit is set, a number in binary (files of 8 GiB and more). */
function sizeOf(header: Buffer): number {
  const field = header.subarray(...SIZE);
  if ((field[0]! & 0x80) === 0) return parseInt(field.toString('latin1').replace(/\0.*$/s, '').trim() || '0', 8);
  return Number(field.readBigUInt64BE(field.length - 8));
}
