import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ValidateBy, ValidateIf, ValidateNested } from 'class-validator';
import {
  decodedBase64Length,
  isEventId,
  isEventText,
  isSourceSequence,
  isStrictBase64,
  MAX_CODE_POINTS,
  MAX_RAW_BYTES,
} from '../integrity/event.js';
import { parseTimestamp, TimestampError } from '../integrity/timestamp.js';

const UUID_EXAMPLE = '0197f3a1-6c00-7000-8000-00000000000a';

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function rule(
  name: string,
  holds: (value: unknown) => boolean,
  message: string | ((value: unknown) => string),
): PropertyDecorator {
  return ValidateBy({
    name,
    validator: {
      validate: holds,
      defaultMessage: (args) =>
        `${args?.property ?? 'it'} ${typeof message === 'string' ? message : message(args?.value)}`,
    },
  });
}

/** A member that may be left out; null is not the same as left out, and is refused. */
export function Absentable(): PropertyDecorator {
  return ValidateIf((_: object, value: unknown) => value !== undefined);
}

export function IsEventText(maxCodePoints: number): PropertyDecorator {
  return rule(
    'text',
    (value) => isEventText(value, maxCodePoints),
    `must be a string of 1 to ${maxCodePoints} characters without control characters`,
  );
}

function IsEventId(): PropertyDecorator {
  return rule(
    'uuid',
    (value) => typeof value === 'string' && isEventId(value),
    'must be a UUID of the form 8-4-4-4-12, neither nil nor max',
  );
}

export function IsTimestamp(): PropertyDecorator {
  return (target, property) => {
    for (const name of ['timestamp', 'leap-second'] as const) {
      rule(
        name,
        (value) => timestampError(value)?.rule !== name,
        (value) => timestampError(value)?.message ?? '',
      )(target, property);
    }
  };
}

function timestampError(value: unknown): TimestampError | undefined {
  if (typeof value !== 'string') return new TimestampError('timestamp', 'must be a string');
  try {
    parseTimestamp(value);
    return undefined;
  } catch (error) {
    if (error instanceof TimestampError) return error;
    throw error;
  }
}

function IsState(): PropertyDecorator {
  return rule('object', isPlainObject, 'must be an object');
}

/** The message as it came. */
export class RawMessageDto {
  @ApiProperty({ example: 'application/fix', maxLength: 255 })
  @IsEventText(MAX_CODE_POINTS.media_type)
  media_type: string;

  @ApiProperty({
    description: 'Base64 (RFC 4648, section 4; padded); 65,536 bytes decoded at most',
    example: 'OD1GSVguNC40',
  })
  @rule(
    'base64',
    (value) => typeof value === 'string' && isStrictBase64(value),
    'must be base64 of RFC 4648, section 4: padded, without blanks, unused bits zero',
  )
  @rule(
    'raw-size',
    (value) => typeof value !== 'string' || decodedBase64Length(value) <= MAX_RAW_BYTES,
    `must decode to at most ${MAX_RAW_BYTES} bytes`,
  )
  data: string;
}

/** What an order's step carries in its body: an event without the four members that the path implies. */
export class OrderStepDto {
  @ApiPropertyOptional({
    description: 'UUIDv7 by preference. Made by the service when absent, but then a repeat is recorded twice',
    example: UUID_EXAMPLE,
  })
  @Absentable()
  @IsEventId()
  event_id?: string;

  @ApiProperty({
    description:
      'When it happened at the source; its fractional digits, up to nine, are kept as the declared granularity',
    example: '2026-06-02T08:15:30.123456789Z',
  })
  @IsTimestamp()
  timestamp: string;

