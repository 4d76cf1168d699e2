import { ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, IsEventText, IsTimestamp, rule } from '../events/event.dto.js';
import { isSequence, MAX_SEQUENCE } from '../events/search-request.js';
import { isEventId, MAX_CODE_POINTS } from '../integrity/event.js';

/** As many as a body of the usual size holds. */
export const MAX_EVENT_IDS = 5_000;

const isBoolean = (value: unknown): boolean => typeof value === 'boolean';

/** What a bundle is asked for: ids, an order, a range of sequences, of event time or of recorded time, or a search. */
export class EvidenceRequestDto {
  @ApiPropertyOptional({
    type: [String],
    description: 'These events',
    maxItems: MAX_EVENT_IDS,
    example: ['0197f3a1-6c00-7000-8000-00000000000a'],
  })
  @Absentable()
  @rule(
    'event-ids',
    (value) => Array.isArray(value) && value.length > 0 && value.length <= MAX_EVENT_IDS && value.every(isEventId),
    `must be 1 to ${MAX_EVENT_IDS} UUIDs of the form 8-4-4-4-12, neither nil nor max`,
  )
  event_ids?: string[];

  @ApiPropertyOptional({ description: 'The life of this order', maxLength: MAX_CODE_POINTS.entity_id })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.entity_id)
  order_id?: string;

  @ApiPropertyOptional({ description: 'All from this sequence on' })
  @Absentable()
  @rule('sequence', isSequence, `must be a whole number from 1 to ${MAX_SEQUENCE}, as a string`)
  from_sequence?: string;

  @ApiPropertyOptional({ description: 'All up to this sequence, included; up to as_of without it' })
  @Absentable()
  @rule('sequence', isSequence, `must be a whole number from 1 to ${MAX_SEQUENCE}, as a string`)
  to_sequence?: string;

  @ApiPropertyOptional({ description: 'Event time from which on' })
  @Absentable()
  @IsTimestamp()
  from?: string;

  @ApiPropertyOptional({ description: 'Event time before which' })
  @Absentable()
  @IsTimestamp()
  to?: string;

  @ApiPropertyOptional({ description: 'All that was recorded from this time on' })
  @Absentable()
  @IsTimestamp()
  recorded_from?: string;

  @ApiPropertyOptional({ description: 'All that was recorded before this time' })
  @Absentable()
  @IsTimestamp()
  recorded_to?: string;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string' },
    description:
      'What searchEvents finds with these parameters, metadata.<key> among them; no sort, order, limit, cursor',
  })
  @Absentable()
  @rule(
    'search',
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      Object.values(value).every((each) => typeof each === 'string'),
    'must be an object of texts: the parameters of a search',
  )
  search?: Record<string, string>;

  @ApiPropertyOptional({
    type: Boolean,
    default: true,
    description: 'false: envelopes and proofs alone. With contents the scope events:read is needed as well',
  })
  @Absentable()
  @rule('boolean', isBoolean, 'must be true or false')
  contents?: boolean;

  @ApiPropertyOptional({
    type: Boolean,
    default: false,
    description:
      'For what cannot be proven complete: also the envelopes of all other events of the range of sequences or recorded time that the search names, or else of the whole ledger up to as_of',
  })
  @Absentable()
  @rule('boolean', isBoolean, 'must be true or false')
  envelopes?: boolean;

  @ApiPropertyOptional({
    description: 'The ledger as it was at this sequence; the size of its last checkpoint without it',
  })
  @Absentable()
  @rule('sequence', isSequence, `must be a whole number from 1 to ${MAX_SEQUENCE}, as a string`)
  as_of?: string;
}

export const EVIDENCE_EXAMPLE = { from_sequence: '1', to_sequence: '2' };
