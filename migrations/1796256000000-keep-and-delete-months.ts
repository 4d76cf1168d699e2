import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The law's least, whatever the configuration says. */
const LEAST_YEARS = 5;
/** With what is left of the 50 years that the catalogue takes for a lock. */
const MOST_YEARS = 40;
/** Of the objects of months that make an early one superfluous, within which each must have been read and found right. */
const VERIFIED_WITHIN = '35 days';

/** What of a policy may match what of an object; null stands for any on either side. */
const MATCHES = `(p.ledger IS NULL OR p.ledger = c.ledger)
  AND (p.entity_type IS NULL OR c.entity_type IS NULL OR p.entity_type = c.entity_type)
  AND (p.event_type IS NULL OR c.event_type IS NULL OR p.event_type = c.event_type)`;
const IN_FORCE = `p.valid_from <= (trail_now() AT TIME ZONE 'UTC')::date`;

/**
 * For how long records are kept, and how they end. Policies by record class are only ever added, so that the time to
 * keep a record never gets shorter. What is past it is deleted a month at a time, by two principals and by functions that
 * look by themselves; that something was there, how much, and how its chain went on, stays in the catalogue for ever.
 */
export class KeepAndDeleteMonths1796256000000 implements MigrationInterface {
  name = 'KeepAndDeleteMonths1796256000000';

  async up(runner: QueryRunner): Promise<void> {
    await this.createPolicies(runner);
    await this.createContents(runner);
    await this.createDeletions(runner);
    await this.createRemovals(runner);
    await this.createDeletionFunctions(runner);
    await this.leaveRemovedObjectsToTheHolds(runner);
  }

