import { applyDecorators, Controller, Get, Param, Req, Res } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
  ApiTags,
  getSchemaPath,
  type ApiResponseOptions,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import type { DeletedRange } from '../archive/deleted-ranges.js';
import { Ledgers } from '../events/ledgers.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { invalidParameters, queryError, type Parameters } from '../http/parameters.js';
import { QueryParameters } from '../http/query-parameters.js';
import { goneSignal, sendHead, sendPieces } from '../http/streamed-answer.js';
import { Health } from '../operation/health.js';
import { ReportAnswerDto, ReportListDto, type ReportDto } from './report.dto.js';
import { fileName } from './report-file-name.js';
import { asMayBeSeen } from './report-access.js';
import { chooseFormat, REPORT_FORMATS } from './report-formats.js';
import { parametersOf, parametersOfAll, readReportRequest } from './report-parameters.js';
import { ReportRuns } from './report-runs.js';
import type { AnyReport, Report } from './report.js';
import { WORKBOOK_MEDIA_TYPE } from './report-workbook.js';
import { findReport, REPORTS } from './reports.js';
import { REFERENCE_AS_OF } from './with-reference-data.js';

const AS_OF_HEADER = 'truetrail-as-of';
const REFERENCE_AS_OF_HEADER = 'truetrail-reference-as-of';
const RUN_HEADER = 'truetrail-report-run';
const DELETED_HEADER = 'truetrail-deleted';
/** Ranges in the header: proxies take headers of some kilobytes. */
const MOST_TOLD = 24;
const LIST: ReportListDto = {
  reports: REPORTS.map((report) => ({
    name: report.name,
    title: report.title,
    question: report.question,
    period: report.isPeriodOptional ? 'optional' : 'required',
    parameters: parametersOf(report),
    ...columnsOf(report),
    formats: REPORT_FORMATS.map(({ name }) => name),
  })),
};

/** Answers to the questions that compliance staff and regulators ask. */
@ApiTags('reports')
@ApiExtraModels(ReportAnswerDto)
@Controller('v1/ledgers/:ledger/reports')
export class ReportsController {
  constructor(
    private readonly ledgers: Ledgers,
    private readonly runs: ReportRuns,
    private readonly health: Health,
  ) {}

  @Get()
  @Access('reports:read')
  @ApiOperation({ operationId: 'listReports', summary: 'List the reports', description: 'The same for every ledger.' })
  @ApiAnswer(200, ReportListDto)
  @ApiProblems('invalid-parameter', 'ledger-not-found', 'database-unavailable')
  async listReports(@Param('ledger') ledger: string, @QueryParameters() query: Parameters): Promise<ReportListDto> {
    const unknown = Object.keys(query).map((name) => queryError(name, 'unknown', 'is not known here'));
    if (unknown.length > 0) throw invalidParameters(unknown);
    await this.ledgers.origin(ledger);
    return LIST;
  }

  @Get(':report')
  @Access('reports:read')
  @ApiOperation({
    operationId: 'runReport',
    summary: 'Run a report',
    description:
      'By days (from_date, to_date) or by times (from, to); order-reconstruction also without. The answer is fixed to as_of: the same parameters with the same as_of give the same bytes; of a report that reads reference data reference_as_of is one of them, and the answer says it. It is streamed; one that fails midway is cut off and never ends cleanly. Who ran what is recorded in the ledger _service before the first byte, the digest of the answer before its last; the header Truetrail-Report-Run names the run, whose manifest says what it was made from.',
  })
  @ApiParam({ name: 'report', enum: REPORTS.map(({ name }) => name), example: 'mifid2-trades' })
  @ApiReportParameters()
  @ApiResponse(reportAnswer())
  @ApiProblems(
    'invalid-parameter',
    'ledger-not-found',
    'report-not-found',
    'not-acceptable',
    'damaged-record',
    'not-recorded-as-read',
    'read-timeout',
    'reads-overloaded',
    'shutting-down',
    'database-unavailable',
  )
  async runReport(
    @Param('ledger') ledger: string,
    @Param('report') name: string,
    @QueryParameters() parameters: Parameters,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const gone = goneSignal(reply, this.health.stopping);
    await this.ledgers.origin(ledger);
    const report = findReport(ledger, name);
    const wanted = asMayBeSeen(readReportRequest(report, parameters), caller);
    const format = chooseFormat(wanted.format, request.headers.accept);
    const run = await this.runs.prepare(ledger, format, wanted);
    const reference = run.parameters[REFERENCE_AS_OF];
    const headers = {
      'content-type': format.contentType,
      'content-disposition': `attachment; filename="${fileName(run)}"`,
      [AS_OF_HEADER]: String(run.asOf),
      ...(reference === undefined ? {} : { [REFERENCE_AS_OF_HEADER]: reference }),
      ...(run.deleted.length > 0 ? { [DELETED_HEADER]: deletedHeader(run.deleted) } : {}),
      vary: 'accept',
    };
    if (request.method === 'HEAD') sendHead(reply, headers);
    else {
      const pieces = this.runs.handOut(run, caller, gone);
      await sendPieces(request, reply, pieces, gone, { ...headers, [RUN_HEADER]: run.id });
    }
  }
}

