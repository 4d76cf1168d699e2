import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Cosignatures go to the object store as well, so that they outlive the database. What is not there yet waits in a table
 * of its own; everything that was kept before waits, too.
 */
export class StoreCosignatures1796608800000 implements MigrationInterface {
  name = 'StoreCosignatures1796608800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE waiting_cosignatures (
        ledger text COLLATE "C" NOT NULL,
        witness_key text COLLATE "C" NOT NULL,
        anchor bigint NOT NULL,
        CONSTRAINT waiting_cosignatures_pkey PRIMARY KEY (anchor, ledger, witness_key),
        CONSTRAINT waiting_cosignatures_cosignature_fkey
          FOREIGN KEY (ledger, witness_key, anchor) REFERENCES cosignatures (ledger, witness_key, anchor)
      )`);
    await this.comment(
      runner,
      'TABLE waiting_cosignatures',
      'Cosignatures that are in no object of the store yet: a row leaves when its object is catalogued',
    );
    await runner.query(`
      INSERT INTO waiting_cosignatures (ledger, witness_key, anchor)
        SELECT ledger, witness_key, anchor FROM cosignatures`);
    await runner.query(`
      CREATE TABLE cosignature_objects (
        object_key text COLLATE "C" NOT NULL,
        sha256 bytea NOT NULL,
        bytes bigint NOT NULL,
        cosignatures integer NOT NULL,
        location text COLLATE "C" NOT NULL,
        version_id text COLLATE "C" NOT NULL,
        catalogued_at timestamptz NOT NULL,
        CONSTRAINT cosignature_objects_pkey PRIMARY KEY (object_key),
        CONSTRAINT cosignature_objects_sha256_check CHECK (octet_length(sha256) = 32),
        CONSTRAINT cosignature_objects_bytes_check CHECK (bytes > 0),
        CONSTRAINT cosignature_objects_cosignatures_check CHECK (cosignatures > 0),
        CONSTRAINT cosignature_objects_object_key_check CHECK (
          object_key ~ '^cosignatures/[0-9]{12,18}-[0-9a-f]{16}\\.json$'
            AND right(object_key, 21) = left(encode(sha256, 'hex'), 16) || '.json'
        )
      )`);
    await this.comment(
      runner,
      'TABLE cosignature_objects',
      'Objects of the store that hold cosignatures: one immutable row each',
    );
    for (const [column, meaning] of [
      ['sha256', 'Of the object'],
      ['cosignatures', 'How many it holds'],
      ['location', 'The store that it was written to, before the key'],
      ['version_id', 'What the store calls the version'],
    ]) {
      await this.comment(runner, `COLUMN cosignature_objects.${column}`, meaning!);
    }
    await runner.query(`
      CREATE TRIGGER cosignature_objects_refuse_row BEFORE UPDATE OR DELETE ON cosignature_objects
        FOR EACH ROW EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TRIGGER cosignature_objects_refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON cosignature_objects
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query('ALTER TABLE cosignature_objects ENABLE ALWAYS TRIGGER cosignature_objects_refuse_row');
    await runner.query('ALTER TABLE cosignature_objects ENABLE ALWAYS TRIGGER cosignature_objects_refuse_statement');

    await runner.query(`
      CREATE OR REPLACE FUNCTION keep_cosignatures(
        p_ledgers text[], p_anchors bigint[], p_witness_keys text[], p_lines text[], p_cosigned_at timestamptz[]
      ) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          WITH kept AS (
            INSERT INTO cosignatures (ledger, anchor, witness_key, line, cosigned_at, kept_at)
              SELECT g.ledger, g.anchor, g.witness_key, g.line, g.cosigned_at, trail_now()
                FROM unnest(p_ledgers, p_anchors, p_witness_keys, p_lines, p_cosigned_at)
                  AS g (ledger, anchor, witness_key, line, cosigned_at)
              ON CONFLICT ON CONSTRAINT cosignatures_pkey DO NOTHING
              RETURNING ledger, witness_key, anchor
          )
          INSERT INTO waiting_cosignatures (ledger, witness_key, anchor) SELECT ledger, witness_key, anchor FROM kept
        $$`);
    await runner.query(`
      CREATE FUNCTION catalogue_cosignature_object(
        p_object_key text, p_sha256 bytea, p_bytes bigint, p_location text, p_version_id text,
        p_ledgers text[], p_witness_keys text[], p_anchors bigint[]
      ) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          INSERT INTO cosignature_objects (object_key, sha256, bytes, cosignatures, location, version_id, catalogued_at)
            VALUES (p_object_key, p_sha256, p_bytes, cardinality(p_ledgers), p_location, p_version_id, trail_now())
            ON CONFLICT ON CONSTRAINT cosignature_objects_pkey DO NOTHING;
          DELETE FROM waiting_cosignatures AS w
            USING unnest(p_ledgers, p_witness_keys, p_anchors) AS g (ledger, witness_key, anchor)
            WHERE w.anchor = g.anchor AND w.ledger = g.ledger AND w.witness_key = g.witness_key
        $$`);
    await this.comment(
      runner,
      'FUNCTION catalogue_cosignature_object',
      'Catalogues an object of cosignatures that is in the store: they wait no more',
    );
    await runner.query('REVOKE ALL ON FUNCTION catalogue_cosignature_object FROM PUBLIC');
    await runner.query('GRANT EXECUTE ON FUNCTION catalogue_cosignature_object TO truetrail_service');
    await runner.query('GRANT SELECT ON waiting_cosignatures, cosignature_objects TO truetrail_service');
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
