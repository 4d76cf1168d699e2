import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Of the archive's objects that hold a month, within which each must have been read as a whole and found right. */
const VERIFIED_WITHIN = '7 days';
/** No month leaves PostgreSQL earlier, whatever the service asks for. */
const LEAST_ONLINE = '1 month';

/**
 * How a month ends: closed (no event can be recorded in it any more), sealed (what it holds stands in the catalogue),
 * retired (readers take its events from the archive), dropped. Each step is a function that looks by itself whether it may.
 */
export class SealAndDropMonths1795910400000 implements MigrationInterface {
  name = 'SealAndDropMonths1795910400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE ledger_heads
        ADD COLUMN archived_to bigint NOT NULL DEFAULT 0,
        ADD COLUMN raised_at_size bigint,
        ADD COLUMN raised_from timestamptz,
        ADD CONSTRAINT ledger_heads_archived_to_check CHECK (archived_to BETWEEN 0 AND size)`);
    await this.comment(
      runner,
      'COLUMN ledger_heads.archived_to',
      'Events up to this sequence have left, or are about to leave, PostgreSQL: readers take them from the archive',
    );
    await this.comment(
      runner,
      'COLUMN ledger_heads.raised_at_size',
      'How many events there were when the floor was last raised to the end of a month',
    );
    await this.comment(
      runner,
      'COLUMN ledger_heads.raised_from',
      'recorded_at of the last of these events: of the ledger, as long as none has come since',
    );
    await this.comment(
      runner,
      'COLUMN ledger_heads.recorded_at',
      'Floor: no later event is recorded before it. The time of the last event, or the end of the last closed month',
    );
    await runner.query(`
      ALTER TABLE months
        ADD COLUMN closed_at timestamptz, ADD COLUMN sealed_at timestamptz,
        ADD COLUMN retired_at timestamptz, ADD COLUMN dropped_at timestamptz,
        ADD CONSTRAINT months_state_times_check CHECK (
          (closed_at IS NOT NULL) = (state <> 'open')
          AND (sealed_at IS NOT NULL) = (state IN ('sealed', 'retired', 'dropped'))
          AND (retired_at IS NOT NULL) = (state IN ('retired', 'dropped'))
          AND (dropped_at IS NOT NULL) = (state = 'dropped'))`);
    for (const [column, meaning] of [
      ['closed_at', 'Since when every ledger goes on after it'],
      ['sealed_at', 'Since when its ranges stand in month_ranges, and nothing can be inserted'],
      ['retired_at', 'Since when readers take it from the archive'],
      ['dropped_at', 'Since when its table is gone'],
    ]) {
      await this.comment(runner, `COLUMN months.${column}`, meaning!);
    }

    await runner.query(`
      CREATE TABLE month_ranges (
        month date NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        from_sequence bigint NOT NULL,
        to_sequence bigint NOT NULL,
        least_timestamp timestamptz NOT NULL,
        greatest_timestamp timestamptz NOT NULL,
        least_recorded_at timestamptz NOT NULL,
        greatest_recorded_at timestamptz NOT NULL,
        previous_event_hash bytea,
        last_event_hash bytea NOT NULL,
        CONSTRAINT month_ranges_pkey PRIMARY KEY (month, ledger),
        CONSTRAINT month_ranges_from_sequence_key UNIQUE (ledger, from_sequence),
        CONSTRAINT month_ranges_month_fkey FOREIGN KEY (month) REFERENCES months (month),
        CONSTRAINT month_ranges_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT month_ranges_sequence_check CHECK (from_sequence > 0 AND to_sequence >= from_sequence),
        CONSTRAINT month_ranges_previous_event_hash_check
          CHECK ((previous_event_hash IS NULL) = (from_sequence = 1) AND octet_length(previous_event_hash) = 32),
        CONSTRAINT month_ranges_last_event_hash_check CHECK (octet_length(last_event_hash) = 32)
      )`);
    await this.comment(
      runner,
      'TABLE month_ranges',
      'What a sealed month holds of each ledger: one immutable row; a ledger without events in it has none',
    );
    for (const [column, meaning] of [
      ['to_sequence', 'Included'],
      ['least_timestamp', 'Of event times, cut to microseconds'],
      ['previous_event_hash', 'event_hash of the event before the first; null at 1'],
      ['last_event_hash', 'event_hash of the last event'],
    ]) {
      await this.comment(runner, `COLUMN month_ranges.${column}`, meaning!);
    }
    await runner.query(`
      CREATE TRIGGER month_ranges_refuse_row BEFORE UPDATE OR DELETE ON month_ranges
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER month_ranges_refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON month_ranges
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      ALTER TABLE month_ranges ENABLE ALWAYS TRIGGER month_ranges_refuse_row;
      ALTER TABLE month_ranges ENABLE ALWAYS TRIGGER month_ranges_refuse_statement`);

    await runner.query(`
      ALTER TABLE archive_objects
        DROP CONSTRAINT archive_objects_kind_check,
        ADD CONSTRAINT archive_objects_kind_check CHECK (kind IN ('early', 'month', 'entities'))`);
    await this.comment(
      runner,
      'COLUMN archive_objects.kind',
      'early: what was new in all ledgers; month: of a sealed month; entities: where in a sealed month the events of an entity are',
    );

    // A new ledger begins after the last closed month, seen under the lock of closing.
    await runner.query(`
      CREATE OR REPLACE FUNCTION create_ledger(p_ledger text, p_origin text)
        RETURNS TABLE (created boolean, origin text)
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('truetrail.months', 0));
        INSERT INTO ledgers AS l (ledger, origin, created_at) VALUES (p_ledger, p_origin, trail_now())
          ON CONFLICT ON CONSTRAINT ledgers_pkey DO NOTHING;
        created := FOUND;
        IF created THEN
          INSERT INTO ledger_heads (ledger, size, recorded_at) VALUES (p_ledger, 0, coalesce(
            (SELECT max(m.month + interval '1 month') AT TIME ZONE 'UTC' FROM months AS m WHERE m.state <> 'open'),
            '-infinity'));
        END IF;
        SELECT l.origin INTO origin FROM ledgers AS l WHERE l.ledger = p_ledger;
        RETURN NEXT;
      END
      $$`);

    await runner.query(`
      CREATE FUNCTION close_month(p_month date) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        SET lock_timeout = '2s'
        AS $$
      DECLARE
        v_end timestamptz := (p_month + interval '1 month') AT TIME ZONE 'UTC';
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.months', 0));
        IF NOT EXISTS (SELECT FROM months WHERE month = p_month AND state = 'open') THEN
          RETURN false;
        END IF;
        IF v_end > trail_now() THEN
          RAISE EXCEPTION 'month % is not over', p_month USING ERRCODE = 'TT020';
        END IF;
        IF EXISTS (SELECT FROM months WHERE month < p_month AND state = 'open') THEN
          RAISE EXCEPTION 'a month before % is still open', p_month USING ERRCODE = 'TT020';
        END IF;
        -- appends that are under way end before this, and those that come see the floor
        PERFORM FROM ledger_heads ORDER BY ledger FOR UPDATE;
        UPDATE ledger_heads
          SET raised_from = CASE WHEN size = raised_at_size THEN raised_from ELSE recorded_at END,
              raised_at_size = size, recorded_at = v_end
          WHERE recorded_at < v_end;
        UPDATE months SET state = 'closed', closed_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION close_month(date)',
      'Raises the floor of every ledger to the end of a month that is over; false when that was done before; TT020 when it may not be',
    );

    await runner.query(`
      CREATE FUNCTION seal_month(p_month date) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        SET lock_timeout = '500ms'
        AS $$
      DECLARE
        v_name text;
        v_head record;
        v_range month_ranges%ROWTYPE;
        v_end bigint;
        v_hash bytea;
        v_present boolean;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.months', 0));
        SELECT partition_name INTO v_name FROM months WHERE month = p_month AND state = 'closed';
        IF v_name IS NULL THEN
          RETURN false;
        END IF;
        IF EXISTS (SELECT FROM months WHERE month < p_month AND state IN ('open', 'closed')) THEN
          RAISE EXCEPTION 'a month before % is not sealed', p_month USING ERRCODE = 'TT020';
        END IF;
        -- from here on nobody can insert, whoever he is; rows that are there are not looked at, so this takes no time
        EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I CHECK (false) NOT VALID', v_name, v_name || '_sealed_check');
        -- the next vacuum freezes all of it, and none is needed after that
        EXECUTE format('ALTER TABLE public.%I SET (autovacuum_freeze_min_age = 0, autovacuum_freeze_table_age = 0,
          autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 0)', v_name);
        FOR v_head IN SELECT h.ledger, h.size FROM ledger_heads AS h ORDER BY h.ledger LOOP
          SELECT r.to_sequence, r.last_event_hash INTO v_end, v_hash
            FROM month_ranges AS r WHERE r.ledger = v_head.ledger ORDER BY r.from_sequence DESC LIMIT 1;
          v_range := NULL;
          EXECUTE format('SELECT $1::date, $2::text, f.sequence, l.sequence,
              (SELECT t."timestamp" FROM public.%1$I AS t WHERE t.ledger = $2 ORDER BY t."timestamp", t.timestamp_nanos, t.sequence LIMIT 1),
              (SELECT t."timestamp" FROM public.%1$I AS t WHERE t.ledger = $2 ORDER BY t."timestamp" DESC, t.timestamp_nanos DESC, t.sequence DESC LIMIT 1),
              f.recorded_at, l.recorded_at, f.previous_event_hash, l.event_hash
            FROM (SELECT * FROM public.%1$I WHERE ledger = $2 ORDER BY sequence LIMIT 1) AS f,
                 (SELECT * FROM public.%1$I WHERE ledger = $2 ORDER BY sequence DESC LIMIT 1) AS l', v_name)
            INTO v_range USING p_month, v_head.ledger;
          IF v_range.ledger IS NULL THEN
            CONTINUE;
          END IF;
          IF v_range.from_sequence <> coalesce(v_end, 0) + 1 OR v_range.previous_event_hash IS DISTINCT FROM v_hash THEN
            RAISE EXCEPTION 'ledger % begins month % with event %, which does not follow event % where the month before ended',
              v_head.ledger, p_month, v_range.from_sequence, coalesce(v_end, 0) USING ERRCODE = 'TT021';
          END IF;
          IF v_range.to_sequence > v_head.size THEN
            RAISE EXCEPTION 'month % holds event % of ledger %, which ends at %',
              p_month, v_range.to_sequence, v_head.ledger, v_head.size USING ERRCODE = 'TT021';
          END IF;
          INSERT INTO month_ranges SELECT v_range.*;
        END LOOP;
        UPDATE months SET state = 'sealed', sealed_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION seal_month(date)',
      'Writes down what a closed month holds and lets nothing more in; TT020 when it is not its turn, TT021 when its chains do not go on from the month before',
    );

    await runner.query(`
      CREATE FUNCTION assert_month_may_leave(p_month date) RETURNS void
        LANGUAGE plpgsql
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        AS $$
      DECLARE
        v_end timestamptz := (p_month + interval '1 month') AT TIME ZONE 'UTC';
        v_range record;
        v_kind text;
        v_covered record;
        v_holds uuid[];
      BEGIN
        IF v_end + interval '${LEAST_ONLINE}' > trail_now() THEN
          RAISE EXCEPTION 'month % is not old enough', p_month USING ERRCODE = 'TT022';
        END IF;
        -- also keeps new holds from being asked for until the caller's transaction ends
        SELECT array_agg(h) INTO v_holds
          FROM month_holds(p_month::timestamp AT TIME ZONE 'UTC', v_end,
            ARRAY(SELECT r.ledger FROM month_ranges AS r WHERE r.month = p_month)) AS h;
        IF v_holds IS NOT NULL THEN
          RAISE EXCEPTION 'month % is under the legal holds %', p_month, array_to_string(v_holds, ', ') USING ERRCODE = 'TT022';
        END IF;
        FOR v_range IN SELECT * FROM month_ranges WHERE month = p_month ORDER BY ledger LOOP
          FOREACH v_kind IN ARRAY ARRAY['month', 'entities'] LOOP
            -- ranges of a kind follow each other without a gap, so that the ends say all
            SELECT min(r.from_sequence) AS first, max(r.to_sequence) AS last,
                   min(s.verified_at) AS verified_at, min(s.retain_until) AS retain_until,
                   max(r.to_sequence) FILTER (WHERE r.last_event_hash = v_range.last_event_hash) AS last_right
              INTO v_covered
              FROM archive_ranges AS r JOIN archive_object_states AS s ON s.number = r.number
              WHERE r.kind = v_kind AND r.ledger = v_range.ledger
                AND r.from_sequence <= v_range.to_sequence AND r.to_sequence >= v_range.from_sequence;
            IF v_covered.first IS NULL OR v_covered.first > v_range.from_sequence OR v_covered.last < v_range.to_sequence
                OR v_covered.last_right IS DISTINCT FROM v_range.to_sequence THEN
              RAISE EXCEPTION 'month % of ledger % is not archived as a whole (%)', p_month, v_range.ledger, v_kind
                USING ERRCODE = 'TT022';
            END IF;
            IF v_covered.verified_at < trail_now() - interval '${VERIFIED_WITHIN}' THEN
              RAISE EXCEPTION 'an object of month % of ledger % was last verified at %', p_month, v_range.ledger, v_covered.verified_at
                USING ERRCODE = 'TT023';
            END IF;
            IF v_covered.retain_until <= trail_now() THEN
              RAISE EXCEPTION 'an object of month % of ledger % is not locked any more', p_month, v_range.ledger
                USING ERRCODE = 'TT022';
            END IF;
          END LOOP;
        END LOOP;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION assert_month_may_leave(date)',
      'Nothing, or why a month may not leave PostgreSQL: TT022, and TT023 when its objects were not verified for a week',
    );

    await runner.query(`
      CREATE FUNCTION retire_month(p_month date) RETURNS boolean
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
        UPDATE ledger_heads AS h SET archived_to = r.to_sequence
          FROM month_ranges AS r WHERE r.month = p_month AND r.ledger = h.ledger;
        UPDATE months SET state = 'retired', retired_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION retire_month(date)',
      'Has readers take a sealed month from the archive; refuses by itself (TT020, TT022, TT023)',
    );

    await runner.query(`
      CREATE FUNCTION drop_month(p_month date) RETURNS boolean
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
        -- whoever reads at this moment still sees the month; whoever comes later waits, and then sees that it is archived
        LOCK TABLE ONLY audit_events IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('ALTER TABLE public.audit_events DETACH PARTITION public.%I', v_name);
        EXECUTE format('DROP TABLE public.%I', v_name);
        UPDATE months SET state = 'dropped', dropped_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION drop_month(date)',
      'Drops the table of a retired month after looking once more whether it may; waits 100 ms for readers and is to be tried again',
    );

    const functions = 'close_month(date), seal_month(date), retire_month(date), drop_month(date)';
    await runner.query(`REVOKE ALL ON FUNCTION ${functions}, assert_month_may_leave(date) FROM PUBLIC`);
    await runner.query(`GRANT EXECUTE ON FUNCTION ${functions} TO truetrail_service`);
    await runner.query(`GRANT SELECT ON month_ranges TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
