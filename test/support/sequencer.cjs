const Sequencer = require('@jest/test-sequencer').default;

/**
 * Seconds of a worker, as a machine with two processors took them; files that take less than 20 are not here. Those that
 * take longest begin first, so that no worker is left with one of them at the end. What a run has remembered by itself is
 * of no use to a new machine.
 */
const SECONDS = {
  'real-data.e2e-spec': 238,
  'store-faults.e2e-spec': 184, // on S3
  'archived-real-data.e2e-spec': 155,
  'digests.e2e-spec': 137, // on S3
  'month-deletion.e2e-spec': 90,
  'checkpoints.e2e-spec': 64,
  'months.e2e-spec': 60,
  'recovery.e2e-spec': 70,
  'reports.e2e-spec': 67,
  'legal-holds.e2e-spec': 65,
  'archive-export.e2e-spec': 60,
  'archived-reads.e2e-spec': 60,
  'search.e2e-spec': 60,
  'cli.e2e-spec': 58,
  'verification.e2e-spec': 57,
  'tamper.e2e-spec': 55,
  'crash.e2e-spec': 53,
  'evidence.e2e-spec': 53,
  'streamed-answers.e2e-spec': 46,
  'oidc.e2e-spec': 41,
  'rebuild.e2e-spec': 40,
  'converters.spec': 39,
  'witnesses.e2e-spec': 38,
  'archive-object.spec': 37,
  'order-history.e2e-spec': 37,
  'rolling-upgrade.e2e-spec': 36,
  'retention-policies.e2e-spec': 35,
  'attestations.e2e-spec': 35,
  'tamper-signed.e2e-spec': 33,
  'order-reports.e2e-spec': 31,
  'evidence-bundle.spec': 26,
  'secrets.e2e-spec': 26,
  'timestamps.e2e-spec': 24,
  'tamper-store.e2e-spec': 23,
  'api-keys.e2e-spec': 23,
  'embedded-postgres.e2e-spec': 23,
  'evidence-second-verifier.spec': 22,
  'lifecycle-exceptions.e2e-spec': 20,
  'evidence-runs.e2e-spec': 20,
};

const secondsOf = ({ path }) => SECONDS[/([^/\\]+)\.ts$/.exec(path)?.[1] ?? ''] ?? 0;

module.exports = class extends Sequencer {
  async sort(tests) {
    return (await super.sort(tests)).sort((a, b) => secondsOf(b) - secondsOf(a));
  }
};
