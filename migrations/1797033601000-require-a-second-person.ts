import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Whoever may make API keys could ask for something with one and agree to it with another. What takes two principals takes
 * two of which neither made the credentials of the other, directly or by way of further keys.
 */
export class RequireASecondPerson1797033601000 implements MigrationInterface {
  name = 'RequireASecondPerson1797033601000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION makers_of(p_principal text) RETURNS text[]
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          WITH RECURSIVE makers (principal) AS (
            SELECT p_principal COLLATE "C"
            UNION
            SELECT k.created_by FROM makers AS m JOIN api_keys AS k ON 'key:' || k.id::text = m.principal)
          SELECT array_agg(m.principal) FROM makers AS m
        $$`);
    await this.comment(
      runner,
      'FUNCTION makers_of',
      'A principal, whoever made its API key, whoever made the key of that one, and so on',
    );
    await runner.query(`
      CREATE FUNCTION refuse_own_approval() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_asked_by text;
      BEGIN
        IF TG_TABLE_NAME = 'legal_hold_acts' THEN
          SELECT a.principal INTO v_asked_by FROM legal_hold_acts AS a
            WHERE a.hold = NEW.hold AND a.act IN ('request', 'request_release') ORDER BY a.ordinal DESC LIMIT 1;
        ELSE
          SELECT d.requested_by INTO v_asked_by FROM month_deletions AS d WHERE d.id = NEW.deletion;
        END IF;
        IF v_asked_by = ANY (makers_of(NEW.principal)) OR NEW.principal = ANY (makers_of(v_asked_by)) THEN
          RAISE EXCEPTION '% is for somebody else than %: one of % and % made the key of the other',
            NEW.act, v_asked_by, v_asked_by, NEW.principal USING ERRCODE = 'TT031';
        END IF;
        RETURN NEW;
      END
      $$`);
    await this.comment(
      runner,
      'FUNCTION refuse_own_approval',
      'TT031 when who agrees is who asked, or one of the two made the API key of the other, also by way of further keys',
    );
    for (const [table, acts] of [
      ['legal_hold_acts', `'approve', 'reject', 'approve_release'`],
      ['month_deletion_acts', `'approve'`],
    ]) {
      await runner.query(`
        CREATE TRIGGER ${table}_refuse_own BEFORE INSERT ON ${table}
          FOR EACH ROW WHEN (NEW.act IN (${acts})) EXECUTE FUNCTION refuse_own_approval()`);
      await runner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_own`);
    }
    await runner.query('REVOKE ALL ON FUNCTION makers_of(text), refuse_own_approval() FROM PUBLIC');
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
