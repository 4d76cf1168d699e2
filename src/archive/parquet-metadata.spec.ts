import { readMetadata, type ParquetMetadata } from './parquet-metadata.js';

/** Types of Thrift's compact protocol. */
const [TRUE, BYTE, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT] = [1, 3, 5, 6, 7, 8, 9, 10, 11, 12] as const;
const STOP = 0;

/** The next field of a struct, or one so many further on. */
const field = (type: number, value: readonly number[], step = 1): number[] => [(step << 4) | type, ...value];
const varint = (value: number): number[] =>
  value < 128 ? [value] : [128 | (value % 128), ...varint(Math.floor(value / 128))];
const zigZag = (value: number): number[] => varint(value * 2);
const list = (type: number, ...elements: (readonly number[])[]): number[] =>
  elements.length < 15
    ? [(elements.length << 4) | type, ...elements.flat()]
    : [0xf0 | type, ...varint(elements.length), ...elements.flat()];
/** One that says that it has so many elements, and has none. */
const endless = (type: number, length = 2 ** 50): number[] => [0xf0 | type, ...varint(length)];

const SCHEMA = list(STRUCT, [...field(BINARY, [1, 0x61], 4), STOP]);
const group = (rows: number, more: readonly number[] = []): number[] => [
  ...field(LIST, list(STRUCT)),
  ...field(I64, zigZag(10)),
  ...field(I64, zigZag(rows)),
  ...more,
  STOP,
];

/** A file's metadata: version, schema, rows, row groups and what comes after. */
const metadata = (rows: number, groups: readonly number[], more: readonly number[] = []): number[] => [
  ...[...field(I32, zigZag(1)), ...field(LIST, SCHEMA), ...field(I64, zigZag(rows)), ...field(LIST, groups)],
  ...more,
  STOP,
];

/** Of a file that ends with these; `length` is what it says of them. */
function read(bytes: readonly number[], length = bytes.length): Promise<ParquetMetadata> {
  const end = Buffer.alloc(8, 'PAR1');
  end.writeUInt32LE(length);
  const all = new Uint8Array(Buffer.concat([Buffer.from('PAR1'), Buffer.from(bytes), end])).buffer;
  const file = { byteLength: all.byteLength, slice: (from: number, to?: number) => all.slice(from, to) };
  return readMetadata(file, { initialFetchSize: 64 });
}

describe("a file's metadata", () => {
  it('are read group by group, however many there are', async () => {
    const rows = Array.from({ length: 20 }, (_, i) => i + 1);
    const found = await read(
      metadata(
        210,
        list(STRUCT, ...rows.map((count) => group(count))),
        field(LIST, list(STRUCT, [...field(BINARY, [1, 0x6b]), ...field(BINARY, [1, 0x76]), STOP])),
      ),
    );
    expect(found.rowCounts).toEqual(rows);
    expect(found.file.key_value_metadata).toEqual([{ key: 'k', value: 'v' }]);
    expect(found.group(19).row_groups).toMatchObject([{ num_rows: 20n }]);
    expect(() => found.group(20)).toThrow('no row group 20');
  });

  it.each<[string, number[], RegExp]>([
    ...[TRUE, BYTE, DOUBLE, STRUCT, LIST, BINARY].map((type): [string, number[], RegExp] => [
      `a list of ${2 ** 50} of type ${type}`,
      metadata(1, list(STRUCT, group(1, field(LIST, endless(type))))),
      /list that is longer/,
    ]),
    ['an endless set', metadata(1, list(STRUCT, group(1, field(SET, endless(TRUE))))), /list that is longer/],
    [
      'an endless map',
      metadata(1, list(STRUCT, group(1, field(MAP, [...varint(2 ** 50), (TRUE << 4) | TRUE])))),
      /list that is longer/,
    ],
    ['an endless list before the row groups', [...field(LIST, endless(BYTE))], /list that is longer/],
    ['endless row groups', [...field(LIST, endless(STRUCT), 4)], /list that is longer/],
    ['endless bytes', metadata(1, list(STRUCT, group(1, field(BINARY, varint(2 ** 50))))), /ends too early/],
    ['a number without an end', [...field(I64, new Array<number>(1_000).fill(0xff), 3)], /ends too early|too large/],
    ['structs in structs', new Array<number>(500_000).fill((1 << 4) | STRUCT), /call stack/],
    ['no row groups', [...field(I32, zigZag(1)), STOP], /no row groups/],
    ['row groups of another type', metadata(1, list(BYTE, [1])), /another type/],
    [
      // a reader that goes on takes the second list
      'row groups twice',
      metadata(1, list(STRUCT, group(1)), [LIST, ...zigZag(4), ...list(STRUCT, group(1))]),
      /row groups twice/,
    ],
    ['other rows than it has', metadata(3, list(STRUCT, group(1), group(1))), /another number of rows/],
  ])('are refused, and at once, with %s', async (_, bytes, why) => {
    await expect(read(bytes)).rejects.toThrow(why);
  });

  it('are refused when they say that they are longer than the file', async () => {
    await expect(read(metadata(0, list(STRUCT)), 1_000)).rejects.toThrow('longer than it is');
    await expect(read(metadata(0, list(STRUCT)), 0xffffffff)).rejects.toThrow('longer than it is');
  });
});
