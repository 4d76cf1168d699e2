import type pg from 'pg';
import type { BackupName } from './backup-names.js';

type Database = pg.Pool | pg.ClientBase;

/** A version as the log has it. Hashes in hex, times in milliseconds since 1970. */
export interface LoggedObject {
  object_key: string;
  version_id: string;
  kind: BackupName['kind'];
  sha256: string;
  content_sha256: string;
  bytes: string;
  fault: string | null;
  written_at_ms: number;
  retain_until_ms: number | null;
}

export interface NewBackupObject {
  location: string;
  key: string;
  versionId: string;
  name: BackupName;
  sha256: Buffer;
  contentSha256: Buffer;
  bytes: number;
  fault: string | null;
  writtenAt: Date;
  retainUntil: Date | null;
}

/** Enters a version that was read as a whole; one that is there already is left as it is. */
export async function catalogueBackupObject(database: Database, object: NewBackupObject): Promise<void> {
  const { location, key, versionId, name, sha256, contentSha256, bytes, fault, writtenAt, retainUntil } = object;
  await database.query('SELECT catalogue_backup_object($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)', [
    ...[location, key, versionId, name.kind],
    ...['timeline' in name ? name.timeline : null, 'segment' in name ? name.segment : null],
    ...['backup' in name ? name.backup : null, sha256, contentSha256, bytes, fault],
    ...[writtenAt.toISOString(), retainUntil?.toISOString() ?? null],
  ]);
}

/** What the log has below a location from a key on, that key not included. */
export async function listBackupObjects(database: Database, location: string, after = ''): Promise<LoggedObject[]> {
  const { rows } = await database.query<LoggedObject>(
    `SELECT object_key, version_id, kind, encode(sha256, 'hex') AS sha256, encode(content_sha256, 'hex') AS content_sha256,
            bytes, fault, (extract(epoch FROM written_at) * 1000)::float8 AS written_at_ms,
            (extract(epoch FROM retain_until) * 1000)::float8 AS retain_until_ms
       FROM backup_objects
       WHERE location = $1 AND object_key > $2
       ORDER BY object_key, written_at, version_id`,
    [location, after],
  );
  return rows;
}

export interface NewestSegment {
  timeline: number;
  segment: number;
  written_at_ms: number;
}

/** The segment that goes furthest on the newest timeline; undefined when the log has none. */
export async function furthestSegment(database: Database, location: string): Promise<NewestSegment | undefined> {
  const { rows } = await database.query<NewestSegment>(
    `SELECT timeline::float8, segment::float8, (extract(epoch FROM written_at) * 1000)::float8 AS written_at_ms
       FROM backup_objects
       WHERE location = $1 AND kind = 'wal'
       ORDER BY timeline DESC, segment DESC
       LIMIT 1`,
    [location],
  );
  return rows[0];
}

/** Seconds since the store took the newest segment of WAL, by the database's clock; undefined when the log has none. */
export async function walAgeSeconds(database: Database, location: string): Promise<number | undefined> {
  const { rows } = await database.query<{ age: number }>(
    `SELECT extract(epoch FROM clock_timestamp() - written_at)::float8 AS age
       FROM backup_objects
       WHERE location = $1 AND kind = 'wal'
       ORDER BY written_at DESC
       LIMIT 1`,
    [location],
  );
  return rows[0]?.age;
}

/** The longest time between two segments that followed each other into the store, of those of the last so many seconds. */
export async function longestIntervalSeconds(
  database: Database,
  location: string,
  seconds: number,
): Promise<number | null> {
  const { rows } = await database.query<{ longest: number | null }>(
    `SELECT max(extract(epoch FROM written_at - before))::float8 AS longest
       FROM (
         SELECT written_at, lag(written_at) OVER (ORDER BY written_at) AS before
           FROM backup_objects
           WHERE location = $1 AND kind = 'wal' AND written_at > clock_timestamp() - make_interval(secs => $2)
       ) AS segments`,
    [location, seconds],
  );
  return rows[0]!.longest;
}

/** What the server says of its WAL and of its archiving. */
export interface WalSettings {
  segment_bytes: number;
  system_identifier: string;
  /** off, on or always */
  archive_mode: string;
  /** seconds; 0: a segment that does not fill is not archived */
  archive_timeout: number;
  /** the last file that it archived, by its own word; null for none */
  last_archived: string | null;
  /** attempts of archiving that failed since the statistics were reset */
  failed: string;
}

export async function readWalSettings(database: Database): Promise<WalSettings> {
  const { rows } = await database.query<WalSettings>(
    `SELECT (SELECT setting::float8 FROM pg_settings WHERE name = 'wal_segment_size') AS segment_bytes,
            (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
            current_setting('archive_mode') AS archive_mode,
            (SELECT setting::float8 FROM pg_settings WHERE name = 'archive_timeout') AS archive_timeout,
            a.last_archived_wal AS last_archived, a.failed_count AS failed
       FROM pg_stat_archiver AS a`,
  );
  return rows[0]!;
}
