import type { MigrationInterface, QueryRunner } from 'typeorm';

/** No tree has leaves past this, nor tiles of a higher level. */
const MAX_TILE_LEVEL = 7;

/**
 * Each ledger's Merkle tree in tiles, and what was signed of it: an anchor is a round of signing, one object in the store
 * under a lock; it is catalogued after it is there, so no checkpoint stands here that is not anchored.
 */
export class SignCheckpoints1796083200000 implements MigrationInterface {
  name = 'SignCheckpoints1796083200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE trees (
        ledger text COLLATE "C" NOT NULL,
        size bigint NOT NULL,
        open_leaves bytea NOT NULL,
        CONSTRAINT trees_pkey PRIMARY KEY (ledger),
        CONSTRAINT trees_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT trees_size_check CHECK (size > 0),
        CONSTRAINT trees_open_leaves_check CHECK (octet_length(open_leaves) = 32 * (size % 256))
      )`);
    await this.comment(
      runner,
      'TABLE trees',
      'How far the Merkle tree of a ledger has grown in tree_tiles. It follows from the events, and is made anew when it does not',
    );
    await this.comment(runner, 'COLUMN trees.size', 'Leaves: events up to this sequence');
    await this.comment(
      runner,
      'COLUMN trees.open_leaves',
      'Hashes of the leaves past the last full tile of level 0, 32 bytes each',
    );
    await runner.query(`
      CREATE TABLE tree_tiles (
        ledger text COLLATE "C" NOT NULL,
        level smallint NOT NULL,
        tile_index bigint NOT NULL,
        hashes bytea NOT NULL,
        CONSTRAINT tree_tiles_pkey PRIMARY KEY (ledger, level, tile_index),
        CONSTRAINT tree_tiles_ledger_fkey FOREIGN KEY (ledger) REFERENCES trees (ledger),
        CONSTRAINT tree_tiles_level_check CHECK (level BETWEEN 1 AND ${MAX_TILE_LEVEL}),
        CONSTRAINT tree_tiles_tile_index_check CHECK (tile_index >= 0),
        CONSTRAINT tree_tiles_hashes_check
          CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0)
      )`);
    await this.comment(
      runner,
      'TABLE tree_tiles',
      'Tiles of levels 1 and up of the Merkle trees (C2SP tlog-tiles); level 0 follows from the events. A tile only grows',
    );
    await this.comment(runner, 'COLUMN tree_tiles.hashes', '1 to 256 hashes of 32 bytes');

    await runner.query(`
      CREATE TABLE signing_keys (
        number bigint NOT NULL,
        public_key bytea NOT NULL,
        from_anchor bigint NOT NULL,
        CONSTRAINT signing_keys_pkey PRIMARY KEY (number),
        CONSTRAINT signing_keys_public_key_key UNIQUE (public_key),
        CONSTRAINT signing_keys_number_check CHECK (number > 0),
        CONSTRAINT signing_keys_public_key_check CHECK (octet_length(public_key) = 32)
      )`);
    await this.comment(
      runner,
      'TABLE signing_keys',
      'The keys that have signed, one after the other; the last one signs',
    );
    await this.comment(runner, 'COLUMN signing_keys.public_key', 'Ed25519, raw');
    await this.comment(runner, 'COLUMN signing_keys.from_anchor', 'The first anchor that it signed');

    await runner.query(`
      CREATE TABLE anchors (
        number bigint NOT NULL,
        sha256 bytea NOT NULL,
        bytes bigint NOT NULL,
        location text COLLATE "C" NOT NULL,
        object_key text COLLATE "C" NOT NULL,
        version_id text COLLATE "C" NOT NULL,
        catalogued_at timestamptz NOT NULL,
        CONSTRAINT anchors_pkey PRIMARY KEY (number),
        CONSTRAINT anchors_number_check CHECK (number > 0),
        CONSTRAINT anchors_sha256_check CHECK (octet_length(sha256) = 32),
        CONSTRAINT anchors_bytes_check CHECK (bytes > 0)
      )`);
    await this.comment(
      runner,
      'TABLE anchors',
      'Rounds of signing: one immutable row an object of the store, catalogued after it was written',
    );
    for (const [column, meaning] of [
      ['number', 'From 1, without a gap'],
      ['sha256', 'Of the object; the next one names it'],
      ['location', 'The store that it was written to, before the key'],
      ['version_id', 'What the store calls the version that counts: the oldest'],
    ]) {
      await this.comment(runner, `COLUMN anchors.${column}`, meaning!);
    }
    await runner.query(`
      CREATE TABLE checkpoints (
        ledger text COLLATE "C" NOT NULL,
        anchor bigint NOT NULL,
        size bigint NOT NULL,
        root_hash bytea NOT NULL,
        note text COLLATE "C" NOT NULL,
        CONSTRAINT checkpoints_pkey PRIMARY KEY (ledger, anchor),
        CONSTRAINT checkpoints_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT checkpoints_anchor_fkey FOREIGN KEY (anchor) REFERENCES anchors (number),
        CONSTRAINT checkpoints_size_check CHECK (size >= 0),
        CONSTRAINT checkpoints_root_hash_check CHECK (octet_length(root_hash) = 32)
      )`);
    await runner.query('CREATE INDEX checkpoints_size_idx ON checkpoints (ledger, size, anchor)');
    await this.comment(
      runner,
      'TABLE checkpoints',
      'What was signed of each ledger: one immutable row a ledger and round',
    );
    await this.comment(runner, 'COLUMN checkpoints.size', 'Leaves of the tree that was signed');
    await this.comment(runner, 'COLUMN checkpoints.note', 'C2SP tlog-checkpoint with the signature of the ledger');
    await runner.query(`
      CREATE TABLE key_successions (
        ledger text COLLATE "C" NOT NULL,
        anchor bigint NOT NULL,
        note text COLLATE "C" NOT NULL,
        CONSTRAINT key_successions_pkey PRIMARY KEY (ledger, anchor),
        CONSTRAINT key_successions_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT key_successions_anchor_fkey FOREIGN KEY (anchor) REFERENCES anchors (number)
      )`);
    await this.comment(
      runner,
      'TABLE key_successions',
      'Notes by which the key of a ledger gave way to the next, signed by both',
    );

    for (const table of ['signing_keys', 'anchors', 'checkpoints', 'key_successions']) {
      await runner.query(`
        CREATE TRIGGER ${table}_refuse_row BEFORE UPDATE OR DELETE ON ${table}
          FOR EACH ROW EXECUTE FUNCTION refuse_change()`);
      await runner.query(`
        CREATE TRIGGER ${table}_refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
          FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
      await runner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_row`);
      await runner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_statement`);
    }

    await runner.query(`
      CREATE FUNCTION grow_trees(
        p_ledgers text[], p_from bigint[], p_to bigint[], p_open_leaves bytea[],
        p_tile_ledgers text[], p_tile_levels smallint[], p_tile_indexes bigint[], p_tile_hashes bytea[]
      ) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_wrong text;
      BEGIN
        PERFORM FROM trees WHERE ledger = ANY (p_ledgers) ORDER BY ledger FOR UPDATE;
        SELECT g.ledger INTO v_wrong
          FROM unnest(p_ledgers, p_from, p_to) AS g (ledger, old_size, new_size)
          LEFT JOIN trees AS t ON t.ledger = g.ledger
          LEFT JOIN ledger_heads AS h ON h.ledger = g.ledger
          WHERE coalesce(t.size, 0) <> g.old_size OR g.new_size <= g.old_size OR g.new_size > coalesce(h.size, 0)
          LIMIT 1;
        IF v_wrong IS NOT NULL THEN
          RAISE EXCEPTION 'the tree of ledger % does not grow like this', v_wrong USING ERRCODE = 'TT040';
        END IF;
        INSERT INTO trees AS t (ledger, size, open_leaves)
          SELECT g.ledger, g.new_size, g.open_leaves
            FROM unnest(p_ledgers, p_to, p_open_leaves) AS g (ledger, new_size, open_leaves)
          ON CONFLICT ON CONSTRAINT trees_pkey DO UPDATE SET size = excluded.size, open_leaves = excluded.open_leaves;
        SELECT g.ledger INTO v_wrong
          FROM unnest(p_tile_ledgers, p_tile_levels, p_tile_indexes, p_tile_hashes) AS g (ledger, level, tile_index, hashes)
          JOIN tree_tiles AS t ON t.ledger = g.ledger AND t.level = g.level AND t.tile_index = g.tile_index
          WHERE substring(g.hashes FROM 1 FOR octet_length(t.hashes)) <> t.hashes
          LIMIT 1;
        IF v_wrong IS NOT NULL THEN
          RAISE EXCEPTION 'a tile of ledger % would change', v_wrong USING ERRCODE = 'TT040';
        END IF;
        INSERT INTO tree_tiles AS t (ledger, level, tile_index, hashes)
          SELECT * FROM unnest(p_tile_ledgers, p_tile_levels, p_tile_indexes, p_tile_hashes)
          ON CONFLICT ON CONSTRAINT tree_tiles_pkey DO UPDATE SET hashes = excluded.hashes;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION grow_trees',
      'Stores what trees have grown by, from the size that they have; TT040 when they do not follow',
    );
    await runner.query(`
      CREATE FUNCTION forget_tree(p_ledger text) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          DELETE FROM tree_tiles WHERE ledger = p_ledger;
          DELETE FROM trees WHERE ledger = p_ledger;
        $$`);
    await this.comment(runner, 'FUNCTION forget_tree', 'Has the tree of a ledger made anew from its events');

    await runner.query(`
      CREATE FUNCTION catalogue_anchor(
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
        INSERT INTO key_successions (ledger, anchor, note)
          SELECT g.ledger, p_number, g.note FROM unnest(p_succession_ledgers, p_successions) AS g (ledger, note);
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION catalogue_anchor',
      'Puts an anchor that is in the store, and its checkpoints, into the catalogue; TT041 when it does not follow what is there',
    );

    const functions = 'grow_trees, forget_tree, catalogue_anchor';
    await runner.query(`REVOKE ALL ON FUNCTION ${functions} FROM PUBLIC`);
    await runner.query(`GRANT EXECUTE ON FUNCTION ${functions} TO truetrail_service`);
    await runner.query(
      `GRANT SELECT ON trees, tree_tiles, signing_keys, anchors, checkpoints, key_successions TO truetrail_service`,
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
