import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, rule } from '../events/event.dto.js';
import type { RunStatus } from '../runs/kept-run-rows.js';
import type { StoredRun } from './evidence-runs.sql.js';

const MAX_LISTED = 1_000;
export const DEFAULT_RUNS_LISTED = 100;

export class EvidenceRunListQueryDto {
  @ApiPropertyOptional({ description: `1 to ${MAX_LISTED}; ${DEFAULT_RUNS_LISTED} when left out`, example: '20' })
  @Absentable()
  @rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,3}$/.test(value) && Number(value) <= MAX_LISTED,
    `must be a whole number from 1 to ${MAX_LISTED}`,
  )
  limit?: string;
}

export class EvidenceRunDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000e2' })
  id: string;
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: "What was asked for, as in the bundle's manifest",
    example: { from_sequence: '1', to_sequence: '500000' },
  })
  asked: Record<string, unknown>;
  @ApiProperty({ example: true })
  contents: boolean;
  @ApiProperty({ example: false })
  envelopes: boolean;
  @ApiProperty({ example: '500000' })
  as_of: string;
  @ApiProperty({
    enum: ['queued', 'running', 'done', 'failed', 'cancelled', 'expired'],
    description: 'expired: done, and its bundle is not kept any more',
  })
  status: RunStatus;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Events and envelopes in the bundle, once it is done',
    example: '500000',
  })
  events: string | null;
  @ApiProperty({ description: 'Of the bundle, as far as it is made', example: '93100412' })
  bytes: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Of the whole bundle, in hex, once it is done',
    example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
  })
  sha256: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Why it failed', example: null })
  error: string | null;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  requested_by: string;
  @ApiProperty({ example: '2026-06-03T09:40:00.123456Z' })
  created_at: string;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-03T09:40:00.200000Z' })
  started_at: string | null;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-03T09:40:31.000000Z' })
  finished_at: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Until when the bundle is kept',
    example: '2026-06-10T09:40:31.000000Z',
  })
  expires_at: string | null;
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
