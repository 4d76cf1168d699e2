import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, IsEventText, rule } from '../events/event.dto.js';
import { MAX_CODE_POINTS } from '../integrity/event.js';

const MAX_YEARS = 40;
const MAX_REASON_CODE_POINTS = 1_000;
const DATE = /^(?:19|20|21)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$/;

/** A day that the calendar has. */
export function isDay(value: unknown): boolean {
  if (typeof value !== 'string' || !DATE.test(value)) return false;
  return new Date(`${value}T00:00:00Z`).toISOString().startsWith(value);
}

export class AddPolicyDto {
  @ApiProperty({
    description: 'Name of the record class: lower-case letters, digits and hyphens; not `default`',
    example: 'client-orders',
  })
  @rule(
    'record-class',
    (value) => typeof value === 'string' && /^[a-z0-9][a-z0-9-]{0,62}$/.test(value) && value !== 'default',
    'must have 1 to 63 lower-case letters, digits and hyphens, not beginning with a hyphen, and not be `default`',
  )
  record_class: string;

  @ApiProperty({
    description: 'First day, UTC, on which it counts; from then on also for what was recorded before',
    example: '2026-07-01',
  })
  @rule('date', isDay, 'must be a day of the form YYYY-MM-DD')
  valid_from: string;

  @ApiPropertyOptional({ description: 'Only events of this ledger', example: 'main' })
  @Absentable()
  @IsEventText(63)
  ledger?: string;

  @ApiPropertyOptional({
    description: 'Only events of this entity type',
    example: 'order',
    maxLength: MAX_CODE_POINTS.entity_type,
  })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.entity_type)
  entity_type?: string;

  @ApiPropertyOptional({
    description: 'Only events of this event type',
    example: 'order_lifecycle',
    maxLength: MAX_CODE_POINTS.event_type,
  })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.event_type)
  event_type?: string;

  @ApiProperty({
    type: 'integer',
    minimum: 1,
    maximum: MAX_YEARS,
    description: 'For how long its events are kept from recorded_at on; no less than ARCHIVE_RETENTION_YEARS',
    example: 10,
  })
  @rule(
    'years',
    (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_YEARS,
    `must be a whole number from 1 to ${MAX_YEARS}`,
  )
  years: number;

  @ApiProperty({
    description: 'Why: the rule or the request, so that whoever reads it in ten years finds it',
    example: 'Request of the authority under Article 16(7), letter of 12 May',
    maxLength: MAX_REASON_CODE_POINTS,
  })
  @IsEventText(MAX_REASON_CODE_POINTS)
  reason: string;
}

export class RetentionPolicyDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000e1' })
  id: string;
  @ApiProperty({ example: 'client-orders', description: '`default` is ARCHIVE_RETENTION_YEARS, for every event' })
  record_class: string;
  @ApiProperty({ example: '2026-07-01' })
  valid_from: string;
  @ApiProperty({ type: String, nullable: true, example: 'main', description: 'null for every ledger' })
  ledger: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'order', description: 'null for any' })
  entity_type: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'order_lifecycle', description: 'null for any' })
  event_type: string | null;
  @ApiProperty({ type: 'integer', example: 10 })
  years: number;
  @ApiProperty({ example: 'Request of the authority under Article 16(7), letter of 12 May' })
  reason: string;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  created_by: string;
  @ApiProperty({ example: '2026-06-03T09:30:00.123456Z' })
  created_at: string;
}

export class RetentionPolicyListDto {
  @ApiProperty({ type: [RetentionPolicyDto], description: 'In the order in which they were made' })
  policies: RetentionPolicyDto[];
}
