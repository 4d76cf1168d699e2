const Sequencer = require('@jest/test-sequencer').default;

/**
 * Seconds of a worker, as a machine with two processors took them; files that take less than 20 are not here. Those that
 * take longest begin first, so that no worker is left with one of them at the end. What a run has remembered by itself is
 * of no use to a new machine.
 */
const SECONDS = {
  'archived-real-data.e2e-spec': 200,
  'store-faults.e2e-spec': 184, // on S3
  'digests.e2e-spec': 137, // on S3
  'rolling-upgrade.e2e-spec': 134,
  'verify-command.e2e-spec': 129,
  'real-data-feeds.e2e-spec': 120,
  'archived-reads-faults.e2e-spec': 115,
  'month-deletion.e2e-spec': 107,
  'recovery.e2e-spec': 107,
  'recovery-broken-off.e2e-spec': 100,
  'archive-export.e2e-spec': 92,
  'rebuild-broken-off.e2e-spec': 80,
  'transaction-report-submissions.e2e-spec': 104,
  'database-faults.e2e-spec': 100,
  'cli.e2e-spec': 100,
  'evidence.e2e-spec': 92,
  'legal-holds.e2e-spec': 78,
  'months.e2e-spec': 73,
  'rebuild.e2e-spec': 72,
  'rebuild-tables.e2e-spec': 35,
  'evidence-second-verifier.spec': 70,
  'archived-reads.e2e-spec': 69,
  'reports.e2e-spec': 30,
  'reports-many-rows.e2e-spec': 50,
  'real-data-reports.e2e-spec': 65,
  'embedded-postgres.e2e-spec': 64,
  'checkpoints.e2e-spec': 62,
  'tamper.e2e-spec': 59,
  'verification.e2e-spec': 30,
  'verification-replicas.e2e-spec': 40,
  'streamed-answers.e2e-spec': 55,
  'store-inspection.e2e-spec': 38,
  'transaction-report-feedback.e2e-spec': 33,
  'witnesses.e2e-spec': 31,
  'search.e2e-spec': 53,
  'retention-policies.e2e-spec': 52,
  'failures.e2e-spec': 51,
  'server-faults.e2e-spec': 50,
  'crash.e2e-spec': 48,
  'secrets.e2e-spec': 44,
  'order-reports.e2e-spec': 44,
  'tamper-evidence.e2e-spec': 43,
  'memory-limit.e2e-spec': 43,
  'tamper-store.e2e-spec': 40,
  'archive-intruders.e2e-spec': 38,
  'lifecycle-exceptions.e2e-spec': 40,
  'attestations.e2e-spec': 37,
  'completeness.e2e-spec': 36,
  'transaction-report-real-data.e2e-spec': 36,
  'vectors.spec': 35,
  'converters.spec': 31,
  'oidc.e2e-spec': 30,
  'timestamps.e2e-spec': 30,
  'reference-data.e2e-spec': 28,
  'tamper-signed.e2e-spec': 27,
  'api-keys.e2e-spec': 26,
  'merkle-proof.spec': 26,
  'transaction-report-lives.e2e-spec': 26,
  'transaction-report-firms.e2e-spec': 26,
  'openapi-examples.e2e-spec': 25,
  'store-away.e2e-spec': 25,
  'evidence-bundle.spec': 25,
  'order-history.e2e-spec': 24,
  'transaction-ageing.e2e-spec': 23,
  'transaction-report-holidays.e2e-spec': 25,
  'transaction-ageing-firms.e2e-spec': 18,
  'transaction-report-settings.e2e-spec': 18,
  'evidence-runs.e2e-spec': 22,
  'transaction-report-oversight.e2e-spec': 22,
  'order-records.e2e-spec': 22,
  'http-hardening.e2e-spec': 21,
  'object-store.e2e-spec': 21,
  'transaction-reports.e2e-spec': 21,
  'metrics.e2e-spec': 21,
  'jobs.e2e-spec': 20,
  'real-data.e2e-spec': 20,
};

const longestFirst = (a, b) => secondsOf(b) - secondsOf(a);
const secondsOf = ({ path }) => SECONDS[/([^/\\]+)\.ts$/.exec(path)?.[1] ?? ''] ?? 0;

module.exports = class extends Sequencer {
  async sort(tests) {
    return (await super.sort(tests)).sort(longestFirst);
  }

  /** Parts that take about as long as each other: dealt out to and fro, the longest first. */
  shard(tests, { shardIndex, shardCount }) {
    const dealt = [...tests].sort((a, b) => longestFirst(a, b) || (a.path < b.path ? -1 : 1));
    const round = [...Array(shardCount).keys()];
    const turns = [...round, ...round.toReversed()];
    return dealt.filter((_test, i) => turns[i % turns.length] === shardIndex - 1);
  }
};
