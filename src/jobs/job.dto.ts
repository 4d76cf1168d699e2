import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, rule } from '../events/event.dto.js';

export const DEFAULT_RUNS_LISTED = 20;
export const MAX_RUNS_LISTED = 100;

export class JobDto {
  @ApiProperty({ example: 'chain-verification' })
  job: string;
  @ApiProperty({ example: 'Verifies every ledger as a whole' })
  summary: string;
  @ApiProperty({ type: String, nullable: true, description: 'A cron expression in UTC', example: '30 3 * * *' })
  schedule: string | null;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-03T03:30:00.000Z' })
  next_run_at: string | null;
}

export class JobListDto {
  @ApiProperty({ type: [JobDto] })
  jobs: JobDto[];
}

export class JobRunDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000e1' })
  id: string;
  @ApiProperty({ example: 'partition-maintenance' })
  job: string;
  @ApiProperty({ enum: ['queued', 'running', 'done', 'failed'], example: 'done' })
  status: string;
  @ApiProperty({ description: 'The principal, or service', example: 'service' })
  requested_by: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The time of its schedule for which it runs; null for a run by hand',
    example: '2026-06-02T09:00:00.000000Z',
  })
  scheduled_for: string | null;
  @ApiProperty({ example: '2026-06-02T09:00:00.001234Z' })
  created_at: string;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-02T09:00:00.011234Z' })
  started_at: string | null;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-02T09:00:00.021234Z' })
  finished_at: string | null;
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    description: 'What it did, in figures of its own; of a failed run, error',
    example: { made: [], months_ahead: 3 },
  })
  outcome: Record<string, unknown> | null;
}

export class JobRunListDto {
  @ApiProperty({ type: [JobRunDto], description: 'The latest ones first' })
  runs: JobRunDto[];
}

export class JobRunListQueryDto {
  @ApiPropertyOptional({ example: '20', description: `At most ${MAX_RUNS_LISTED}` })
  @Absentable()
  @rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,2}$/.test(value) && Number(value) <= MAX_RUNS_LISTED,
    `must be a whole number from 1 to ${MAX_RUNS_LISTED}`,
  )
  limit?: string;
}
