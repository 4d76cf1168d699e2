import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The service's role, the clock, the deployment's identity, and the ledgers with their heads.
 *
 * `truetrail_service` is a group role for the whole server: it owns nothing and cannot log in. The service takes it on
 * every connection, whatever login it came with.
 */
export class CreateRolesAndLedgers1795305600000 implements MigrationInterface {
  name = 'CreateRolesAndLedgers1795305600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DO $$
      BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'truetrail_service') THEN
          BEGIN
            CREATE ROLE truetrail_service NOLOGIN;
          EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another database of this server is migrating at this moment
          END;
        END IF;
        IF NOT pg_has_role(current_user, 'truetrail_service', 'MEMBER') THEN
          EXECUTE format('GRANT truetrail_service TO %I', current_user);
        END IF;
      END
      $$`);
    await runner.query(`GRANT USAGE ON SCHEMA public TO truetrail_service`);

    await runner.query(`
      CREATE FUNCTION trail_now() RETURNS timestamptz
        LANGUAGE sql VOLATILE PARALLEL SAFE
        SET search_path = pg_catalog
        AS $$ SELECT clock_timestamp() $$`);
    await runner.query(`
      COMMENT ON FUNCTION trail_now() IS
        'The only place from which SQL takes the time. Tests replace it; the daily check of the catalogue compares it.'`);

    await runner.query(`
      CREATE TABLE deployment (
        singleton boolean NOT NULL DEFAULT true,
        id uuid NOT NULL,
        log_origin text COLLATE "C" NOT NULL,
        config_digest bytea,
        created_at timestamptz NOT NULL,
        CONSTRAINT deployment_pkey PRIMARY KEY (singleton),
        CONSTRAINT deployment_singleton_check CHECK (singleton),
        CONSTRAINT deployment_log_origin_check CHECK (log_origin ~ '^[!-~]+$' AND log_origin !~ '["\\\\+]' AND length(log_origin) <= 200),
        CONSTRAINT deployment_config_digest_check CHECK (octet_length(config_digest) = 32)
      )`);
    await runner.query(`COMMENT ON TABLE deployment IS 'One row: what this installation is called, for ever'`);
    await runner.query(`COMMENT ON COLUMN deployment.log_origin IS 'First part of every ledger''s origin'`);
    await runner.query(
      `COMMENT ON COLUMN deployment.config_digest IS 'SHA-256 of the configuration, secrets left out, as last recorded in _service'`,
    );

    await runner.query(`
      CREATE TABLE ledgers (
        ledger text COLLATE "C" NOT NULL,
        origin text COLLATE "C" NOT NULL,
        state text COLLATE "C" NOT NULL DEFAULT 'open',
        created_at timestamptz NOT NULL,
        CONSTRAINT ledgers_pkey PRIMARY KEY (ledger),
        CONSTRAINT ledgers_origin_key UNIQUE (origin),
        CONSTRAINT ledgers_ledger_check CHECK (ledger ~ '^([a-z0-9][a-z0-9-]{0,62}|_[a-z0-9-]{1,62})$'),
        CONSTRAINT ledgers_origin_check CHECK (origin ~ '^[!-~]+$' AND origin !~ '["\\\\+]' AND length(origin) <= 300),
        CONSTRAINT ledgers_state_check CHECK (state IN ('open', 'closed'))
      )`);
    await runner.query(`COMMENT ON TABLE ledgers IS 'One hash chain each; never renamed, never deleted'`);
    await runner.query(`COMMENT ON COLUMN ledgers.ledger IS 'Slug; those that begin with _ are the service''s own'`);
    await runner.query(`COMMENT ON COLUMN ledgers.origin IS 'Names the ledger in every envelope, for ever'`);

    await runner.query(`
      CREATE TABLE ledger_heads (
        ledger text COLLATE "C" NOT NULL,
        size bigint NOT NULL,
        event_hash bytea,
        recorded_at timestamptz NOT NULL,
        ahead_accepted_until timestamptz,
        CONSTRAINT ledger_heads_pkey PRIMARY KEY (ledger),
        CONSTRAINT ledger_heads_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT ledger_heads_size_check CHECK (size >= 0),
        CONSTRAINT ledger_heads_event_hash_check
          CHECK ((size = 0) = (event_hash IS NULL) AND octet_length(event_hash) = 32)
      ) WITH (fillfactor = 10)`);
    await runner.query(
      `COMMENT ON TABLE ledger_heads IS 'Where each chain ends; its row lock is the queue of appends over all replicas. Low fillfactor: every append updates it in place'`,
    );
    await runner.query(`COMMENT ON COLUMN ledger_heads.size IS 'Events in the ledger, and the sequence of the last'`);
    await runner.query(`COMMENT ON COLUMN ledger_heads.event_hash IS 'Hash of the last event; null while empty'`);
    await runner.query(`COMMENT ON COLUMN ledger_heads.recorded_at IS 'Floor: no later event is recorded before it'`);
    await runner.query(
      `COMMENT ON COLUMN ledger_heads.ahead_accepted_until IS 'An administrator has accepted a head this far ahead of the clock'`,
    );

    await runner.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger
        LANGUAGE plpgsql
        SET search_path = pg_catalog
        AS $$
      BEGIN
        RAISE EXCEPTION '% on %: the trail is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'TT100';
      END
      $$`);

    await runner.query(`
      CREATE FUNCTION create_ledger(p_ledger text, p_origin text)
        RETURNS TABLE (created boolean, origin text)
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      BEGIN
        INSERT INTO ledgers AS l (ledger, origin, created_at) VALUES (p_ledger, p_origin, trail_now())
          ON CONFLICT ON CONSTRAINT ledgers_pkey DO NOTHING;
        created := FOUND;
        IF created THEN
          -- a new ledger may not begin in a month that is closed already
          INSERT INTO ledger_heads (ledger, size, recorded_at) VALUES (p_ledger, 0, '-infinity');
        END IF;
        SELECT l.origin INTO origin FROM ledgers AS l WHERE l.ledger = p_ledger;
        RETURN NEXT;
      END
      $$`);
    await runner.query(`
      CREATE FUNCTION accept_clock_ahead(p_ledger text) RETURNS timestamptz
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          UPDATE ledger_heads SET ahead_accepted_until = recorded_at WHERE ledger = p_ledger RETURNING recorded_at
        $$`);
    await runner.query(`
      COMMENT ON FUNCTION accept_clock_ahead(text) IS
        'An administrator''s act after the clock ran ahead and was set back: appends go on with the head''s recorded_at until the clock has caught up'`);
    await runner.query(`
      CREATE FUNCTION record_config_digest(p_digest bytea) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$ UPDATE deployment SET config_digest = p_digest $$`);
    await runner.query(`
      CREATE FUNCTION name_deployment(p_id uuid, p_log_origin text) RETURNS text
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          INSERT INTO deployment (id, log_origin, created_at) VALUES (p_id, p_log_origin, trail_now())
            ON CONFLICT ON CONSTRAINT deployment_pkey DO NOTHING;
          SELECT log_origin FROM deployment;
        $$`);

    await runner.query(`
      REVOKE ALL ON FUNCTION
        trail_now(), create_ledger(text, text), accept_clock_ahead(text), record_config_digest(bytea),
        name_deployment(uuid, text), refuse_change()
      FROM PUBLIC`);
    await runner.query(`
      GRANT EXECUTE ON FUNCTION
        trail_now(), create_ledger(text, text), accept_clock_ahead(text), record_config_digest(bytea),
        name_deployment(uuid, text)
      TO truetrail_service`);
    await runner.query(`GRANT SELECT ON deployment, ledgers, ledger_heads, schema_migrations TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
