import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Of the objects of months that make an early one superfluous, within which each must have been read and found right. */
const VERIFIED_WITHIN = '1 day';

/**
 * What was found wrong with an object stays noted until it was read again and found right: until then no month leaves
 * PostgreSQL for it and no other copy of the same events is removed. And what only might have been removed, since its
 * removal has begun, is taken for what it is: it is there until the store has said otherwise.
 */
export class KeepTheLastGoodCopy1796947200000 implements MigrationInterface {
  name = 'KeepTheLastGoodCopy1796947200000';

  async up(runner: QueryRunner): Promise<void> {
    await this.noteFindings(runner);
    await this.keepMonths(runner);
    await this.keepObjects(runner);
  }

  private async noteFindings(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE archive_object_states ADD COLUMN found_wrong_at timestamptz');
    await this.comment(
      runner,
      'TABLE archive_object_states',
      'What changes of an object: until when it is locked, which only ever grows, and what was last found of it',
    );
    await this.comment(
      runner,
      'COLUMN archive_object_states.found_wrong_at',
      'When something was last found wrong with it; null when it was read as a whole and found right since',
    );
    await runner.query(`
      CREATE OR REPLACE FUNCTION note_archive_object(p_number bigint, p_retain_until timestamptz, p_verified boolean) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          UPDATE archive_object_states
            SET retain_until = greatest(retain_until, p_retain_until),
                verified_at = CASE WHEN p_verified THEN greatest(verified_at, trail_now()) ELSE verified_at END,
                found_wrong_at = CASE WHEN p_verified THEN NULL ELSE found_wrong_at END
            WHERE number = p_number AND p_retain_until <= trail_now() + interval '50 years'
        $$`);
    await runner.query(`
      CREATE FUNCTION note_archive_finding(p_number bigint) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          UPDATE archive_object_states SET found_wrong_at = trail_now() WHERE number = p_number
        $$`);
    await this.comment(
      runner,
      'FUNCTION note_archive_finding',
      'Something is wrong with an object in the store: it counts for no copy until it was read again and found right',
    );
    await runner.query('REVOKE ALL ON FUNCTION note_archive_finding(bigint) FROM PUBLIC');
    await runner.query('GRANT EXECUTE ON FUNCTION note_archive_finding(bigint) TO truetrail_service');
  }

