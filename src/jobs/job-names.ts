/**
 * The jobs that there are, for whoever asks for a run without being a replica. Not each is registered everywhere: without
 * WITNESSES there is no `witnessing`.
 */
export const JOB_NAMES = [
  'anchor-verification',
  'archive-export',
  'archive-verification',
  'attestation-verification',
  'chain-verification',
  'checkpoint',
  'cosignature-storing',
  'evidence-expiry',
  'evidence-verification',
  'job-run-expiry',
  'legal-holds',
  'month-deletion',
  'partition-maintenance',
  'proof-locking',
  'report-expiry',
  'retention',
  'schema-check',
  'store-inspection',
  'timestamping',
  'witnessing',
] as const;

/** In the API and in the lock, for ever. */
export type JobName = (typeof JOB_NAMES)[number];
