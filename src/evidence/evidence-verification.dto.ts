import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { UnreadRangeDto } from '../chain/verification.dto.js';
import { Absentable, rule } from '../events/event.dto.js';
import { isSequence, MAX_SEQUENCE } from '../events/search-request.js';

const SEQUENCE_RULE = `must be a whole number from 1 to ${MAX_SEQUENCE}, as a string`;

/** Which events; without any, samples of the ledger. */
export class EvidenceVerificationRequestDto {
  @ApiPropertyOptional({ description: 'First sequence, included; given together with to_sequence', example: '1' })
  @Absentable()
  @rule('sequence', isSequence, SEQUENCE_RULE)
  from_sequence?: string;

  @ApiPropertyOptional({ description: 'Last sequence, included; at most 10,000 events', example: '1000' })
  @Absentable()
  @rule('sequence', isSequence, SEQUENCE_RULE)
  to_sequence?: string;
}

export class SampleBundleDto {
  @ApiProperty({ enum: ['recent', 'random', 'archived', 'asked'], example: 'recent' })
  of: string;
  @ApiProperty({ example: '501' })
  from_sequence: string;
  @ApiProperty({ description: 'Included', example: '1000' })
  to_sequence: string;
  @ApiProperty({
    enum: ['valid', 'invalid', 'undecided'],
    nullable: true,
    description: 'What the verifier says of the bundle; null where none could be made',
    example: 'valid',
  })
  verdict: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Of the checkpoint in it', example: '1000' })
  checkpoint_size: string | null;
}

export class SampleFindingDto {
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({
    description: 'As the verifier of bundles has them: docs/evidence.md',
    example: 'content',
  })
  kind: string;
  @ApiProperty({ type: String, nullable: true, example: '42' })
  sequence: string | null;
  @ApiProperty({ type: String, nullable: true, example: '0197f3a1-6c00-7000-8000-00000000000a' })
  event_id: string | null;
  @ApiProperty({ example: 'its content has another hash than its content_hash' })
  detail: string;
}

export class EvidenceVerificationDto {
  @ApiProperty({ description: 'Of the record in _service', example: '0197f3a1-6c00-7000-8000-0000000000f4' })
  id: string;
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({
    enum: ['valid', 'invalid', 'undecided'],
    description:
      'undecided: nothing is wrong with what was verified, but something could not be, or there was nothing to verify',
    example: 'valid',
  })
  verdict: string;
  @ApiProperty({ type: [SampleBundleDto] })
  bundles: SampleBundleDto[];
  @ApiProperty({ description: 'In the bundles that were verified', example: 1000 })
  events: number;
  @ApiProperty({ type: [SampleFindingDto], maxItems: 1000 })
  findings: SampleFindingDto[];
  @ApiProperty({ description: 'How many there are, of which 1,000 at most are listed', example: 0 })
  findings_total: number;
  @ApiProperty({ type: [UnreadRangeDto], description: 'What could not be verified, and why', example: [] })
  unread: UnreadRangeDto[];
}
