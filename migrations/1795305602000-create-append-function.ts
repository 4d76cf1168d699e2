import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The one way in: locks the head, skips what is there already, links, inserts, moves the head; one commit.
 *
 * An array element per event, all arrays of one length; `p_requests` says which request an event came with. A request
 * that holds an id which the ledger has already is skipped as a whole and what is stored under its known ids comes back
 * in `repeats`; the other requests are appended.
 */
export class CreateAppendFunction1795305602000 implements MigrationInterface {
  name = 'CreateAppendFunction1795305602000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION append_events(
        p_ledger text,
        p_max_ahead interval,
        p_requests integer[],
        p_event_ids uuid[],
        p_timestamps timestamptz[],
        p_timestamp_nanos smallint[],
        p_timestamp_digits smallint[],
        p_event_types text[],
        p_entity_types text[],
        p_entity_ids text[],
        p_actions text[],
        p_user_ids text[],
        p_previous_states jsonb[],
        p_new_states jsonb[],
        p_metadata jsonb[],
        p_sources text[],
        p_source_sessions text[],
        p_source_sequences text[],
        p_corrects uuid[],
        p_raw_media_types text[],
        p_raw_data bytea[],
        p_recorded_by text[],
        p_salts bytea[],
        p_content_hashes bytea[],
        OUT first_sequence bigint,
        OUT recorded_at text,
        OUT previous_event_hash bytea,
        OUT event_hashes bytea,
        OUT repeats text)
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_origin text;
        v_state text;
        v_size bigint;
        v_floor timestamptz;
        v_accepted timestamptz;
        v_now timestamptz;
        v_at timestamptz;
        v_count integer := coalesce(array_length(p_event_ids, 1), 0);
        v_known integer[];
        v_known_sequences bigint[];
        v_skipped integer[];
        v_sequences bigint[] := '{}';
        v_previous bytea[] := '{}';
        v_hashes bytea[] := '{}';
        v_hash bytea;
        v_tail text;
      BEGIN
        -- The queue of all replicas: whoever holds this row appends, the others wait here.
        SELECT l.origin, l.state, h.size, h.event_hash, h.recorded_at, h.ahead_accepted_until
          INTO v_origin, v_state, v_size, v_hash, v_floor, v_accepted
          FROM ledger_heads AS h JOIN ledgers AS l ON l.ledger = h.ledger
          WHERE h.ledger = p_ledger FOR UPDATE OF h;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'no ledger %', p_ledger USING ERRCODE = 'TT001';
        END IF;
        IF v_state <> 'open' THEN
          RAISE EXCEPTION 'ledger % is closed', p_ledger USING ERRCODE = 'TT002';
        END IF;
        v_now := trail_now();
        IF v_floor > v_now + p_max_ahead AND v_floor > coalesce(v_accepted, '-infinity') THEN
          RAISE EXCEPTION 'ledger % ends at %, ahead of the database clock, which reads %', p_ledger, v_floor, v_now
            USING ERRCODE = 'TT003';
        END IF;
        v_at := greatest(v_floor, v_now);

        IF v_count = 1 THEN
          -- a constant id lets the executor open one partition of the keys and not all
          SELECT ARRAY[1], ARRAY[k.sequence] INTO v_known, v_known_sequences
            FROM event_keys AS k WHERE k.event_id = p_event_ids[1] AND k.ledger = p_ledger;
        ELSE
          -- LATERAL and LIMIT leave the planner nothing but the index: on tables that were never analysed a join here
          -- became a scan of every key (measured: 6.7 ms an append at 60,000 events, and growing)
          SELECT array_agg(u.i::integer), array_agg(k.sequence) INTO v_known, v_known_sequences
            FROM unnest(p_event_ids) WITH ORDINALITY AS u (event_id, i)
            CROSS JOIN LATERAL (
              SELECT x.sequence FROM event_keys AS x
                WHERE x.event_id = u.event_id AND x.ledger = p_ledger LIMIT 1
            ) AS k;
        END IF;
        IF v_known IS NOT NULL THEN
          SELECT array_agg(DISTINCT p_requests[known.i]),
                 json_agg(json_build_object(
                   'index', known.i - 1,
                   'sequence', known.sequence::text,
                   'salt', encode(e.salt, 'hex'),
                   'recorded_at', to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'recorded_by', e.recorded_by,
                   'content_hash', encode(e.content_hash, 'hex'),
                   'previous_event_hash', encode(e.previous_event_hash, 'hex'),
                   'event_hash', encode(e.event_hash, 'hex')) ORDER BY known.i)::text
            INTO v_skipped, repeats
            FROM unnest(v_known, v_known_sequences) AS known (i, sequence)
            LEFT JOIN LATERAL (
              -- BETWEEN, not =: with = the order is no reason to prefer the one index that has it
              SELECT r.* FROM audit_events AS r
                WHERE r.ledger = p_ledger AND r.sequence BETWEEN known.sequence AND known.sequence
                ORDER BY r.sequence LIMIT 1
            ) AS e ON true;
        END IF;

        recorded_at := to_char(v_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
        previous_event_hash := v_hash;
        v_tail := ',"recorded_at":"' || recorded_at || '","recorded_by":"';
        FOR i IN 1 .. v_count LOOP
          IF v_skipped IS NOT NULL AND p_requests[i] = ANY (v_skipped) THEN
            v_sequences[i] := NULL;
            v_previous[i] := NULL;
            v_hashes[i] := NULL;
            CONTINUE;
          END IF;
          v_size := v_size + 1;
          v_sequences[i] := v_size;
          v_previous[i] := v_hash;
          first_sequence := coalesce(first_sequence, v_size);
          v_hash := sha256(convert_to(
            '{"content_hash":"' || encode(p_content_hashes[i], 'hex')
            || '","event_id":"' || p_event_ids[i]
            || '","format":"truetrail/1","origin":"' || v_origin
            || '","previous_event_hash":' || coalesce('"' || encode(v_hash, 'hex') || '"', 'null')
            || v_tail || p_recorded_by[i]
            || '","sequence":"' || v_size || '"}', 'UTF8'));
          v_hashes[i] := v_hash;
        END LOOP;
        IF first_sequence IS NULL THEN
          RETURN; -- nothing new
        END IF;

        INSERT INTO event_keys (ledger, event_id, sequence)
          SELECT p_ledger, u.event_id, u.sequence
            FROM unnest(p_event_ids, v_sequences) AS u (event_id, sequence)
            WHERE u.sequence IS NOT NULL;
        INSERT INTO audit_events (
            ledger, sequence, recorded_at, "timestamp", event_id, corrects, timestamp_nanos, timestamp_digits,
            event_type, entity_type, entity_id, action, user_id, previous_state, new_state, metadata,
            source, source_session, source_sequence, raw_media_type, raw_data,
            recorded_by, salt, content_hash, previous_event_hash, event_hash)
          SELECT p_ledger, u.sequence, v_at, u.ts, u.event_id, u.corrects, u.nanos, u.digits,
              u.event_type, u.entity_type, u.entity_id, u.action, u.user_id, u.previous_state, u.new_state, u.metadata,
              u.source, u.source_session, u.source_sequence::numeric, u.raw_media_type, u.raw_data,
              u.recorded_by, u.salt, u.content_hash, u.previous_event_hash, u.event_hash
            FROM unnest(
              v_sequences, p_timestamps, p_event_ids, p_corrects, p_timestamp_nanos, p_timestamp_digits,
              p_event_types, p_entity_types, p_entity_ids, p_actions, p_user_ids,
              p_previous_states, p_new_states, p_metadata,
              p_sources, p_source_sessions, p_source_sequences, p_raw_media_types, p_raw_data,
              p_recorded_by, p_salts, p_content_hashes, v_previous, v_hashes)
              AS u (sequence, ts, event_id, corrects, nanos, digits,
                event_type, entity_type, entity_id, action, user_id,
                previous_state, new_state, metadata,
                source, source_session, source_sequence, raw_media_type, raw_data,
                recorded_by, salt, content_hash, previous_event_hash, event_hash)
            WHERE u.sequence IS NOT NULL;
        UPDATE ledger_heads AS h SET size = v_size, event_hash = v_hash, recorded_at = v_at WHERE h.ledger = p_ledger;
        IF v_count = 1 THEN
          event_hashes := v_hash;
        ELSE
          SELECT string_agg(u.hash, ''::bytea ORDER BY u.i) INTO event_hashes
            FROM unnest(v_hashes) WITH ORDINALITY AS u (hash, i) WHERE u.hash IS NOT NULL;
        END IF;
      END
      $$`);
    await runner.query(`
      COMMENT ON FUNCTION append_events IS
        'Appends the requests that hold no known id, returns what is stored under the known ones; TT001 no such ledger, TT002 closed, TT003 head ahead of the clock'`);
    await runner.query(`REVOKE ALL ON FUNCTION append_events FROM PUBLIC`);
    await runner.query(`GRANT EXECUTE ON FUNCTION append_events TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
