/**
 * Of a whole file: accepted, partially accepted, received, rejected, reminder of one that did not come, accepted with
 * warnings, wrong name, corrupted.
 */
export const FILE_STATUSES = ['ACPT', 'PART', 'RCVD', 'RJCT', 'RMDR', 'WARN', 'INCF', 'CRPT'] as const;
export type FileStatus = (typeof FILE_STATUSES)[number];

/** Of one record: accepted, not yet judged by all rules, received, rejected. */
export const RECORD_STATUSES = ['ACPT', 'PDNG', 'RCVD', 'RJCT'] as const;
export type RecordStatus = (typeof RECORD_STATUSES)[number];
