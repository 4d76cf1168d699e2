import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What an object holds by class is said in the transaction that catalogues it, or never: said later, of an object that
 * was catalogued before there were classes, it could only shorten the time for which any policy of its ledger keeps it.
 */
export class StateContentsWithTheObject1796947202000 implements MigrationInterface {
  name = 'StateContentsWithTheObject1796947202000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION catalogue_archive_contents(
        p_number bigint, p_ledgers text[], p_entity_types text[], p_event_types text[], p_events bigint[],
        p_least_recorded timestamptz[], p_greatest_recorded timestamptz[]
      ) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      BEGIN
        IF EXISTS (SELECT FROM archive_contents WHERE number = p_number) THEN
          RAISE EXCEPTION 'what object % holds stands in the catalogue already', p_number USING ERRCODE = 'TT010';
        END IF;
        IF NOT EXISTS (SELECT FROM archive_objects AS o WHERE o.number = p_number AND o.xmin = pg_current_xact_id()::xid) THEN
          RAISE EXCEPTION 'object % was catalogued before, without what it holds', p_number USING ERRCODE = 'TT010';
        END IF;
        INSERT INTO archive_contents (number, ledger, entity_type, event_type, events, least_recorded_at, greatest_recorded_at)
          SELECT p_number, u.* FROM unnest(p_ledgers, p_entity_types, p_event_types, p_events, p_least_recorded, p_greatest_recorded) AS u;
        IF EXISTS (
          SELECT FROM archive_ranges AS r
            WHERE r.number = p_number AND r.to_sequence - r.from_sequence + 1 IS DISTINCT FROM
              (SELECT sum(c.events) FROM archive_contents AS c WHERE c.number = r.number AND c.ledger = r.ledger)) THEN
          RAISE EXCEPTION 'object % does not hold as many events as its classes do', p_number USING ERRCODE = 'TT010';
        END IF;
        IF EXISTS (
          SELECT FROM archive_ranges AS r
            JOIN (SELECT c.ledger, min(c.least_recorded_at) AS least, max(c.greatest_recorded_at) AS greatest,
                         bool_or(c.least_recorded_at > c.greatest_recorded_at) AS is_reversed
                    FROM archive_contents AS c WHERE c.number = p_number GROUP BY c.ledger) AS c ON c.ledger = r.ledger
            WHERE r.number = p_number
              AND (c.is_reversed OR (c.least, c.greatest) IS DISTINCT FROM (r.least_recorded_at, r.greatest_recorded_at))) THEN
          RAISE EXCEPTION 'object % was recorded at other times than its classes', p_number USING ERRCODE = 'TT010';
        END IF;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION catalogue_archive_contents',
      'What an object holds by class, in the transaction that catalogues it; TT010 later, when its events do not add up, or when their times are not those of its ranges',
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
