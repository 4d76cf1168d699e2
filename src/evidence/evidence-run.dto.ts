import { ApiProperty } from '@nestjs/swagger';
import { KeptRunDto } from '../runs/kept-run.dto.js';
import { LISTED_IDS, type StoredRun } from './evidence-runs.sql.js';

/** A run whose answer is a bundle. */
export class EvidenceRunDto extends KeptRunDto {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: `What was asked for, as in the bundle's manifest; in a list no more than ${LISTED_IDS} of event_ids`,
    example: { from_sequence: '1', to_sequence: '500000' },
  })
  asked: Record<string, unknown>;
  @ApiProperty({ example: true })
  contents: boolean;
  @ApiProperty({ example: false })
  envelopes: boolean;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Events and envelopes in the bundle, once it is done',
    example: '500000',
  })
  events: string | null;
}

export class EvidenceRunListDto {
  @ApiProperty({ type: [EvidenceRunDto] })
  runs: EvidenceRunDto[];
}

/** A run as it is shown. */
export function shownRun(run: StoredRun): EvidenceRunDto {
  const { id, ledger, asked, contents, envelopes, as_of, status, rows: events, bytes, sha256, error } = run;
  const { requested_by, created_at, started_at, finished_at, expires_at } = run;
  return {
    ...{ id, ledger, asked, contents, envelopes, as_of, status, events, bytes, sha256, error },
    ...{ requested_by, created_at, started_at, finished_at, expires_at },
  };
}
