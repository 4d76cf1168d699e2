import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type pg from 'pg';
import * as sql from './kept-run-rows.js';

/**
 * A kept answer in pieces. Throws the reason of `gone` once that is aborted, and Error when what was kept is not what was
 * made: the last piece never goes out then.
 */
export async function* piecesOfKept(
  pool: pg.Pool,
  tables: sql.RunTables,
  run: { id: string; pieces: number; sha256: string | null },
  gone: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256');
  for (let piece = 1; piece <= run.pieces; piece++) {
    gone.throwIfAborted();
    const packed = await sql.readPiece(pool, tables, run.id, piece);
    if (!packed) throw new Error(`piece ${piece} of the kept answer ${run.id} is gone`);
    const bytes = gunzipSync(packed);
    digest.update(bytes);
    if (piece === run.pieces && digest.digest('hex') !== run.sha256) {
      throw new Error(`the kept answer ${run.id} is not the one that was made`);
    }
    yield bytes;
  }
}

/** The headers that a kept answer goes out with, whatever it is. */
export function headersOfKept(run: { bytes: string; sha256: string | null; as_of: string }): Record<string, string> {
  return {
    'content-length': run.bytes,
    'repr-digest': `sha-256=:${Buffer.from(run.sha256!, 'hex').toString('base64')}:`,
    etag: `"${run.sha256}"`,
    'truetrail-as-of': run.as_of,
  };
}
