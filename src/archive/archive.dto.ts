import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, rule } from '../events/event.dto.js';
import { ARCHIVE_KINDS } from './archive-format.js';
import { DeletedRangeDto } from './deleted-range.dto.js';
import { isSequence } from '../events/search-request.js';

const ARCHIVE_REASONS = ['regulatory', 'business', 'legal_hold'];
const WHY =
  'Why it is kept now: legal_hold while a hold touches it; business where a record class keeps it for more years than `default`; regulatory otherwise';
export const DEFAULT_OBJECTS_LISTED = 100;
export const MAX_OBJECTS_LISTED = 1_000;

export class ArchiveObjectDto {
  @ApiProperty({ example: '12', description: 'Position in the archive, from 1' })
  number: string;
  @ApiProperty({
    enum: ARCHIVE_KINDS,
    example: 'early',
    description:
      'early: what was new in all ledgers; month: of a sealed month; entities: where in a sealed month the events of an entity are; digests: the event hashes of an object of the kind month',
  })
  kind: string;
  @ApiProperty({ example: 's3://audit-archive/trail/', description: 'The store; with object_key the address' })
  location: string;
  @ApiProperty({ example: 'early/000000000012-0a1b2c3d4e5f6071.parquet' })
  object_key: string;
  @ApiProperty({ example: '3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo' })
  version_id: string;
  @ApiProperty({ example: 'truetrail-archive/1' })
  format: string;
  @ApiProperty({ example: 'f9deda98a49da62cd76ce93a650c484685a94cf9a1cb6820bca0222a3d6c6db9' })
  sha256: string;
  @ApiProperty({ example: '1047552', description: 'Of the object' })
  bytes: string;
  @ApiProperty({ example: '8192', description: 'In the object, of all its ledgers' })
  events: string;
  @ApiProperty({
    enum: ARCHIVE_REASONS,
    example: 'regulatory',
    description: `${WHY}; of a removed object, as it was written`,
  })
  reason: string;
  @ApiProperty({ example: 'service' })
  created_by: string;
  @ApiProperty({ example: '2026-06-02T08:20:00.000000Z', description: 'Written, read back and verified by then' })
  archived_at: string;
  @ApiProperty({ example: '2026-08-30T00:00:00.000000Z', description: 'The store locks it until then at least' })
  retain_until: string;
  @ApiProperty({ example: '2026-06-02T08:20:00.000000Z', description: 'When it was last read as a whole and right' })
  verified_at: string;
  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    description: 'When it was removed from the store; null while it is there',
  })
  removed_at: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    description: 'The deletion of its month that it was removed with; null for an early object that was superseded',
  })
  deletion: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    description: 'Of the retention policy that keeps it for the longest; null for an early object',
  })
  record_class: string | null;
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ example: '1' })
  from_sequence: string;
  @ApiProperty({ example: '8192', description: 'Included' })
  to_sequence: string;
}

export const DEFAULT_AUDITED = 100;
const MAX_AUDITED = 1_000;

export class AuditRequestDto {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_AUDITED,
    default: DEFAULT_AUDITED,
    description: 'How many events are drawn',
    example: 100,
  })
  @Absentable()
  @rule(
    'events',
    (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_AUDITED,
    `must be a whole number from 1 to ${MAX_AUDITED}`,
  )
  events?: number;
}

export class AuditedEventDto {
  @ApiProperty({ example: '4711' })
  sequence: string;
  @ApiProperty({ type: String, nullable: true, example: '0197f3a1-6c00-7000-8000-00000000000a' })
  event_id: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'month/000000000012-0a1b2c3d4e5f6071.parquet' })
  object_key: string | null;
  @ApiProperty({ type: String, nullable: true, example: '3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY' })
  version_id: string | null;
  @ApiProperty({ example: 12.5, description: 'Milliseconds until it was fetched and recomputed' })
  ms: number;
  @ApiProperty({ type: String, nullable: true, example: null, description: 'What is wrong; null when nothing is' })
  fault: string | null;
}

export class ArchiveAuditDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000aa', description: 'Of its record in _service' })
  id: string;
  @ApiProperty({ enum: ['valid', 'invalid'], example: 'valid' })
  verdict: string;
  @ApiProperty({ example: '127483', description: 'The events are drawn from 1 to this sequence' })
  archived: string;
  @ApiProperty({ example: 812.4, description: 'Milliseconds for all of them' })
  ms: number;
  @ApiProperty({ type: [AuditedEventDto], description: 'In the order in which they were drawn' })
  events: AuditedEventDto[];
}

export class ArchiveObjectListDto {
  @ApiProperty({ type: [ArchiveObjectDto] })
  objects: ArchiveObjectDto[];
  @ApiProperty({ type: String, nullable: true, example: null, description: 'null at the end' })
  next_cursor: string | null;
}

