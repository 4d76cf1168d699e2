import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { unzipped } from '../../test/support/unzipped.js';
import { MAX_ENTRY_BYTES, unpackPiece, ZipError, ZipReader, ZipWriter, type RandomAccess } from './zip.js';

/** Chunks one after the other, without a copy of them. */
function access(chunks: readonly Buffer[]): RandomAccess {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return {
    size,
    read(offset, length) {
      const parts: Buffer[] = [];
      let at = 0;
      for (const chunk of chunks) {
        const [from, to] = [Math.max(0, offset - at), Math.min(chunk.length, offset + length - at)];
        if (from < to) parts.push(chunk.subarray(from, to));
        at += chunk.length;
      }
      const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      if (bytes.length !== length) throw new RangeError('read past the end');
      return bytes;
    },
  };
}

function write(files: readonly [name: string, content: Buffer, isDeflated: boolean][]): Buffer[] {
  const zip = new ZipWriter();
  const chunks = files.flatMap(([name, content, isDeflated]) => {
    const { header, packed } = zip.add(name, content, { isDeflated });
    return [header, packed];
  });
  return [...chunks, zip.end()];
}

const contents = (source: RandomAccess): [string, string][] => {
  const zip = ZipReader.open(source);
  return zip.entries.map((entry) => [entry.name, ZipReader.unpack(entry, zip.packed(entry)).toString()]);
};

describe('a zip', () => {
  const files: [string, Buffer, boolean][] = [
    ['a/1.txt', Buffer.from('one '.repeat(1000)), true],
    ['b', Buffer.alloc(0), true],
    ['c', Buffer.from('three'), false],
    ['d', Buffer.alloc(0), false],
  ];

  it('gives back what was put in', () => {
    const expected = files.map(([name, content]) => [name, content.toString()]);
    expect(contents(access(write(files)))).toEqual(expected);
    expect(contents(access(write([])))).toEqual([]);
  });

  it('is refused with any bit of its headers changed', () => {
    const bytes = Buffer.concat(write(files));
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      let after: [string, string][] | undefined;
      try {
        after = contents(access([changed]));
      } catch (error) {
        expect(error).toBeInstanceOf(ZipError);
      }
      // other deflated bits may stand for the same content: whoever reads the zip compares digests of them
      if (after) expect(after).toEqual(files.map(([name, content]) => [name, content.toString()]));
    }
  });

  it('is refused with entries that are too large, lie on each other, or are followed by anything', () => {
    const large = Buffer.alloc(MAX_ENTRY_BYTES + 1);
    expect(() => write([['a', large, false]])).toThrow(RangeError);
    const [header, packed, end] = write([['a', Buffer.from('aaaa'), false]]) as [Buffer, Buffer, Buffer];
    expect(() => contents(access([header, packed, Buffer.of(0), end]))).toThrow(ZipError);
    expect(() => contents(access([header, packed, header, packed, end]))).toThrow(ZipError);
    // a stream that goes on after its end, with headers that know of it
    const stream = Buffer.concat([deflateRawSync(Buffer.from('aaaa')), Buffer.from('more')]);
    const sizes = { crc: 0xad98e545, packedBytes: stream.length, bytes: 4, offset: 0 };
    const entry = { name: 'a', isDeflated: true, isStreamed: false, ...sizes };
    expect(() => ZipReader.unpack(entry, stream)).toThrow(ZipError);
  });

  const hasPython = spawnSync('python3', ['--version']).status === 0;
  it('has entries that are made while their content comes in, which other programs read and ZipReader refuses', async () => {
    const contents = [Buffer.from('one '.repeat(100_000)), Buffer.from('two'), Buffer.alloc(0)];
    const zip = new ZipWriter();
    const chunks: Buffer[] = [];
    for (const [i, content] of contents.entries()) {
      const parts = async function* (): AsyncGenerator<Buffer> {
        for (let at = 0; at < content.length; at += 1000) yield await Promise.resolve(content.subarray(at, at + 1000));
      };
      const packed: Buffer[] = [];
      for await (const chunk of zip.addStreamed(`${i}.txt`, parts())) packed.push(chunk);
      chunks.push(...packed);
      // each piece by itself
      const pieces = packed.slice(1, -1).map((each) => unpackPiece(each, 1000));
      expect(Buffer.concat(pieces).equals(content)).toBe(true);
    }
    chunks.push(zip.end());
    const bytes = Buffer.concat(chunks);
    const read = [...unzipped(bytes)].map(([name, content]) => [name, content.toString()]);
    expect(read).toEqual(contents.map((content, i) => [`${i}.txt`, content.toString()]));
    expect(() => ZipReader.open(access([bytes]))).toThrow(ZipError);
    if (!hasPython) return;
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-'));
    try {
      writeFileSync(join(folder, 'streamed.zip'), bytes);
      const code =
        'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), [len(z.read(n)) for n in z.namelist()])';
      const { stdout } = spawnSync('python3', ['-c', code, join(folder, 'streamed.zip')]);
      expect(stdout.toString()).toBe('None [400000, 3, 0]\n');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('has no streamed entry whose content broke off: what broke is thrown', async () => {
    const broken = async function* (): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.from('one'));
      throw new RangeError('broken off');
    };
    const zip = new ZipWriter();
    const taken = async (): Promise<void> => {
      for await (const chunk of zip.addStreamed('a', broken())) expect(chunk.length).toBeGreaterThan(0);
    };
    await expect(taken()).rejects.toThrow(new RangeError('broken off'));
    expect(zip.entries).toEqual([]);
  });

  it('may have more than 65,535 entries', () => {
    const many = Array.from({ length: 66_000 }, (_, at): [string, Buffer, boolean] => [
      `f/${at}`,
      Buffer.from('x'),
      false,
    ]);
    const bytes = Buffer.concat(write(many));
    expect(ZipReader.open(access([bytes])).entries).toHaveLength(66_000);
    if (!hasPython) return;
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-'));
    try {
      writeFileSync(join(folder, 'many.zip'), bytes);
      const code = 'import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).namelist()))';
      expect(spawnSync('python3', ['-c', code, join(folder, 'many.zip')]).stdout.toString()).toBe('66000\n');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('may be larger than 4 GiB', () => {
    const part = Buffer.alloc(MAX_ENTRY_BYTES);
    const parts = Array.from({ length: 17 }, (_, at): [string, Buffer, boolean] => [`part-${at}`, part, false]);
    const source = access(write([...parts, ['last', Buffer.from('the last'), true]]));
    expect(source.size).toBeGreaterThan(2 ** 32);
    const zip = ZipReader.open(source);
    expect(zip.entries.at(-1)!.offset).toBeGreaterThan(2 ** 32);
    expect(ZipReader.unpack(zip.entries.at(-1)!, zip.packed(zip.entries.at(-1)!)).toString()).toBe('the last');
  });
});
