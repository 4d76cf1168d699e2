import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Feedback may be an act more than once: of files that were sent only after it was first handed in. It keeps submissions and
 * feedback waiting for the moment in which the index is made.
 */
export class JudgeFeedbackAgain1797642371000 implements MigrationInterface {
  name = 'JudgeFeedbackAgain1797642371000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE reporting_acts DROP CONSTRAINT reporting_acts_subject_key');
    await runner.query('CREATE INDEX reporting_acts_subject_idx ON reporting_acts (kind, subject, act)');
    await runner.query(
      `CREATE UNIQUE INDEX reporting_acts_submission_key ON reporting_acts (subject) WHERE kind = 'submission'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_acts.subject IS 'Of a submission the id of its run, of feedback the SHA-256 of the file in hex: again where it was judged again'`,
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