  private async createPolicies(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE retention_policies (
        id uuid NOT NULL,
        record_class text COLLATE "C" NOT NULL,
        valid_from date NOT NULL,
        ledger text COLLATE "C",
        entity_type text COLLATE "C",
        event_type text COLLATE "C",
        years integer NOT NULL,
        reason text COLLATE "C" NOT NULL,
        created_by text COLLATE "C" NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT retention_policies_pkey PRIMARY KEY (id),
        CONSTRAINT retention_policies_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT retention_policies_record_class_check CHECK (record_class ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
        CONSTRAINT retention_policies_default_check
          CHECK (record_class <> 'default' OR num_nonnulls(ledger, entity_type, event_type) = 0),
        CONSTRAINT retention_policies_entity_type_check CHECK (length(entity_type) BETWEEN 1 AND 50),
        CONSTRAINT retention_policies_event_type_check CHECK (length(event_type) BETWEEN 1 AND 100),
        CONSTRAINT retention_policies_years_check CHECK (years BETWEEN ${LEAST_YEARS} AND ${MOST_YEARS}),
        CONSTRAINT retention_policies_reason_check CHECK (length(reason) BETWEEN 1 AND 1000),
        CONSTRAINT retention_policies_created_by_check CHECK (created_by ~ '^[!-~]{1,255}$')
      )`);
    await this.comment(
      runner,
      'TABLE retention_policies',
      'For how long records of a class are kept at least: one immutable row a policy. The longest of those that are in force and match an event counts',
    );
    for (const [column, meaning] of [
      ['record_class', 'Name of the class; default is ARCHIVE_RETENTION_YEARS, for every event'],
      ['valid_from', 'First day, UTC, on which it counts; from then on also for what was recorded before'],
      ['ledger', 'Slug; null for every ledger'],
      ['entity_type', 'null for any'],
      ['event_type', 'null for any'],
      ['years', 'From recorded_at on'],
    ]) {
      await this.comment(runner, `COLUMN retention_policies.${column}`, meaning!);
    }
    await this.refuseChanges(runner, 'retention_policies', 'UPDATE OR DELETE', 'UPDATE OR DELETE OR TRUNCATE');

    await runner.query(`
      CREATE FUNCTION kept_until(p_recorded_at timestamptz, p_years integer) RETURNS timestamptz
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        AS $$
          -- what was recorded on 29 February is kept until 1 March where there is no such day
          SELECT date_trunc('second', interval '999999 microseconds' + greatest(
            p_recorded_at + make_interval(years => p_years),
            p_recorded_at - interval '1 day' + make_interval(years => p_years) + interval '1 day'))
        $$`);
    await this.comment(
      runner,
      'FUNCTION kept_until',
      'Until when an event is kept that was recorded then; whole seconds, as S3 keeps them',
    );

    await runner.query(`
      CREATE FUNCTION add_retention_policy(
        p_id uuid, p_record_class text, p_valid_from date, p_ledger text, p_entity_type text, p_event_type text,
        p_years integer, p_reason text, p_principal text
      ) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        AS $$
      DECLARE
        v_longer record;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.retention', 0));
        IF p_ledger IS NOT NULL AND NOT EXISTS (SELECT FROM ledgers WHERE ledger = p_ledger) THEN
          RAISE EXCEPTION 'no ledger %', p_ledger USING ERRCODE = 'TT001';
        END IF;
        -- in force by the day on which the new one begins, and of its name, or about all that it is about
        SELECT p.record_class, p.years INTO v_longer FROM retention_policies AS p
          WHERE p.years > p_years AND p.valid_from <= greatest(p_valid_from, trail_now()::date)
            AND (p.record_class = p_record_class
              OR (p.ledger IS NULL OR p.ledger = p_ledger)
                AND (p.entity_type IS NULL OR p.entity_type = p_entity_type)
                AND (p.event_type IS NULL OR p.event_type = p_event_type))
          ORDER BY p.years DESC, p.created_at, p.id LIMIT 1;
        IF FOUND THEN
          RAISE EXCEPTION 'record class % keeps these records for % years already', v_longer.record_class, v_longer.years
            USING ERRCODE = 'TT060';
        END IF;
        IF p_years < ${LEAST_YEARS} OR p_record_class = 'default' THEN
          RAISE EXCEPTION 'the default of % years cannot be set here', p_years USING ERRCODE = 'TT060';
        END IF;
        INSERT INTO retention_policies
            (id, record_class, valid_from, ledger, entity_type, event_type, years, reason, created_by, created_at)
          VALUES (p_id, p_record_class, p_valid_from, p_ledger, p_entity_type, p_event_type, p_years, p_reason, p_principal,
            trail_now());
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION add_retention_policy',
      'Adds a policy; TT001 no such ledger, TT060 when one in force keeps the same records, or the same class, for longer',
    );

    await runner.query(`
      CREATE FUNCTION declare_default_retention(p_id uuid, p_years integer, p_principal text)
        RETURNS TABLE (years integer, is_added boolean)
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.retention', 0));
        SELECT max(p.years) INTO years FROM retention_policies AS p WHERE p.record_class = 'default';
        is_added := coalesce(p_years > years, true);
        IF is_added THEN
          years := p_years;
          -- it counts from the beginning, whatever a clock says
          INSERT INTO retention_policies (id, record_class, valid_from, years, reason, created_by, created_at)
            VALUES (p_id, 'default', '1970-01-01', p_years, 'ARCHIVE_RETENTION_YEARS', p_principal, trail_now());
        END IF;
        RETURN NEXT;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION declare_default_retention',
      'The policy default, raised to the configured years if it was shorter; the years that count, which may be more',
    );
    await this.grant(runner, [
      'add_retention_policy(uuid, text, date, text, text, text, integer, text, text)',
      'declare_default_retention(uuid, integer, text)',
      'kept_until(timestamptz, integer)',
    ]);
    await runner.query(`GRANT SELECT ON retention_policies TO truetrail_service`);
  }

  private async createContents(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE archive_contents (
        number bigint NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        entity_type text COLLATE "C",
        event_type text COLLATE "C",
        events bigint NOT NULL,
        least_recorded_at timestamptz NOT NULL,
        greatest_recorded_at timestamptz NOT NULL,
        CONSTRAINT archive_contents_key UNIQUE NULLS NOT DISTINCT (number, ledger, entity_type, event_type),
        CONSTRAINT archive_contents_range_fkey FOREIGN KEY (number, ledger) REFERENCES archive_ranges (number, ledger),
        CONSTRAINT archive_contents_type_check CHECK ((entity_type IS NULL) = (event_type IS NULL)),
        CONSTRAINT archive_contents_events_check CHECK (events > 0)
      )`);
    await this.comment(
      runner,
      'TABLE archive_contents',
      'What the objects of months hold, by what record classes are made of: how many events, and recorded when',
    );
    await this.comment(
      runner,
      'COLUMN archive_contents.event_type',
      'null with entity_type: of more kinds than are told apart; any policy of the ledger may match',
    );
    await this.refuseChanges(runner, 'archive_contents', 'UPDATE OR DELETE', 'UPDATE OR DELETE OR TRUNCATE');

    await runner.query(`
      CREATE FUNCTION catalogue_archive_contents(
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
        INSERT INTO archive_contents (number, ledger, entity_type, event_type, events, least_recorded_at, greatest_recorded_at)
          SELECT p_number, u.* FROM unnest(p_ledgers, p_entity_types, p_event_types, p_events, p_least_recorded, p_greatest_recorded) AS u;
        IF EXISTS (
          SELECT FROM archive_ranges AS r
            WHERE r.number = p_number AND r.to_sequence - r.from_sequence + 1 IS DISTINCT FROM
              (SELECT sum(c.events) FROM archive_contents AS c WHERE c.number = r.number AND c.ledger = r.ledger)) THEN
          RAISE EXCEPTION 'object % does not hold as many events as its classes do', p_number USING ERRCODE = 'TT010';
        END IF;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION catalogue_archive_contents',
      'What a catalogued object holds by class, once; TT010 when its events do not add up',
    );

    await runner.query(`
      CREATE FUNCTION retention_of_contents(
        p_ledgers text[], p_entity_types text[], p_event_types text[], p_greatest_recorded timestamptz[]
      ) RETURNS TABLE (policy uuid, record_class text, years integer, retain_until timestamptz)
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT p.id, p.record_class, p.years, kept_until(c.greatest_recorded_at, p.years)
            FROM unnest(p_ledgers, p_entity_types, p_event_types, p_greatest_recorded)
              AS c (ledger, entity_type, event_type, greatest_recorded_at)
            JOIN retention_policies AS p ON ${IN_FORCE} AND ${MATCHES}
            ORDER BY 4 DESC, p.years DESC, p.created_at, p.id LIMIT 1
        $$`);
    await this.comment(
      runner,
      'FUNCTION retention_of_contents',
      'Until when events of some classes are kept, the longest, and by which policy; no row when there is no policy',
    );
    await runner.query(`
      CREATE FUNCTION retention_of_objects(p_numbers bigint[])
        RETURNS TABLE (number bigint, policy uuid, record_class text, years integer, retain_until timestamptz)
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT DISTINCT ON (c.number) c.number, p.id, p.record_class, p.years, kept_until(c.greatest_recorded_at, p.years)
            FROM (
              -- an index of entities is kept as long as the events that it leads to
              SELECT DISTINCT own.number, x.number AS holder, x.ledger
                FROM archive_ranges AS own
                JOIN archive_ranges AS x ON x.kind = 'month' AND x.ledger = own.ledger
                  AND x.from_sequence <= own.to_sequence AND x.to_sequence >= own.from_sequence
                WHERE own.number = ANY (p_numbers) AND own.kind IN ('month', 'entities')
            ) AS held
            CROSS JOIN LATERAL (
              SELECT held.number, held.ledger, d.entity_type, d.event_type, d.greatest_recorded_at
                FROM archive_contents AS d WHERE d.number = held.holder AND d.ledger = held.ledger
              UNION ALL
              -- catalogued before its classes were: any may be among them
              SELECT held.number, held.ledger, NULL, NULL, r.greatest_recorded_at
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
      'Until when objects of months are kept by the policies that are in force, and by which; whatever their locks say',
    );
    await this.grant(runner, [
      'catalogue_archive_contents(bigint, text[], text[], text[], bigint[], timestamptz[], timestamptz[])',
      'retention_of_contents(text[], text[], text[], timestamptz[])',
      'retention_of_objects(bigint[])',
    ]);
    await runner.query(`GRANT SELECT ON archive_contents TO truetrail_service`);
  }

  private async createDeletions(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE month_deletions (
        id uuid NOT NULL,
        month date NOT NULL,
        state text COLLATE "C" NOT NULL,
        policy uuid,
        reason text COLLATE "C" NOT NULL,
        requested_by text COLLATE "C" NOT NULL,
        requested_at timestamptz NOT NULL,
        begun_at timestamptz,
        done_at timestamptz,
        CONSTRAINT month_deletions_pkey PRIMARY KEY (id),
        CONSTRAINT month_deletions_month_fkey FOREIGN KEY (month) REFERENCES months (month),
        CONSTRAINT month_deletions_policy_fkey FOREIGN KEY (policy) REFERENCES retention_policies (id),
        CONSTRAINT month_deletions_state_check CHECK (state IN ('requested', 'approved', 'removing', 'done', 'rejected')),
        CONSTRAINT month_deletions_begun_check
          CHECK ((state IN ('removing', 'done')) = (begun_at IS NOT NULL) AND (begun_at IS NULL) = (policy IS NULL)),
        CONSTRAINT month_deletions_done_check CHECK ((state = 'done') = (done_at IS NOT NULL)),
        CONSTRAINT month_deletions_reason_check CHECK (length(reason) BETWEEN 1 AND 1000),
        CONSTRAINT month_deletions_requested_by_check CHECK (requested_by ~ '^[!-~]{1,255}$')
      )`);
    await runner.query(
      `CREATE UNIQUE INDEX month_deletions_month_key ON month_deletions (month) WHERE state <> 'rejected'`,
    );
    await this.comment(
      runner,
      'TABLE month_deletions',
      'Months whose archive is, or is to be, deleted at the end of retention',
    );
    for (const [column, meaning] of [
      ['state', 'From removing on its events are deleted, for every reader; rejected is the other end'],
      ['policy', 'The one that had kept it the longest, when the removal began'],
      ['requested_by', 'Principal that asked for it; another has to approve'],
      ['begun_at', 'When the removal of its objects began'],
      ['done_at', 'When the last one was gone'],
    ]) {
      await this.comment(runner, `COLUMN month_deletions.${column}`, meaning!);
    }
    await this.refuseChanges(
      runner,
      'month_deletions',
      'UPDATE OF id, month, reason, requested_by, requested_at OR DELETE',
      'DELETE OR TRUNCATE',
    );
    await runner.query(`
      CREATE TABLE month_deletion_acts (
        deletion uuid NOT NULL,
        ordinal integer NOT NULL,
        act text COLLATE "C" NOT NULL,
        state text COLLATE "C" NOT NULL,
        principal text COLLATE "C" NOT NULL,
        reason text COLLATE "C",
        acted_at timestamptz NOT NULL,
        CONSTRAINT month_deletion_acts_pkey PRIMARY KEY (deletion, ordinal),
        CONSTRAINT month_deletion_acts_deletion_fkey FOREIGN KEY (deletion) REFERENCES month_deletions (id),
        CONSTRAINT month_deletion_acts_ordinal_check CHECK (ordinal > 0),
        CONSTRAINT month_deletion_acts_act_check CHECK (act IN ('request', 'approve', 'reject', 'begin', 'finish')),
        CONSTRAINT month_deletion_acts_principal_check CHECK (principal ~ '^[!-~]{1,255}$'),
        CONSTRAINT month_deletion_acts_reason_check CHECK (length(reason) BETWEEN 1 AND 1000),
        CONSTRAINT month_deletion_acts_reason_given_check CHECK (reason IS NOT NULL OR act NOT IN ('request', 'reject'))
      )`);
    await this.comment(
      runner,
      'TABLE month_deletion_acts',
      'What was done about each deletion, by whom and why: one immutable row an act',
    );
    for (const [column, meaning] of [
      ['ordinal', 'Of the deletion’s acts, from 1'],
      ['state', 'Of the deletion after the act'],
      ['principal', 'key:<uuid>, oidc:<issuer>#<subject>, or cli:<user>; service for begin and finish'],
    ]) {
      await this.comment(runner, `COLUMN month_deletion_acts.${column}`, meaning!);
    }
    await this.refuseChanges(runner, 'month_deletion_acts', 'UPDATE OR DELETE', 'UPDATE OR DELETE OR TRUNCATE');
    await runner.query(`GRANT SELECT ON month_deletions, month_deletion_acts TO truetrail_service`);
  }

  private async createRemovals(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE archive_removals (
        number bigint NOT NULL,
        deletion uuid,
        begun_at timestamptz NOT NULL,
        removed_at timestamptz,
        CONSTRAINT archive_removals_pkey PRIMARY KEY (number),
        CONSTRAINT archive_removals_number_fkey FOREIGN KEY (number) REFERENCES archive_objects (number),
        CONSTRAINT archive_removals_deletion_fkey FOREIGN KEY (deletion) REFERENCES month_deletions (id)
      )`);
    await this.comment(
      runner,
      'TABLE archive_removals',
      'Objects that are no longer in the store. A row is there before the store is asked to remove one',
    );
    for (const [column, meaning] of [
      ['deletion', 'Of its month; null for an early object, which the month’s own have made superfluous'],
      ['removed_at', 'When the store had said that it is gone; null until it has'],
    ]) {
      await this.comment(runner, `COLUMN archive_removals.${column}`, meaning!);
    }
    await this.refuseChanges(
      runner,
      'archive_removals',
      'UPDATE OF number, deletion, begun_at OR DELETE',
      'DELETE OR TRUNCATE',
    );
    await runner.query(`GRANT SELECT ON archive_removals TO truetrail_service`);

    await runner.query(`
      CREATE FUNCTION objects_of_month(p_month date) RETURNS SETOF bigint
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT DISTINCT r.number
            FROM month_ranges AS m
            JOIN archive_ranges AS r ON r.kind IN ('month', 'entities') AND r.ledger = m.ledger
              AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
            WHERE m.month = p_month ORDER BY r.number
        $$`);
    await this.comment(
      runner,
      'FUNCTION objects_of_month',
      'The objects that count of a month: of its events and of its entities',
    );
    await runner.query(`
      CREATE FUNCTION retention_of_month(p_month date)
        RETURNS TABLE (policy uuid, record_class text, years integer, retain_until timestamptz, locked_until timestamptz)
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT w.policy, w.record_class, w.years, w.retain_until,
                 (SELECT max(s.retain_until) FROM archive_object_states AS s WHERE s.number IN (SELECT objects_of_month(p_month)))
            FROM retention_of_objects(ARRAY(SELECT objects_of_month(p_month))) AS w
            ORDER BY w.retain_until DESC, w.years DESC, w.number LIMIT 1
        $$`);
    await this.comment(
      runner,
      'FUNCTION retention_of_month',
      'Until when a month is kept by the policies in force, by which the longest, and until when its objects are locked',
    );

    await runner.query(`
      CREATE FUNCTION assert_month_may_be_deleted(p_month date) RETURNS uuid
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
        RETURN v_kept.policy;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION assert_month_may_be_deleted',
      'The policy under which a month is deleted, or TT062 and why it may not be',
    );

    await runner.query(`
      CREATE FUNCTION begin_object_removal(p_number bigint, p_deletion uuid) RETURNS boolean
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
          -- what it holds is in objects of months, up to its end, each of them read again lately or deleted since
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
          SELECT m.number, s.verified_at INTO v_uncovered
            FROM archive_ranges AS r
            JOIN archive_ranges AS m ON m.kind = 'month' AND m.ledger = r.ledger
              AND m.from_sequence <= r.to_sequence AND m.to_sequence >= r.from_sequence
            JOIN archive_object_states AS s ON s.number = m.number
            WHERE r.number = p_number AND s.verified_at < trail_now() - interval '${VERIFIED_WITHIN}'
              AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = m.number)
            LIMIT 1;
          IF FOUND THEN
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
      'Whether an object may be removed from the store now, and still has to be; false when it was. TT062 and why not, TT023 when what holds the same was not verified lately. No hold is made until the transaction of the caller ends',
    );
    await runner.query(`
      CREATE FUNCTION finish_object_removal(p_number bigint) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      BEGIN
        IF NOT EXISTS (SELECT FROM archive_removals WHERE number = p_number) THEN
          RAISE EXCEPTION 'nobody has begun to remove object %', p_number USING ERRCODE = 'TT062';
        END IF;
        UPDATE archive_removals SET removed_at = trail_now() WHERE number = p_number AND removed_at IS NULL;
        RETURN FOUND;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION finish_object_removal',
      'Notes that the store has said that an object is gone; TT062 when its removal was not begun',
    );
    await this.grant(
      runner,
      [
        'objects_of_month(date)',
        'retention_of_month(date)',
        'begin_object_removal(bigint, uuid)',
        'finish_object_removal(bigint)',
      ],
      ['assert_month_may_be_deleted(date)'],
    );
  }

  private async createDeletionFunctions(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION request_month_deletion(p_id uuid, p_month date, p_reason text, p_principal text) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.removal', 0));
        IF EXISTS (SELECT FROM month_deletions WHERE month = p_month AND state <> 'rejected') THEN
          RAISE EXCEPTION 'the deletion of month % was asked for already', p_month USING ERRCODE = 'TT061';
        END IF;
        PERFORM assert_month_may_be_deleted(p_month);
        INSERT INTO month_deletions (id, month, state, reason, requested_by, requested_at)
          VALUES (p_id, p_month, 'requested', p_reason, p_principal, trail_now());
        INSERT INTO month_deletion_acts (deletion, ordinal, act, state, principal, reason, acted_at)
          VALUES (p_id, 1, 'request', 'requested', p_principal, p_reason, trail_now());
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION request_month_deletion',
      'Asks for the deletion of a month that is past its retention; TT061 when that was done, TT062 and why it must be kept',
    );
    await runner.query(`
      CREATE FUNCTION act_on_month_deletion(p_id uuid, p_act text, p_principal text, p_reason text) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_deletion record;
        v_policy uuid;
        v_next text;
        v_left bigint;
      BEGIN
        SELECT * INTO v_deletion FROM month_deletions AS d WHERE d.id = p_id FOR UPDATE;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'no deletion %', p_id USING ERRCODE = 'TT063';
        END IF;
        v_next := CASE
          WHEN p_act = 'approve' AND v_deletion.state = 'requested' THEN 'approved'
          -- to keep records takes nobody else
          WHEN p_act = 'reject' AND v_deletion.state IN ('requested', 'approved') THEN 'rejected'
          WHEN p_act = 'begin' AND v_deletion.state = 'approved' THEN 'removing'
          WHEN p_act = 'finish' AND v_deletion.state = 'removing' THEN 'done'
        END;
        IF v_next IS NULL THEN
          RAISE EXCEPTION 'deletion % is %: it cannot be subject to %', p_id, v_deletion.state, p_act USING ERRCODE = 'TT061';
        END IF;
        IF p_act = 'approve' AND v_deletion.requested_by = p_principal THEN
          RAISE EXCEPTION 'deletion %: its approval is for another principal than %', p_id, p_principal USING ERRCODE = 'TT031';
        END IF;
        IF p_act IN ('approve', 'begin') THEN
          v_policy := assert_month_may_be_deleted(v_deletion.month);
        END IF;
        IF p_act = 'finish' THEN
          SELECT n INTO v_left FROM objects_of_month(v_deletion.month) AS n
            WHERE NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = n AND x.removed_at IS NOT NULL) LIMIT 1;
          IF FOUND THEN
            RAISE EXCEPTION 'object % of month % is not removed', v_left, v_deletion.month USING ERRCODE = 'TT061';
          END IF;
        END IF;
        UPDATE month_deletions
          SET state = v_next,
              policy = CASE WHEN p_act = 'begin' THEN v_policy ELSE policy END,
              begun_at = CASE WHEN p_act = 'begin' THEN trail_now() ELSE begun_at END,
              done_at = CASE WHEN p_act = 'finish' THEN trail_now() ELSE done_at END
          WHERE id = p_id;
        INSERT INTO month_deletion_acts (deletion, ordinal, act, state, principal, reason, acted_at)
          VALUES (p_id, (SELECT max(a.ordinal) + 1 FROM month_deletion_acts AS a WHERE a.deletion = p_id),
            p_act, v_next, p_principal, p_reason, trail_now());
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION act_on_month_deletion',
      'approve, reject, begin or finish. TT063 no such deletion, TT031 it takes another principal than the one who asked, TT061 not in this state or not all is removed, TT062 and why the month must be kept',
    );
    await this.grant(runner, [
      'request_month_deletion(uuid, date, text, text)',
      'act_on_month_deletion(uuid, text, text, text)',
    ]);
  }

  /** What is gone is held by nobody. */
  private async leaveRemovedObjectsToTheHolds(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION objects_under_hold(p_hold uuid) RETURNS SETOF bigint
        LANGUAGE sql STABLE SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT DISTINCT r.number
            FROM legal_holds AS h
            JOIN archive_ranges AS r ON r.ledger = ANY (h.ledgers)
              AND coalesce(h.recorded_from, '-infinity') <= r.greatest_recorded_at
              AND coalesce(h.recorded_to, 'infinity') > r.least_recorded_at
            WHERE h.state NOT IN ('rejected', 'released') AND (p_hold IS NULL OR h.id = p_hold)
              AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = r.number AND x.removed_at IS NOT NULL)
        $$`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async refuseChanges(runner: QueryRunner, table: string, ofRows: string, ofStatements: string): Promise<void> {
    await runner.query(`
      CREATE TRIGGER ${table}_refuse_row BEFORE ${ofRows} ON ${table}
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER ${table}_refuse_statement BEFORE ${ofStatements} ON ${table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_row;
      ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_statement`);
  }

  private async grant(runner: QueryRunner, functions: string[], ownersAlone: string[] = []): Promise<void> {
    await runner.query(`REVOKE ALL ON FUNCTION ${[...functions, ...ownersAlone].join(', ')} FROM PUBLIC`);
    await runner.query(`GRANT EXECUTE ON FUNCTION ${functions.join(', ')} TO truetrail_service`);
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
