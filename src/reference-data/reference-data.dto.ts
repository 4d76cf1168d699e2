import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, rule } from '../events/event.dto.js';
import { isEventText } from '../integrity/event.js';
import { CHANGES, readInstant } from './change.js';
import { isIsin } from '../identifiers/isin.js';
import { isLei } from '../identifiers/lei.js';
import { KINDS, MAX_TEXT, type Kind } from './kinds.js';

export const DEFAULT_LISTED = 100;
export const MAX_LISTED = 1_000;

const isTime = (value: unknown): boolean => typeof value === 'string' && 'time' in readInstant(value);
const isAsOf = (value: unknown): boolean =>
  typeof value === 'string' && (/^(?:0|[1-9][0-9]{0,17})$/.test(value) || isTime(value));

export class ReferenceAsOfQuery {
  @ApiPropertyOptional({
    description: 'As it was known then: a revision, or a day or time, before which it was recorded. Now without it',
    example: '12',
  })
  @Absentable()
  @rule('revision', isAsOf, 'must be a revision, a day YYYY-MM-DD, or a time such as 2026-06-02T08:00:00Z')
  as_of?: string;
}

export class ReferenceAtQuery extends ReferenceAsOfQuery {
  @ApiPropertyOptional({
    description: 'As it stood then: a day (its beginning, UTC) or a time; now without it',
    example: '2026-06-02',
  })
  @Absentable()
  @rule('time', isTime, 'must be a day YYYY-MM-DD, or a time such as 2026-06-02T08:00:00Z, with six decimals at most')
  valid_at?: string;
}

export class ReferenceListQuery extends ReferenceAtQuery {
  @ApiPropertyOptional({
    description: `Entries of an answer; ${DEFAULT_LISTED} without it, at most ${MAX_LISTED}`,
    example: '100',
  })
  @Absentable()
  @rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,3}$/.test(value) && Number(value) <= MAX_LISTED,
    `must be a whole number from 1 to ${MAX_LISTED}`,
  )
  limit?: string;

  @ApiPropertyOptional({
    description: 'next_cursor of the answer before; give the same valid_at and as_of, as that answer has them',
    example: 'XETR',
  })
  @Absentable()
  @rule('cursor', (value) => isEventText(value, MAX_TEXT), 'must be a next_cursor')
  cursor?: string;

  @ApiPropertyOptional({
    description: 'Entries with this LEI alone: legal entities, clients and venues',
    example: '5493001KJTIIGC8Y1R12',
  })
  @Absentable()
  @rule(
    'lei',
    (value) => typeof value === 'string' && isLei(value),
    'must be an LEI with right check digits (ISO 17442)',
  )
  lei?: string;

  @ApiPropertyOptional({ description: 'The instrument with this ISIN', example: 'DE0007164600' })
  @Absentable()
  @rule(
    'isin',
    (value) => typeof value === 'string' && isIsin(value),
    'must be an ISIN with a right check digit (ISO 6166)',
  )
  isin?: string;

  @ApiPropertyOptional({ description: 'Instruments that events call so (new_state.symbol), exactly', example: 'SAP' })
  @Absentable()
  @rule('text', (value) => isEventText(value, MAX_TEXT), `must have 1 to ${MAX_TEXT} characters and none of control`)
  symbol?: string;
}

export class ReferenceImportQuery {
  @ApiPropertyOptional({ description: 'true: says what would be recorded, and records nothing', example: 'true' })
  @Absentable()
  @rule('boolean', (value) => value === 'true' || value === 'false', 'must be true or false')
  dry_run?: string;
}

export class ReferenceColumnDto {
  @ApiProperty({ example: 'operating_mic' })
  name: string;
  @ApiProperty({ example: 'of the operator; of an operating MIC itself' })
  description: string;
  @ApiProperty()
  required: boolean;
  @ApiProperty({ example: 'XETR' })
  example: string;
}

export class ReferenceKindDto {
  @ApiProperty({ example: 'venue' })
  kind: string;
  @ApiProperty({ example: 'Venues: market identifier codes' })
  title: string;
  @ApiProperty({ description: 'The column that names an entry', example: 'mic' })
  id: string;
  @ApiProperty({ type: [ReferenceColumnDto], description: 'In the order of the CSV' })
  columns: ReferenceColumnDto[];
  @ApiProperty({ description: 'Changes that were ever recorded', example: '2767' })
  changes: string;
}