  private async keepMonths(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION assert_month_is_not_wrong(p_month date) RETURNS void
        LANGUAGE plpgsql
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        AS $$
      DECLARE
        v_wrong record;
      BEGIN
        SELECT s.number, s.found_wrong_at INTO v_wrong
          FROM month_ranges AS m
          JOIN archive_ranges AS r ON r.kind <> 'early' AND r.ledger = m.ledger
            AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
          JOIN archive_object_states AS s ON s.number = r.number
          WHERE m.month = p_month AND s.found_wrong_at IS NOT NULL
          ORDER BY s.number LIMIT 1;
        IF FOUND THEN
          RAISE EXCEPTION 'object % of month % was found wrong at %', v_wrong.number, p_month, v_wrong.found_wrong_at
            USING ERRCODE = 'TT023';
        END IF;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION assert_month_is_not_wrong',
      'Nothing, or TT023 while an object of a month is known to be damaged',
    );
    await runner.query('REVOKE ALL ON FUNCTION assert_month_is_not_wrong(date) FROM PUBLIC');
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
        UPDATE ledger_heads AS h SET archived_to = r.to_sequence
          FROM month_ranges AS r WHERE r.month = p_month AND r.ledger = h.ledger;
        UPDATE months SET state = 'retired', retired_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $$`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION drop_month(p_month date) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET lock_timeout = '100ms'
        AS $$
      DECLARE
        v_name text;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.months', 0));
        SELECT partition_name INTO v_name FROM months WHERE month = p_month AND state = 'retired';
        IF v_name IS NULL THEN
          RETURN false;
        END IF;
        PERFORM assert_month_may_leave(p_month);
        PERFORM assert_month_is_not_wrong(p_month);
        -- whoever reads at this moment still sees the month; whoever comes later waits, and then sees that it is archived
        LOCK TABLE ONLY audit_events IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('ALTER TABLE public.audit_events DETACH PARTITION public.%I', v_name);
        EXECUTE format('DROP TABLE public.%I', v_name);
        UPDATE months SET state = 'dropped', dropped_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $$`);
  }

  private async keepObjects(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION begin_object_removal(p_number bigint, p_deletion uuid) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        AS $$
      DECLARE
        v_object record;
        v_month date;
        v_kept timestamptz;
        v_uncovered record;
        v_holds uuid[];
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.removal', 0));
        -- add_retention_policy waits for it: a policy that was accepted keeps whatever is there
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('truetrail.retention', 0));
        SELECT o.kind, s.retain_until INTO v_object
          FROM archive_objects AS o JOIN archive_object_states AS s ON s.number = o.number WHERE o.number = p_number;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'there is no object %', p_number USING ERRCODE = 'TT062';
        END IF;
        IF EXISTS (SELECT FROM archive_removals WHERE number = p_number AND removed_at IS NOT NULL) THEN
          RETURN false;
        END IF;
        -- no hold is made until the transaction of the caller ends, in which the store is asked
        SELECT array_agg(DISTINCT h) INTO v_holds
          FROM archive_ranges AS r
          CROSS JOIN LATERAL month_holds(r.least_recorded_at, r.greatest_recorded_at + interval '1 microsecond', ARRAY[r.ledger]) AS h
          WHERE r.number = p_number;
        IF v_holds IS NOT NULL THEN
          RAISE EXCEPTION 'object % is under the legal holds %', p_number, array_to_string(v_holds, ', ') USING ERRCODE = 'TT062';
        END IF;
        IF v_object.retain_until > trail_now() THEN
          RAISE EXCEPTION 'object % is locked until %', p_number, v_object.retain_until USING ERRCODE = 'TT062';
        END IF;
        IF v_object.kind = 'early' THEN
          IF p_deletion IS NOT NULL THEN
            RAISE EXCEPTION 'object % is an early one, which goes without a deletion', p_number USING ERRCODE = 'TT062';
          END IF;
          -- what it holds is in objects of months, up to its end, each of them read again just now or gone since
          SELECT r.ledger, r.to_sequence INTO v_uncovered
            FROM archive_ranges AS r
            WHERE r.number = p_number AND NOT EXISTS (
              SELECT FROM archive_ranges AS m
                WHERE m.kind = 'month' AND m.ledger = r.ledger AND m.to_sequence >= r.to_sequence)
            LIMIT 1;
          IF FOUND THEN
            RAISE EXCEPTION 'event % of ledger % is in no object of a month', v_uncovered.to_sequence, v_uncovered.ledger
              USING ERRCODE = 'TT062';
          END IF;
          SELECT m.number, s.verified_at, s.found_wrong_at INTO v_uncovered
            FROM archive_ranges AS r
            JOIN archive_ranges AS m ON m.kind = 'month' AND m.ledger = r.ledger
              AND m.from_sequence <= r.to_sequence AND m.to_sequence >= r.from_sequence
            JOIN archive_object_states AS s ON s.number = m.number
            WHERE r.number = p_number
              AND (s.found_wrong_at IS NOT NULL OR s.verified_at < trail_now() - interval '${VERIFIED_WITHIN}')
              AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = m.number AND x.removed_at IS NOT NULL)
            ORDER BY s.found_wrong_at NULLS LAST, s.verified_at LIMIT 1;
          IF v_uncovered.found_wrong_at IS NOT NULL THEN
            RAISE EXCEPTION 'object %, which holds the same, was found wrong at %', v_uncovered.number, v_uncovered.found_wrong_at
              USING ERRCODE = 'TT023';
          ELSIF v_uncovered.number IS NOT NULL THEN
            RAISE EXCEPTION 'object %, which holds the same, was last verified at %', v_uncovered.number, v_uncovered.verified_at
              USING ERRCODE = 'TT023';
          END IF;
        ELSE
          SELECT d.month INTO v_month FROM month_deletions AS d WHERE d.id = p_deletion AND d.state = 'removing' FOR SHARE;
          IF v_month IS NULL OR p_number NOT IN (SELECT objects_of_month(v_month)) THEN
            RAISE EXCEPTION 'object % is in no month that is being deleted', p_number USING ERRCODE = 'TT062';
          END IF;
          SELECT w.retain_until INTO v_kept FROM retention_of_objects(ARRAY[p_number]) AS w;
          IF v_kept > trail_now() THEN
            RAISE EXCEPTION 'object % is kept until %', p_number, v_kept USING ERRCODE = 'TT062';
          END IF;
        END IF;
        INSERT INTO archive_removals (number, deletion, begun_at) VALUES (p_number, p_deletion, trail_now())
          ON CONFLICT ON CONSTRAINT archive_removals_pkey DO NOTHING;
        RETURN true;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION begin_object_removal',
      'Whether an object may be removed from the store now, and still has to be; false when it was. TT062 and why not, TT023 when what holds the same was not verified lately, or was found wrong. Neither a hold nor a policy is made until the transaction of the caller ends',
    );
    await this.comment(
      runner,
      'TABLE archive_removals',
      'Objects that are no longer in the store. A row is there before the store is asked to remove one, and without removed_at the object counts as there',
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