  @ApiProperty({ description: 'Who did it: a person, an algorithm, a desk', example: 'trader-1', maxLength: 255 })
  @IsEventText(MAX_CODE_POINTS.user_id)
  user_id: string;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    description: 'State before; absent means null',
  })
  @ValidateIf((_: object, value: unknown) => value !== undefined && value !== null)
  @IsState()
  previous_state?: object | null;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'State after. Decimals go as strings',
    example: { symbol: 'AAPL', side: 'buy', quantity: '100', price: '585.33', exchange: 'XNAS' },
  })
  @IsState()
  new_state: object;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'What else is known; absent means {}',
    example: { client_id: 'C-77' },
  })
  @Absentable()
  @IsState()
  metadata?: object;

  @ApiPropertyOptional({ description: 'The submitting system', example: 'oms-1', maxLength: 255 })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.source)
  source?: string;

  @ApiPropertyOptional({
    description: "The run within which the source's counter counts",
    example: '2026-06-02',
    maxLength: 255,
  })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.source_session)
  source_session?: string;

  @ApiPropertyOptional({
    description: "The source's own gapless counter, as a string",
    example: '17',
    pattern: '^(0|[1-9][0-9]{0,18})$',
  })
  @Absentable()
  @rule(
    'source-sequence',
    (value) => typeof value === 'string' && isSourceSequence(value),
    'must be a string of a whole number of 19 digits at most, without leading zeros',
  )
  source_sequence?: string;

  @ApiPropertyOptional({
    description: 'event_id of an earlier event; this one is its whole corrected content',
    example: UUID_EXAMPLE,
  })
  @Absentable()
  @IsEventId()
  corrects?: string;

  @ApiPropertyOptional({ type: RawMessageDto })
  @Absentable()
  @IsState()
  @ValidateNested()
  raw?: RawMessageDto;
}

/** One event's content, as a source sends it. */
export class EventDto extends OrderStepDto {
  @ApiProperty({ example: 'order_lifecycle', maxLength: 100 })
  @IsEventText(MAX_CODE_POINTS.event_type)
  event_type: string;

  @ApiProperty({ example: 'order', maxLength: 50 })
  @IsEventText(MAX_CODE_POINTS.entity_type)
  entity_type: string;

  @ApiProperty({ example: 'O-1', maxLength: 255 })
  @IsEventText(MAX_CODE_POINTS.entity_id)
  entity_id: string;

  @ApiProperty({ example: 'create', maxLength: 50 })
  @IsEventText(MAX_CODE_POINTS.action)
  action: string;
}

/** For OpenAPI alone: a batch's members are read one by one (event-reader.ts). */
export class EventBatchDto {
  @ApiProperty({ type: [EventDto], description: '1 to 10,000 events, 16 MiB; all or nothing', maxItems: 10_000 })
  events: EventDto[];
}

/** What a submitter gets once the event is durable: with the content, all that is needed to recompute its hashes. */
export class ReceiptDto {
  @ApiProperty({ example: 'truetrail/1' })
  format: string;
  @ApiProperty({ example: 'audit.example.com/truetrail/main' })
  origin: string;
  @ApiProperty({ example: '1', description: 'Position in the ledger, from 1' })
  sequence: string;
  @ApiProperty({ example: UUID_EXAMPLE })
  event_id: string;
  @ApiProperty({ example: '2026-06-02T08:15:30.123456Z' })
  recorded_at: string;
  @ApiProperty({ example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  recorded_by: string;
  @ApiProperty({ example: 'bc42a0aba8359731a02f2cab01ec7a1d835584a9f82a765171087364d6a09d34' })
  content_hash: string;
  @ApiProperty({ type: String, nullable: true, example: null })
  previous_event_hash: string | null;
  @ApiProperty({ example: '000102030405060708090a0b0c0d0e0f' })
  salt: string;
  @ApiProperty({ example: 'f9deda98a49da62cd76ce93a650c484685a94cf9a1cb6820bca0222a3d6c6db9' })
  event_hash: string;
}

export class BatchReceiptsDto {
  @ApiProperty({ type: [ReceiptDto], description: 'In the order of the events' })
  receipts: ReceiptDto[];
  @ApiProperty({ example: '2' })
  recorded: string;
  @ApiProperty({ example: '0' })
  repeated: string;
}