export class ReferenceKindsDto {
  @ApiProperty({ description: 'The last revision', example: '2790' })
  as_of: string;
  @ApiProperty({ type: [ReferenceKindDto] })
  kinds: ReferenceKindDto[];
}

export class ReferenceChangeDto {
  @ApiProperty({ example: 'venue' })
  kind: string;
  @ApiProperty({ description: 'What events call it', example: 'XETR' })
  id: string;
  @ApiProperty({ description: 'From when on it is so', example: '2005-06-27T00:00:00.000000Z' })
  valid_from: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Until when, not included; null: from then on',
    example: null,
  })
  valid_to: string | null;
  @ApiProperty({
    type: 'object',
    nullable: true,
    additionalProperties: { type: 'string' },
    description: 'What it is in that time; null: there is no such entry then',
    example: { name: 'XETRA', operating_mic: 'XETR', segment: 'OPRT', country: 'DE' },
  })
  attributes: Record<string, string> | null;
  @ApiProperty({ type: String, nullable: true, example: 'ISO 10383, list of May 2026' })
  reason: string | null;
  @ApiProperty({ description: 'Of the change, in the order in which changes were recorded', example: '12' })
  revision: string;
  @ApiProperty({ example: '2026-06-03T09:30:00.123456Z' })
  recorded_at: string;
  @ApiProperty({ description: 'Who made the change', example: 'key:0190a0b0-0000-7000-8000-000000000001' })
  recorded_by: string;
  @ApiProperty({ description: 'The event that the change is', example: '0197f3a1-6c00-7000-8000-0000000000f1' })
  event_id: string;
  @ApiProperty({ example: '_service' })
  ledger: string;
  @ApiProperty({ description: 'Of that event in its ledger', example: '345' })
  sequence: string;
}

export class ReferenceListDto {
  @ApiProperty({ example: 'venue' })
  kind: string;
  @ApiProperty({ description: 'As it stood then', example: '2026-06-02T00:00:00.000000Z' })
  valid_at: string;
  @ApiProperty({ description: 'The revision up to which changes count: with it the same comes again', example: '2790' })
  as_of: string;
  @ApiProperty({
    type: [ReferenceChangeDto],
    description: 'Of each entry the change that holds, in the order of the ids',
  })
  entries: ReferenceChangeDto[];
  @ApiProperty({ type: String, nullable: true, example: 'XETR' })
  next_cursor: string | null;
}

export class ReferenceHistoryDto {
  @ApiProperty({ example: 'venue' })
  kind: string;
  @ApiProperty({ example: 'XETR' })
  id: string;
  @ApiProperty({ example: '2790' })
  as_of: string;
  @ApiProperty({
    type: [ReferenceChangeDto],
    description: 'In the order in which they were recorded; all of them stand',
  })
  changes: ReferenceChangeDto[];
}

export class ReferenceImportDto {
  @ApiProperty({ example: 'venue' })
  kind: string;
  @ApiProperty({ description: 'Whether nothing was recorded since that was asked for' })
  dry_run: boolean;
  @ApiProperty({ description: 'In the file', example: '2767' })
  changes: string;
  @ApiProperty({ description: 'Recorded; in a dry run, what would be', example: '2767' })
  recorded: string;
  @ApiProperty({ description: 'Those that say what holds already', example: '0' })
  unchanged: string;
  @ApiProperty({ description: 'The last revision after it', example: '2790' })
  as_of: string;
}

/** The body of one change, for the API's document: the columns of the kind's CSV as members. */
export function changeSchemas() {
  return { oneOf: KINDS.map(changeSchema) };
}

function changeSchema({ title, id, fields }: Kind) {
  const own = [id, ...fields].map(({ name, description, example }) => [name, { type: 'string', description, example }]);
  return {
    type: 'object',
    title,
    properties: {
      ...(Object.fromEntries(own) as Record<string, object>),
      valid_from: { type: 'string', description: 'Day (its beginning, UTC) or time, included', example: '2026-06-02' },
      valid_to: { type: 'string', description: 'The same, not included; from then on without it' },
      change: {
        type: 'string',
        enum: [...CHANGES],
        description:
          'set without it. end: there is no such entry in that time; all but the id and the times is left out',
      },
      reason: { type: 'string' },
    },
    // an end has no more
    required: [id.name, 'valid_from'],
  };
}
