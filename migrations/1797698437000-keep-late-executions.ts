import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * An execution may be told days after it took place: by a correction, by a copy, by a system that was away. By its id it is
 * found in PostgreSQL wherever it stands; the archive has no index by what events state, and is searched by the event
 * times of the day. So which archived events tell of another day is kept here, from before their month leaves.
 *
 * Months that have left before are not looked at: `truetrail rebuild` enters theirs. New tables, functions and a column that
 * may be null, of a table with a row a month; locks nothing else.
 */
export class KeepLateExecutions1797698437000 implements MigrationInterface {
  name = 'KeepLateExecutions1797698437000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE late_executions (
        ledger text COLLATE "C" NOT NULL,
        day text COLLATE "C" NOT NULL,
        sequence bigint NOT NULL,
        CONSTRAINT late_executions_pkey PRIMARY KEY (ledger, day, sequence),
        CONSTRAINT late_executions_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT late_executions_day_check CHECK (day ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$')
      );
      ALTER TABLE months ADD COLUMN executions_listed_at timestamptz;
      CREATE TRIGGER late_executions_refuse_row BEFORE UPDATE OR DELETE ON late_executions
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER late_executions_refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON late_executions
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      ALTER TABLE late_executions ENABLE ALWAYS TRIGGER late_executions_refuse_row;
      ALTER TABLE late_executions ENABLE ALWAYS TRIGGER late_executions_refuse_statement;
      GRANT SELECT ON late_executions TO truetrail_service`);
    await this.comment(
      runner,
      'TABLE late_executions',
      'Archived events of orders that tell of an execution of another day than that of their event time, or the one before',
    );
    await this.comment(
      runner,
      'COLUMN late_executions.day',
      'The day of execution_time as it is stated, in the time zone in which it is stated',
    );
    await this.comment(
      runner,
      'COLUMN months.executions_listed_at',
      'Since when late_executions has what the month holds; null while it has not left',
    );

    await runner.query(`
      CREATE FUNCTION late_execution_day(p_metadata jsonb, p_told timestamptz) RETURNS text
        LANGUAGE sql STABLE PARALLEL SAFE
        SET search_path = pg_catalog
        AS $$
          SELECT left(s.stated, 10)
            FROM (SELECT p_metadata->>'execution_time' AS stated, (p_told AT TIME ZONE 'UTC')::date AS told) AS s
            -- the day that it is in UTC, less the one that is stated: -1, 0 or 1
            CROSS JOIN LATERAL (SELECT CASE
              WHEN s.stated ~ '^.{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?[+-][0-9]{2}:[0-9]{2}$' THEN floor((
                substr(s.stated, 12, 2)::integer * 60 + substr(s.stated, 15, 2)::integer
                - CASE left(right(s.stated, 6), 1) WHEN '-' THEN -1 ELSE 1 END
                  * (left(right(s.stated, 5), 2)::integer * 60 + right(s.stated, 2)::integer)) / 1440.0)::integer
              ELSE 0 END AS shift) AS z
            WHERE p_metadata ? 'execution_id'
              AND left(s.stated, 10) NOT IN (to_char(s.told - z.shift, 'YYYY-MM-DD'), to_char(s.told - z.shift - 1, 'YYYY-MM-DD'))
              AND s.stated ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$'
        $$`);
    await this.comment(
      runner,
      'FUNCTION late_execution_day',
      'The day of an execution that is told on another day than it was, or the next one, both in UTC, as it is stated; null otherwise',
    );
    await runner.query('REVOKE ALL ON FUNCTION late_execution_day(jsonb, timestamptz) FROM PUBLIC');

    await runner.query(`
      CREATE FUNCTION list_late_executions(p_month date) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET "TimeZone" = 'UTC'
        AS $$
      DECLARE
        v_name text;
      BEGIN
        SELECT partition_name INTO v_name FROM months
          WHERE month = p_month AND state = 'sealed' AND executions_listed_at IS NULL;
        IF v_name IS NULL THEN
          RETURN false;
        END IF;
        EXECUTE format('INSERT INTO late_executions (ledger, day, sequence)
          SELECT e.ledger, e.day, e.sequence FROM (
            SELECT t.ledger, t.sequence, late_execution_day(t.metadata, t."timestamp") AS day FROM public.%I AS t
              WHERE t.entity_type = ''order'' AND t.event_type = ''order_lifecycle'' AND t.metadata ? ''execution_id''
                -- most are told on the same day, and the function is asked of the others alone: it takes 20 microseconds
                AND t.metadata->>''execution_time'' NOT LIKE to_char(t."timestamp", ''YYYY-MM-DD'') || ''T%%Z'') AS e
            WHERE e.day IS NOT NULL
          ON CONFLICT DO NOTHING', v_name);
        UPDATE months SET executions_listed_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION list_late_executions',
      'Enters the late executions of a sealed month, all of which it reads, and makes nobody wait; false when that was done, or the month is not sealed',
    );
    await runner.query('REVOKE ALL ON FUNCTION list_late_executions(date) FROM PUBLIC');
    await runner.query('GRANT EXECUTE ON FUNCTION list_late_executions(date) TO truetrail_service');

    await runner.query(`
      CREATE OR REPLACE FUNCTION retire_month(p_month date) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET lock_timeout = '2s'
        AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.months', 0));
        IF NOT EXISTS (SELECT FROM months WHERE month = p_month AND state = 'sealed') THEN
          RETURN false;
        END IF;
        -- in order, so that of each ledger the archive serves the beginning and PostgreSQL the rest
        IF EXISTS (SELECT FROM months WHERE month < p_month AND state NOT IN ('retired', 'dropped')) THEN
          RAISE EXCEPTION 'a month before % is not retired', p_month USING ERRCODE = 'TT020';
        END IF;
        PERFORM assert_month_may_leave(p_month);
        PERFORM assert_month_is_not_wrong(p_month);
        -- readers find these no more by the month's indexes; whoever called it before has nobody wait for it now
        PERFORM list_late_executions(p_month);
        UPDATE ledger_heads AS h SET archived_to = r.to_sequence
          FROM month_ranges AS r WHERE r.month = p_month AND r.ledger = h.ledger;
        UPDATE months SET state = 'retired', retired_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $$`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