export class ArchivedEventDto {
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-00000000000a' })
  event_id: string;
  @ApiProperty({ example: '1' })
  sequence: string;
  @ApiProperty({ type: String, nullable: true, example: 'order', description: 'null once the event is deleted' })
  entity_type: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'O-4711' })
  entity_id: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'f9deda98a49da62cd76ce93a650c484685a94cf9a1cb6820bca0222a3d6c6db9',
    description: 'Recomputed from the event, hex',
  })
  content_hash: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'default',
    description: 'Of the retention policy that keeps this event for the longest',
  })
  record_class: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    enum: [...ARCHIVE_REASONS, null],
    example: 'regulatory',
    description: `Of this event. ${WHY}`,
  })
  reason: string | null;
  @ApiProperty({ type: [ArchiveObjectDto], description: 'Empty until the next export' })
  objects: ArchiveObjectDto[];
}

export class ArchiveTotalsDto {
  @ApiProperty({ enum: ARCHIVE_KINDS, example: 'early' })
  kind: string;
  @ApiProperty({ enum: ARCHIVE_REASONS, example: 'regulatory', description: WHY })
  reason: string;
  @ApiProperty({ example: '12' })
  objects: string;
  @ApiProperty({ example: '98304', description: 'Of this ledger' })
  events: string;
  @ApiProperty({ example: '12570624', description: 'Of the objects, which may hold other ledgers too' })
  bytes: string;
  @ApiProperty({ example: '2026-06-02T08:20:00.000000Z' })
  first_archived_at: string;
  @ApiProperty({ example: '2026-06-03T08:20:00.000000Z' })
  last_archived_at: string;
  @ApiProperty({ example: '2026-08-30T00:00:00.000000Z' })
  least_retain_until: string;
  @ApiProperty({ example: '2026-06-02T08:20:00.000000Z' })
  least_verified_at: string;
}

export class ClassTotalsDto {
  @ApiProperty({ example: 'default', description: 'Of the policies that match an event, the one with the most years' })
  record_class: string;
  @ApiProperty({ type: 'integer', example: 7 })
  years: number;
  @ApiProperty({ example: '3', description: 'Objects of months that hold some of it' })
  objects: string;
  @ApiProperty({ example: '98304', description: 'Of this ledger' })
  events: string;
  @ApiProperty({ example: '2026-05-02T08:20:00.000000Z' })
  first_recorded_at: string;
  @ApiProperty({ example: '2026-05-29T16:00:00.000000Z' })
  last_recorded_at: string;
  @ApiProperty({ example: '2026-06-01T01:20:00.000000Z' })
  first_archived_at: string;
  @ApiProperty({ example: '2026-06-01T01:20:00.000000Z' })
  last_archived_at: string;
}

export class RemovedTotalsDto {
  @ApiProperty({ enum: ARCHIVE_KINDS, example: 'early' })
  kind: string;
  @ApiProperty({ example: '12' })
  objects: string;
  @ApiProperty({ example: '98304', description: 'Of this ledger' })
  events: string;
  @ApiProperty({ example: '2026-08-30T00:20:00.000000Z' })
  first_removed_at: string;
  @ApiProperty({ example: '2026-08-30T00:20:00.000000Z' })
  last_removed_at: string;
}

export class ArchiveSummaryDto {
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ example: '98400', description: 'Events of the ledger' })
  size: string;
  @ApiProperty({ example: '98304', description: 'The last event that is archived; 0 for none' })
  archived: string;
  @ApiProperty({ type: [ArchiveTotalsDto], description: 'Of what is in the store' })
  totals: ArchiveTotalsDto[];
  @ApiProperty({ type: [ClassTotalsDto], description: 'Of what the objects of months hold, by record class' })
  record_classes: ClassTotalsDto[];
  @ApiProperty({ type: [RemovedTotalsDto], description: 'Of what is not in the store any more' })
  removed: RemovedTotalsDto[];
  @ApiProperty({ type: [DeletedRangeDto], description: 'Events that were deleted at the end of their retention' })
  deleted: DeletedRangeDto[];
}

export class ArchiveObjectListQueryDto {
  @ApiPropertyOptional({ example: '100', description: `At most ${MAX_OBJECTS_LISTED}` })
  @Absentable()
  @rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,3}$/.test(value) && Number(value) <= MAX_OBJECTS_LISTED,
    `must be a whole number from 1 to ${MAX_OBJECTS_LISTED}`,
  )
  limit?: string;

  @ApiPropertyOptional({ example: '13', description: 'next_cursor of the page before' })
  @Absentable()
  @rule('cursor', isSequence, 'must be a next_cursor exactly as it was given out')
  cursor?: string;
}
