/**
 * Test files that take long for what they are: they stop servers, stores and machines and wait for what comes back, read whole
 * feeds of recorded flow, go through every column, byte or step, or start a process for each thing that they try; and those of
 * the archive, holds, checkpoints and submissions that go through months.
 * `npm run test:long` runs them; `npm test` only where it is given their names.
 */
module.exports = [
  'archive-export.e2e-spec',
  'archived-reads-faults.e2e-spec',
  'archived-reads.e2e-spec',
  'archived-real-data.e2e-spec',
  'checkpoints.e2e-spec',
  'cli.e2e-spec',
  'converters.spec',
  'crash.e2e-spec',
  'database-faults.e2e-spec',
  'digests.e2e-spec',
  'embedded-postgres.e2e-spec',
  'evidence-second-verifier.spec',
  'evidence.e2e-spec',
  'failures.e2e-spec',
  'legal-holds.e2e-spec',
  'memory-limit.e2e-spec',
  'month-deletion.e2e-spec',
  'months.e2e-spec',
  'real-data-feeds.e2e-spec',
  'real-data-reports.e2e-spec',
  'rebuild.e2e-spec',
  'recovery.e2e-spec',
  'rolling-upgrade.e2e-spec',
  'secrets.e2e-spec',
  'server-faults.e2e-spec',
  'store-away.e2e-spec',
  'store-faults.e2e-spec',
  'streamed-answers.e2e-spec',
  'tamper-evidence.e2e-spec',
  'tamper-signed.e2e-spec',
  'tamper-store.e2e-spec',
  'tamper.e2e-spec',
  'transaction-report-real-data.e2e-spec',
  'transaction-report-submissions.e2e-spec',
  'verify-command.e2e-spec',
];
