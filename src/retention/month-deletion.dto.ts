import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { Absentable, IsEventText, rule } from '../events/event.dto.js';
import { isEventId } from '../integrity/event.js';
import { DELETION_STATES } from './month-deletions.js';
import { isDay } from './retention-policy.dto.js';

export const DEFAULT_DELETIONS_LISTED = 100;
export const MAX_DELETIONS_LISTED = 1_000;
const MAX_REASON_CODE_POINTS = 1_000;
const DELETION_EXAMPLE = '0197f3a1-6c00-7000-8000-0000000000d7';

export class RequestDeletionDto {
  @ApiProperty({ description: 'First day of the month, UTC', example: '2019-05-01' })
  @rule(
    'month',
    (value) => isDay(value) && (value as string).endsWith('-01'),
    'must be the first day of a month, of the form YYYY-MM-01',
  )
  month: string;

  @ApiProperty({
    description: 'Why, so that whoever reads it in ten years finds it',
    example: 'End of retention; list of 3 June, agreed with compliance',
    maxLength: MAX_REASON_CODE_POINTS,
  })
  @IsEventText(MAX_REASON_CODE_POINTS)
  reason: string;
}

export class ApproveDeletionDto {
  @ApiPropertyOptional({ example: 'Agreed with the general counsel', maxLength: MAX_REASON_CODE_POINTS })
  @Absentable()
  @IsEventText(MAX_REASON_CODE_POINTS)
  reason?: string;
}

export class RejectDeletionDto {
  @ApiProperty({ example: 'An inquiry is announced for this month', maxLength: MAX_REASON_CODE_POINTS })
  @IsEventText(MAX_REASON_CODE_POINTS)
  reason: string;
}

export class DeletionPolicyDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000e1' })
  id: string;
  @ApiProperty({ example: 'default' })
  record_class: string;
  @ApiProperty({ type: 'integer', example: 7 })
  years: number;
}

export class DeletionActDto {
  @ApiProperty({ enum: ['request', 'approve', 'reject', 'begin', 'finish'], example: 'request' })
  act: string;
  @ApiProperty({ enum: DELETION_STATES, description: 'Of the deletion after it', example: 'requested' })
  state: string;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  principal: string;
  @ApiProperty({ type: String, nullable: true, example: 'End of retention; list of 3 June, agreed with compliance' })
  reason: string | null;
  @ApiProperty({ example: '2026-06-03T09:30:00.123456Z' })
  acted_at: string;
}

export class MonthDeletionDto {
  @ApiProperty({ example: DELETION_EXAMPLE })
  id: string;
  @ApiProperty({ example: '2019-05-01', description: 'First day of the month, UTC' })
  month: string;
  @ApiProperty({
    enum: DELETION_STATES,
    description:
      'From removing on, the events of the month are deleted for every reader; done and rejected are ends. Until the first object is gone, a deletion that is removing may be rejected',
    example: 'requested',
  })
  state: string;
  @ApiProperty({
    type: DeletionPolicyDto,
    nullable: true,
    description: 'The one that had kept the month for the longest; null until the removal has begun',
    example: null,
  })
  policy: DeletionPolicyDto | null;
  @ApiProperty({ example: 'End of retention; list of 3 June, agreed with compliance' })
  reason: string;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  requested_by: string;
  @ApiProperty({ example: '2026-06-03T09:30:00.123456Z' })
  requested_at: string;
  @ApiProperty({ type: String, nullable: true, example: null, description: 'When the removal of its objects began' })
  begun_at: string | null;
  @ApiProperty({ type: String, nullable: true, example: null, description: 'When the last of them was gone' })
  done_at: string | null;
  @ApiProperty({ example: '3', description: 'Objects of the month that count' })
  objects: string;
  @ApiProperty({ example: '0', description: 'Of them those that are gone' })
  objects_removed: string;
  @ApiProperty({ type: [DeletionActDto], description: 'What was done, in its order' })
  acts: DeletionActDto[];
}

export class MonthDeletionListDto {
  @ApiProperty({ type: [MonthDeletionDto], description: 'The latest ones first' })
  deletions: MonthDeletionDto[];
  @ApiProperty({ type: String, nullable: true, example: null, description: 'null at the end' })
  next_cursor: string | null;
}

export class DeletionCandidateDto {
  @ApiProperty({ example: '2019-05-01' })
  month: string;
  @ApiProperty({ example: '2026-05-29T16:00:00.000000Z', description: 'Over by then: policies and locks' })
  retained_until: string;
  @ApiProperty({ example: 'default', description: 'The record class that was kept for the longest' })
  record_class: string;
  @ApiProperty({ type: 'integer', example: 7 })
  years: number;
  @ApiProperty({ example: '3' })
  objects: string;
  @ApiProperty({ example: '12570624' })
  bytes: string;
  @ApiProperty({ example: '98304', description: 'Of all ledgers' })
  events: string;
  @ApiProperty({ type: [String], example: [], description: 'Legal holds that keep it all the same' })
  holds: string[];
}

export class DeletionCandidateListDto {
  @ApiProperty({ type: [DeletionCandidateDto], description: 'The first month first' })
  months: DeletionCandidateDto[];
}

export class MonthDeletionListQueryDto {
  @ApiPropertyOptional({ enum: DELETION_STATES, example: 'requested' })
  @Absentable()
  @IsIn(DELETION_STATES)
  state?: string;

  @ApiPropertyOptional({ example: '100', description: `At most ${MAX_DELETIONS_LISTED}` })
  @Absentable()
  @rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,3}$/.test(value) && Number(value) <= MAX_DELETIONS_LISTED,
    `must be a whole number from 1 to ${MAX_DELETIONS_LISTED}`,
  )
  limit?: string;

  @ApiPropertyOptional({ example: DELETION_EXAMPLE, description: 'next_cursor of the page before' })
  @Absentable()
  @rule(
    'cursor',
    (value) => typeof value === 'string' && isEventId(value),
    'must be a next_cursor exactly as it was given out',
  )
  cursor?: string;
}
