import { createHash, randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type pg from 'pg';
import type { Config } from '../config/config.js';
import { refuseDuringRebuild } from '../database/work-alone.js';
import { ANCHOR_PREFIX } from '../integrity/anchor.js';
import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import { COSIGNATURE_PREFIX } from '../integrity/cosignature-object.js';
import { readJson } from '../integrity/strict-json.js';
import { TIMESTAMP_PREFIX } from '../integrity/timestamp-reply.js';
import * as sql from './archive-catalogue.sql.js';
import { FilesystemObjectStore } from './filesystem-object-store.js';
import { ObjectConflict, StoreUnavailable, type NewObject, type ObjectStore, type PutResult } from './object-store.js';
import { makeWorkingFolder } from './working-folder.js';

/** Nest's token for the ObjectStore; null when ARCHIVE_URL is off. */
export const OBJECT_STORE = Symbol('ObjectStore');

/** The store that ARCHIVE_URL names; null when it is off. */
export async function openStore(
  config: Pick<Config, 'ARCHIVE_URL' | 'DATA_DIR' | 'ARCHIVE_STORAGE_CLASS' | 'ARCHIVE_KMS_KEY' | 'ARCHIVE_TIMEOUT'>,
): Promise<ObjectStore | null> {
  const { ARCHIVE_URL: url, ARCHIVE_STORAGE_CLASS: storageClass, ARCHIVE_KMS_KEY: kmsKeyId } = config;
  if (url === undefined || url === 'off') return null;
  if (url.startsWith('s3://')) {
    // the client is half of what a thread would load, and of no use to a folder
    const { S3ObjectStore } = await import('./s3-object-store.js');
    return new S3ObjectStore({ ...readS3Url(url), storageClass, kmsKeyId, timeoutMs: config.ARCHIVE_TIMEOUT });
  }
  return new FilesystemObjectStore(folderOfArchive(config)!);
}

/** The folder that ARCHIVE_URL names; undefined when it is off or a bucket. */
export function folderOfArchive({
  ARCHIVE_URL: url,
  DATA_DIR,
}: Pick<Config, 'ARCHIVE_URL' | 'DATA_DIR'>): string | undefined {
  if (!url?.startsWith('file:')) return undefined;
  const folder = url.slice('file:'.length).replace(/^\/\/(?=\/)/, '');
  return isAbsolute(folder) ? folder : join(DATA_DIR!, folder);
}

/** Bucket and prefix of an `s3://bucket/prefix`; the prefix is '' or ends in a slash. */
export function readS3Url(url: string): { bucket: string; prefix: string } {
  const [bucket = '', ...path] = url.slice('s3://'.length).split('/');
  const prefix = path.filter((part) => part !== '').join('/');
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` };
}

/** It says whose store this is. */
export const MARKER_KEY = 'store.json';
/** What stands in the store besides events: verified with the checkpoints, not with the catalogue of the archive. */
export const SIGNED_PREFIXES: readonly string[] = [ANCHOR_PREFIX, TIMESTAMP_PREFIX, COSIGNATURE_PREFIX];
const MARKER_FORMAT = 'truetrail-store/1';
const MARKER_YEARS = 10;

/**
 * Ties store and database to each other at their first meeting, each by an id that stands in the other, and later sees
 * that they are still the same two. Throws an Error for the operator when they are not: two trails in one store, or one
 * trail spread over two, would be taken for what they are not.
 */
export async function claimStore(store: ObjectStore, pool: pg.Pool): Promise<void> {
  const { deployment } = await sql.readArchiveState(pool);
  if (deployment === null) throw new Error(`No trail has begun in this database: it is tied to no ${store.location}`);
  const known = await sql.claimedStore(pool);
  let marker = await readMarker(store);
  if (known === null && !marker) {
    await putMarker(store, { deployment, id: randomUUID() });
    marker = await readMarker(store);
  }
  if (marker && marker.deployment !== deployment) {
    throw new Error(
      `${isOfAnother(store)}: nothing is archived. ` +
        'Give this database a prefix or bucket of its own by ARCHIVE_URL, or give this archive its database back',
    );
  }
  if (marker && known === null && (await sql.claimStore(pool, marker.id, store.location)) === marker.id) return;
  if (marker?.id !== known || known === null) {
    throw new Error(
      `${store.location} is not the store that this database archives to: nothing is archived there. Give every replica ` +
        'the same ARCHIVE_URL, the one that the archive is in; a folder only where all replicas see the same',
    );
  }
}

/**
 * The store, for a command that writes to ledgers and must not be the one that ties it to a database: null where there is
 * nothing in it that a ledger could be held against, or where nobody has tied it yet and it cannot be asked, as a service
 * that starts then goes on as well. Throws an Error for the operator where it is the archive of another database, or has
 * anchors of which nothing says whose they are.
 */
export async function openOwnStore(config: Config, pool: pg.Pool): Promise<ObjectStore | null> {
  if ((await sql.claimedStore(pool)) !== null) return openStore(config);
  try {
    const found = await findOwnStore(config, pool);
    if (!found || found.is === 'new') return null;
    const { store, is } = found;
    if (is === 'ours') return store;
    if (await isEmpty(store, ANCHOR_PREFIX)) return null;
    throw new Error(
      `Nothing says whose the anchors in ${store.location} are, and this database may lack what they sign: nothing is ` +
        `recorded. Give this database the ARCHIVE_URL of its own archive, with its ${MARKER_KEY}`,
    );
  } catch (error) {
    if (error instanceof StoreUnavailable) return null;
    throw error;
  }
}

/**
 * The store that ARCHIVE_URL names, and whether it is this database's, for who verifies the one by the other and must not
 * tie them: `ours` if row and marker belong together, or the marker alone says so, as with a backup of before their first
 * meeting; without either `new` if nothing is in the store, and `unmarked` if something is. null when ARCHIVE_URL is off.
 * Throws an Error for any other store, and what the store throws.
 */
export async function findOwnStore(
  config: Config,
  pool: pg.Pool,
): Promise<{ store: ObjectStore; is: 'ours' | 'new' | 'unmarked' } | null> {
  const store = await openStore(config);
  if (!store) return null;
  if ((await sql.claimedStore(pool)) !== null) {
    await claimStore(store, pool); // it was claimed: this writes nothing, and sees that it is the same one
    return { store, is: 'ours' };
  }
  const marker = await readMarker(store);
  if (!marker) return { store, is: (await isEmpty(store)) ? 'new' : 'unmarked' };
  const { deployment } = await sql.readArchiveState(pool);
  if (marker.deployment === deployment) return { store, is: 'ours' };
  if (deployment === null) throw await whyNoneBegins(store, pool);
  throw new Error(`${isOfAnother(store)}: give this database the ARCHIVE_URL of its own archive`);
}

/**
 * Throws an Error for the operator where a database in which no trail has begun is given the archive of one: a second
 * trail would begin there, under the name of the first, perhaps, and nothing of it would be archived. Throws what the
 * store throws.
 */
export async function refuseArchiveOfOther(store: ObjectStore, pool: pg.Pool): Promise<void> {
  const hasBegun = async (): Promise<boolean> => (await sql.readArchiveState(pool)).deployment !== null;
  // asked again: another replica may have begun the trail meanwhile, and tied the store to it
  if (!(await hasBegun()) && (await readMarker(store)) && !(await hasBegun())) throw await whyNoneBegins(store, pool);
}

async function whyNoneBegins(store: ObjectStore, pool: pg.Pool): Promise<Error> {
  await refuseDuringRebuild(pool);
  return new Error(
    `${isOfAnother(store)}, and this database is empty. \`truetrail rebuild\` makes it the one of that archive; if this ` +
      'is to be a new installation, give it a prefix or bucket of its own by ARCHIVE_URL',
  );
}

