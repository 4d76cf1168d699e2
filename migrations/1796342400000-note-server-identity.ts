import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * On which server the ledgers were last held against their anchors: on another one nothing is appended before that was
 * done again. And no month is closed while a ledger lacks events that belong into it.
 */
export class NoteServerIdentity1796342400000 implements MigrationInterface {
  name = 'NoteServerIdentity1796342400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE checked_server (
        singleton boolean NOT NULL DEFAULT true,
        identity text COLLATE "C" NOT NULL,
        checked_at timestamptz NOT NULL,
        CONSTRAINT checked_server_pkey PRIMARY KEY (singleton),
        CONSTRAINT checked_server_singleton_check CHECK (singleton)
      )`);
    await this.comment(
      runner,
      'TABLE checked_server',
      'One row: the server on which all anchors of the store were last taken up and the ledgers held against them',
    );
    await this.comment(runner, 'COLUMN checked_server.identity', 'System identifier and timeline');
    await runner.query(`
      CREATE FUNCTION note_checked_server(p_identity text) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          INSERT INTO checked_server (identity, checked_at) VALUES (p_identity, trail_now())
            ON CONFLICT ON CONSTRAINT checked_server_pkey
            DO UPDATE SET identity = excluded.identity, checked_at = excluded.checked_at
        $$`);
    await this.comment(
      runner,
      'FUNCTION note_checked_server(text)',
      'Notes on which server the ledgers were held against all anchors of the store',
    );

    await runner.query(`
      CREATE OR REPLACE FUNCTION close_month(p_month date) RETURNS boolean
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
        -- after a restore: what is missing may belong into it, and could not be brought back any more
        IF EXISTS (
            SELECT FROM ledgers AS l JOIN ledger_heads AS h USING (ledger)
              CROSS JOIN LATERAL (
                SELECT c.size FROM checkpoints AS c WHERE c.ledger = l.ledger ORDER BY c.anchor DESC LIMIT 1) AS signed
              WHERE l.state = 'open' AND signed.size > h.size) THEN
          RETURN false;
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
      'Raises the floor of every ledger to the end of a month that is over; false when that was done before, and while a ledger is behind its anchor; TT020 when it may not be',
    );

    await runner.query('REVOKE ALL ON FUNCTION note_checked_server FROM PUBLIC');
    await runner.query('GRANT EXECUTE ON FUNCTION note_checked_server TO truetrail_service');
    await runner.query('GRANT SELECT ON checked_server TO truetrail_service');
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
