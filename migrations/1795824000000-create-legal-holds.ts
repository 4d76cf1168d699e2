import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether a hold, under the name `h`, still stops drops and deletions. One that was asked for does, too. */
const STOPS = `h.state NOT IN ('rejected', 'released')`;

/** What a hold was made with; of its row only state and asked_by may change. */
const SELECTION = [
  'id',
  'ledgers',
  'entity_type',
  'entity_id',
  'user_id',
  'event_type',
  'recorded_from',
  'recorded_to',
  'reason',
  'requested_by',
  'requested_at',
];

/**
 * Legal holds: what must not be dropped or deleted whatever its retention says, who asked for that and who agreed, and
 * which archive objects are held in the store because of them. The rules are the functions' own: it takes two principals
 * to make a hold and two to end it, and everything in between keeps the records.
 */
export class CreateLegalHolds1795824000000 implements MigrationInterface {
  name = 'CreateLegalHolds1795824000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE legal_holds (
        id uuid NOT NULL,
        state text COLLATE "C" NOT NULL,
        asked_by text COLLATE "C",
        ledgers text[] COLLATE "C" NOT NULL,
        entity_type text COLLATE "C",
        entity_id text COLLATE "C",
        user_id text COLLATE "C",
        event_type text COLLATE "C",
        recorded_from timestamptz,
        recorded_to timestamptz,
        reason text COLLATE "C" NOT NULL,
        requested_by text COLLATE "C" NOT NULL,
        requested_at timestamptz NOT NULL,
        CONSTRAINT legal_holds_pkey PRIMARY KEY (id),
        CONSTRAINT legal_holds_state_check
          CHECK (state IN ('requested', 'active', 'release-requested', 'rejected', 'released')),
        CONSTRAINT legal_holds_asked_by_check
          CHECK ((asked_by IS NOT NULL) = (state IN ('requested', 'release-requested'))),
        CONSTRAINT legal_holds_ledgers_check
          CHECK (cardinality(ledgers) BETWEEN 1 AND 100 AND array_ndims(ledgers) = 1 AND array_position(ledgers, NULL) IS NULL),
        CONSTRAINT legal_holds_entity_check CHECK ((entity_type IS NULL) = (entity_id IS NULL)),
        CONSTRAINT legal_holds_entity_type_check CHECK (length(entity_type) BETWEEN 1 AND 50),
        CONSTRAINT legal_holds_entity_id_check CHECK (length(entity_id) BETWEEN 1 AND 255),
        CONSTRAINT legal_holds_user_id_check CHECK (length(user_id) BETWEEN 1 AND 255),
        CONSTRAINT legal_holds_event_type_check CHECK (length(event_type) BETWEEN 1 AND 100),
        CONSTRAINT legal_holds_recorded_check CHECK (recorded_from < recorded_to),
        CONSTRAINT legal_holds_reason_check CHECK (length(reason) BETWEEN 1 AND 1000),
        CONSTRAINT legal_holds_requested_by_check CHECK (requested_by ~ '^[!-~]{1,255}$')
      )`);
    await this.comment(
      runner,
      'TABLE legal_holds',
      'What may be neither dropped nor deleted, whatever its retention says. A hold stops both from its request on, until it is rejected or its release is approved',
    );
    for (const [column, meaning] of [
      ['state', 'requested and release-requested wait for a second principal; rejected and released are the ends'],
      ['asked_by', 'Who asked for what waits for a second principal; null when nothing does'],
      ['ledgers', 'Slugs, sorted, each once'],
      ['entity_type', 'With entity_id: only events of this entity; null for all'],
      ['user_id', 'Only events of this user; null for all'],
      ['event_type', 'Only events of this record class; null for all'],
      ['recorded_from', 'Recorded time, included; null for no beginning'],
      ['recorded_to', 'Recorded time, not included; null for no end: what is yet to be recorded is held as well'],
      ['reason', 'Why, in the words of whoever asked for it'],
      ['requested_by', 'Principal that asked for the hold'],
    ]) {
      await this.comment(runner, `COLUMN legal_holds.${column}`, meaning!);
    }

    await runner.query(`
      CREATE TABLE legal_hold_acts (
        hold uuid NOT NULL,
        ordinal integer NOT NULL,
        act text COLLATE "C" NOT NULL,
        state text COLLATE "C" NOT NULL,
        principal text COLLATE "C" NOT NULL,
        reason text COLLATE "C",
        acted_at timestamptz NOT NULL,
        CONSTRAINT legal_hold_acts_pkey PRIMARY KEY (hold, ordinal),
        CONSTRAINT legal_hold_acts_hold_fkey FOREIGN KEY (hold) REFERENCES legal_holds (id),
        CONSTRAINT legal_hold_acts_ordinal_check CHECK (ordinal > 0),
        CONSTRAINT legal_hold_acts_act_check
          CHECK (act IN ('request', 'approve', 'reject', 'request_release', 'approve_release', 'reject_release')),
        CONSTRAINT legal_hold_acts_principal_check CHECK (principal ~ '^[!-~]{1,255}$'),
        CONSTRAINT legal_hold_acts_reason_check CHECK (length(reason) BETWEEN 1 AND 1000),
        CONSTRAINT legal_hold_acts_reason_given_check
          CHECK (reason IS NOT NULL OR act IN ('approve', 'approve_release'))
      )`);
    await this.comment(
      runner,
      'TABLE legal_hold_acts',
      'What was done to each hold, by whom and why: one immutable row an act',
    );
    for (const [column, meaning] of [
      ['ordinal', 'Of the hold’s acts, from 1'],
      ['state', 'Of the hold after the act'],
      ['principal', 'key:<uuid>, oidc:<issuer>#<subject>, or cli:<user>'],
      ['reason', 'Why; an approval may go without'],
    ]) {
      await this.comment(runner, `COLUMN legal_hold_acts.${column}`, meaning!);
    }

    await runner.query(`
      CREATE TABLE archive_object_holds (
        number bigint NOT NULL,
        begun_at timestamptz NOT NULL,
        confirmed_at timestamptz,
        CONSTRAINT archive_object_holds_pkey PRIMARY KEY (number),
        CONSTRAINT archive_object_holds_number_fkey FOREIGN KEY (number) REFERENCES archive_objects (number)
      )`);
    await this.comment(
      runner,
      'TABLE archive_object_holds',
      'Archive objects that have, or may have, the store’s own legal hold from us. A row is there before the store is asked to set it, and until the store has taken it off',
    );
    await this.comment(
      runner,
      'COLUMN archive_object_holds.confirmed_at',
      'When the store last said that the object is held; null until it has',
    );

    const changes: [table: string, changes: string, statements: string][] = [
      ['legal_holds', `UPDATE OF ${SELECTION.join(', ')} OR DELETE`, 'DELETE OR TRUNCATE'],
      ['legal_hold_acts', 'UPDATE OR DELETE', 'UPDATE OR DELETE OR TRUNCATE'],
    ];
    for (const [table, ofRows, ofStatements] of changes) {
      await runner.query(`
        CREATE TRIGGER ${table}_refuse_row BEFORE ${ofRows} ON ${table}
          FOR EACH ROW EXECUTE FUNCTION refuse_change()`);
      await runner.query(`
        CREATE TRIGGER ${table}_refuse_statement BEFORE ${ofStatements} ON ${table}
          FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
      await runner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_row`);
      await runner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_statement`);
    }

    await runner.query(`
      CREATE FUNCTION request_legal_hold(
        p_id uuid, p_ledgers text[], p_entity_type text, p_entity_id text, p_user_id text, p_event_type text,
        p_recorded_from timestamptz, p_recorded_to timestamptz, p_reason text, p_principal text
      ) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_unknown text;
        v_now timestamptz := trail_now();
      BEGIN
        SELECT l INTO v_unknown FROM unnest(p_ledgers) AS l
          WHERE NOT EXISTS (SELECT FROM ledgers WHERE ledger = l) LIMIT 1;
        IF FOUND THEN
          RAISE EXCEPTION 'no ledger %', v_unknown USING ERRCODE = 'TT001';
        END IF;
        INSERT INTO legal_holds
            (id, state, asked_by, ledgers, entity_type, entity_id, user_id, event_type, recorded_from, recorded_to,
             reason, requested_by, requested_at)
          VALUES (p_id, 'requested', p_principal, ARRAY(SELECT DISTINCT l COLLATE "C" FROM unnest(p_ledgers) AS l ORDER BY 1),
            p_entity_type, p_entity_id, p_user_id, p_event_type, p_recorded_from, p_recorded_to, p_reason, p_principal, v_now);
        INSERT INTO legal_hold_acts (hold, ordinal, act, state, principal, reason, acted_at)
          VALUES (p_id, 1, 'request', 'requested', p_principal, p_reason, v_now);
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION request_legal_hold',
      'Makes a hold, which stops drops and deletions from then on and waits for a second principal; TT001 no such ledger',
    );

    await runner.query(`
      CREATE FUNCTION act_on_legal_hold(
        p_id uuid, p_act text, p_principal text, p_reason text, p_seen_state text
      ) RETURNS text
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_state text;
        v_asked_by text;
        v_act text;
        v_next text;
      BEGIN
        SELECT h.state, h.asked_by INTO v_state, v_asked_by FROM legal_holds AS h WHERE h.id = p_id FOR UPDATE;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'no legal hold %', p_id USING ERRCODE = 'TT030';
        END IF;
        v_act := CASE WHEN v_state = 'release-requested' AND p_act IN ('approve', 'reject') THEN p_act || '_release' ELSE p_act END;
        v_next := CASE
          WHEN v_act = 'approve' AND v_state = 'requested' THEN 'active'
          WHEN v_act = 'reject' AND v_state = 'requested' THEN 'rejected'
          WHEN v_act = 'request_release' AND v_state = 'active' THEN 'release-requested'
          WHEN v_act = 'approve_release' AND v_state = 'release-requested' THEN 'released'
          WHEN v_act = 'reject_release' AND v_state = 'release-requested' THEN 'active'
        END;
        IF v_next IS NULL OR p_act NOT IN ('approve', 'reject', 'request_release') OR p_seen_state <> v_state THEN
          RAISE EXCEPTION 'legal hold % is %: it cannot be subject to %', p_id, v_state, p_act USING ERRCODE = 'TT032';
        END IF;
        -- to take back one's own request for a release keeps the records, and needs nobody else
        IF v_asked_by = p_principal AND v_act <> 'reject_release' THEN
          RAISE EXCEPTION 'legal hold %: % is for another principal than %', p_id, v_act, p_principal
            USING ERRCODE = 'TT031';
        END IF;
        UPDATE legal_holds
          SET state = v_next, asked_by = CASE WHEN v_next = 'release-requested' THEN p_principal END
          WHERE id = p_id;
        INSERT INTO legal_hold_acts (hold, ordinal, act, state, principal, reason, acted_at)
          VALUES (p_id, (SELECT max(a.ordinal) + 1 FROM legal_hold_acts AS a WHERE a.hold = p_id),
            v_act, v_next, p_principal, p_reason, trail_now());
        RETURN v_act;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION act_on_legal_hold',
      'approve, reject or request_release; the act as it was recorded. Nothing happens when the hold is in another state than p_seen_state, if that is given. TT030 no such hold, TT031 it takes another principal than the one who asked, TT032 not in this state',
    );

    await runner.query(`
      CREATE FUNCTION month_holds(p_from timestamptz, p_to timestamptz, p_ledgers text[]) RETURNS SETOF uuid
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
            WHERE ${STOPS}
              AND (p_ledgers IS NULL OR h.ledgers && p_ledgers)
              AND coalesce(h.recorded_from, '-infinity') < coalesce(p_to, 'infinity')
              AND coalesce(h.recorded_to, 'infinity') > coalesce(p_from, '-infinity')
            ORDER BY h.id;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION month_holds',
      'The holds that keep what was recorded in [p_from, p_to) in any of the ledgers; null means no bound, and every ledger. Which entity, user or record class a hold selects does not matter: it keeps the whole time of its ledgers. No hold is made or changed until the transaction of the caller ends, which waits for them for 100 ms at most (55P03)',
    );

    await runner.query(`
      CREATE FUNCTION objects_under_hold(p_hold uuid) RETURNS SETOF bigint
        LANGUAGE sql STABLE SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT DISTINCT r.number
            FROM legal_holds AS h
            JOIN archive_ranges AS r ON r.ledger = ANY (h.ledgers)
              AND coalesce(h.recorded_from, '-infinity') <= r.greatest_recorded_at
              AND coalesce(h.recorded_to, 'infinity') > r.least_recorded_at
            WHERE ${STOPS} AND (p_hold IS NULL OR h.id = p_hold)
        $$`);
    await this.comment(
      runner,
      'FUNCTION objects_under_hold',
      'Archive objects that hold something that a hold keeps, or with null any hold',
    );
    await runner.query(`
      CREATE FUNCTION open_object_holds(p_after bigint, p_recheck interval, p_limit integer)
        RETURNS TABLE (number bigint, object_key text, version_id text, wanted boolean, confirmed boolean)
        LANGUAGE sql STABLE SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT o.number, o.object_key, o.version_id, t.number IS NOT NULL, x.confirmed_at IS NOT NULL
            FROM (SELECT u.number FROM objects_under_hold(NULL) AS u (number)) AS t
            FULL JOIN archive_object_holds AS x ON x.number = t.number
            JOIN archive_objects AS o ON o.number = coalesce(t.number, x.number)
            WHERE o.number > p_after
              AND (t.number IS NULL OR x.confirmed_at IS NULL OR x.confirmed_at <= trail_now() - p_recheck)
            ORDER BY o.number LIMIT p_limit
        $$`);
    await this.comment(
      runner,
      'FUNCTION open_object_holds',
      'Objects of which the store has yet to be told, or was last asked before p_recheck: wanted or to be freed, and whether the store has confirmed it before',
    );
    await runner.query(`
      CREATE FUNCTION note_object_holds(p_numbers bigint[], p_step text) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      BEGIN
        IF p_step = 'begun' THEN
          INSERT INTO archive_object_holds (number, begun_at) SELECT DISTINCT n, trail_now() FROM unnest(p_numbers) AS n
            ON CONFLICT ON CONSTRAINT archive_object_holds_pkey DO NOTHING;
        ELSIF p_step = 'held' THEN
          UPDATE archive_object_holds SET confirmed_at = trail_now() WHERE number = ANY (p_numbers);
        ELSIF p_step = 'freed' THEN
          -- a hold may have come up since: then the store has to be told anew
          UPDATE archive_object_holds SET confirmed_at = NULL WHERE number = ANY (p_numbers);
          DELETE FROM archive_object_holds AS x
            WHERE x.number = ANY (p_numbers) AND x.number NOT IN (SELECT objects_under_hold(NULL));
        ELSE
          RAISE EXCEPTION 'there is no step %', p_step USING ERRCODE = 'TT033';
        END IF;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION note_object_holds',
      'begun: the store is about to be asked to hold these objects; held: it says that it does; freed: it says that it does not. TT033 for any other step',
    );

    const functions = `request_legal_hold(uuid, text[], text, text, text, text, timestamptz, timestamptz, text, text),
      act_on_legal_hold(uuid, text, text, text, text), month_holds(timestamptz, timestamptz, text[]),
      objects_under_hold(uuid), open_object_holds(bigint, interval, integer), note_object_holds(bigint[], text)`;
    await runner.query(`REVOKE ALL ON FUNCTION ${functions} FROM PUBLIC`);
    await runner.query(`GRANT EXECUTE ON FUNCTION ${functions} TO truetrail_service`);
    await runner.query(`GRANT SELECT ON legal_holds, legal_hold_acts, archive_object_holds TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
