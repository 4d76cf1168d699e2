import type { Tile } from '../integrity/tiles.js';
import { VerifiedTiles } from './verified-tiles.js';

describe('tiles that were verified', () => {
  const tile = (index: number, width = 256): Tile => ({ level: 0, index: BigInt(index), width });
  let read: string[];
  const source = (tiles: readonly Tile[]): Promise<Buffer[]> => {
    read.push(...tiles.map(({ level, index, width }) => `${level}/${index}/${width}`));
    return Promise.resolve(tiles.map(({ index }) => Buffer.from(`tile ${index}`)));
  };
  beforeEach(() => {
    read = [];
  });

  it('are read once, in the order asked for, and again for another width or ledger', async () => {
    const tiles = new VerifiedTiles(10);
    const first = tiles.over('main', source);
    expect(await first.read([tile(1), tile(0)])).toEqual([Buffer.from('tile 1'), Buffer.from('tile 0')]);
    first.keep();
    const second = tiles.over('main', source);
    expect(await second.read([tile(0), tile(2), tile(1)])).toEqual(
      ['tile 0', 'tile 2', 'tile 1'].map((t) => Buffer.from(t)),
    );
    expect(read).toEqual(['0/1/256', '0/0/256', '0/2/256']);
    await tiles.over('main', source).read([tile(0, 7)]);
    await tiles.over('desk-1', source).read([tile(0)]);
    expect(read.slice(3)).toEqual(['0/0/7', '0/0/256']);
  });

  it('are not kept before somebody has verified them', async () => {
    const tiles = new VerifiedTiles(10);
    await tiles.over('main', source).read([tile(0)]);
    await tiles.over('main', source).read([tile(0)]);
    expect(read).toHaveLength(2);
  });

  it('make room for others: those that were not used for the longest', async () => {
    const tiles = new VerifiedTiles(2);
    for (const index of [0, 1, 0, 2]) {
      const { read: readTiles, keep } = tiles.over('main', source);
      await readTiles([tile(index)]);
      keep();
    }
    read = [];
    await tiles.over('main', source).read([tile(0), tile(1), tile(2)]);
    expect(read).toEqual(['0/1/256']);
    expect(tiles.bytes).toBe('tile 0'.length + 'tile 2'.length);
  });

  it('say before they are read whether they are kept, and are what they were said to be', async () => {
    const tiles = new VerifiedTiles(10);
    const first = tiles.over('main', source);
    expect(first.isKept(tile(0))).toBe(false);
    const second = tiles.over('main', source);
    await second.read([tile(0)]);
    second.keep();
    expect(tiles.over('main', source).isKept(tile(0))).toBe(true);
    // it was said to be read now
    await first.read([tile(0)]);
    expect(read).toEqual(['0/0/256', '0/0/256']);
  });

  it('count those of upper levels with the nodes over them', async () => {
    const tiles = new VerifiedTiles(10);
    const { read: readTiles, keep } = tiles.over('main', source);
    await readTiles([{ ...tile(3), level: 1 }]);
    keep();
    expect(tiles.bytes).toBe(2 * 'tile 3'.length);
  });
});
