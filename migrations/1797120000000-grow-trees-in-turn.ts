import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Two that grow a tree for the first time do it one after the other: the later one is refused, as with any other growth. */
export class GrowTreesInTurn1797120000000 implements MigrationInterface {
  name = 'GrowTreesInTurn1797120000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION grow_trees(
        p_ledgers text[], p_from bigint[], p_to bigint[], p_open_leaves bytea[],
        p_tile_ledgers text[], p_tile_levels smallint[], p_tile_indexes bigint[], p_tile_hashes bytea[]
      ) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_wrong text;
      BEGIN
        -- of a tree that is not there yet no row can be locked
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.tree.' || g.ledger, 0))
          FROM (SELECT DISTINCT ledger FROM unnest(p_ledgers) AS l (ledger) ORDER BY ledger) AS g;
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
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
