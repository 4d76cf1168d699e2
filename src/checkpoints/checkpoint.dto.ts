import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Absentable, rule } from '../events/event.dto.js';

/** The largest size that is asked for: that of a 64-bit integer with a sign. */
const MAX_SIZE = 9_223_372_036_854_775_807n;

function isTreeSize(value: unknown): value is string {
  return typeof value === 'string' && /^(0|[1-9][0-9]{0,18})$/.test(value) && BigInt(value) <= MAX_SIZE;
}

const IsTreeSize = (): PropertyDecorator =>
  rule('tree-size', isTreeSize, `must be a whole number from 0 to ${MAX_SIZE}`);

export class ConsistencyQueryDto {
  @ApiProperty({ description: 'Size of the older tree', example: '3' })
  @IsTreeSize()
  from: string;
  @ApiPropertyOptional({ description: 'Size of the newer tree; that of the last checkpoint without it', example: '7' })
  @Absentable()
  @IsTreeSize()
  to?: string;
}

export class ConsistencyDto {
  @ApiProperty({ example: 'audit.example.com/truetrail/main' })
  origin: string;
  @ApiProperty({ example: '3' })
  from: string;
  @ApiProperty({ example: '7' })
  to: string;
  @ApiProperty({
    type: [String],
    description: 'In base64, in the order of RFC 9162, section 2.1.4.1',
    example: ['ApjRIpEm3Pz+HIlWHMaZX+7vdkqYA3hWqGjmt8vZd+c='],
  })
  hashes: string[];
}

export class EventProofDto {
  @ApiProperty({ example: 'audit.example.com/truetrail/main' })
  origin: string;
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-00000000000a' })
  event_id: string;
  @ApiProperty({ example: '6' })
  sequence: string;
  @ApiProperty({ example: '5', description: 'Of the leaf, from 0: the sequence less one' })
  leaf_index: string;
  @ApiProperty({ example: '8', description: 'Of the tree that the checkpoint signs' })
  tree_size: string;
  @ApiProperty({
    type: [String],
    description: "In base64, the leaf's sibling first",
    example: ['vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms='],
  })
  hashes: string[];
  @ApiProperty({
    description: 'The signed note (C2SP tlog-checkpoint)',
    example:
      'audit.example.com/truetrail/main\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n— audit.example.com/truetrail/main cEAOkXZi…\n',
  })
  checkpoint: string;
  @ApiProperty({ example: '42', description: 'The round that signed it: object anchors/000000000042 of the archive' })
  anchor: string;
}

export class KeySuccessionDto {
  @ApiProperty({ example: '42', description: 'The round in which the new key first signed' })
  anchor: string;
  @ApiProperty({
    description: 'truetrail/key-succession/v1: origin, new key, and the size from which it signs, signed by both keys',
    example: 'truetrail/key-succession/v1\naudit.example.com/truetrail/main\n…\n',
  })
  note: string;
}

export class KeyHistoryDto {
  @ApiProperty({ example: 'audit.example.com/truetrail/main' })
  origin: string;
  @ApiProperty({
    type: [String],
    description: 'Verifier keys (C2SP signed-note), the first one first',
    example: ['audit.example.com/truetrail/main+a959bdf4+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'],
  })
  keys: string[];
  @ApiProperty({ type: [KeySuccessionDto] })
  successions: KeySuccessionDto[];
}
