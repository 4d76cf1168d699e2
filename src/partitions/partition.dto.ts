import { ApiProperty } from '@nestjs/swagger';

const TIME = { type: String, nullable: true, example: null } as const;

export class MonthRangeDto {
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({ example: '1' })
  from_sequence: string;
  @ApiProperty({ example: '8192', description: 'Included' })
  to_sequence: string;
  @ApiProperty({ example: '2026-06-01T07:00:00.000000Z', description: 'Of event times, cut to microseconds' })
  least_timestamp: string;
  @ApiProperty({ example: '2026-06-30T17:00:00.000000Z' })
  greatest_timestamp: string;
  @ApiProperty({ example: '2026-06-01T07:00:00.123456Z' })
  least_recorded_at: string;
  @ApiProperty({ example: '2026-06-30T17:00:00.123456Z' })
  greatest_recorded_at: string;
}

export class PartitionDto {
  @ApiProperty({ example: '2026-06-01', description: 'First day of the month, UTC' })
  month: string;
  @ApiProperty({
    enum: ['open', 'closed', 'sealed', 'retired', 'dropped'],
    example: 'sealed',
    description:
      'closed: nothing is recorded in it any more; sealed: nothing can be; retired: read from the archive; dropped: its table is gone',
  })
  state: string;
  @ApiProperty({ example: 'audit_events_2026_06', description: 'Its table in the database, or what that was' })
  partition_name: string;
  @ApiProperty({ example: '2026-03-01T00:00:00.000000Z' })
  created_at: string;
  @ApiProperty(TIME)
  closed_at: string | null;
  @ApiProperty(TIME)
  sealed_at: string | null;
  @ApiProperty(TIME)
  retired_at: string | null;
  @ApiProperty(TIME)
  dropped_at: string | null;
  @ApiProperty({
    ...TIME,
    description:
      'Until when policies or locks keep it; null until it is archived as a month. Past it, it may be deleted',
  })
  retained_until: string | null;
  @ApiProperty({ ...TIME, description: 'Record class of the policy that keeps it for the longest' })
  record_class: string | null;
  @ApiProperty({ ...TIME, description: 'Its deletion: `GET /v1/deletions/{id}`; null when nobody has asked for one' })
  deletion: string | null;
  @ApiProperty({
    ...TIME,
    enum: ['requested', 'approved', 'removing', 'done'],
    description: 'Of its deletion; from removing on its events are deleted for every reader',
  })
  deletion_state: string | null;
  @ApiProperty({ type: [MonthRangeDto], description: 'What it holds of each ledger, from the state sealed on' })
  ranges: MonthRangeDto[];
}

export class PartitionListDto {
  @ApiProperty({ type: [PartitionDto], description: 'The first month first' })
  partitions: PartitionDto[];
}
