import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { DeletedRangeDto } from '../archive/deleted-range.dto.js';
import { KeptRunDto } from '../runs/kept-run.dto.js';

/** The period of a report, and up to where the ledger counts. */
export class PeriodRequestDto {
  @ApiPropertyOptional({ example: '2026-06-02' })
  from_date?: string;
  @ApiPropertyOptional({ example: '2026-06-02' })
  to_date?: string;
  @ApiPropertyOptional({ description: 'Instead of days', example: '2026-06-02T08:00:00Z' })
  from?: string;
  @ApiPropertyOptional({ example: '2026-06-02T16:30:00Z' })
  to?: string;
  @ApiPropertyOptional({ description: 'Sequence up to which events count; the size when left out', example: '1000' })
  as_of?: string;
}

/** What a report is asked for, as its query parameters: those of the report, as_of and format. */
export class ReportRunRequestDto extends PeriodRequestDto {
  @ApiPropertyOptional({ enum: ['json', 'csv', 'ndjson', 'xlsx', 'html'], example: 'csv' })
  format?: string;
  @ApiPropertyOptional({
    description: 'In which xlsx and html show times; UTC when left out',
    example: 'Europe/Berlin',
  })
  display_time_zone?: string;
}

export class ReportRunDto extends KeptRunDto {
  @ApiProperty({ example: 'mifid2-trades' })
  report: string;
  @ApiProperty({ example: 'csv' })
  format: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { from_date: '2026-06-02', to_date: '2026-06-02' },
  })
  parameters: Record<string, string>;
  @ApiProperty({ description: 'Whether the answer is kept to be fetched, or went out as it was made', example: true })
  kept: boolean;
  @ApiProperty({ type: String, nullable: true, description: 'Once it is done', example: '2' })
  rows: string | null;
}

export class ReportRunListDto {
  @ApiProperty({ type: [ReportRunDto] })
  runs: ReportRunDto[];
}

class VersionedTableDto {
  @ApiProperty({ example: 'rts24' })
  name: string;
  @ApiProperty({ example: '2017/580' })
  version: string;
}

class ReadPartDto {
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ description: 'Which events of the range', example: 'event_type order_lifecycle, entity_type order' })
  of: string;
  @ApiProperty({ example: '1' })
  from_sequence: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Included; null in another ledger, where a parameter such as reporting_as_of bounds it',
    example: '7',
  })
  to_sequence: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Event time; null where it has no bound',
    example: '2026-06-02T00:00:00.000000000Z',
  })
  from: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Not included',
    example: '2026-06-03T00:00:00.000000000Z',
  })
  to: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'How many; null where they were looked up by key, as far as needed',
    example: '5',
  })
  events: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Of these', example: '1' })
  first_sequence: string | null;
  @ApiProperty({ type: String, nullable: true, example: '5' })
  last_sequence: string | null;
}

class ReadRangeDto {
  @ApiProperty({ description: 'What may count at all', example: '1' })
  from_sequence: string;
  @ApiProperty({ description: 'Included', example: '7' })
  to_sequence: string;
  @ApiProperty({ description: 'Up to here events were read from the archive', example: '0' })
  archived_to: string;
  @ApiProperty({
    required: false,
    description: 'Events that were gone through, of all ranges that are counted',
    example: '5',
  })
  events?: string;
  @ApiProperty({
    type: [ReadPartDto],
    required: false,
    description: 'What was asked of the trail, in order. Runs of earlier versions do not have it',
  })
  ranges?: ReadPartDto[];
}

class ManifestCheckpointDto {
  @ApiProperty({ description: 'The round that signed it', example: '12' })
  anchor: string;
  @ApiProperty({ example: '8' })
  size: string;
  @ApiProperty({ example: '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe0cdeff4604328' })
  root_hash: string;
  @ApiProperty({
    description: 'The signed note (C2SP tlog-checkpoint)',
    example:
      'audit.example.com/truetrail/main\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n— audit.example.com/truetrail/main cEAOkXZi…\n',
  })
  note: string;
}

export class ReportManifestDto {
  @ApiProperty({ example: 'truetrail-report/1' })
  format: string;
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000e1' })
  run: string;
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ example: 'audit.example.com/truetrail/main' })
  origin: string;
  @ApiProperty({ example: 'mifid2-trades' })
  report: string;
  @ApiProperty({ type: 'integer', description: 'Of how cells follow from events', example: 1 })
  report_version: number;
  @ApiProperty({ type: [VersionedTableDto], description: 'Code lists and rules that cells follow from besides' })
  tables: VersionedTableDto[];
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { from_date: '2026-06-02', to_date: '2026-06-02' },
  })
  parameters: Record<string, string>;
  @ApiProperty({ example: '7' })
  as_of: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Hash of the event at as_of, which binds all before it; null at 0, and where that event was deleted',
    example: 'f9deda98a49da62cd76ce93a650c484685a94cf9a1cb6820bca0222a3d6c6db9',
  })
  as_of_event_hash: string | null;
  @ApiProperty({ type: ReadRangeDto })
  read: ReadRangeDto;
  @ApiProperty({ type: [DeletedRangeDto], description: 'Events up to as_of that had been deleted, of any time' })
  deleted: DeletedRangeDto[];
  @ApiProperty({ example: 'text/csv' })
  media_type: string;
  @ApiProperty({ example: '2' })
  rows: string;
  @ApiProperty({ example: '812' })
  bytes: string;
  @ApiProperty({
    description: 'SHA-256 of the answer, in hex',
    example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
  })
  sha256: string;
  @ApiProperty({ example: 'truetrail/0.1.0' })
  made_by: string;
  @ApiProperty({ example: '2026-06-03T09:40:01.000000Z' })
  made_at: string;
  @ApiProperty({
    type: ManifestCheckpointDto,
    nullable: true,
    description: 'The first that covers as_of; null until it is signed',
  })
  checkpoint: ManifestCheckpointDto | null;
}
