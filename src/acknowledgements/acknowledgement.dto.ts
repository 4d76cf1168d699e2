import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, IsEventText, rule } from '../events/event.dto.js';
import { runIdOf } from '../runs/run-id.js';

export const MAX_REASON_CODE_POINTS = 1_000;
export const DEFAULT_ACKNOWLEDGEMENTS_LISTED = 20;
export const MAX_ACKNOWLEDGEMENTS_LISTED = 100;

export class AcknowledgeFindingsDto {
  @ApiProperty({
    description: 'What was found out about it, and by whom, so that whoever reads it in ten years understands',
    example: 'Event 42 was changed by an administrator on 3 June (case 2026-17); the archive has it as it was recorded',
    maxLength: MAX_REASON_CODE_POINTS,
  })
  @IsEventText(MAX_REASON_CODE_POINTS)
  reason: string;
}

export class AcknowledgementDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000a9' })
  id: string;
  @ApiProperty({ type: String, nullable: true, description: 'Null of a job', example: 'main' })
  ledger: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Null of a verification', example: null })
  job: string | null;
  @ApiProperty({
    description: 'The verification, or the run of the job',
    example: '0197f3a1-6c00-7000-8000-0000000000f1',
  })
  run: string;
  @ApiProperty({
    type: 'array',
    items: { type: 'object', additionalProperties: true },
    description: 'As the run lists them',
    example: [{ kind: 'content', sequence: '42', event_id: null, detail: 'the content is not what was hashed' }],
  })
  findings: Record<string, unknown>[];
  @ApiProperty({ description: 'How many the run has, listed or not', example: '1' })
  findings_total: string;
  @ApiProperty({ example: 'Event 42 was changed by an administrator on 3 June (case 2026-17)' })
  reason: string;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  acknowledged_by: string;
  @ApiProperty({ example: '2026-06-03T08:15:30.123456Z' })
  acknowledged_at: string;
}

export class AcknowledgementListDto {
  @ApiProperty({ type: [AcknowledgementDto], description: 'The latest ones first' })
  acknowledgements: AcknowledgementDto[];
  @ApiProperty({ type: String, nullable: true, description: 'Of the next page; null at the end', example: null })
  next_cursor: string | null;
}

export class AcknowledgementListQueryDto {
  @ApiPropertyOptional({ example: '20', description: `At most ${MAX_ACKNOWLEDGEMENTS_LISTED}` })
  @Absentable()
  @rule(
    'limit',
    (value) =>
      typeof value === 'string' && /^[1-9][0-9]{0,2}$/.test(value) && Number(value) <= MAX_ACKNOWLEDGEMENTS_LISTED,
    `must be a whole number from 1 to ${MAX_ACKNOWLEDGEMENTS_LISTED}`,
  )
  limit?: string;

  @ApiPropertyOptional({ description: 'next_cursor of the page before' })
  @Absentable()
  @rule('cursor', (value) => typeof value === 'string' && runIdOf(value) !== undefined, 'must be a next_cursor')
  cursor?: string;
}