async function isEmpty(store: ObjectStore, prefix = ''): Promise<boolean> {
  for await (const _ of store.list(prefix)) return false;
  return true;
}

function isOfAnother(store: ObjectStore): string {
  return `${store.location} is the archive of another database (its ${MARKER_KEY} says so)`;
}

interface Marker {
  deployment: string;
  id: string;
}

/** What a store says of whose it is; undefined for one that nobody has claimed. */
export async function readMarker(store: ObjectStore): Promise<Marker | undefined> {
  // the oldest counts
  const version = (await store.versionsOf(MARKER_KEY)).find(({ isDeleteMarker }) => !isDeleteMarker);
  if (!version) return undefined;
  const text = (await store.readRange(version, 0, version.bytes)).toString('utf8');
  return readJson(text.trimEnd()) as JsonObject as unknown as Marker;
}

async function putMarker(store: ObjectStore, marker: Marker): Promise<void> {
  const retainUntil = new Date();
  retainUntil.setUTCFullYear(retainUntil.getUTCFullYear() + MARKER_YEARS);
  try {
    const bytes = Buffer.from(`${canonicalize({ ...marker, format: MARKER_FORMAT })}\n`);
    await putBytes(store, bytes, { key: MARKER_KEY, contentType: 'application/json', metadata: {}, retainUntil });
  } catch (error) {
    if (!(error instanceof ObjectConflict)) throw error; // somebody was faster: what is there is read next
  }
}

/** Puts an object of some bytes that are in memory. Throws as ObjectStore.put does. */
export async function putBytes(
  store: ObjectStore,
  bytes: Buffer,
  object: Pick<NewObject, 'key' | 'contentType' | 'metadata' | 'retainUntil'>,
): Promise<PutResult> {
  const folder = await makeWorkingFolder('object');
  try {
    const file = join(folder, 'bytes');
    await writeFile(file, bytes);
    return await store.put({
      ...object,
      file,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest(),
      md5: createHash('md5').update(bytes).digest(),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
