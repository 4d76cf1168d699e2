import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, rule } from '../events/event.dto.js';

const NUMBER_EXAMPLE = '42';
const SHA256_EXAMPLE = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
export const DEFAULT_ANCHORS_LISTED = 100;
export const MAX_ANCHORS_LISTED = 1_000;

/** A number that an anchor can have. */
export function isAnchorNumber(value: unknown): value is string {
  return typeof value === 'string' && /^[1-9][0-9]{0,17}$/.test(value);
}

export class AnchorDto {
  @ApiProperty({ example: NUMBER_EXAMPLE, description: 'Of the round, from 1 without a gap' })
  n: string;
  @ApiProperty({ example: SHA256_EXAMPLE, description: "Of the anchor's bytes: what authorities stamp" })
  sha256: string;
  @ApiProperty({ type: String, nullable: true, example: SHA256_EXAMPLE, description: 'sha256 of the anchor before' })
  previous: string | null;
  @ApiProperty({ example: '1530' })
  bytes: string;
  @ApiProperty({ example: 's3://audit-archive/trail/' })
  location: string;
  @ApiProperty({ example: 'anchors/000000000042' })
  object_key: string;
  @ApiProperty({ example: '3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY' })
  version_id: string;
  @ApiProperty({ example: '2026-06-02T08:16:00.123456Z', description: 'When it came into this catalogue' })
  catalogued_at: string;
  @ApiProperty({ type: 'integer', example: 2, description: 'In it, of the ledgers that these credentials are for' })
  checkpoints: number;
  @ApiProperty({ type: 'integer', example: 1, description: 'Over this anchor itself' })
  timestamps: number;
}

export class AnchorListDto {
  @ApiProperty({ type: [AnchorDto], description: 'The last one first' })
  anchors: AnchorDto[];
  @ApiProperty({ type: String, nullable: true, example: null, description: 'null at the end' })
  next_cursor: string | null;
}

const IsPageSize = (): PropertyDecorator =>
  rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,3}$/.test(value) && Number(value) <= MAX_ANCHORS_LISTED,
    `must be a whole number from 1 to ${MAX_ANCHORS_LISTED}`,
  );

export class AnchorListQueryDto {
  @ApiPropertyOptional({ example: '100', description: `At most ${MAX_ANCHORS_LISTED}` })
  @Absentable()
  @IsPageSize()
  limit?: string;
  @ApiPropertyOptional({ example: NUMBER_EXAMPLE, description: 'next_cursor of the page before' })
  @Absentable()
  @rule('cursor', isAnchorNumber, 'must be a next_cursor exactly as it was given out')
  cursor?: string;
}

export class CosignatureDto {
  @ApiProperty({ example: 'north.example/w1+44295065+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X' })
  witness_key: string;
  @ApiProperty({ example: '2026-06-02T08:16:02.000000Z', description: 'When the witness says that it was' })
  cosigned_at: string;
  @ApiProperty({
    example: '— north.example/w1 KnZM6wAAAABo…\n',
    description: 'The line to append to the note (C2SP tlog-cosignature)',
  })
  line: string;
}

export class AnchoredCheckpointDto {
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ example: 'audit.example.com/truetrail/main' })
  origin: string;
  @ApiProperty({ example: '8' })
  size: string;
  @ApiProperty({ example: SHA256_EXAMPLE })
  root_hash: string;
  @ApiProperty({
    description: 'The signed note, as it is in the anchor (C2SP tlog-checkpoint)',
    example:
      'audit.example.com/truetrail/main\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n— audit.example.com/truetrail/main cEAOkXZi…\n',
  })
  note: string;
  @ApiProperty({ type: [CosignatureDto], description: 'As far as they have come' })
  cosignatures: CosignatureDto[];
}

export class AnchorSuccessionDto {
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ example: 'truetrail/key-succession/v1\naudit.example.com/truetrail/main\n…\n' })
  note: string;
}

export class AnchorDetailDto extends AnchorDto {
  @ApiProperty({
    type: String,
    nullable: true,
    example: '2033-06-02T08:16:00.000Z',
    description: 'As the object store says now; null when nothing locks it',
  })
  locked_until: string | null;
  @ApiProperty({ type: Boolean, example: true, description: 'Whether nobody at all can shorten that (COMPLIANCE)' })
  is_compliance: boolean;
  @ApiProperty({ type: [AnchorSuccessionDto], description: 'How a key gave way to the one that signed this' })
  successions: AnchorSuccessionDto[];
}

export class AnchoredCheckpointListDto {
  @ApiProperty({ type: [AnchoredCheckpointDto], description: 'By ledger' })
  checkpoints: AnchoredCheckpointDto[];
  @ApiProperty({ type: String, nullable: true, example: null, description: 'null at the end' })
  next_cursor: string | null;
}

export class AnchoredCheckpointListQueryDto {
  @ApiPropertyOptional({ example: '100', description: `At most ${MAX_ANCHORS_LISTED}` })
  @Absentable()
  @IsPageSize()
  limit?: string;
  @ApiPropertyOptional({ example: 'main', description: 'next_cursor of the page before' })
  @Absentable()
  @rule(
    'cursor',
    (value) => typeof value === 'string' && /^(_|[a-z0-9])[a-z0-9-]{0,62}$/.test(value),
    'must be a next_cursor exactly as it was given out',
  )
  cursor?: string;
}

export class AnchorTimestampDto {
  @ApiProperty({
    example: NUMBER_EXAMPLE,
    description: 'What it is over: the anchor itself, or a later one that names it by the chain of anchors',
  })
  anchor: string;
  @ApiProperty({ example: SHA256_EXAMPLE, description: 'Of the reply' })
  sha256: string;
  @ApiProperty({ example: 'https://tsa.example/', description: 'Who was asked' })
  authority_url: string;
  @ApiProperty({ example: 'CN=TSA 1, O=Example Trust, C=LU', description: 'Subject of the certificate that signed it' })
  authority: string;
  @ApiProperty({ example: '2026-06-02T08:16:03.000000Z', description: 'genTime' })
  stamped_at: string;
  @ApiProperty({ type: 'integer', example: 5421 })
  bytes: number;
  @ApiProperty({ example: 's3://audit-archive/trail/' })
  location: string;
  @ApiProperty({ example: 'timestamps/000000000042-9f86d081884c7d65.tsr' })
  object_key: string;
  @ApiProperty({ example: '3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY' })
  version_id: string;
  @ApiProperty({ type: String, nullable: true, example: '2033-06-02T08:16:03.000Z' })
  locked_until: string | null;
  @ApiProperty({ type: Boolean, example: true })
  is_compliance: boolean;
}

export class AnchorTimestampListDto {
  @ApiProperty({ type: [AnchorTimestampDto], description: 'By anchor, then by authority' })
  timestamps: AnchorTimestampDto[];
}
