import type { MigrationInterface, QueryRunner } from 'typeorm';

/** As in FollowSuccessions1797033600000. */
const MATCHES = `(p.ledger IS NULL OR p.ledger = ANY (line.ledgers))
  AND (p.entity_type IS NULL OR c.entity_type IS NULL OR p.entity_type = c.entity_type)
  AND (p.event_type IS NULL OR c.event_type IS NULL OR p.event_type = c.event_type)`;
const IN_FORCE = `p.valid_from <= (trail_now() AT TIME ZONE 'UTC')::date`;
const LINES = `line (ledger, ledgers) AS MATERIALIZED (SELECT l.ledger, ledger_line(l.ledger) FROM ledgers AS l)`;

/**
 * The objects that hold a range are found by where they begin, since those of a ledger follow each other without a gap:
 * before, each range was compared with all others of its ledger, every hour.
 */
export class FindHoldersByPlace1797206400200 implements MigrationInterface {
  name = 'FindHoldersByPlace1797206400200';

  async up(runner: QueryRunner): Promise<void> {
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
                    CROSS JOIN LATERAL (
                      -- the last that begins at or before the range, and those that begin within it
                      (SELECT h.number, h.ledger, h.to_sequence FROM archive_ranges AS h
                         WHERE h.kind = 'month' AND h.ledger = own.ledger AND h.from_sequence <= own.from_sequence
                         ORDER BY h.from_sequence DESC LIMIT 1)
                      UNION ALL
                      (SELECT h.number, h.ledger, h.to_sequence FROM archive_ranges AS h
                         WHERE h.kind = 'month' AND h.ledger = own.ledger
                           AND h.from_sequence > own.from_sequence AND h.from_sequence <= own.to_sequence)
                    ) AS x
                    WHERE own.number = ANY (p_numbers) AND own.kind IN ('month', 'entities', 'digests')
                      AND x.to_sequence >= own.from_sequence
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
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
