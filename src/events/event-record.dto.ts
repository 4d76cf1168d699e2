import { DeletedRangeDto } from '../archive/deleted-range.dto.js';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { RawMessageDto } from './event.dto.js';

const HASH_EXAMPLE = 'bc42a0aba8359731a02f2cab01ec7a1d835584a9f82a765171087364d6a09d34';

/** An event as it is read: content and envelope in one flat object. */
export class EventRecordDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-00000000000a' })
  event_id: string;
  @ApiProperty({ description: 'UTC, with as many decimals as were sent', example: '2026-06-02T08:15:30.123456789Z' })
  timestamp: string;
  @ApiProperty({ example: 'order_lifecycle' })
  event_type: string;
  @ApiProperty({ example: 'order' })
  entity_type: string;
  @ApiProperty({ example: 'O-1' })
  entity_id: string;
  @ApiProperty({ example: 'create' })
  action: string;
  @ApiProperty({ example: 'trader-1' })
  user_id: string;
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true, example: null })
  previous_state: object | null;
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { symbol: 'AAPL', side: 'buy', quantity: '100', price: '585.33', exchange: 'XNAS' },
  })
  new_state: object;
  @ApiProperty({ type: 'object', additionalProperties: true, example: { client_id: 'C-77' } })
  metadata: object;
  @ApiPropertyOptional({ description: 'This and the next four: only where they were sent', example: 'oms-1' })
  source?: string;
  @ApiPropertyOptional({ example: '2026-06-02' })
  source_session?: string;
  @ApiPropertyOptional({ example: '17' })
  source_sequence?: string;
  @ApiPropertyOptional({ example: '0197f3a1-6c00-7000-8000-000000000009' })
  corrects?: string;
  @ApiPropertyOptional({ type: RawMessageDto })
  raw?: RawMessageDto;
  @ApiProperty({ example: 'truetrail/1' })
  format: string;
  @ApiProperty({ example: 'audit.example.com/truetrail/main' })
  origin: string;
  @ApiProperty({ example: '1', description: 'Position in the ledger, from 1' })
  sequence: string;
  @ApiProperty({ example: '2026-06-02T08:15:30.123456Z' })
  recorded_at: string;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  recorded_by: string;
  @ApiProperty({ example: HASH_EXAMPLE })
  content_hash: string;
  @ApiProperty({ type: String, nullable: true, example: null })
  previous_event_hash: string | null;
  @ApiProperty({ example: '000102030405060708090a0b0c0d0e0f' })
  salt: string;
  @ApiProperty({ example: 'f9deda98a49da62cd76ce93a650c484685a94cf9a1cb6820bca0222a3d6c6db9' })
  event_hash: string;
}

export class SearchPageDto {
  @ApiProperty({ type: [EventRecordDto] })
  events: EventRecordDto[];
  @ApiProperty({ type: String, nullable: true, description: 'For the next page; null at the end', example: null })
  next_cursor: string | null;
  @ApiProperty({ description: "The ledger's size when the walk began: no later event appears in it", example: '1' })
  as_of: string;
  @ApiProperty({
    description: 'Events up to this sequence were read from the archive, later ones from the database',
    example: '0',
  })
  archived_to: string;
  @ApiPropertyOptional({
    type: [DeletedRangeDto],
    description:
      'What was deleted at the end of its retention and might have been among these; the same on every page. Absent where nothing was',
    example: [],
  })
  deleted?: DeletedRangeDto[];
}

export class OrderEventDto extends EventRecordDto {
  @ApiProperty({
    type: 'integer',
    description: "Its place in the order's whole life, as far as that is not deleted, from 1",
    example: 1,
  })
  ordinal: number;
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'event_id of the correction in force, whichever page it is on; its action may be void. Null when nothing corrects this event',
    example: null,
  })
  corrected_by: string | null;
}

export class OrderHistoryDto {
  @ApiProperty({ example: 'O-1' })
  order_id: string;
  @ApiProperty({ type: [OrderEventDto], description: 'In sequence' })
  events: OrderEventDto[];
  @ApiProperty({ type: String, nullable: true, description: 'For the next page; null at the end', example: null })
  next_cursor: string | null;
  @ApiProperty({ description: "The ledger's size when the walk began: no later event appears in it", example: '1' })
  as_of: string;
  @ApiProperty({
    description: 'Events up to this sequence were read from the archive, later ones from the database',
    example: '0',
  })
  archived_to: string;
  @ApiPropertyOptional({
    type: [DeletedRangeDto],
    description:
      'What was deleted at the end of its retention and might have been among these; the same on every page. Absent where nothing was',
    example: [],
  })
  deleted?: DeletedRangeDto[];
}
