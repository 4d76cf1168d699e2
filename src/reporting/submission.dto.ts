import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { Absentable, rule } from '../events/event.dto.js';
import { REPORT_FORMATS } from '../reports/report-formats.js';
import { PeriodRequestDto } from '../reports/report-run.dto.js';
import { KeptRunDto } from '../runs/kept-run.dto.js';
import { UNSENT } from '../transaction-reports/submission-plan.js';
import { OVER } from './report-notes.js';
import type { RecordedAct } from './reporting-book.sql.js';
import { CANCEL_UNDERIVED, CORRECT_DIFFERING, REPEAT_REJECTED } from './submission-request.js';
import type { SubmissionSummary } from './reporting-events.js';
import type { Decision, StoredRun } from './submission-runs.sql.js';
import type { SentReport } from './submissions.js';

const MAX_DECISIONS = 1_000;
const FORMAT_NAMES = REPORT_FORMATS.map(({ name }) => name);
/** Parameters that the report transactions does not have. */
const SUBMISSION_ALONE = [REPEAT_REJECTED, CANCEL_UNDERIVED, CORRECT_DIFFERING];
/** As docs/transaction-report-states.md has them. */
const DECISIONS = ['send', ...UNSENT, OVER];

/** What a submission is asked for: a period, as a report's, and what follows. It is of all that is known. */
export class SubmissionRequestDto extends OmitType(PeriodRequestDto, ['as_of']) {
  @ApiPropertyOptional({ description: 'LEI; as in the report transactions', example: '529900G3SW56SHYNPR95' })
  executing_entity?: string;
  @ApiPropertyOptional({ description: 'yes sends again what was rejected, though it says the same', example: 'yes' })
  repeat_rejected?: string;
  @ApiPropertyOptional({
    description:
      'yes cancels what is `underived`: nothing is to be reported of it by reference data that were corrected',
    example: 'yes',
  })
  cancel_underived?: string;
  @ApiPropertyOptional({
    description:
      'yes cancels what `differs`: it was sent with another content, by reference data that were corrected. The next submission reports it anew once the authority has taken that',
    example: 'yes',
  })
  correct_differing?: string;
}

class SubmittedFileDto {
  @ApiProperty({
    description: 'Its BizMsgIdr; its name in the zip is this with .xml',
    example: 'TF_DATTRA_FR_000001-0-000000_26',
  })
  message_id: string;
  @ApiProperty({ description: 'New reports in it', example: '12' })
  new: string;
  @ApiProperty({ description: 'Cancellations in it', example: '1' })
  cancelled: string;
  @ApiProperty({ example: '18220' })
  bytes: string;
  @ApiProperty({ example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae' })
  sha256: string;
}

export class SubmissionDto extends OmitType(KeptRunDto, ['expires_at']) {
  @ApiProperty({ example: '529900G3SW56SHYNPR95' })
  executing_entity: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'Who sends its files, by which they are named and numbered, as it stood when it was asked for; null where a release that did not keep it was asked',
    example: 'TF',
  })
  sender: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Which authority gets them; as sender', example: 'FR' })
  receiver: string | null;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, example: { from_date: '2026-06-02' } })
  parameters: Record<string, string>;
  @ApiProperty({ type: String, nullable: true, description: 'Records in its files, once they are made', example: '13' })
  records: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'The number of the act in the ledger _reporting by which what it sent, or found held, is on record; null as long as nothing is',
    example: '1',
  })
  act: string | null;
  @ApiProperty({
    description:
      'How often it was made anew, because submissions or feedback about the same executions, or files of the same line, came first. From the third time on it goes first, and these wait',
    example: '0',
  })
  overtaken: string;
  @ApiProperty({ type: [SubmittedFileDto], description: 'Once it counts as sent' })
  files: SubmittedFileDto[];
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    nullable: true,
    description:
      'Once it is on record: versions of what its reports were made by: the service, the report transactions, set of fields, schemas (none: not held against any), rules with codes, vocabulary, currencies, countries',
    example: {
      service: 'truetrail/0.1.0',
      'field-set': '2017/590',
      'schema-set': '1.1.0',
      'rts22-transaction-reports': '2',
    },
  })
  made_with: Record<string, string> | null;
}

/** A report as it was sent, and by what it was made. */
export class SentReportDto {
  @ApiProperty({ example: '01J8Z0000000000000000000010010000' })
  transaction_reference: string;
  @ApiProperty({ enum: ['NEWT', 'CANC'], example: 'NEWT' })
  status: string;
  @ApiProperty({ description: 'Of the file that it is in', example: 'TF_DATTRA_FR_000001-0-000000_26' })
  message_id: string;
  @ApiProperty({ example: '2026-06-03T09:40:01.000000Z' })
  sent_at: string;
  @ApiProperty({
    description: 'The execution or allocation, as first recorded',
    example: '0197f3a1-6c00-7000-8000-0000000000e1',
  })
  event_id: string;
  @ApiProperty({
    description: 'SHA-256 of the record',
    example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
  })
  sha256: string;
  @ApiProperty({ description: 'The record as it stands in the file: the element Tx', example: '<Tx><New>…</New></Tx>' })
  record: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'As of its submission',
    example: { service: 'truetrail/0.1.0' },
  })
  made_with: Record<string, string>;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'What the report transactions is to be asked with for the lineage of each of its values',
    example: { from_date: '2026-06-02', to_date: '2026-06-02', as_of: '7', reference_as_of: '5', lineage: 'yes' },
  })
  lineage: Record<string, string>;
}

