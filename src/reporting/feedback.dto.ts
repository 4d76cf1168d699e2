import { ApiProperty } from '@nestjs/swagger';
import { FILE_STATUSES } from '../transaction-reports/feedback-statuses.js';
import type { RecordedAct } from './reporting-book.sql.js';

class AnsweredFileDto {
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'BizMsgIdr of the file that is answered; null where the authority does not say',
    example: 'TF_DATTRA_FR_000001-0-000000_26',
  })
  message_id: string | null;
  @ApiProperty({ enum: FILE_STATUSES, description: 'Of the file as a whole', example: 'PART' })
  status: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'LEI of whoever executed; null where no such file was sent: nothing is changed then',
    example: '529900G3SW56SHYNPR95',
  })
  executing_entity: string | null;
  @ApiProperty({ description: 'Records that are pending now, and were not', example: '0' })
  pending: string;
  @ApiProperty({ description: 'Records that are accepted now, and were not', example: '12' })
  accepted: string;
  @ApiProperty({ description: 'Records that are rejected now, and were not', example: '1' })
  rejected: string;
  @ApiProperty({ description: 'Records of which it says nothing new', example: '0' })
  unchanged: string;
  @ApiProperty({
    description: 'Records that have another final state already, and keep it: for a person to look at',
    example: '0',
  })
  contradictions: string;
  @ApiProperty({ description: 'Records that the file does not have', example: '0' })
  unknown: string;
  @ApiProperty({ type: [String], description: 'Some of them, as the authority writes them', example: [] })
  unknown_records: string[];
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'Records of the file on which it says nothing, so that they stay as they were; null where it was received before that was told',
    example: '0',
  })
  unsaid: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Why it says nothing of these', example: null })
  why_unsaid: string | null;
}

export class FeedbackDto {
  @ApiProperty({
    description: 'SHA-256 of the file, hex: what it is known by',
    example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
  })
  sha256: string;
  @ApiProperty({ example: '18220' })
  bytes: string;
  @ApiProperty({ description: 'Events of the ledger _reporting that hold the file, as it came', example: '1' })
  parts: string;
  @ApiProperty({ type: String, nullable: true, description: 'Its own BizMsgIdr', example: 'FR_FDBTRA_TF_000001_26' })
  message_id: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'To of its header: for whom it is; null where it does not say',
    example: '529900G3SW56SHYNPR95',
  })
  addressed_to: string | null;
  @ApiProperty({
    type: Boolean,
    description:
      'Whether that is somebody else than who sent the files that it answers (of files that were not sent from here REPORTING_SENDER), their executing entities, and who submits for these: for a person to look at. It counts all the same',
    example: false,
  })
  is_addressed_elsewhere: boolean;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Fr of its header: whose it is; null where it does not say',
    example: 'FR',
  })
  sent_by: string | null;
  @ApiProperty({
    type: Boolean,
    description:
      'Whether that is another authority than the files that it answers were sent to (of files that were not sent from here REPORTING_RECEIVER): for a person to look at. It counts all the same',
    example: false,
  })
  is_sent_by_other: boolean;
  @ApiProperty({ description: 'The number of the act in the ledger _reporting', example: '2' })
  act: string;
  @ApiProperty({ description: 'The ledger that it stands in, and where', example: '_reporting' })
  ledger: string;
  @ApiProperty({ example: '31' })
  sequence: string;
  @ApiProperty({ example: 'key:0197f3a1-6c00-7000-8000-00000000f001' })
  received_by: string;
  @ApiProperty({ example: '2026-06-03T06:12:00.123456Z' })
  received_at: string;
  @ApiProperty({ description: 'How many files it answers', example: '1' })
  files_total: string;
  @ApiProperty({ type: [AnsweredFileDto], description: 'The first hundred of them' })
  files: AnsweredFileDto[];
}

export class FeedbackListDto {
  @ApiProperty({ type: [FeedbackDto] })
  feedback: FeedbackDto[];
}

export function shownFeedback({
  act,
  subject,
  ledger,
  sequence,
  principal,
  recordedAt,
  summary,
}: RecordedAct): FeedbackDto {
  const { files, ...known } = summary as unknown as Pick<
    FeedbackDto,
    'bytes' | 'parts' | 'message_id' | 'files_total' | 'files'
  >;
  return {
    ...{ addressed_to: null, is_addressed_elsewhere: false }, // of what was received before they were told
    ...{ sent_by: null, is_sent_by_other: false },
    ...known,
    files: files.map((file) => ({ ...{ unsaid: null, why_unsaid: null }, ...file })),
    ...{ sha256: subject, act: String(act), ledger, sequence, received_by: principal, received_at: recordedAt },
  };
}
