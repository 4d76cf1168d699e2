import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RangeCache } from './range-cache.js';

describe('the cache of parts', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'truetrail-cache-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const bytesOf = (text: string) => (): Promise<Buffer> => Promise.resolve(Buffer.from(text));
  const gone = (): Promise<Buffer> => Promise.reject(new Error('it is not there'));

  it('gives up what is kept of objects that were deleted, and nothing else', async () => {
    const cache = new RangeCache(folder, 1_000_000);
    for (const name of ['aa-0-5', 'aa-5-9', 'ab-0-5']) await cache.get(name, bytesOf(name));
    await cache.forget(['aa-', 'ac-']);
    expect(await readdir(folder)).toEqual(['ab-0-5']);
    expect(String(await cache.get('ab-0-5', gone))).toBe('ab-0-5');
    await expect(cache.get('aa-0-5', gone)).rejects.toThrow('it is not there');
    await new RangeCache(join(folder, 'none'), 1_000_000).forget(['aa-']);
  });
  it('fetches once, and again in another folder', async () => {
    const cache = new RangeCache(folder, 1_000_000);
    let fetched = 0;
    const fetch = (): Promise<Buffer> => {
      fetched += 1;
      return Promise.resolve(Buffer.from('part'));
    };
    for (let i = 0; i < 3; i++) expect(String(await cache.get('aa-0-4', fetch))).toBe('part');
    expect(fetched).toBe(1);
    await expect(new RangeCache(folder, 1_000_000).get('aa-0-4', gone)).resolves.toEqual(Buffer.from('part'));
  });

  it.each<[string, (kept: Buffer) => Buffer]>([
    ['cut', (kept) => kept.subarray(0, kept.length - 1)],
    ['cut within its digest', (kept) => kept.subarray(0, 20)],
    ['empty', () => Buffer.alloc(0)],
    ['changed', (kept) => Buffer.concat([kept.subarray(0, -1), Buffer.from('X')])],
    ['changed in its digest', (kept) => Buffer.concat([Buffer.from([kept[0]! ^ 1]), kept.subarray(1)])],
  ])('gives out nothing of a file that was %s, and mends it', async (_, damage) => {
    const cache = new RangeCache(folder, 1_000_000);
    await cache.get('aa-0-4', bytesOf('part'));
    const path = join(folder, 'aa-0-4');
    const whole = await readFile(path);
    await writeFile(path, damage(whole));
    await expect(cache.get('aa-0-4', gone)).rejects.toThrow('it is not there');
    expect(String(await cache.get('aa-0-4', bytesOf('part')))).toBe('part');
    expect(await readFile(path)).toEqual(whole);
  });

  const PART = 32 * 1_024 - 32; // with its digest a thirty-second of the bound
  const BOUND = 1_024 * 1_024;
  const part = (): Promise<Buffer> => Promise.resolve(Buffer.alloc(PART));
  const bytesKept = async (): Promise<number> => {
    const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  };

  it('stays within its bound, whatever comes', async () => {
    const cache = new RangeCache(folder, BOUND);
    for (let i = 0; i < 100; i++) {
      await cache.get(`aa-${i}`, part);
      expect(await bytesKept()).toBeLessThanOrEqual(BOUND);
    }
    expect(await bytesKept()).toBeGreaterThan(BOUND * 0.8);
    // one that is taken over is brought within its own
    await new RangeCache(folder, BOUND / 4).get('ab', () => Promise.resolve(Buffer.alloc(10)));
    expect(await bytesKept()).toBeLessThanOrEqual(BOUND / 4);
  });

  it('removes first what was not used for the longest', async () => {
    const cache = new RangeCache(folder, BOUND);
    const names = Array.from({ length: 28 }, (_, i) => `aa-${i}`);
    for (const [i, name] of names.entries()) {
      await cache.get(name, part);
      const at = new Date(Date.UTC(2026, 0, 1, 0, i));
      await utimes(join(folder, name), at, at);
    }
    await cache.get('aa-0', gone); // used again, just now
    for (let i = 0; i < 8; i++) await cache.get(`ab-${i}`, part);
    const kept = await readdir(folder);
    expect(kept).toContain('aa-0');
    for (let i = 0; i < 8; i++) expect(kept).toContain(`ab-${i}`);
    const old = names.slice(1).map((name) => kept.includes(name));
    expect(old).toContain(false);
    expect(old).toEqual([...old].sort((a, b) => Number(a) - Number(b))); // the oldest are gone, and no other
  });

  it('keeps nothing that is large beside it, and nothing at all of no room', async () => {
    const cache = new RangeCache(folder, BOUND);
    const large = (): Promise<Buffer> => Promise.resolve(Buffer.alloc(BOUND / 16 + 1));
    expect(await cache.get('large', large)).toHaveLength(BOUND / 16 + 1);
    expect(await readdir(folder)).toEqual([]);
    await new RangeCache(folder, 0).get('small', bytesOf('part'));
    expect(await readdir(folder)).toEqual([]);
  });

  it('costs nothing but speed where its folder cannot be used', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const cache = new RangeCache(join(file, 'below'), BOUND);
    for (let i = 0; i < 2; i++) expect(String(await cache.get('aa', bytesOf('part')))).toBe('part');
  });
});
