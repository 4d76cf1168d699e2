import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, rule } from '../events/event.dto.js';
import type { RunStatus } from './kept-run-rows.js';

const MAX_LISTED = 1_000;
export const DEFAULT_RUNS_LISTED = 100;

export class RunListQueryDto {
  @ApiPropertyOptional({ description: `1 to ${MAX_LISTED}; ${DEFAULT_RUNS_LISTED} when left out`, example: '20' })
  @Absentable()
  @rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,3}$/.test(value) && Number(value) <= MAX_LISTED,
    `must be a whole number from 1 to ${MAX_LISTED}`,
  )
  limit?: string;
}

/** What runs have in common whose answers are made in the background and kept. */
export class KeptRunDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000e1' })
  id: string;
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ description: 'Sequence up to which events count', example: '7' })
  as_of: string;
  @ApiProperty({
    enum: ['queued', 'running', 'done', 'failed', 'cancelled', 'expired'],
    description: 'expired: done, and its answer is not kept any more',
  })
  status: RunStatus;
  @ApiProperty({ description: 'Of the answer, as far as it is made', example: '812' })
  bytes: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Of the whole answer, in hex, once it is done',
    example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
  })
  sha256: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Why it failed, or is to be begun again', example: null })
  error: string | null;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  requested_by: string;
  @ApiProperty({ example: '2026-06-03T09:40:00.123456Z' })
  created_at: string;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-03T09:40:00.200000Z' })
  started_at: string | null;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-03T09:40:01.000000Z' })
  finished_at: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Until when the answer is kept',
    example: '2026-06-10T09:40:01.000000Z',
  })
  expires_at: string | null;
}