/** The columns of a report, or of each of its forms. */
function columnsOf(report: AnyReport): Pick<ReportDto, 'columns' | 'columns_by'> {
  const listed = ({ columns }: Report) =>
    columns.map(({ name, description, holds }) => ({ name, description, ...(holds ? { holds } : {}) }));
  if (!('forms' in report)) return { columns: listed(report) };
  const forms = [...report.forms].map(([value, form]) => ({ value, title: form.title, columns: listed(form) }));
  return { columns_by: { parameter: report.formBy, forms } };
}

/** For formats that have no other place for it. A year of months has some 2 KB. */
function deletedHeader(deleted: readonly DeletedRange[]): string {
  const parts = deleted.map(
    ({ from_sequence: from, to_sequence: to, policy, years, deletion }) =>
      `${from}-${to}; policy=${policy}; years=${years}; deletion=${deletion}`,
  );
  const rest = parts.length > MOST_TOLD ? `, and ${parts.length - MOST_TOLD} more` : '';
  return `${parts.slice(0, MOST_TOLD).join(', ')}${rest}`;
}

function ApiReportParameters(): MethodDecorator {
  return applyDecorators(...parametersOfAll(REPORTS).map((parameter) => ApiQuery(parameter)));
}

function reportAnswer(): ApiResponseOptions {
  return {
    status: 200,
    description: 'The report in the format asked for',
    headers: {
      'Truetrail-As-Of': { description: 'as_of, in every format', schema: { type: 'string' }, example: '7' },
      'Truetrail-Reference-As-Of': {
        description:
          'reference_as_of, in every format, of reports that read reference data; none where nothing is known',
        schema: { type: 'string' },
        example: '12',
      },
      'Truetrail-Deleted': {
        description:
          'Only when events up to as_of were deleted at the end of their retention: which sequences, and under which policy',
        schema: { type: 'string' },
        example: '1-8192; policy=default; years=7; deletion=0197f3a1-6c00-7000-8000-0000000000d7',
      },
      'Truetrail-Report-Run': {
        description: 'The run, for GET .../runs/{id}/manifest',
        schema: { type: 'string' },
        example: '0197f3a1-6c00-7000-8000-0000000000e1',
      },
      'Content-Disposition': {
        description: 'A file name that says ledger, report, period and as_of',
        schema: { type: 'string' },
      },
    },
    content: {
      'application/json': { schema: { $ref: getSchemaPath(ReportAnswerDto) } },
      'text/csv': {
        schema: {
          type: 'string',
          description:
            "RFC 4180 with a header row. A cell that begins with = + - @, a tab or a line's end has an apostrophe before it, unless it is a plain negative number",
        },
      },
      [WORKBOOK_MEDIA_TYPE]: {
        schema: {
          type: 'string',
          format: 'binary',
          description: 'A workbook: a sheet that says what it is, and the rows, every cell a text',
        },
      },
      'text/html': { schema: { type: 'string', description: 'A page to read and print' } },
      'application/x-ndjson': {
        schema: {
          type: 'string',
          description: 'A row a line, then {"end": {"rows", "as_of"}}, with "deleted" where something was',
        },
      },
    },
  };
}
