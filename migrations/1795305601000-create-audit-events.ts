import type { MigrationInterface, QueryRunner } from 'typeorm';

const STATEMENT_TRIGGER = (table: string): string => `
  CREATE TRIGGER ${table}_refuse_statement
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
  ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_statement`;

const EVENT_KEY_PARTITIONS = 8;

/**
 * The trail: events by month of recording, and the keys that keep an event id unique over all months.
 *
 * Months are tables of their own that are attached (`create_month`): `CREATE TABLE ... PARTITION OF` would wait for, and
 * hold up, every running search.
 */
export class CreateAuditEvents1795305601000 implements MigrationInterface {
  name = 'CreateAuditEvents1795305601000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE audit_events (
        ledger text COLLATE "C" NOT NULL,
        sequence bigint NOT NULL,
        recorded_at timestamptz NOT NULL,
        "timestamp" timestamptz NOT NULL,
        event_id uuid NOT NULL,
        corrects uuid,
        timestamp_nanos smallint NOT NULL,
        timestamp_digits smallint NOT NULL,
        event_type text COLLATE "C" NOT NULL,
        entity_type text COLLATE "C" NOT NULL,
        entity_id text COLLATE "C" NOT NULL,
        action text COLLATE "C" NOT NULL,
        user_id text COLLATE "C" NOT NULL,
        previous_state jsonb,
        new_state jsonb NOT NULL,
        metadata jsonb NOT NULL,
        source text COLLATE "C",
        source_session text COLLATE "C",
        source_sequence numeric(19, 0),
        raw_media_type text COLLATE "C",
        raw_data bytea,
        recorded_by text COLLATE "C" NOT NULL,
        salt bytea NOT NULL,
        content_hash bytea NOT NULL,
        previous_event_hash bytea,
        event_hash bytea NOT NULL,
        CONSTRAINT audit_events_sequence_check CHECK (sequence > 0),
        CONSTRAINT audit_events_timestamp_digits_check CHECK (timestamp_digits BETWEEN 0 AND 9),
        CONSTRAINT audit_events_timestamp_nanos_check CHECK (
          CASE
            WHEN timestamp_digits = 9 THEN timestamp_nanos BETWEEN 0 AND 999
            WHEN timestamp_digits = 8 THEN timestamp_nanos BETWEEN 0 AND 990 AND timestamp_nanos % 10 = 0
            WHEN timestamp_digits = 7 THEN timestamp_nanos BETWEEN 0 AND 900 AND timestamp_nanos % 100 = 0
            WHEN timestamp_digits = 6 THEN timestamp_nanos = 0
            ELSE timestamp_nanos = 0
              AND extract(microseconds FROM "timestamp" AT TIME ZONE 'UTC')::integer
                % (ARRAY[1000000, 100000, 10000, 1000, 100, 10])[timestamp_digits + 1] = 0
          END),
        CONSTRAINT audit_events_new_state_check CHECK (jsonb_typeof(new_state) = 'object'),
        CONSTRAINT audit_events_previous_state_check CHECK (jsonb_typeof(previous_state) = 'object'),
        CONSTRAINT audit_events_metadata_check CHECK (jsonb_typeof(metadata) = 'object'),
        CONSTRAINT audit_events_source_sequence_check CHECK (source_sequence >= 0),
        CONSTRAINT audit_events_raw_check
          CHECK ((raw_data IS NULL) = (raw_media_type IS NULL) AND octet_length(raw_data) <= 65536),
        CONSTRAINT audit_events_hashes_check CHECK (
          octet_length(salt) = 16 AND octet_length(content_hash) = 32 AND octet_length(event_hash) = 32
          AND (sequence = 1) = (previous_event_hash IS NULL) AND octet_length(previous_event_hash) = 32)
      ) PARTITION BY RANGE (recorded_at)`);
    const comments: Record<string, string> = {
      ledger: 'Slug of the chain',
      sequence: 'Position in the ledger, from 1, without a gap',
      recorded_at: 'When the service recorded it, microseconds, UTC; never falls along a ledger',
      timestamp: 'When it happened at the source, cut to microseconds',
      event_id: 'UUID, unique in its ledger over all months (event_keys)',
      corrects: 'event_id of the event of which this one is the whole corrected content',
      timestamp_nanos: 'The nanoseconds below the microsecond, 0 to 999',
      timestamp_digits: 'How many fractional digits the source sent: its declared granularity',
      previous_state: 'State before, or null',
      new_state: 'State after',
      metadata: 'What else the source said; reports read its documented names',
      source_sequence: "The source's own gapless counter within (source, source_session)",
      raw_data: 'The message as it came, at most 65536 bytes',
      recorded_by: 'Principal that submitted it: key:<uuid>, oidc:<issuer>#<subject>, or service',
      salt: '16 random bytes; erased with the content',
      content_hash: 'SHA-256 of salt and canonical content',
      previous_event_hash: 'event_hash of sequence - 1; null at 1',
      event_hash: 'SHA-256 of the canonical envelope',
    };
    await runner.query(
      `COMMENT ON TABLE audit_events IS 'The trail. One immutable row an event; a partition for each month of recorded_at'`,
    );
    for (const [column, text] of Object.entries(comments)) {
      await runner.query(`COMMENT ON COLUMN audit_events."${column}" IS '${text.replaceAll("'", "''")}'`);
    }
    await runner.query(`
      CREATE INDEX audit_events_entity_idx ON audit_events (ledger, entity_type, entity_id, sequence);
      CREATE INDEX audit_events_user_idx ON audit_events (ledger, user_id, "timestamp", timestamp_nanos, sequence);
      CREATE INDEX audit_events_type_idx ON audit_events (ledger, event_type, "timestamp", timestamp_nanos, sequence);
      CREATE INDEX audit_events_timestamp_idx ON audit_events (ledger, "timestamp", timestamp_nanos, sequence);
      CREATE INDEX audit_events_corrects_idx ON audit_events (ledger, entity_type, entity_id, sequence)
        WHERE corrects IS NOT NULL;
      CREATE INDEX audit_events_metadata_idx ON audit_events USING gin (metadata jsonb_path_ops)`);
    await runner.query(STATEMENT_TRIGGER('audit_events'));

    await runner.query(`
      CREATE TABLE event_keys (
        ledger text COLLATE "C" NOT NULL,
        event_id uuid NOT NULL,
        sequence bigint NOT NULL,
        CONSTRAINT event_keys_pkey PRIMARY KEY (event_id, ledger)
      ) PARTITION BY HASH (event_id)`);
    await runner.query(
      `COMMENT ON TABLE event_keys IS 'Makes an event id count once in its ledger, over all months, also those that have left PostgreSQL'`,
    );
    await runner.query(STATEMENT_TRIGGER('event_keys'));
    for (let i = 0; i < EVENT_KEY_PARTITIONS; i++) {
      const table = `event_keys_${i}`;
      await runner.query(`
        CREATE TABLE ${table} (LIKE event_keys INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
          CONSTRAINT ${table}_pkey PRIMARY KEY (event_id, ledger));
        ALTER TABLE event_keys ATTACH PARTITION ${table}
          FOR VALUES WITH (MODULUS ${EVENT_KEY_PARTITIONS}, REMAINDER ${i});
        CREATE TRIGGER ${table}_refuse_row
          BEFORE UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
        ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_row`);
      await runner.query(STATEMENT_TRIGGER(table));
    }

    await runner.query(`
      CREATE TABLE months (
        month date NOT NULL,
        state text COLLATE "C" NOT NULL DEFAULT 'open',
        partition_name text COLLATE "C" NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT months_pkey PRIMARY KEY (month),
        CONSTRAINT months_month_check CHECK (extract(day FROM month) = 1),
        CONSTRAINT months_state_check CHECK (state IN ('open', 'closed', 'sealed', 'retired', 'dropped')),
        CONSTRAINT months_partition_name_key UNIQUE (partition_name)
      )`);
    await runner.query(
      `COMMENT ON TABLE months IS 'The month catalogue: which months there are, and how far each has come'`,
    );
    await runner.query(`COMMENT ON COLUMN months.month IS 'First day of the month, UTC'`);

    await runner.query(`
      CREATE FUNCTION create_month(p_month date) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET lock_timeout = '2s'
        SET timezone = 'UTC'
        AS $$
      DECLARE
        v_name text := 'audit_events_' || to_char(p_month, 'YYYY_MM');
      BEGIN
        IF p_month IS NULL OR extract(day FROM p_month) <> 1 THEN
          RAISE EXCEPTION 'create_month: % is not the first day of a month', p_month USING ERRCODE = '22023';
        END IF;
        -- one maker at a time: two would wait for each other's catalogue rows
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.create_month', 0));
        IF EXISTS (SELECT FROM months WHERE month = p_month) THEN
          RETURN false;
        END IF;
        EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_events
          INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS INCLUDING STORAGE)', v_name);
        EXECUTE format('CREATE UNIQUE INDEX %I ON public.%I (ledger, sequence)', v_name || '_sequence_key', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, entity_type, entity_id, sequence)',
          v_name || '_entity_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, user_id, "timestamp", timestamp_nanos, sequence)',
          v_name || '_user_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, event_type, "timestamp", timestamp_nanos, sequence)',
          v_name || '_type_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, "timestamp", timestamp_nanos, sequence)',
          v_name || '_timestamp_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, entity_type, entity_id, sequence)
          WHERE corrects IS NOT NULL', v_name || '_corrects_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I USING gin (metadata jsonb_path_ops)',
          v_name || '_metadata_idx', v_name);
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON public.%I
          FOR EACH ROW EXECUTE FUNCTION public.refuse_change()', v_name || '_refuse_row', v_name);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I', v_name, v_name || '_refuse_row');
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON public.%I
          FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()', v_name || '_refuse_statement', v_name);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I', v_name, v_name || '_refuse_statement');
        EXECUTE format('GRANT SELECT ON public.%I TO truetrail_service', v_name);
        EXECUTE format('ALTER TABLE public.audit_events ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
          v_name, p_month::timestamp AT TIME ZONE 'UTC',
          (p_month + interval '1 month') AT TIME ZONE 'UTC');
        INSERT INTO months (month, partition_name, created_at) VALUES (p_month, v_name, trail_now());
        RETURN true;
      END
      $$`);
    await runner.query(`
      COMMENT ON FUNCTION create_month(date) IS
        'Makes and attaches the month that begins on that day; false when it is there already'`);
    await runner.query(`REVOKE ALL ON FUNCTION create_month(date) FROM PUBLIC`);
    await runner.query(`GRANT EXECUTE ON FUNCTION create_month(date) TO truetrail_service`);
    await runner.query(`GRANT SELECT ON audit_events, event_keys, months TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
