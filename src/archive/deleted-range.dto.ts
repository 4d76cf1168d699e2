import { ApiProperty } from '@nestjs/swagger';

/** Events that were deleted at the end of their retention. */
export class DeletedRangeDto {
  @ApiProperty({ example: '1' })
  from_sequence: string;
  @ApiProperty({ description: 'Included', example: '8192' })
  to_sequence: string;
  @ApiProperty({ description: 'In which they were recorded', example: '2019-05-01' })
  month: string;
  @ApiProperty({
    description: '`GET /v1/deletions/{id}` says who and why',
    example: '0197f3a1-6c00-7000-8000-0000000000d7',
  })
  deletion: string;
  @ApiProperty({ description: 'Record class of the policy that had kept them for the longest', example: 'default' })
  policy: string;
  @ApiProperty({ type: 'integer', description: 'Of that policy', example: 7 })
  years: number;
  @ApiProperty({ example: '2026-06-03T09:40:00.123456Z' })
  deleted_at: string;
}
