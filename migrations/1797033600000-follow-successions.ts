import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What of a policy may match what of an object; null stands for any on either side. */
const MATCHES = `(p.ledger IS NULL OR p.ledger = ANY (line.ledgers))
  AND (p.entity_type IS NULL OR c.entity_type IS NULL OR p.entity_type = c.entity_type)
  AND (p.event_type IS NULL OR c.event_type IS NULL OR p.event_type = c.event_type)`;
const IN_FORCE = `p.valid_from <= (trail_now() AT TIME ZONE 'UTC')::date`;
/** Of each ledger with events in the catalogue: itself and those that it succeeded. */
const LINES = `line (ledger, ledgers) AS MATERIALIZED (SELECT l.ledger, ledger_line(l.ledger) FROM ledgers AS l)`;

/**
 * A ledger that is closed after a restore goes on under another name: what is to be kept of it, by a policy or a legal
 * hold, is to be kept of its successors too. And the retention of all months is found in one go, by the last event of each
 * kind in a month instead of those of each object.
 */
export class FollowSuccessions1797033600000 implements MigrationInterface {
  name = 'FollowSuccessions1797033600000';

  async up(runner: QueryRunner): Promise<void> {
    await this.createSuccessions(runner);
    await this.matchLines(runner);
    await this.findRetentionOfMonths(runner);
  }

