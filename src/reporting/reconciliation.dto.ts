import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiProperty, ApiPropertyOptional, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { REPORT_FORMATS } from '../reports/report-formats.js';
import { parametersOf } from '../reports/report-parameters.js';
import { PeriodRequestDto } from '../reports/report-run.dto.js';
import { contentInFormats, ReportAnswerDto } from '../reports/report.dto.js';
import { NAMED_RECONCILIATION } from './reconciliation-request.js';

class GivenPositionDto {
  @ApiPropertyOptional({
    description: 'As fields 7 and 16 have it; left out, the executing entity',
    example: '529900G3SW56SHYNPR95',
  })
  party?: string;
  @ApiProperty({ description: 'As field 41 has it, or field 42 where that has none', example: 'DE0007164600' })
  instrument: string;
  @ApiProperty({ description: 'Bought minus sold in the period, by the books', example: '-120' })
  quantity: string;
  @ApiPropertyOptional({
    description: 'units (when left out), or nominal or monetary with a currency',
    example: 'units',
  })
  quantity_in?: string;
}

/** What a reconciliation is asked for: a period, as a report's, and what follows. */
export class ReconciliationRequestDto extends PeriodRequestDto {
  @ApiPropertyOptional({ description: 'LEI; as in the report transactions', example: '529900G3SW56SHYNPR95' })
  executing_entity?: string;
  @ApiPropertyOptional({ description: 'all, or differences alone', example: 'differences' })
  list?: string;
  @ApiPropertyOptional({ description: 'When it is looked at; now when left out', example: '2026-06-03T06:00:00Z' })
  at?: string;
  @ApiPropertyOptional({ description: 'Up to which act submissions and feedback count', example: '12' })
  reporting_as_of?: string;
  @ApiPropertyOptional({ description: 'Of the authority; REPORTING_TIME_ZONE when left out', example: 'Europe/Paris' })
  time_zone?: string;
  @ApiPropertyOptional({
    description: 'Authority whose days off count; REPORTING_RECEIVER when left out',
    example: 'FR',
  })
  receiver?: string;
  @ApiPropertyOptional({ description: 'Revision of the reference data', example: '12' })
  reference_as_of?: string;
  @ApiPropertyOptional({ enum: REPORT_FORMATS.map(({ name }) => name), example: 'csv' })
  format?: string;
  @ApiPropertyOptional({
    description: 'In which xlsx and html show times; UTC when left out',
    example: 'Europe/Berlin',
  })
  display_time_zone?: string;
  @ApiPropertyOptional({ type: [GivenPositionDto], description: 'What the books say of positions; up to 10,000' })
  positions?: GivenPositionDto[];
}

/** The answer, in each of its formats. */
export function ApiReconciliation(): MethodDecorator {
  return applyDecorators(
    ApiExtraModels(ReportAnswerDto),
    ApiResponse({
      status: 200,
      description: 'The reconciliation in the format asked for: columns as of a report',
      headers: {
        'Truetrail-Reconciliation': {
          description: 'entity_id of its event in the ledger _reporting',
          schema: { type: 'string' },
          example: '0197f3a1-6c00-7000-8000-0000000000e1',
        },
        'Truetrail-As-Of': { description: 'as_of, in every format', schema: { type: 'string' }, example: '7' },
      },
      content: contentInFormats(),
    }),
  );
}

/** Its parameters in a query. */
export function ApiReconciliationParameters(): MethodDecorator {
  return applyDecorators(
    ...parametersOf(NAMED_RECONCILIATION).map((parameter) => ApiQuery({ ...parameter, schema: { type: 'string' } })),
  );
}
