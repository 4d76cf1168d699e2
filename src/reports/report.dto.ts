import { ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { DeletedRangeDto } from '../archive/deleted-range.dto.js';
import { REPORT_FORMATS } from './report-formats.js';

export class ReportParameterDto {
  @ApiProperty({ example: 'from_date' })
  name: string;
  @ApiProperty({ example: 'First day of the period by event time, UTC, included. Days or times, not both' })
  description: string;
  @ApiProperty({ description: 'Of the ends of a period, see the member period of the report', example: false })
  required: boolean;
  @ApiProperty({ example: '2026-06-02' })
  example: string;
}

export class ReportColumnDto {
  @ApiProperty({ example: 'venue' })
  name: string;
  @ApiProperty({
    description: 'What stands in it and where it is taken from',
    example: 'new_state.exchange, looked up',
  })
  description: string;
  @ApiPropertyOptional({
    enum: ['time'],
    description:
      'An instant: shown in display_time_zone in formats that people read. Absent of all else, days among it',
    example: 'time',
  })
  holds?: 'time';
}

export class ReportFormDto {
  @ApiProperty({ description: 'Of the parameter', example: 'rts24' })
  value: string;
  @ApiProperty({ example: 'Order records (RTS 24)' })
  title: string;
  @ApiProperty({ type: [ReportColumnDto], description: 'In the order of a CSV answer' })
  columns: ReportColumnDto[];
}

export class ReportFormsDto {
  @ApiProperty({ description: 'The name of the parameter', example: 'regime' })
  parameter: string;
  @ApiProperty({ type: [ReportFormDto] })
  forms: ReportFormDto[];
}

export class ReportDto {
  @ApiProperty({ example: 'mifid2-trades' })
  name: string;
  @ApiProperty({ example: 'Trades (MiFID II)' })
  title: string;
  @ApiProperty({ description: 'What it answers', example: 'Which trades were executed in the period?' })
  question: string;
  @ApiProperty({
    enum: ['required', 'optional'],
    description: 'Whether from_date and to_date, or from and to, must be given',
    example: 'required',
  })
  period: 'required' | 'optional';
  @ApiProperty({ type: [ReportParameterDto] })
  parameters: ReportParameterDto[];
  @ApiPropertyOptional({
    type: [ReportColumnDto],
    description: 'In the order of a CSV answer; absent where they depend on a parameter, as columns_by says',
  })
  columns?: ReportColumnDto[];
  @ApiPropertyOptional({ type: ReportFormsDto, description: 'The columns by the value of a parameter' })
  columns_by?: ReportFormsDto;
  @ApiProperty({ type: [String], example: ['json', 'csv', 'ndjson'] })
  formats: string[];
}

export class ReportListDto {
  @ApiProperty({ type: [ReportDto] })
  reports: ReportDto[];
}

export class ReportAnswerDto {
  @ApiProperty({ example: 'mifid2-trades' })
  report: string;
  @ApiProperty({ example: 'main' })
  ledger: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { from_date: '2026-06-02', to_date: '2026-06-02' },
  })
  parameters: Record<string, string>;
  @ApiProperty({ description: 'Sequence up to which events count; send it to get the same bytes again', example: '7' })
  as_of: string;
  @ApiProperty({
    type: 'array',
    description: 'A member a column: text, or null where there is nothing',
    items: { type: 'object', additionalProperties: { type: 'string', nullable: true } },
    example: [{ venue: 'XNAS', instrument: 'AAPL', side: 'buy', quantity: '60', price: '585.33' }],
  })
  rows: Record<string, string | null>[];
  @ApiProperty({ example: '1' })
  rows_total: string;
  @ApiPropertyOptional({
    type: [DeletedRangeDto],
    description:
      'Events up to as_of, of any time, that were deleted at the end of their retention; absent when none were. Rows may lack what these said',
  })
  deleted?: DeletedRangeDto[];
}

/** The content of an answer that is a table in one of REPORT_FORMATS, as the API's document has it. */
export function contentInFormats() {
  const content = REPORT_FORMATS.map(({ name, mediaType }) => [
    mediaType,
    { schema: name === 'json' ? { $ref: getSchemaPath(ReportAnswerDto) } : { type: 'string' } },
  ]);
  return Object.fromEntries(content) as Record<string, { schema: { type: 'string' } }>;
}
