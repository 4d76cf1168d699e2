import { readS3Url } from '../archive/archive-store.js';
import { S3ObjectStore, type S3Settings } from '../archive/s3-object-store.js';
import type { Config } from '../config/config.js';

/** Nest's token for the S3ObjectStore of backups; null when BACKUP_URL is off. It is read, and never written to. */
export const BACKUP_STORE = Symbol('BackupStore');

/** Barman takes any name of a server. */
const KEYS = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;

/** The store that BACKUP_URL names, for this thread and others; null for off. */
export function backupStoreSettings({ BACKUP_URL: url, ARCHIVE_TIMEOUT }: Config): S3Settings | null {
  if (url === undefined || url === 'off') return null;
  return { ...readS3Url(url), timeoutMs: ARCHIVE_TIMEOUT };
}

/** `keys` is a RegExp, which does not come through to a thread: it is given here. */
export function openBackupStore(settings: S3Settings): S3ObjectStore {
  return new S3ObjectStore({ ...settings, keys: KEYS });
}
