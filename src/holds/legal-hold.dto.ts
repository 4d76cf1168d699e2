import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { Absentable, IsEventText, IsTimestamp, rule } from '../events/event.dto.js';
import { isEventId, MAX_CODE_POINTS } from '../integrity/event.js';
import { HOLD_STATES } from './legal-holds.js';

export const DEFAULT_HOLDS_LISTED = 100;
export const MAX_HOLDS_LISTED = 1_000;
const MAX_LEDGERS = 100;
const MAX_REASON_CODE_POINTS = 1_000;
const HOLD_EXAMPLE = '0197f3a1-6c00-7000-8000-0000000000d1';

function isListOfNames(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= MAX_LEDGERS &&
    value.every((item) => typeof item === 'string') &&
    new Set(value).size === value.length
  );
}

export class RequestHoldDto {
  @ApiProperty({ type: [String], description: 'Slugs of the ledgers that it is about', example: ['main'] })
  @rule('ledgers', isListOfNames, `must be a list of 1 to ${MAX_LEDGERS} ledgers by their slugs, each only once`)
  ledgers: string[];

  @ApiPropertyOptional({
    description: 'With entity_id: only events of this entity',
    example: 'order',
    maxLength: MAX_CODE_POINTS.entity_type,
  })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.entity_type)
  entity_type?: string;

  @ApiPropertyOptional({ example: 'O-1', maxLength: MAX_CODE_POINTS.entity_id })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.entity_id)
  entity_id?: string;

  @ApiPropertyOptional({
    description: 'Only events of this user',
    example: 'trader-1',
    maxLength: MAX_CODE_POINTS.user_id,
  })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.user_id)
  user_id?: string;

  @ApiPropertyOptional({
    description: 'Only events of this record class',
    example: 'order_lifecycle',
    maxLength: MAX_CODE_POINTS.event_type,
  })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.event_type)
  event_type?: string;

  @ApiPropertyOptional({
    description: 'Recorded time from which on; without it, from the beginning',
    example: '2026-06-01T00:00:00Z',
  })
  @Absentable()
  @IsTimestamp()
  recorded_from?: string;

  @ApiPropertyOptional({
    description: 'Recorded time before which; without it, also what is yet to be recorded',
    example: '2026-07-01T00:00:00Z',
  })
  @Absentable()
  @IsTimestamp()
  recorded_to?: string;

  @ApiProperty({
    description: 'Why: the matter, so that whoever reads it in ten years finds it',
    example: 'Inquiry 2026/117 of the authority, letter of 3 June',
    maxLength: MAX_REASON_CODE_POINTS,
  })
  @IsEventText(MAX_REASON_CODE_POINTS)
  reason: string;
}

class SeenStateDto {
  @ApiPropertyOptional({
    enum: HOLD_STATES,
    description: 'The state that you have seen it in: when it is another by now, nothing happens (409)',
    example: 'requested',
  })
  @Absentable()
  @IsIn(HOLD_STATES)
  seen_state?: (typeof HOLD_STATES)[number];
}

export class ApproveHoldDto extends SeenStateDto {
  @ApiPropertyOptional({ example: 'Agreed with the general counsel', maxLength: MAX_REASON_CODE_POINTS })
  @Absentable()
  @IsEventText(MAX_REASON_CODE_POINTS)
  reason?: string;
}

export class RejectHoldDto extends SeenStateDto {
  @ApiProperty({
    example: 'Asked for by mistake: the inquiry is about another desk',
    maxLength: MAX_REASON_CODE_POINTS,
  })
  @IsEventText(MAX_REASON_CODE_POINTS)
  reason: string;
}

export class ReleaseHoldDto {
  @ApiProperty({ example: 'Inquiry 2026/117 was closed on 9 May', maxLength: MAX_REASON_CODE_POINTS })
  @IsEventText(MAX_REASON_CODE_POINTS)
  reason: string;
}

export class HoldActDto {
  @ApiProperty({
    enum: ['request', 'approve', 'reject', 'request_release', 'approve_release', 'reject_release'],
    example: 'request',
  })
  act: string;
  @ApiProperty({ enum: HOLD_STATES, description: 'Of the hold after it', example: 'requested' })
  state: string;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  principal: string;
  @ApiProperty({ type: String, nullable: true, example: 'Inquiry 2026/117 of the authority, letter of 3 June' })
  reason: string | null;
  @ApiProperty({ example: '2026-06-03T09:30:00.123456Z' })
  acted_at: string;
}

export class LegalHoldDto {
  @ApiProperty({ example: HOLD_EXAMPLE })
  id: string;
  @ApiProperty({
    enum: HOLD_STATES,
    description: 'requested, active and release-requested stop drops and deletions; rejected and released do not',
    example: 'requested',
  })
  state: string;
  @ApiProperty({ type: [String], example: ['main'] })
  ledgers: string[];
  @ApiProperty({ type: String, nullable: true, example: null })
  entity_type: string | null;
  @ApiProperty({ type: String, nullable: true, example: null })
  entity_id: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'trader-1' })
  user_id: string | null;
  @ApiProperty({ type: String, nullable: true, example: null })
  event_type: string | null;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-01T00:00:00.000000Z' })
  recorded_from: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Not included', example: '2026-07-01T00:00:00.000000Z' })
  recorded_to: string | null;
  @ApiProperty({ example: 'Inquiry 2026/117 of the authority, letter of 3 June' })
  reason: string;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  requested_by: string;
  @ApiProperty({ example: '2026-06-03T09:30:00.123456Z' })
  requested_at: string;
  @ApiProperty({ type: [HoldActDto], description: 'What was done, in its order' })
  acts: HoldActDto[];
}

export class LegalHoldInArchiveDto extends LegalHoldDto {
  @ApiProperty({ description: 'Archive objects that hold something of its ledgers and time', example: '12' })
  objects: string;
  @ApiProperty({ description: 'Of them those that the store itself is known to hold', example: '12' })
  objects_held: string;
}

export class LegalHoldListDto {
  @ApiProperty({ type: [LegalHoldDto], description: 'The latest ones first' })
  holds: LegalHoldDto[];
  @ApiProperty({ type: String, nullable: true, example: null, description: 'null at the end' })
  next_cursor: string | null;
}

export class LegalHoldListQueryDto {
  @ApiPropertyOptional({ enum: HOLD_STATES, example: 'active' })
  @Absentable()
  @IsIn(HOLD_STATES)
  state?: string;

  @ApiPropertyOptional({ description: 'Holds that are about this ledger, among others', example: 'main' })
  @Absentable()
  ledger?: string;

  @ApiPropertyOptional({ example: '100', description: `At most ${MAX_HOLDS_LISTED}` })
  @Absentable()
  @rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,3}$/.test(value) && Number(value) <= MAX_HOLDS_LISTED,
    `must be a whole number from 1 to ${MAX_HOLDS_LISTED}`,
  )
  limit?: string;

  @ApiPropertyOptional({ example: HOLD_EXAMPLE, description: 'next_cursor of the page before' })
  @Absentable()
  @rule(
    'cursor',
    (value) => typeof value === 'string' && isEventId(value),
    'must be a next_cursor exactly as it was given out',
  )
  cursor?: string;
}
