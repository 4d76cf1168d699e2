import { open } from 'node:fs/promises';
import type { AsyncBuffer } from 'hyparquet';

/** Works on a local file as readers of Parquet take one. */
export async function withFile<T>(
  path: string,
  byteLength: number,
  work: (file: AsyncBuffer) => Promise<T>,
): Promise<T> {
  const handle = await open(path, 'r');
  try {
    return await work({
      byteLength,
      slice: async (start, end = byteLength) => {
        const bytes = new Uint8Array(Math.max(0, end - start));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
        return bytes.buffer.slice(0, bytesRead);
      },
    });
  } finally {
    await handle.close();
  }
}
