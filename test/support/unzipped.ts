import { crc32, inflateRawSync } from 'node:zlib';

/** The entries of a zip by what its directory says, as most programs read one (APPNOTE.TXT, 4.3.12). */
export function unzipped(zip: Buffer): Map<string, Buffer> {
  const end = zip.length - 22;
  if (zip.readUInt32LE(end) !== 0x06054b50) throw new Error('the zip has no end');
  const files = new Map<string, Buffer>();
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [crc, packed, bytes, nameBytes] = [16, 20, 24]
      .map((place) => zip.readUInt32LE(at + place))
      .concat(zip.readUInt16LE(at + 28));
    const name = zip.toString('latin1', at + 46, at + 46 + nameBytes!);
    const local = zip.readUInt32LE(at + 42);
    const begin = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const content = inflateRawSync(zip.subarray(begin, begin + packed!));
    if (content.length !== bytes || crc32(content) !== crc) throw new Error(`${name} has other bytes than are said`);
    files.set(name, content);
    at += 46 + nameBytes! + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return files;
}