export class SubmissionListDto {
  @ApiProperty({ type: [SubmissionDto] })
  submissions: SubmissionDto[];
}

export class SentReportsQueryDto {
  @ApiPropertyOptional({
    description: `Comes before the header Accept: ${FORMAT_NAMES.join(', ')}`,
    enum: FORMAT_NAMES,
    example: 'csv',
  })
  @Absentable()
  @rule('one-of', (value) => FORMAT_NAMES.some((each) => each === value), `must be ${FORMAT_NAMES.join(', ')}`)
  format?: string;
}

export class DecisionQueryDto {
  @ApiPropertyOptional({ description: 'Decisions of this kind alone', enum: DECISIONS, example: 'held' })
  @Absentable()
  @rule('one-of', (value) => DECISIONS.some((each) => each === value), `must be ${DECISIONS.join(', ')}`)
  decision?: string;
  @ApiPropertyOptional({ description: 'Decisions after this number', example: '100' })
  @Absentable()
  @rule('number', (value) => typeof value === 'string' && /^(?:0|[1-9][0-9]{0,8})$/.test(value), 'must be a number')
  after?: string;
  @ApiPropertyOptional({ description: `1 to ${MAX_DECISIONS}; 100 when left out`, example: '100' })
  @Absentable()
  @rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,3}$/.test(value) && Number(value) <= MAX_DECISIONS,
    `must be a whole number from 1 to ${MAX_DECISIONS}`,
  )
  limit?: string;
}

class DecisionDto {
  @ApiProperty({ description: 'Its place, from 1', example: '1' })
  number: string;
  @ApiProperty({ example: '01J8Z0000000000000000000010010000' })
  transaction_reference: string;
  @ApiProperty({ enum: ['NEWT', 'CANC'], example: 'NEWT' })
  status: string;
  @ApiProperty({ description: 'send, or why it was not sent', enum: DECISIONS, example: 'held' })
  decision: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'What keeps it back',
    example: 'field 29: metadata.trading_capacity must be stated',
  })
  to_mend: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'SHA-256 of the record in the file', example: null })
  sha256: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Of the file that it is in', example: null })
  message_id: string | null;
  @ApiProperty({ example: 'O-1' })
  order_id: string;
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000e1' })
  event_id: string;
  @ApiProperty({ example: '1' })
  version: string;
  @ApiProperty({ example: '0' })
  leg: string;
}

export class DecisionListDto {
  @ApiProperty({ type: [DecisionDto] })
  decisions: DecisionDto[];
}

export function shownSubmission(run: StoredRun, act: RecordedAct | undefined): SubmissionDto {
  const { id, ledger, executing_entity, parameters, as_of, status, rows: records, bytes, sha256, error } = run;
  const { requested_by, created_at, started_at, finished_at } = run;
  const { sender = run.sender, receiver = run.receiver } = (act?.summary ?? {}) as Partial<SubmissionSummary>;
  return {
    ...{
      id,
      ledger,
      executing_entity,
      sender,
      receiver,
      parameters: { ...parameters },
      as_of,
      status,
      records,
      bytes,
      sha256,
      error,
    },
    ...{ requested_by, created_at, started_at, finished_at },
    act: act ? String(act.act) : null,
    overtaken: String(run.overtaken),
    files: (act?.summary.files ?? []) as unknown as SubmittedFileDto[],
    made_with: (act?.summary.made_with ?? null) as Record<string, string> | null,
  };
}

export function shownReport({ sent, record, summary }: SentReport): SentReportDto {
  const { parameters, executing_entity, as_of } = summary;
  const asked = Object.entries(parameters).filter(([name]) => !SUBMISSION_ALONE.includes(name));
  return {
    ...{ transaction_reference: sent.transactionReference, status: sent.status, message_id: sent.messageId },
    ...{ sent_at: sent.sentAt, event_id: sent.eventId, sha256: sent.digest, record, made_with: summary.made_with },
    lineage: { ...Object.fromEntries(asked), executing_entity, as_of, lineage: 'yes' },
  };
}

export function shownDecision(decision: Decision): DecisionDto {
  return {
    ...{ number: String(decision.number), transaction_reference: decision.transactionReference },
    ...{ status: decision.status, decision: decision.decision, to_mend: decision.toMend, sha256: decision.digest },
    ...{ message_id: decision.messageId, order_id: decision.orderId, event_id: decision.eventId },
    ...{ version: String(decision.version), leg: String(decision.leg) },
  };
}
