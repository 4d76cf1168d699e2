import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A deletion can be taken back as long as nothing of its month is gone, also once its removal has begun: a legal hold
 * that comes up just then would otherwise keep records that nobody can read. And it ends only when the early objects that
 * hold events of the month are gone as well.
 */
export class TakeBackBegunDeletions1796947201000 implements MigrationInterface {
  name = 'TakeBackBegunDeletions1796947201000';

  async up(runner: QueryRunner): Promise<void> {
    // a removal that was begun, and of which the store has not said that it was done, may be taken back
    await runner.query(`
      DROP TRIGGER archive_removals_refuse_row ON archive_removals;
      DROP TRIGGER archive_removals_refuse_statement ON archive_removals;
      CREATE TRIGGER archive_removals_refuse_row BEFORE UPDATE OF number, deletion, begun_at ON archive_removals
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER archive_removals_refuse_delete BEFORE DELETE ON archive_removals
        FOR EACH ROW WHEN (OLD.removed_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER archive_removals_refuse_statement BEFORE TRUNCATE ON archive_removals
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      ALTER TABLE archive_removals ENABLE ALWAYS TRIGGER archive_removals_refuse_row;
      ALTER TABLE archive_removals ENABLE ALWAYS TRIGGER archive_removals_refuse_delete;
      ALTER TABLE archive_removals ENABLE ALWAYS TRIGGER archive_removals_refuse_statement`);
    await runner.query(`
      CREATE FUNCTION early_objects_of_month(p_month date) RETURNS SETOF bigint
        LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          SELECT DISTINCT r.number
            FROM month_ranges AS m
            JOIN archive_ranges AS r ON r.kind = 'early' AND r.ledger = m.ledger
              AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
            JOIN archive_object_states AS s ON s.number = r.number
            WHERE m.month = p_month AND s.retain_until <= trail_now()
              AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = r.number AND x.removed_at IS NOT NULL)
            ORDER BY r.number
        $$`);
    await this.comment(
      runner,
      'FUNCTION early_objects_of_month',
      'Early objects with events of a month that are not locked any more, and not removed',
    );
    await runner.query(`
      REVOKE ALL ON FUNCTION early_objects_of_month(date) FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION early_objects_of_month(date) TO truetrail_service`);
    await this.comment(
      runner,
      'COLUMN month_deletions.state',
      'From removing on its events are deleted, for every reader; rejected is the other end, open until the first object is gone',
    );
    await runner.query(`
      CREATE OR REPLACE FUNCTION act_on_month_deletion(p_id uuid, p_act text, p_principal text, p_reason text) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
      DECLARE
        v_deletion record;
        v_policy uuid;
        v_next text;
        v_left bigint;
        v_hold uuid;
      BEGIN
        SELECT * INTO v_deletion FROM month_deletions AS d WHERE d.id = p_id FOR UPDATE;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'no deletion %', p_id USING ERRCODE = 'TT063';
        END IF;
        v_next := CASE
          WHEN p_act = 'approve' AND v_deletion.state = 'requested' THEN 'approved'
          -- to keep records takes nobody else
          WHEN p_act = 'reject' AND v_deletion.state IN ('requested', 'approved', 'removing') THEN 'rejected'
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
        IF p_act = 'begin' THEN
          -- a copy that a hold on other months keeps would outlast the deletion
          SELECT n, h INTO v_left, v_hold
            FROM early_objects_of_month(v_deletion.month) AS n
            JOIN archive_ranges AS r ON r.number = n
            CROSS JOIN LATERAL month_holds(r.least_recorded_at, r.greatest_recorded_at + interval '1 microsecond', ARRAY[r.ledger]) AS h
            ORDER BY n LIMIT 1;
          IF FOUND THEN
            RAISE EXCEPTION 'object % has events of month %, and is under the legal hold %', v_left, v_deletion.month, v_hold
              USING ERRCODE = 'TT062';
          END IF;
        END IF;
        IF p_act = 'reject' AND v_deletion.state = 'removing' THEN
          SELECT n INTO v_left FROM objects_of_month(v_deletion.month) AS n
            WHERE EXISTS (SELECT FROM archive_removals AS x WHERE x.number = n AND x.removed_at IS NOT NULL) LIMIT 1;
          IF FOUND THEN
            RAISE EXCEPTION 'object % of month % is removed already', v_left, v_deletion.month USING ERRCODE = 'TT061';
          END IF;
          DELETE FROM archive_removals WHERE deletion = p_id;
        END IF;
        IF p_act = 'finish' THEN
          SELECT n INTO v_left
            FROM (SELECT objects_of_month(v_deletion.month) AS n UNION ALL SELECT early_objects_of_month(v_deletion.month)) AS o
            WHERE NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = n AND x.removed_at IS NOT NULL) LIMIT 1;
          IF FOUND THEN
            RAISE EXCEPTION 'object % of month % is not removed', v_left, v_deletion.month USING ERRCODE = 'TT061';
          END IF;
        END IF;
        UPDATE month_deletions
          SET state = v_next,
              policy = CASE v_next WHEN 'removing' THEN v_policy WHEN 'rejected' THEN NULL ELSE policy END,
              begun_at = CASE v_next WHEN 'removing' THEN trail_now() WHEN 'rejected' THEN NULL ELSE begun_at END,
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
      'approve, reject (until the first object is gone), begin or finish. TT063 no such deletion, TT031 it takes another principal than the one who asked, TT061 not in this state, or not all, or something already, is removed, TT062 and why the month must be kept',
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
