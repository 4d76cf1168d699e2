import type { SignedCheckpoint } from '../checkpoints/checkpoints.js';
import { formatOf } from './report-formats.js';
import { eventsOf } from './read-ranges.js';
import type { StoredRun } from './report-runs.sql.js';
import type { ReportManifestDto } from './report-run.dto.js';

export const MANIFEST_FORMAT = 'truetrail-report/1';

/**
 * What an answer is, for whoever has it before them: what it was made from and how, and the digest by which it is known.
 * `checkpoint` is the first that covers all it was made from; undefined as long as that is not signed.
 */
export function manifestOf(
  run: StoredRun,
  origin: string,
  checkpoint: SignedCheckpoint | undefined,
): ReportManifestDto {
  return {
    format: MANIFEST_FORMAT,
    run: run.id,
    ledger: run.ledger,
    origin,
    report: run.report,
    report_version: run.report_version,
    tables: run.tables,
    parameters: run.parameters,
    as_of: run.as_of,
    as_of_event_hash: run.as_of_event_hash,
    read: {
      from_sequence: run.as_of === '0' ? '0' : '1',
      to_sequence: run.as_of,
      archived_to: run.archived_to,
      ...(run.read_ranges ? { events: eventsOf(run.read_ranges), ranges: run.read_ranges } : {}),
    },
    deleted: run.deleted,
    media_type: formatOf(run.format).mediaType,
    rows: run.rows!,
    bytes: run.bytes,
    sha256: run.sha256!,
    made_by: run.made_by,
    made_at: run.finished_at!,
    checkpoint: checkpoint
      ? {
          anchor: String(checkpoint.anchor),
          size: String(checkpoint.size),
          root_hash: checkpoint.rootHash.toString('hex'),
          note: checkpoint.note,
        }
      : null,
  };
}