  private async createSuccessions(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE ledger_successions (
        ledger text COLLATE "C" NOT NULL,
        predecessor text COLLATE "C" NOT NULL,
        noted_at timestamptz NOT NULL,
        CONSTRAINT ledger_successions_pkey PRIMARY KEY (ledger),
        CONSTRAINT ledger_successions_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT ledger_successions_predecessor_fkey FOREIGN KEY (predecessor) REFERENCES ledgers (ledger),
        CONSTRAINT ledger_successions_predecessor_check CHECK (predecessor <> ledger)
      )`);
    await this.comment(
      runner,
      'TABLE ledger_successions',
      'Which ledger succeeds which closed one, as its first event says; stays when that event is deleted',
    );
    await runner.query(`
      CREATE TRIGGER ledger_successions_refuse_row BEFORE UPDATE OR DELETE ON ledger_successions
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER ledger_successions_refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_successions
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      ALTER TABLE ledger_successions ENABLE ALWAYS TRIGGER ledger_successions_refuse_row;
      ALTER TABLE ledger_successions ENABLE ALWAYS TRIGGER ledger_successions_refuse_statement`);
    await runner.query(`
      CREATE FUNCTION note_ledger_successions() RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          INSERT INTO ledger_successions (ledger, predecessor, noted_at)
            SELECT l.ledger, p.ledger, trail_now()
              FROM ledgers AS l
              JOIN audit_events AS e ON e.ledger = l.ledger AND e.sequence = 1
                AND e.event_type = 'ledger' AND e.action = 'succeed' AND e.recorded_by = 'service'
              JOIN ledgers AS p ON p.ledger = e.entity_id
              WHERE NOT EXISTS (SELECT FROM ledger_successions AS s WHERE s.ledger = l.ledger)
            ON CONFLICT ON CONSTRAINT ledger_successions_pkey DO NOTHING
        $$`);
    await this.comment(
      runner,
      'FUNCTION note_ledger_successions',
      'Notes of every ledger whose first event says that it succeeds another one that it does',
    );
    await runner.query('SELECT note_ledger_successions()');
    await runner.query(`
      CREATE FUNCTION ledger_line(p_ledger text) RETURNS text[]
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          WITH RECURSIVE line (ledger) AS (
            SELECT p_ledger COLLATE "C"
            UNION
            SELECT s.predecessor FROM line JOIN ledger_successions AS s ON s.ledger = line.ledger)
          SELECT array_agg(line.ledger) FROM line
        $$`);
    await this.comment(runner, 'FUNCTION ledger_line', 'A ledger and all that it succeeded');
    await runner.query(`REVOKE ALL ON FUNCTION note_ledger_successions(), ledger_line(text) FROM PUBLIC`);
    await runner.query(`GRANT EXECUTE ON FUNCTION note_ledger_successions(), ledger_line(text) TO truetrail_service`);
    await runner.query(`GRANT SELECT ON ledger_successions TO truetrail_service`);
  }

  private async matchLines(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION retention_of_contents(
        p_ledgers text[], p_entity_types text[], p_event_types text[], p_greatest_recorded timestamptz[]
      ) RETURNS TABLE (policy uuid, record_class text, years integer, retain_until timestamptz)
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          WITH ${LINES}
          SELECT p.id, p.record_class, p.years, kept_until(c.greatest_recorded_at, p.years)
            FROM unnest(p_ledgers, p_entity_types, p_event_types, p_greatest_recorded)
              AS c (ledger, entity_type, event_type, greatest_recorded_at)
            LEFT JOIN line ON line.ledger = c.ledger
            JOIN retention_policies AS p ON ${IN_FORCE} AND ${MATCHES}
            ORDER BY 4 DESC, p.years DESC, p.created_at, p.id LIMIT 1
        $$`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION retention_of_objects(p_numbers bigint[])
        RETURNS TABLE (number bigint, policy uuid, record_class text, years integer, retain_until timestamptz)
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          WITH ${LINES}
          SELECT DISTINCT ON (last.number) last.number, last.id, last.record_class, last.years, kept_until(last.recorded_at, last.years + last.more_years)
            FROM (
              -- of what a policy keeps in an object the last event is kept the longest
              SELECT c.number, c.more_years, p.id, p.record_class, p.years, p.created_at, max(c.greatest_recorded_at) AS recorded_at
                FROM (
                  -- an index of entities is kept as long as the events that it leads to, digests longer
                  SELECT DISTINCT own.number, x.number AS holder, x.ledger,
                         CASE own.kind WHEN 'digests' THEN 5 ELSE 0 END AS more_years
                    FROM archive_ranges AS own
                    JOIN archive_ranges AS x ON x.kind = 'month' AND x.ledger = own.ledger
                      AND x.from_sequence <= own.to_sequence AND x.to_sequence >= own.from_sequence
                    WHERE own.number = ANY (p_numbers) AND own.kind IN ('month', 'entities', 'digests')
                ) AS held
                CROSS JOIN LATERAL (
                  SELECT held.number, held.more_years, held.ledger, d.entity_type, d.event_type, d.greatest_recorded_at
                    FROM archive_contents AS d WHERE d.number = held.holder AND d.ledger = held.ledger
                  UNION ALL
                  -- catalogued before its classes were: any may be among them
                  SELECT held.number, held.more_years, held.ledger, NULL, NULL, r.greatest_recorded_at
                    FROM archive_ranges AS r
                    WHERE r.number = held.holder AND r.ledger = held.ledger
                      AND NOT EXISTS (SELECT FROM archive_contents AS d WHERE d.number = held.holder)
                ) AS c
                JOIN line ON line.ledger = c.ledger
                JOIN retention_policies AS p ON ${IN_FORCE} AND ${MATCHES}
                GROUP BY c.number, c.more_years, p.id
            ) AS last
            ORDER BY last.number, 5 DESC, last.years DESC, last.created_at, last.id
        $$`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION month_holds(p_from timestamptz, p_to timestamptz, p_ledgers text[]) RETURNS SETOF uuid
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET lock_timeout = '100ms'
        AS $$
      BEGIN
        -- Until the caller's transaction ends, no hold can be made: one that is asked for while a month is being dropped
        -- comes either before the look or after the drop.
        LOCK TABLE legal_holds IN SHARE MODE;
        RETURN QUERY
          SELECT h.id FROM legal_holds AS h
            WHERE h.state NOT IN ('rejected', 'released')
              AND (p_ledgers IS NULL
                OR h.ledgers && ARRAY(SELECT unnest(ledger_line(given.ledger)) FROM unnest(p_ledgers) AS given (ledger)))
              AND coalesce(h.recorded_from, '-infinity') < coalesce(p_to, 'infinity')
              AND coalesce(h.recorded_to, 'infinity') > coalesce(p_from, '-infinity')
            ORDER BY h.id;
      END
      $$`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION objects_under_hold(p_hold uuid) RETURNS SETOF bigint
        LANGUAGE sql STABLE SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          WITH ${LINES}
          SELECT DISTINCT r.number
            FROM legal_holds AS h
            JOIN line ON line.ledgers && h.ledgers
            JOIN archive_ranges AS r ON r.ledger = line.ledger
              AND coalesce(h.recorded_from, '-infinity') <= r.greatest_recorded_at
              AND coalesce(h.recorded_to, 'infinity') > r.least_recorded_at
            WHERE h.state NOT IN ('rejected', 'released') AND (p_hold IS NULL OR h.id = p_hold)
              AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = r.number AND x.removed_at IS NOT NULL)
        $$`);
  }

  private async findRetentionOfMonths(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION retention_of_months(p_months date[])
        RETURNS TABLE (
          month date, policy uuid, record_class text, years integer, retain_until timestamptz, locked_until timestamptz)
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          WITH ${LINES},
          held (month, number, kind, ledger, greatest_recorded_at) AS MATERIALIZED (
            SELECT m.month, r.number, r.kind, r.ledger, r.greatest_recorded_at
              FROM month_ranges AS m
              JOIN archive_ranges AS r ON r.kind IN ('month', 'entities') AND r.ledger = m.ledger
                AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
              WHERE m.month = ANY (p_months)),
          contents (month, ledger, entity_type, event_type, greatest_recorded_at) AS (
            SELECT h.month, h.ledger, d.entity_type, d.event_type, max(d.greatest_recorded_at)
              FROM held AS h JOIN archive_contents AS d ON d.number = h.number AND d.ledger = h.ledger
              WHERE h.kind = 'month' GROUP BY h.month, h.ledger, d.entity_type, d.event_type
            UNION ALL
            -- catalogued before its classes were: any may be among them
            SELECT h.month, h.ledger, NULL, NULL, max(h.greatest_recorded_at)
              FROM held AS h
              WHERE h.kind = 'month' AND NOT EXISTS (SELECT FROM archive_contents AS d WHERE d.number = h.number)
              GROUP BY h.month, h.ledger),
          last AS (
            SELECT c.month, p.id, p.record_class, p.years, p.created_at, max(c.greatest_recorded_at) AS recorded_at
              FROM contents AS c
              JOIN line ON line.ledger = c.ledger
              JOIN retention_policies AS p ON ${IN_FORCE} AND ${MATCHES}
              GROUP BY c.month, p.id),
          locks AS (
            SELECT h.month, max(s.retain_until) AS locked_until
              FROM held AS h JOIN archive_object_states AS s ON s.number = h.number GROUP BY h.month)
          SELECT DISTINCT ON (last.month) last.month, last.id, last.record_class, last.years,
                 kept_until(last.recorded_at, last.years), locks.locked_until
            FROM last JOIN locks ON locks.month = last.month
            ORDER BY last.month, 5 DESC, last.years DESC, last.created_at, last.id
        $$`);
    await this.comment(
      runner,
      'FUNCTION retention_of_months',
      'Until when months are kept by the policies in force, by which the longest, and until when their objects are locked; of each month that is archived',
    );
    await runner.query(`
      CREATE OR REPLACE FUNCTION retention_of_month(p_month date)
        RETURNS TABLE (policy uuid, record_class text, years integer, retain_until timestamptz, locked_until timestamptz)
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT w.policy, w.record_class, w.years, w.retain_until, w.locked_until FROM retention_of_months(ARRAY[p_month]) AS w
        $$`);
    await runner.query('REVOKE ALL ON FUNCTION retention_of_months(date[]) FROM PUBLIC');
    await runner.query('GRANT EXECUTE ON FUNCTION retention_of_months(date[]) TO truetrail_service');
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
