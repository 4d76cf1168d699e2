import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A ledger that was signed last by a key before the last but one gets a note for each key in between, all in one anchor:
 * their order is kept.
 */
export class GiveKeysLinesOfSuccessions1797206400000 implements MigrationInterface {
  name = 'GiveKeysLinesOfSuccessions1797206400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE key_successions
        ADD COLUMN position integer NOT NULL DEFAULT 1,
        ADD CONSTRAINT key_successions_position_check CHECK (position > 0),
        DROP CONSTRAINT key_successions_pkey,
        ADD CONSTRAINT key_successions_pkey PRIMARY KEY (ledger, anchor, position)`);
    await runner.query('ALTER TABLE key_successions ALTER COLUMN position DROP DEFAULT');
    await runner.query(`
      COMMENT ON COLUMN key_successions.position IS
        'From 1, among the notes of the ledger in this anchor: each leads from where the one before it ends'`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION catalogue_anchor(
        p_number bigint, p_previous bytea, p_sha256 bytea, p_bytes bigint,
        p_location text, p_object_key text, p_version_id text, p_public_key bytea,
        p_ledgers text[], p_sizes bigint[], p_root_hashes bytea[], p_notes text[],
        p_succession_ledgers text[], p_successions text[]
      ) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_number bigint;
        v_sha256 bytea;
        v_key bytea;
        v_wrong text;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.anchors', 0));
        SELECT number, sha256 INTO v_number, v_sha256 FROM anchors ORDER BY number DESC LIMIT 1;
        IF p_number <> coalesce(v_number, 0) + 1 OR p_previous IS DISTINCT FROM v_sha256 THEN
          RAISE EXCEPTION 'anchor % does not follow anchor %', p_number, coalesce(v_number, 0) USING ERRCODE = 'TT041';
        END IF;
        IF p_object_key <> 'anchors/' || lpad(p_number::text, greatest(12, length(p_number::text)), '0') THEN
          RAISE EXCEPTION 'anchor % is called %', p_number, p_object_key USING ERRCODE = 'TT041';
        END IF;
        IF cardinality(p_ledgers) IS DISTINCT FROM cardinality(p_sizes)
            OR cardinality(p_ledgers) IS DISTINCT FROM cardinality(p_root_hashes)
            OR cardinality(p_ledgers) IS DISTINCT FROM cardinality(p_notes)
            OR cardinality(p_succession_ledgers) IS DISTINCT FROM cardinality(p_successions) THEN
          RAISE EXCEPTION 'the checkpoints of anchor % are not whole', p_number USING ERRCODE = 'TT041';
        END IF;
        SELECT g.ledger INTO v_wrong
          FROM unnest(p_ledgers, p_sizes) AS g (ledger, size)
          CROSS JOIN LATERAL (
            SELECT c.size FROM checkpoints AS c WHERE c.ledger = g.ledger ORDER BY c.anchor DESC LIMIT 1) AS last
          WHERE g.size < last.size LIMIT 1;
        IF v_wrong IS NOT NULL THEN
          RAISE EXCEPTION 'ledger % was signed with a greater size before anchor %', v_wrong, p_number USING ERRCODE = 'TT041';
        END IF;
        SELECT k.public_key INTO v_key FROM signing_keys AS k ORDER BY k.number DESC LIMIT 1;
        IF v_key IS DISTINCT FROM p_public_key THEN
          IF v_key IS NOT NULL AND cardinality(p_successions) = 0 THEN
            RAISE EXCEPTION 'anchor % is signed by another key that does not succeed the last one', p_number USING ERRCODE = 'TT041';
          END IF;
          INSERT INTO signing_keys (number, public_key, from_anchor)
            SELECT coalesce(max(k.number), 0) + 1, p_public_key, p_number FROM signing_keys AS k;
        END IF;
        INSERT INTO anchors (number, sha256, bytes, location, object_key, version_id, catalogued_at)
          VALUES (p_number, p_sha256, p_bytes, p_location, p_object_key, p_version_id, trail_now());
        INSERT INTO checkpoints (ledger, anchor, size, root_hash, note)
          SELECT g.ledger, p_number, g.size, g.root_hash, g.note
            FROM unnest(p_ledgers, p_sizes, p_root_hashes, p_notes) AS g (ledger, size, root_hash, note);
        INSERT INTO key_successions (ledger, anchor, position, note)
          SELECT g.ledger, p_number, row_number() OVER (PARTITION BY g.ledger ORDER BY g.place), g.note
            FROM unnest(p_succession_ledgers, p_successions) WITH ORDINALITY AS g (ledger, note, place);
      END
      $$`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
