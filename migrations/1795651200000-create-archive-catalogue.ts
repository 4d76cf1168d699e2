import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The catalogue of the archive: which objects there are, which events each holds, and when each was last found whole. An
 * object is catalogued after it was written, read back and verified, so what stands here is in the store.
 */
export class CreateArchiveCatalogue1795651200000 implements MigrationInterface {
  name = 'CreateArchiveCatalogue1795651200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE archive_objects (
        number bigint NOT NULL,
        kind text COLLATE "C" NOT NULL,
        location text COLLATE "C" NOT NULL,
        object_key text COLLATE "C" NOT NULL,
        version_id text COLLATE "C" NOT NULL,
        format text COLLATE "C" NOT NULL,
        sha256 bytea NOT NULL,
        bytes bigint NOT NULL,
        events bigint NOT NULL,
        reason text COLLATE "C" NOT NULL,
        created_by text COLLATE "C" NOT NULL,
        archived_at timestamptz NOT NULL,
        CONSTRAINT archive_objects_pkey PRIMARY KEY (number),
        CONSTRAINT archive_objects_object_key_key UNIQUE (object_key),
        CONSTRAINT archive_objects_number_check CHECK (number > 0),
        CONSTRAINT archive_objects_kind_check CHECK (kind IN ('early', 'month')),
        CONSTRAINT archive_objects_sha256_check CHECK (octet_length(sha256) = 32),
        CONSTRAINT archive_objects_bytes_check CHECK (bytes > 0),
        CONSTRAINT archive_objects_events_check CHECK (events > 0),
        CONSTRAINT archive_objects_reason_check CHECK (reason IN ('regulatory', 'business', 'legal_hold'))
      )`);
    await this.comment(runner, 'TABLE archive_objects', 'The catalogue of the archive: one immutable row an object');
    for (const [column, meaning] of [
      ['number', 'Position in the archive, from 1, without a gap'],
      ['kind', 'early: what was new in all ledgers; month: a sealed month of one ledger'],
      ['location', 'The store that it was written to, before the key'],
      ['version_id', 'What the store calls the version that counts'],
      ['format', 'Of its bytes; docs/archive.md'],
      ['reason', 'Why it is kept as long as it is'],
      ['created_by', 'Who had it written: service, or the principal who asked'],
      ['archived_at', 'When it was catalogued: written, read back and verified by then'],
    ]) {
      await this.comment(runner, `COLUMN archive_objects.${column}`, meaning!);
    }

    await runner.query(`
      CREATE TABLE archive_ranges (
        number bigint NOT NULL,
        kind text COLLATE "C" NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        from_sequence bigint NOT NULL,
        to_sequence bigint NOT NULL,
        least_timestamp timestamptz NOT NULL,
        greatest_timestamp timestamptz NOT NULL,
        least_recorded_at timestamptz NOT NULL,
        greatest_recorded_at timestamptz NOT NULL,
        previous_event_hash bytea,
        last_event_hash bytea NOT NULL,
        CONSTRAINT archive_ranges_pkey PRIMARY KEY (number, ledger),
        CONSTRAINT archive_ranges_from_sequence_key UNIQUE (kind, ledger, from_sequence),
        CONSTRAINT archive_ranges_number_fkey FOREIGN KEY (number) REFERENCES archive_objects (number),
        CONSTRAINT archive_ranges_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT archive_ranges_sequence_check CHECK (from_sequence > 0 AND to_sequence >= from_sequence),
        CONSTRAINT archive_ranges_previous_event_hash_check
          CHECK ((previous_event_hash IS NULL) = (from_sequence = 1) AND octet_length(previous_event_hash) = 32),
        CONSTRAINT archive_ranges_last_event_hash_check CHECK (octet_length(last_event_hash) = 32)
      )`);
    await this.comment(runner, 'TABLE archive_ranges', 'Which events an object holds: a range of sequences a ledger');
    for (const [column, meaning] of [
      ['kind', 'Of the object: a ledger has each sequence once in each kind'],
      ['to_sequence', 'Included'],
      ['least_timestamp', 'Of event times, cut to microseconds'],
      ['previous_event_hash', 'event_hash of the event before the first; null at 1'],
      ['last_event_hash', 'event_hash of the last event'],
    ]) {
      await this.comment(runner, `COLUMN archive_ranges.${column}`, meaning!);
    }

    await runner.query(`
      CREATE TABLE archive_object_states (
        number bigint NOT NULL,
        retain_until timestamptz NOT NULL,
        verified_at timestamptz NOT NULL,
        CONSTRAINT archive_object_states_pkey PRIMARY KEY (number),
        CONSTRAINT archive_object_states_number_fkey FOREIGN KEY (number) REFERENCES archive_objects (number)
      )`);
    await this.comment(runner, 'TABLE archive_object_states', 'What changes of an object: both only ever grow');
    await this.comment(
      runner,
      'COLUMN archive_object_states.retain_until',
      'Until when the store locks it, as far as we know',
    );
    await this.comment(
      runner,
      'COLUMN archive_object_states.verified_at',
      'When it was last read as a whole and found right',
    );

    await runner.query(`
      CREATE TABLE archive_store (
        singleton boolean NOT NULL DEFAULT true,
        id uuid NOT NULL,
        location text COLLATE "C" NOT NULL,
        claimed_at timestamptz NOT NULL,
        CONSTRAINT archive_store_pkey PRIMARY KEY (singleton),
        CONSTRAINT archive_store_singleton_check CHECK (singleton)
      )`);
    await this.comment(
      runner,
      'TABLE archive_store',
      'One row: the store that the catalogue is about, by the id that stands in it',
    );

    for (const table of ['archive_objects', 'archive_ranges', 'archive_store']) {
      await runner.query(`
        CREATE TRIGGER ${table}_refuse_row BEFORE UPDATE OR DELETE ON ${table}
          FOR EACH ROW EXECUTE FUNCTION refuse_change()`);
      await runner.query(`
        CREATE TRIGGER ${table}_refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
          FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
      await runner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_row`);
      await runner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_statement`);
    }

    await runner.query(`
      CREATE FUNCTION catalogue_archive_object(
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
      'Puts an object that is in the store, read back and verified, into the catalogue; TT010 when it does not follow what is there',
    );
    await runner.query(`
      CREATE FUNCTION note_archive_object(p_number bigint, p_retain_until timestamptz, p_verified boolean) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          UPDATE archive_object_states
            SET retain_until = greatest(retain_until, p_retain_until),
                verified_at = CASE WHEN p_verified THEN greatest(verified_at, trail_now()) ELSE verified_at END
            WHERE number = p_number AND p_retain_until <= trail_now() + interval '50 years'
        $$`);
    await this.comment(
      runner,
      'FUNCTION note_archive_object',
      'What was found of an object in the store: locked until then, and whether it was read as a whole and right',
    );
    await runner.query(`
      CREATE FUNCTION claim_archive_store(p_id uuid, p_location text) RETURNS uuid
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          INSERT INTO archive_store (id, location, claimed_at) VALUES (p_id, p_location, trail_now())
            ON CONFLICT ON CONSTRAINT archive_store_pkey DO NOTHING;
          SELECT id FROM archive_store;
        $$`);
    await this.comment(
      runner,
      'FUNCTION claim_archive_store',
      'Ties the catalogue to a store, once and for good; the id of the one that it is tied to',
    );
    const functions = `claim_archive_store(uuid, text), catalogue_archive_object(bigint, text, text, text, text, text, bytea, bigint, text, text, timestamptz,
        text[], bigint[], bigint[], timestamptz[], timestamptz[], timestamptz[], timestamptz[], bytea[], bytea[]),
      note_archive_object(bigint, timestamptz, boolean)`;
    await runner.query(`REVOKE ALL ON FUNCTION ${functions} FROM PUBLIC`);
    await runner.query(`GRANT EXECUTE ON FUNCTION ${functions} TO truetrail_service`);
    await runner.query(
      `GRANT SELECT ON archive_objects, archive_ranges, archive_object_states, archive_store TO truetrail_service`,
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
