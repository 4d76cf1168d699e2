import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The service's own ledger and those that succeeded it; the number is the place in that line. */
const SERVICE_LINE = '^_service(-[1-9][0-9]*)?$';
const TIME = '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$';

/**
 * Reference data as reports read it: a projection of the events in which the service recorded every change. Nobody
 * enters a change here: a function takes them from the trail, in its order, so that both say the same.
 */
export class KeepReferenceData1797206400400 implements MigrationInterface {
  name = 'KeepReferenceData1797206400400';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reference_changes (
        revision bigint NOT NULL,
        kind text COLLATE "C" NOT NULL,
        entry_id text COLLATE "C" NOT NULL,
        valid_from timestamptz NOT NULL,
        valid_to timestamptz,
        attributes jsonb,
        reason text COLLATE "C",
        principal text COLLATE "C" NOT NULL,
        recorded_at timestamptz NOT NULL,
        event_id uuid NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        sequence bigint NOT NULL,
        CONSTRAINT reference_changes_pkey PRIMARY KEY (revision),
        CONSTRAINT reference_changes_event_key UNIQUE (ledger, sequence),
        CONSTRAINT reference_changes_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT reference_changes_revision_check CHECK (revision >= 1),
        CONSTRAINT reference_changes_validity_check CHECK (valid_to > valid_from),
        CONSTRAINT reference_changes_attributes_check CHECK (jsonb_typeof(attributes) = 'object')
      );
      CREATE INDEX reference_changes_entry_idx ON reference_changes (kind, entry_id, revision DESC);
      CREATE INDEX reference_changes_recorded_at_idx ON reference_changes (recorded_at);

      CREATE TABLE reference_progress (
        ledger text COLLATE "C" NOT NULL,
        taken_to bigint NOT NULL,
        CONSTRAINT reference_progress_pkey PRIMARY KEY (ledger),
        CONSTRAINT reference_progress_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT reference_progress_taken_to_check CHECK (taken_to >= 0)
      )`);
    await this.comment(
      runner,
      'TABLE reference_changes',
      'Every change of reference data, one immutable row each, taken from the events of the service: of two about the same time the one of the later revision holds, and both stand',
    );
    for (const [column, meaning] of [
      ['revision', 'In the order in which the changes were recorded, from 1 without a gap'],
      ['entry_id', 'What events call it, for example a MIC or a client id'],
      ['valid_from', 'From when on it is so; included'],
      ['valid_to', 'Until when; not included. null: until something else is recorded'],
      ['attributes', 'null: at that time there is no such entry'],
      ['principal', 'Who made the change'],
      ['event_id', 'The event that the change is, at this sequence of this ledger'],
    ]) {
      await this.comment(runner, `COLUMN reference_changes.${column}`, meaning!);
    }
    await this.comment(
      runner,
      'TABLE reference_progress',
      'Up to which event each ledger of the service has been looked at for changes of reference data',
    );
    await runner.query(`
      CREATE TRIGGER reference_changes_refuse_row BEFORE UPDATE OR DELETE ON reference_changes
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER reference_changes_refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON reference_changes
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      ALTER TABLE reference_changes ENABLE ALWAYS TRIGGER reference_changes_refuse_row;
      ALTER TABLE reference_changes ENABLE ALWAYS TRIGGER reference_changes_refuse_statement`);
    // what was recorded before had no reference data in it
    await runner.query(`
      INSERT INTO reference_progress (ledger, taken_to)
        SELECT h.ledger, h.size FROM ledger_heads AS h WHERE h.ledger ~ '${SERVICE_LINE}'`);

    await runner.query(`
      CREATE FUNCTION enter_reference_change(
        p_ledger text, p_sequence bigint, p_event_id uuid, p_recorded_at timestamptz, p_entity_type text,
        p_entity_id text, p_principal text, p_state jsonb, p_metadata jsonb
      ) RETURNS void
        LANGUAGE sql
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          INSERT INTO reference_changes
              (revision, kind, entry_id, valid_from, valid_to, attributes, reason, principal, recorded_at, event_id,
               ledger, sequence)
            SELECT 1 + coalesce((SELECT max(c.revision) FROM reference_changes AS c), 0), substr(p_entity_type, 11),
                   p_entity_id, (p_state->>'valid_from')::timestamptz, (p_state->>'valid_to')::timestamptz,
                   nullif(p_state->'attributes', 'null'), p_metadata->>'reason', p_principal,
                   p_recorded_at, p_event_id, p_ledger, p_sequence
              -- nobody but the service records such events, and one that is no change must not stop those after it
              WHERE p_entity_type LIKE 'reference\\_%' AND p_state->>'valid_from' ~ '${TIME}'
                AND coalesce(p_state->>'valid_to' ~ '${TIME}', true)
        $$`);
    await this.comment(
      runner,
      'FUNCTION enter_reference_change',
      'Enters what one event of event_type reference_data says, as the next revision; for the owner',
    );
    await runner.query(`
      CREATE FUNCTION take_reference_changes(p_settled boolean) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        SET timezone = 'UTC'
        AS $$
      DECLARE
        v_head record;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.reference', 0));
        IF p_settled THEN
          PERFORM FROM ledger_heads AS h WHERE h.ledger ~ '${SERVICE_LINE}' FOR SHARE;
        END IF;
        FOR v_head IN
          SELECT h.ledger, h.size, coalesce((SELECT p.taken_to FROM reference_progress AS p WHERE p.ledger = h.ledger), 0) AS taken_to
            FROM ledger_heads AS h WHERE h.ledger ~ '${SERVICE_LINE}'
            ORDER BY length(h.ledger), h.ledger
        LOOP
          CONTINUE WHEN v_head.size <= v_head.taken_to;
          PERFORM enter_reference_change(e.ledger, e.sequence, e.event_id, e.recorded_at, e.entity_type, e.entity_id,
                                         e.user_id, e.new_state, e.metadata)
            FROM (
              SELECT * FROM audit_events AS a
                WHERE a.ledger = v_head.ledger AND a.sequence > v_head.taken_to AND a.sequence <= v_head.size
                  AND a.event_type = 'reference_data' AND a.recorded_by = 'service'
                ORDER BY a.sequence
            ) AS e;
          INSERT INTO reference_progress AS p (ledger, taken_to) VALUES (v_head.ledger, v_head.size)
            ON CONFLICT ON CONSTRAINT reference_progress_pkey DO UPDATE SET taken_to = excluded.taken_to;
        END LOOP;
        RETURN coalesce((SELECT max(c.revision) FROM reference_changes AS c), 0);
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION take_reference_changes',
      'Takes all changes of reference data from the events of the service that were not taken yet, and says the last revision, 0 for none. One caller at a time, to the end of its transaction. p_settled waits for whoever is appending, so that whatever is recorded later has a later time: not for a transaction that goes on to append',
    );
    await runner.query(`
      REVOKE ALL ON FUNCTION take_reference_changes(boolean) FROM PUBLIC;
      REVOKE ALL ON FUNCTION enter_reference_change(text, bigint, uuid, timestamptz, text, text, text, jsonb, jsonb) FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION take_reference_changes(boolean) TO truetrail_service;
      GRANT SELECT ON reference_changes, reference_progress TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
