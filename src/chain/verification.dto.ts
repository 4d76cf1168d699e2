import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { DeletedRangeDto } from '../archive/deleted-range.dto.js';
import { Absentable, IsTimestamp, rule } from '../events/event.dto.js';
import { isSequence, MAX_SEQUENCE } from '../events/search-request.js';
import { FINDING_KINDS, MAX_LISTED_FINDINGS, type FindingKind } from './findings.js';

function IsSequence(): PropertyDecorator {
  return rule('sequence', isSequence, `must be a whole number from 1 to ${MAX_SEQUENCE}, as a string`);
}

const IS_EVENT_TIME =
  'is event time, along which a ledger has no order; give recorded_from and recorded_to, or from_sequence and to_sequence';

function IsNotTaken(message: string): PropertyDecorator {
  return rule('event-time', (value) => value === undefined, message);
}

/** Which events. Nothing at all means the whole ledger. */
export class VerificationRangeDto {
  @ApiPropertyOptional({ description: 'First sequence, included', example: '1' })
  @Absentable()
  @IsSequence()
  from_sequence?: string;

  @ApiPropertyOptional({ description: 'Last sequence, included', example: '100000' })
  @Absentable()
  @IsSequence()
  to_sequence?: string;

  @ApiPropertyOptional({
    description: 'Recorded time from which on; not together with sequences',
    example: '2026-06-01T00:00:00Z',
  })
  @Absentable()
  @IsTimestamp()
  recorded_from?: string;

  @ApiPropertyOptional({ description: 'Recorded time before which', example: '2026-07-01T00:00:00Z' })
  @Absentable()
  @IsTimestamp()
  recorded_to?: string;

  // Not in the documents: they are here to be refused with the reason.
  @IsNotTaken(IS_EVENT_TIME)
  from?: never;

  @IsNotTaken(IS_EVENT_TIME)
  to?: never;

  @IsNotTaken(IS_EVENT_TIME)
  timestamp?: never;
}

export class FindingDto {
  @ApiProperty({ enum: FINDING_KINDS, example: 'content' })
  kind: FindingKind;
  @ApiProperty({ type: String, nullable: true, example: '42' })
  sequence: string | null;
  @ApiProperty({ type: String, nullable: true, example: '0197f3a1-6c00-7000-8000-00000000000a' })
  event_id: string | null;
  @ApiProperty({ example: 'the content and its salt do not have the content_hash that is stored' })
  detail: string;
}

export class UnreadRangeDto {
  @ApiProperty({ example: '1001' })
  from_sequence: string;
  @ApiProperty({ description: 'Included', example: '2000' })
  to_sequence: string;
  @ApiProperty({ example: 'could not read blocks 17..17 in file "base/5/16400": Input/output error' })
  reason: string;
}

export class VerificationDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000f1' })
  id: string;
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ example: '1' })
  from_sequence: string;
  @ApiProperty({ description: 'Included; less than from_sequence when there is no event', example: '100000' })
  to_sequence: string;
  @ApiProperty({ enum: ['queued', 'running', 'done', 'failed', 'cancelled'], example: 'done' })
  status: string;
  @ApiProperty({
    enum: ['valid', 'invalid', 'undecided'],
    nullable: true,
    description: 'null until done. undecided: nothing is wrong with what was read, but something could not be read',
    example: 'invalid',
  })
  verdict: string | null;
  @ApiProperty({ description: 'Events read and checked so far', example: '100000' })
  checked: string;
  @ApiProperty({ description: 'Sequences of the range', example: '100000' })
  total: string;
  @ApiProperty({ type: [FindingDto], maxItems: MAX_LISTED_FINDINGS, description: 'By sequence' })
  findings: FindingDto[];
  @ApiProperty({ description: 'How many there are, of which 1,000 at most are listed', example: '1' })
  findings_total: string;
  @ApiProperty({ type: [UnreadRangeDto], description: 'What could not be read, and why', example: [] })
  unread: UnreadRangeDto[];
  @ApiProperty({
    type: [DeletedRangeDto],
    description:
      'What was deleted at the end of its retention, under which policy: it is not missing, and the chain is verified over the gap',
    example: [],
  })
  deleted: DeletedRangeDto[];
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  requested_by: string;
  @ApiProperty({ example: '2026-06-02T08:15:30.123456Z' })
  created_at: string;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-02T08:15:30.223456Z' })
  started_at: string | null;
  @ApiProperty({ type: String, nullable: true, example: '2026-06-02T08:15:31.323456Z' })
  finished_at: string | null;
}

export class VerificationListDto {
  @ApiProperty({ type: [VerificationDto], description: 'The latest ones first' })
  verifications: VerificationDto[];
}

export const DEFAULT_VERIFICATIONS_LISTED = 20;
export const MAX_VERIFICATIONS_LISTED = 100;

export class VerificationListQueryDto {
  @ApiPropertyOptional({ example: '20', description: `At most ${MAX_VERIFICATIONS_LISTED}` })
  @Absentable()
  @rule(
    'limit',
    (value) =>
      typeof value === 'string' && /^[1-9][0-9]{0,2}$/.test(value) && Number(value) <= MAX_VERIFICATIONS_LISTED,
    `must be a whole number from 1 to ${MAX_VERIFICATIONS_LISTED}`,
  )
  limit?: string;
}
