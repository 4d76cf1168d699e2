import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the bucket of backups was seen to hold: each file of WAL and each part of a base backup, with its digest. It is
 * read from the bucket, so a database that lacks rows of it, as after a restore, gets them again.
 */
export class KeepBackupObjects1797300000000 implements MigrationInterface {
  name = 'KeepBackupObjects1797300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE backup_objects (
        location text COLLATE "C" NOT NULL,
        object_key text COLLATE "C" NOT NULL,
        version_id text COLLATE "C" NOT NULL,
        kind text COLLATE "C" NOT NULL,
        timeline bigint,
        segment bigint,
        backup text COLLATE "C",
        sha256 bytea NOT NULL,
        content_sha256 bytea NOT NULL,
        bytes bigint NOT NULL,
        fault text COLLATE "C",
        written_at timestamptz NOT NULL,
        retain_until timestamptz,
        catalogued_at timestamptz NOT NULL,
        CONSTRAINT backup_objects_pkey PRIMARY KEY (location, object_key, version_id),
        CONSTRAINT backup_objects_kind_check CHECK (kind IN ('wal', 'wal-partial', 'wal-history', 'wal-label', 'backup')),
        CONSTRAINT backup_objects_timeline_check CHECK ((timeline IS NOT NULL) = (kind <> 'backup') AND timeline > 0),
        CONSTRAINT backup_objects_segment_check CHECK (
          (segment IS NOT NULL) = (kind IN ('wal', 'wal-partial', 'wal-label')) AND segment >= 0
        ),
        CONSTRAINT backup_objects_backup_check CHECK ((backup IS NOT NULL) = (kind = 'backup')),
        CONSTRAINT backup_objects_sha256_check CHECK (octet_length(sha256) = 32),
        CONSTRAINT backup_objects_content_sha256_check CHECK (octet_length(content_sha256) = 32),
        CONSTRAINT backup_objects_bytes_check CHECK (bytes >= 0)
      );
      CREATE INDEX backup_objects_segment_idx ON backup_objects (location, timeline, segment) WHERE kind = 'wal';
      CREATE INDEX backup_objects_written_at_idx ON backup_objects (location, written_at)`);
    await this.comment(
      runner,
      'TABLE backup_objects',
      'Versions of objects in the bucket of backups, each read as a whole once: one immutable row each',
    );
    for (const [column, meaning] of [
      ['location', 'The bucket and prefix, before the key'],
      ['version_id', 'What the store calls the version'],
      [
        'kind',
        'wal: a whole segment; wal-partial: the part of one with which a timeline ended; wal-history: where a timeline began; wal-label: where a base backup began and ended; backup: a part of a base backup',
      ],
      ['timeline', 'Of WAL'],
      ['segment', 'Which segment of its timeline, by the position at which it begins divided by the size of a segment'],
      ['backup', 'The id of the base backup'],
      ['sha256', 'Of the object as the store has it, compressed'],
      [
        'content_sha256',
        'Of what is in it: decompressed where it ends in .gz, the same as sha256 otherwise. A segment that was archived twice has the same',
      ],
      ['bytes', 'Of the object as the store has it'],
      ['fault', 'What is wrong with its content; null for nothing'],
      ['written_at', "When the store took it, by the store's clock"],
      ['retain_until', 'Until when it is locked in COMPLIANCE mode; null when it is not'],
    ]) {
      await this.comment(runner, `COLUMN backup_objects.${column}`, meaning!);
    }
    await runner.query(`
      CREATE TRIGGER backup_objects_refuse_row BEFORE UPDATE OR DELETE ON backup_objects
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER backup_objects_refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON backup_objects
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      ALTER TABLE backup_objects ENABLE ALWAYS TRIGGER backup_objects_refuse_row;
      ALTER TABLE backup_objects ENABLE ALWAYS TRIGGER backup_objects_refuse_statement`);
    await runner.query(`
      CREATE FUNCTION catalogue_backup_object(
        p_location text, p_object_key text, p_version_id text, p_kind text, p_timeline bigint, p_segment bigint,
        p_backup text, p_sha256 bytea, p_content_sha256 bytea, p_bytes bigint, p_fault text, p_written_at timestamptz,
        p_retain_until timestamptz
      ) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          INSERT INTO backup_objects
              (location, object_key, version_id, kind, timeline, segment, backup, sha256, content_sha256, bytes, fault,
               written_at, retain_until, catalogued_at)
            VALUES (p_location, p_object_key, p_version_id, p_kind, p_timeline, p_segment, p_backup, p_sha256,
                    p_content_sha256, p_bytes, p_fault, p_written_at, p_retain_until, trail_now())
            ON CONFLICT ON CONSTRAINT backup_objects_pkey DO NOTHING
        $$`);
    await this.comment(
      runner,
      'FUNCTION catalogue_backup_object',
      'Enters a version of an object of the bucket of backups that was read as a whole; one that is entered already is left',
    );
    await runner.query(`
      REVOKE ALL ON FUNCTION catalogue_backup_object FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION catalogue_backup_object TO truetrail_service;
      GRANT SELECT ON backup_objects TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
