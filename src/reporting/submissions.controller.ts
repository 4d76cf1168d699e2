import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiExtraModels, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { isOwnLedger, Ledgers } from '../events/ledgers.js';
import { QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { goneSignal, sendHead, sendPieces } from '../http/streamed-answer.js';
import { Health } from '../operation/health.js';
import { chooseFormat } from '../reports/report-formats.js';
import { asBody } from '../reports/report-request-body.js';
import { contentInFormats, ReportAnswerDto } from '../reports/report.dto.js';
import { headersOfKept } from '../runs/kept-answer.js';
import { DEFAULT_RUNS_LISTED, RunListQueryDto } from '../runs/kept-run.dto.js';
import { runIdOf } from '../runs/run-id.js';
import {
  DecisionListDto,
  DecisionQueryDto,
  SentReportsQueryDto,
  SentReportDto,
  shownDecision,
  shownReport,
  shownSubmission,
  SubmissionDto,
  SubmissionListDto,
  SubmissionRequestDto,
} from './submission.dto.js';
import { readSubmissionRequest } from './submission-request.js';
import { submissionNotFound, Submissions, type RunKey } from './submissions.js';

const EXAMPLE = { from_date: '2026-06-02', to_date: '2026-06-02' };
const DEFAULT_DECISIONS = '100';

/** Transaction reports that are sent: their files, and what was decided about each. */
@ApiTags('transaction reports')
@ApiParam({ name: 'ledger', description: 'Slug of the ledger', example: 'main' })
@Controller('v1/ledgers/:ledger/transaction-reports/submissions')
export class SubmissionsController {
  constructor(
    private readonly submissions: Submissions,
    private readonly ledgers: Ledgers,
    private readonly health: Health,
  ) {}

  @Post()
  @HttpCode(202)
  @Access('transaction-reports:submit')
  @ApiOperation({
    operationId: 'submitTransactionReports',
    summary: 'Have what is to be reported of a period written into files, and count as sent',
    description:
      'Made in the background by any replica. What was sent before is not sent again. What is sent is recorded in the ledger _reporting before its files can be fetched; that it was asked for, in _service.',
  })
  @ApiBody({ type: SubmissionRequestDto, examples: { day: { value: EXAMPLE } } })
  @ApiAnswer(202, SubmissionDto)
  @ApiProblems(
    ...(['invalid-json', 'invalid-body', 'ledger-not-found', 'reporting-not-configured', 'too-many-runs'] as const),
    ...(['not-recorded-as-read', 'archive-unavailable', 'database-unavailable'] as const),
  )
  async create(
    @Param('ledger') ledger: string,
    @Body() body: unknown,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SubmissionDto> {
    await this.ledgers.origin(ledger);
    if (isOwnLedger(ledger)) throw new Problem('forbidden', "Nothing is reported of the service's own ledgers");
    const run = await asBody(() => this.submissions.request(ledger, readSubmissionRequest(body), caller));
    const path = ['v1', 'ledgers', ledger, 'transaction-reports', 'submissions', run.id].map(encodeURIComponent);
    void reply.header('location', `/${path.join('/')}`);
    return shownSubmission(run, undefined);
  }

  @Get()
  @Access('reports:read')
  @ApiOperation({ operationId: 'listSubmissions', summary: 'Submissions, the latest ones first' })
  @ApiAnswer(200, SubmissionListDto)
  @ApiProblems('invalid-parameter', 'ledger-not-found', 'database-unavailable')
  async list(
    @Param('ledger') ledger: string,
    @Query(new QueryPipe(RunListQueryDto)) query: RunListQueryDto,
  ): Promise<SubmissionListDto> {
    await this.ledgers.origin(ledger);
    const runs = await this.submissions.list(ledger, Number(query.limit ?? DEFAULT_RUNS_LISTED));
    return {
      submissions: await Promise.all(runs.map(async (run) => shownSubmission(run, await this.submissions.actOf(run)))),
    };
  }

  @Get(':id')
  @Access('reports:read')
  @ApiOperation({ operationId: 'readSubmission', summary: 'How far a submission has come, and its files' })
  @ApiAnswer(200, SubmissionDto)
  @ApiProblems('ledger-not-found', 'submission-not-found', 'database-unavailable')
  async read(@Param('ledger') ledger: string, @Param('id') id: string): Promise<SubmissionDto> {
    const run = await this.submissions.find(await this.keyOf(ledger, id));
    return shownSubmission(run, await this.submissions.actOf(run));
  }

  @Get(':id/decisions')
  @Access('reports:read')
  @ApiOperation({
    operationId: 'listSubmissionDecisions',
    summary: 'What a submission sent, and what it did not send and why',
    description: 'In order; the next page is asked for with the last number as `after`.',
  })
  @ApiAnswer(200, DecisionListDto)
  @ApiProblems('invalid-parameter', 'ledger-not-found', 'submission-not-found', 'database-unavailable')
  async decisions(
    @Param('ledger') ledger: string,
    @Param('id') id: string,
    @Query(new QueryPipe(DecisionQueryDto)) query: DecisionQueryDto,
  ): Promise<DecisionListDto> {
    const { after = '0', limit = DEFAULT_DECISIONS, decision } = query;
    const page = { after: Number(after), limit: Number(limit), ...(decision === undefined ? {} : { decision }) };
    return { decisions: (await this.submissions.decisions(await this.keyOf(ledger, id), page)).map(shownDecision) };
  }

  @Get(':id/reports')
  @Access('reports:read')
  @ApiOperation({
    operationId: 'listSentReports',
    summary: 'The reports of a submission as they were sent, a column for each of the 65 fields',
    description:
      'By transaction reference; read from the files that were sent, for as long as the ledger _reporting is kept. Who read them is recorded in the ledger _service before the first byte.',
  })
  @ApiExtraModels(ReportAnswerDto)
  @ApiResponse({
    status: 200,
    description:
      'A table in the format asked for: message_id, event_id and the 65 fields, as the report transactions names them',
    content: contentInFormats(),
  })
  @ApiProblems(
    ...(['invalid-parameter', 'ledger-not-found', 'submission-not-found', 'submission-unfinished'] as const),
    ...(['not-acceptable', 'event-deleted', 'not-recorded-as-read', 'archive-unavailable'] as const),
    ...(['read-timeout', 'reads-overloaded', 'shutting-down', 'database-unavailable'] as const),
  )
  async reports(
    @Param('ledger') ledger: string,
    @Param('id') id: string,
    @Query(new QueryPipe(SentReportsQueryDto)) query: SentReportsQueryDto,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const gone = goneSignal(reply, this.health.stopping);
    const run = await this.submissions.findDone(await this.keyOf(ledger, id));
    const { name, contentType } = chooseFormat(query.format, request.headers.accept);
    const headers = {
      'content-type': contentType,
      'content-disposition': `attachment; filename="transaction-reports-${run.id}.${name}"`,
      vary: 'accept',
    };
    if (request.method === 'HEAD') sendHead(reply, headers);
    else await sendPieces(request, reply, this.submissions.sentReports(run, name, caller, gone), gone, headers);
  }

  @Get(':id/reports/:reference')
  @Access('reports:read')
  @ApiParam({
    name: 'reference',
    description: 'Transaction reference (field 2)',
    example: '01J8Z0000000000000000000010010000',
  })
  @ApiOperation({
    operationId: 'readSentReport',
    summary: 'A report as it was sent, and the versions of what it was made by',
    description:
      'Each of its values was derived from events and reference data: the report transactions says so, asked with what `lineage` holds. Who read it is recorded in the ledger _service.',
  })
  @ApiAnswer(200, SentReportDto)
  @ApiProblems(
    ...(['ledger-not-found', 'submission-not-found', 'transaction-report-not-found', 'event-deleted'] as const),
    ...(['not-recorded-as-read', 'archive-unavailable', 'database-unavailable'] as const),
  )
  async report(
    @Param('ledger') ledger: string,
    @Param('id') id: string,
    @Param('reference') reference: string,
    @Caller() caller: Principal,
  ): Promise<SentReportDto> {
    return shownReport(await this.submissions.sentReport(await this.keyOf(ledger, id), reference, caller));
  }

  @Get(':id/content')
  @Access('reports:read')
  @ApiOperation({
    operationId: 'fetchSubmission',
    summary: 'The files of a submission, as a zip',
    description:
      'As they were sent, for as long as the ledger _reporting is kept. Who fetched it is recorded in the ledger _service before the first byte.',
  })
  @ApiResponse({
    status: 200,
    description: 'The zip',
    headers: {
      'Repr-Digest': { description: 'RFC 9530, sha-256', schema: { type: 'string' } },
      'Content-Disposition': { description: 'A file name', schema: { type: 'string' } },
    },
    content: { 'application/zip': { schema: { type: 'string', format: 'binary' } } },
  })
  @ApiProblems(
    ...(['ledger-not-found', 'submission-not-found', 'submission-unfinished', 'event-deleted'] as const),
    ...(['not-recorded-as-read', 'archive-unavailable', 'shutting-down', 'database-unavailable'] as const),
  )
  async content(
    @Param('ledger') ledger: string,
    @Param('id') id: string,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const gone = goneSignal(reply, this.health.stopping);
    const run = await this.submissions.findDone(await this.keyOf(ledger, id));
    const headers = {
      ...headersOfKept(run),
      'content-type': 'application/zip',
      'content-disposition': `attachment; filename="transaction-reports-${run.id}.zip"`,
    };
    if (request.method === 'HEAD') sendHead(reply, headers);
    else await sendPieces(request, reply, this.submissions.content(run, caller, gone), gone, headers);
  }

  /** Throws ledger-not-found, and submission-not-found: an id that is no UUID is nobody's. */
  private async keyOf(ledger: string, id: string): Promise<RunKey> {
    await this.ledgers.origin(ledger);
    const known = runIdOf(id);
    if (known === undefined) throw submissionNotFound();
    return { ledger, id: known };
  }
}
