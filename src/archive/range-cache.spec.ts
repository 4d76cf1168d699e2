import { mkdtemp, readdir, rm } from 'node:fs/promises';
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
});
