import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Of the archive's objects that hold a month, within which each must have been read as a whole and found right. */
const VERIFIED_WITHIN = '7 days';
/** No month leaves PostgreSQL earlier, whatever the service asks for. */
const LEAST_ONLINE = '1 month';
/** Of the digests of a month that is to be deleted: the daily job reads a thirtieth of all objects. */
const VERIFIED_BEFORE_DELETION = '35 days';
/** How much longer than their events digests are kept. */
const DIGESTS_KEPT_YEARS = 5;

/** What of a policy may match what of an object; null stands for any on either side. */
const MATCHES = `(p.ledger IS NULL OR p.ledger = c.ledger)
  AND (p.entity_type IS NULL OR c.entity_type IS NULL OR p.entity_type = c.entity_type)
  AND (p.event_type IS NULL OR c.event_type IS NULL OR p.event_type = c.event_type)`;
const IN_FORCE = `p.valid_from <= (trail_now() AT TIME ZONE 'UTC')::date`;

/**
 * A fourth kind of object: the hashes of a month's events, which stay when the events are deleted. From now on a month
 * leaves PostgreSQL, and is deleted, only when they are in the store and were found right. Those of months that are
 * archived already are made by the next export.
 */
export class KeepDigests1796428800000 implements MigrationInterface {
  name = 'KeepDigests1796428800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE archive_objects
        DROP CONSTRAINT archive_objects_kind_check,
        ADD CONSTRAINT archive_objects_kind_check CHECK (kind IN ('early', 'month', 'entities', 'digests'))`);
    await this.comment(
      runner,
      'COLUMN archive_objects.kind',
      'early: what was new in all ledgers; month: of a sealed month; entities: where in a sealed month the events of an entity are; digests: the event hashes of an object of the kind month',
    );

    await runner.query(`
      CREATE OR REPLACE FUNCTION catalogue_archive_object(
        p_number bigint, p_kind text, p_location text, p_object_key text, p_version_id text, p_format text,
        p_sha256 bytea, p_bytes bigint, p_reason text, p_created_by text, p_retain_until timestamptz,
        p_ledgers text[], p_from bigint[], p_to bigint[],
        p_least_timestamps timestamptz[], p_greatest_timestamps timestamptz[],
        p_least_recorded timestamptz[], p_greatest_recorded timestamptz[],
        p_previous_hashes bytea[], p_last_hashes bytea[]
      ) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_last bigint;
        v_end bigint;
        v_hash bytea;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.archive', 0));
        SELECT coalesce(max(number), 0) INTO v_last FROM archive_objects;
        IF p_number <> v_last + 1 THEN
          RAISE EXCEPTION 'object % does not follow object %', p_number, v_last USING ERRCODE = 'TT010';
        END IF;
        IF p_object_key NOT LIKE p_kind || '/%' THEN
          RAISE EXCEPTION 'object % of kind % is called %', p_number, p_kind, p_object_key USING ERRCODE = 'TT010';
        END IF;
        IF p_retain_until IS NULL OR p_retain_until NOT BETWEEN trail_now() AND trail_now() + interval '50 years' THEN
          RAISE EXCEPTION 'object % is locked until %', p_number, p_retain_until USING ERRCODE = 'TT010';
        END IF;
        IF NOT (cardinality(p_ledgers) = ALL (ARRAY[
            cardinality(p_from), cardinality(p_to), cardinality(p_least_timestamps), cardinality(p_greatest_timestamps),
            cardinality(p_least_recorded), cardinality(p_greatest_recorded), cardinality(p_previous_hashes),
            cardinality(p_last_hashes)])) THEN
          RAISE EXCEPTION 'the ranges of object % are not whole', p_number USING ERRCODE = 'TT010';
        END IF;
        IF coalesce(array_length(p_ledgers, 1), 0) = 0 THEN
          RAISE EXCEPTION 'object % holds nothing', p_number USING ERRCODE = 'TT010';
        END IF;
        INSERT INTO archive_objects
            (number, kind, location, object_key, version_id, format, sha256, bytes, events, reason, created_by, archived_at)
          VALUES (p_number, p_kind, p_location, p_object_key, p_version_id, p_format, p_sha256, p_bytes,
            (SELECT sum(u.t - u.f + 1) FROM unnest(p_from, p_to) AS u (f, t)), p_reason, p_created_by, trail_now());
        FOR i IN 1 .. array_length(p_ledgers, 1) LOOP
          IF p_kind = 'digests' THEN
            -- of events that may have left the database: they are those of a month's object
            IF NOT EXISTS (
                SELECT FROM archive_ranges AS m
                  WHERE m.kind = 'month' AND m.ledger = p_ledgers[i] AND m.from_sequence = p_from[i] AND m.to_sequence = p_to[i]
                    AND m.previous_event_hash IS NOT DISTINCT FROM p_previous_hashes[i] AND m.last_event_hash = p_last_hashes[i]) THEN
              RAISE EXCEPTION 'no object of a month has the range % to % of ledger %', p_from[i], p_to[i], p_ledgers[i]
                USING ERRCODE = 'TT010';
            END IF;
          ELSE
            -- each range goes on where the last one of its kind ended: nothing is left out, nothing is there twice
            SELECT r.to_sequence, r.last_event_hash INTO v_end, v_hash
              FROM archive_ranges AS r WHERE r.kind = p_kind AND r.ledger = p_ledgers[i]
              ORDER BY r.from_sequence DESC LIMIT 1;
            IF p_from[i] <> coalesce(v_end, 0) + 1 OR p_previous_hashes[i] IS DISTINCT FROM v_hash THEN
              RAISE EXCEPTION 'the range % to % of ledger % does not follow %', p_from[i], p_to[i], p_ledgers[i], coalesce(v_end, 0)
                USING ERRCODE = 'TT010';
            END IF;
            IF p_to[i] > (SELECT h.size FROM ledger_heads AS h WHERE h.ledger = p_ledgers[i]) THEN
              RAISE EXCEPTION 'ledger % has no event %', p_ledgers[i], p_to[i] USING ERRCODE = 'TT010';
            END IF;
            IF (SELECT e.event_hash FROM audit_events AS e
                  WHERE e.ledger = p_ledgers[i] AND e.sequence BETWEEN p_to[i] AND p_to[i]
                  ORDER BY e.sequence LIMIT 1) IS DISTINCT FROM p_last_hashes[i] THEN
              RAISE EXCEPTION 'event % of ledger % is not the one that object % ends with', p_to[i], p_ledgers[i], p_number
                USING ERRCODE = 'TT010';
            END IF;
          END IF;
          INSERT INTO archive_ranges
              (number, kind, ledger, from_sequence, to_sequence, least_timestamp, greatest_timestamp,
               least_recorded_at, greatest_recorded_at, previous_event_hash, last_event_hash)
            VALUES (p_number, p_kind, p_ledgers[i], p_from[i], p_to[i], p_least_timestamps[i], p_greatest_timestamps[i],
              p_least_recorded[i], p_greatest_recorded[i], p_previous_hashes[i], p_last_hashes[i]);
        END LOOP;
        INSERT INTO archive_object_states (number, retain_until, verified_at)
          VALUES (p_number, p_retain_until, trail_now());
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION catalogue_archive_object',
      'Puts an object that is in the store, read back and verified, into the catalogue; TT010 when it does not follow what is there, or has digests of other events',
    );

    await runner.query(`
      CREATE OR REPLACE FUNCTION retention_of_objects(p_numbers bigint[])
        RETURNS TABLE (number bigint, policy uuid, record_class text, years integer, retain_until timestamptz)
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT DISTINCT ON (c.number) c.number, p.id, p.record_class, p.years, kept_until(c.greatest_recorded_at, p.years + c.more_years)
            FROM (
              -- an index of entities is kept as long as the events that it leads to, digests longer
              SELECT DISTINCT own.number, x.number AS holder, x.ledger,
                     CASE own.kind WHEN 'digests' THEN ${DIGESTS_KEPT_YEARS} ELSE 0 END AS more_years
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
            JOIN retention_policies AS p ON ${IN_FORCE} AND ${MATCHES}
            ORDER BY c.number, 5 DESC, p.years DESC, p.created_at, p.id
        $$`);
    await this.comment(
      runner,
      'FUNCTION retention_of_objects',
      'Until when objects of months are kept by the policies that are in force, and by which; whatever their locks say. Digests are kept longer than the policy says of their events',
    );

    await runner.query(`
      CREATE FUNCTION assert_month_has_digests(p_month date, p_verified_within interval, p_missing text, p_unverified text)
        RETURNS void
        LANGUAGE plpgsql
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        AS $$
      DECLARE
        v_found record;
      BEGIN
        SELECT r.ledger, r.from_sequence, r.to_sequence, d.number, s.verified_at, s.retain_until INTO v_found
          FROM month_ranges AS m
          JOIN archive_ranges AS r ON r.kind = 'month' AND r.ledger = m.ledger
            AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
          LEFT JOIN archive_ranges AS d ON d.kind = 'digests' AND d.ledger = r.ledger
            AND d.from_sequence = r.from_sequence AND d.to_sequence = r.to_sequence
          LEFT JOIN archive_object_states AS s ON s.number = d.number
          WHERE m.month = p_month
            AND (d.number IS NULL OR s.retain_until <= trail_now() OR s.verified_at < trail_now() - p_verified_within)
          ORDER BY d.number NULLS FIRST LIMIT 1;
        IF NOT FOUND THEN
          RETURN;
        END IF;
        IF v_found.number IS NULL THEN
          RAISE EXCEPTION 'month % of ledger % has no digests of the events % to % yet: the job archive-export writes them',
            p_month, v_found.ledger, v_found.from_sequence, v_found.to_sequence USING ERRCODE = p_missing;
        END IF;
        IF v_found.retain_until <= trail_now() THEN
          RAISE EXCEPTION 'the digests of month % of ledger % are not locked any more: the job retention locks them',
            p_month, v_found.ledger USING ERRCODE = p_missing;
        END IF;
        RAISE EXCEPTION 'the digests of month % of ledger % were last verified at %: the job archive-verification does it',
          p_month, v_found.ledger, v_found.verified_at USING ERRCODE = p_unverified;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION assert_month_has_digests',
      'Nothing, or the first code when a month has no digests that are locked, and the second when they were not verified lately',
    );
    await runner.query(`REVOKE ALL ON FUNCTION assert_month_has_digests(date, interval, text, text) FROM PUBLIC`);

    await runner.query(`
      CREATE OR REPLACE FUNCTION assert_month_may_leave(p_month date) RETURNS void
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
        PERFORM assert_month_has_digests(p_month, interval '${VERIFIED_WITHIN}', 'TT022', 'TT023');
      END
      $$`);

    await runner.query(`
      CREATE OR REPLACE FUNCTION assert_month_may_be_deleted(p_month date) RETURNS uuid
        LANGUAGE plpgsql
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        AS $$
      DECLARE
        v_range record;
        v_kept record;
        v_holds uuid[];
      BEGIN
        IF NOT EXISTS (SELECT FROM months WHERE month = p_month AND state = 'dropped') THEN
          RAISE EXCEPTION 'month % has not left PostgreSQL', p_month USING ERRCODE = 'TT062';
        END IF;
        -- also keeps new holds from being asked for until the caller's transaction ends
        SELECT array_agg(h) INTO v_holds
          FROM month_holds(p_month::timestamp AT TIME ZONE 'UTC', (p_month + interval '1 month') AT TIME ZONE 'UTC',
            ARRAY(SELECT r.ledger FROM month_ranges AS r WHERE r.month = p_month)) AS h;
        IF v_holds IS NOT NULL THEN
          RAISE EXCEPTION 'month % is under the legal holds %', p_month, array_to_string(v_holds, ', ') USING ERRCODE = 'TT062';
        END IF;
        SELECT * INTO v_kept FROM retention_of_month(p_month);
        IF v_kept.policy IS NULL THEN
          RAISE EXCEPTION 'month % holds no events', p_month USING ERRCODE = 'TT062';
        END IF;
        IF v_kept.retain_until > trail_now() THEN
          RAISE EXCEPTION 'month % is kept until % as record class % (% years)',
            p_month, v_kept.retain_until, v_kept.record_class, v_kept.years USING ERRCODE = 'TT062';
        END IF;
        IF v_kept.locked_until > trail_now() THEN
          RAISE EXCEPTION 'an object of month % is locked until %', p_month, v_kept.locked_until USING ERRCODE = 'TT062';
        END IF;
        -- what stays of the events once they are gone
        PERFORM assert_month_has_digests(p_month, interval '${VERIFIED_BEFORE_DELETION}', 'TT062', 'TT062');
        RETURN v_kept.policy;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION assert_month_may_be_deleted',
      'The policy under which a month is deleted, or TT062 and why it may not be: also when its digests are not there, or were not verified lately',
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
