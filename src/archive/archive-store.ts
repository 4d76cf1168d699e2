import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Config } from '../config/config.js';
import { canonicalize } from '../integrity/canonical-json.js';
import { FilesystemObjectStore } from './filesystem-object-store.js';
import { ObjectConflict, type ObjectStore } from './object-store.js';
import { S3ObjectStore } from './s3-object-store.js';

/** Nest's token for the ObjectStore; null when ARCHIVE_URL is off. */
export const OBJECT_STORE = Symbol('ObjectStore');

/** The store that ARCHIVE_URL names. */
export function openStore(
  config: Pick<Config, 'ARCHIVE_URL' | 'DATA_DIR' | 'ARCHIVE_STORAGE_CLASS' | 'ARCHIVE_KMS_KEY'>,
): ObjectStore | null {
  const { ARCHIVE_URL: url, DATA_DIR, ARCHIVE_STORAGE_CLASS: storageClass, ARCHIVE_KMS_KEY: kmsKeyId } = config;
  if (url === undefined || url === 'off') return null;
  if (url.startsWith('s3://')) {
    const [bucket = '', ...path] = url.slice('s3://'.length).split('/');
    const prefix = path.filter((part) => part !== '').join('/');
    return new S3ObjectStore({ bucket, prefix: prefix === '' ? '' : `${prefix}/`, storageClass, kmsKeyId });
  }
  const folder = url.slice('file:'.length).replace(/^\/\/(?=\/)/, '');
  return new FilesystemObjectStore(isAbsolute(folder) ? folder : join(DATA_DIR!, folder));
}

const MARKER_KEY = 'store.json';
const MARKER_YEARS = 10;

/**
 * Says in the store whose it is, or finds it said. Throws an Error for the operator when the store is another database's:
 * two trails in one store would be taken for each other.
 */
export async function claimStore(store: ObjectStore, deployment: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'truetrail-store-'));
  try {
    const bytes = Buffer.from(`${canonicalize({ deployment, format: 'truetrail-store/1' })}\n`);
    const file = join(folder, 'marker');
    await writeFile(file, bytes);
    const retainUntil = new Date();
    retainUntil.setUTCFullYear(retainUntil.getUTCFullYear() + MARKER_YEARS);
    await store.put({
      key: MARKER_KEY,
      file,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest(),
      md5: createHash('md5').update(bytes).digest(),
      contentType: 'application/json',
      metadata: {},
      retainUntil,
    });
  } catch (cause) {
    if (!(cause instanceof ObjectConflict)) throw cause;
    throw new Error(
      `${store.location} is the archive of another database (its ${MARKER_KEY} says so): nothing is archived. ` +
        'Give this database a prefix or bucket of its own by ARCHIVE_URL, or give this archive its database back',
      { cause },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
