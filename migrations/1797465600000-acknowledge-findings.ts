import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What somebody has looked at and judged: findings of a verification or of a job. What a record lost stays lost for years,
 * and an alarm that never ends is one that nobody sees the next finding by.
 */
export class AcknowledgeFindings1797465600000 implements MigrationInterface {
  name = 'AcknowledgeFindings1797465600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE finding_acknowledgements (
        id uuid NOT NULL,
        ledger text COLLATE "C",
        job text COLLATE "C",
        run uuid NOT NULL,
        findings jsonb NOT NULL,
        findings_total bigint NOT NULL,
        reason text COLLATE "C" NOT NULL,
        acknowledged_by text COLLATE "C" NOT NULL,
        acknowledged_at timestamptz NOT NULL,
        CONSTRAINT finding_acknowledgements_pkey PRIMARY KEY (id),
        CONSTRAINT finding_acknowledgements_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT finding_acknowledgements_subject_check CHECK ((ledger IS NULL) <> (job IS NULL)),
        CONSTRAINT finding_acknowledgements_findings_check
          CHECK (jsonb_typeof(findings) = 'array' AND findings_total >= jsonb_array_length(findings))
      )`);
    await runner.query('CREATE INDEX finding_acknowledgements_ledger_idx ON finding_acknowledgements (ledger)');
    await runner.query('CREATE INDEX finding_acknowledgements_job_idx ON finding_acknowledgements (job)');
    for (const [name, comment] of [
      [
        '',
        'Findings that somebody has looked at: alarms tell of others alone. What they say stays in verifications and job_runs',
      ],
      [
        '.run',
        'Of verifications where ledger is given, of job_runs otherwise; runs of jobs are forgotten after a time',
      ],
      ['.findings', 'As the run lists them'],
      ['.findings_total', 'How many the run had, listed or not'],
    ] as const) {
      const subject = name === '' ? 'TABLE finding_acknowledgements' : `COLUMN finding_acknowledgements${name}`;
      await runner.query(`COMMENT ON ${subject} IS '${comment}'`);
    }
    for (const [suffix, when] of [
      ['row', 'BEFORE DELETE OR UPDATE ON finding_acknowledgements FOR EACH ROW'],
      ['statement', 'BEFORE DELETE OR UPDATE OR TRUNCATE ON finding_acknowledgements FOR EACH STATEMENT'],
    ]) {
      const trigger = `finding_acknowledgements_refuse_${suffix}`;
      await runner.query(`CREATE TRIGGER ${trigger} ${when} EXECUTE FUNCTION refuse_change()`);
      await runner.query(`ALTER TABLE finding_acknowledgements ENABLE ALWAYS TRIGGER ${trigger}`);
    }
    await runner.query('GRANT SELECT, INSERT ON finding_acknowledgements TO truetrail_service');
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
