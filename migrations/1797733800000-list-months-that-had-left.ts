import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Months that had left before there was a list of late executions are entered by the service, from what it reads back of the
 * archive: only while a month is not listed, only events of its own ranges, and only while objects hold all of it. What it
 * entered is held against the archive as all entries are, by sequences, for which there is an index now. That locks the
 * list against entries while it is made, which are few.
 */
export class ListMonthsThatHadLeft1797733800000 implements MigrationInterface {
  name = 'ListMonthsThatHadLeft1797733800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX late_executions_sequence_idx ON late_executions (ledger, sequence, day)');

    await this.comment(
      runner,
      'COLUMN months.executions_listed_at',
      'Since when late_executions has what the month holds; null while it has not left, and where it had left before there was the list until the archive was read for it',
    );

    await runner.query(`
      CREATE FUNCTION enter_late_executions(p_month date, p_ledger text, p_sequences bigint[], p_days text[]) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_entered bigint;
      BEGIN
        PERFORM FROM months WHERE month = p_month AND state IN ('retired', 'dropped') AND executions_listed_at IS NULL
          FOR SHARE;
        IF NOT FOUND THEN
          RETURN 0;
        END IF;
        INSERT INTO late_executions (ledger, day, sequence)
          SELECT r.ledger, e.day, e.sequence
            FROM unnest(p_sequences, p_days) AS e (sequence, day)
            JOIN month_ranges AS r ON r.month = p_month AND r.ledger = p_ledger
              AND e.sequence BETWEEN r.from_sequence AND r.to_sequence
          ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS v_entered = ROW_COUNT;
        RETURN v_entered;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION enter_late_executions',
      'Enters late executions of a month that has left and is not listed; how many were new. Of another month, and of sequences that are not its own, none',
    );
    await runner.query('REVOKE ALL ON FUNCTION enter_late_executions(date, text, bigint[], text[]) FROM PUBLIC');
    await runner.query(
      'GRANT EXECUTE ON FUNCTION enter_late_executions(date, text, bigint[], text[]) TO truetrail_service',
    );

    await runner.query(`
      CREATE FUNCTION finish_late_executions(p_month date) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      BEGIN
        UPDATE months AS m SET executions_listed_at = trail_now()
          WHERE m.month = p_month AND m.state IN ('retired', 'dropped') AND m.executions_listed_at IS NULL
            AND NOT EXISTS (
              SELECT FROM month_ranges AS r WHERE r.month = p_month AND NOT EXISTS (
                -- ranges of a kind follow each other without a gap, so that the ends say all
                SELECT FROM archive_ranges AS a
                  WHERE a.kind = 'month' AND a.ledger = r.ledger
                    AND a.from_sequence <= r.to_sequence AND a.to_sequence >= r.from_sequence
                  HAVING min(a.from_sequence) <= r.from_sequence AND max(a.to_sequence) >= r.to_sequence));
        RETURN FOUND;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION finish_late_executions',
      'Says that all late executions of a month that has left are entered; false when that was said, or objects do not hold all of it',
    );
    await runner.query('REVOKE ALL ON FUNCTION finish_late_executions(date) FROM PUBLIC');
    await runner.query('GRANT EXECUTE ON FUNCTION finish_late_executions(date) TO truetrail_service');
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
