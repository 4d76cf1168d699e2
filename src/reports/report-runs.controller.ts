import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { Checkpoints, type SignedCheckpoint } from '../checkpoints/checkpoints.js';
import { Ledgers } from '../events/ledgers.js';
import { QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { goneSignal, sendHead, sendPieces } from '../http/streamed-answer.js';
import { Health } from '../operation/health.js';
import { headersOfKept } from '../runs/kept-answer.js';
import { runIdOf } from '../runs/run-id.js';
import { fileName } from './report-file-name.js';
import { asMayBeSeen } from './report-access.js';
import { chooseFormat, formatOf } from './report-formats.js';
import { manifestOf } from './report-manifest.js';
import { asBody, readRequest } from './report-request-body.js';
import { DEFAULT_RUNS_LISTED, RunListQueryDto } from '../runs/kept-run.dto.js';
import { ReportManifestDto, ReportRunDto, ReportRunListDto, ReportRunRequestDto } from './report-run.dto.js';
import { ReportRuns, type RunKey } from './report-runs.js';
import type { StoredRun } from './report-runs.sql.js';
import { findReport, REPORTS } from './reports.js';

const EXAMPLE = { from_date: '2026-06-02', to_date: '2026-06-02', format: 'csv' };

/** Reports that are made in the background and fetched later, and the manifests of all. */
@ApiTags('reports')
@ApiParam({ name: 'report', enum: REPORTS.map(({ name }) => name), example: 'mifid2-trades' })
@Controller('v1/ledgers/:ledger/reports/:report/runs')
export class ReportRunsController {
  constructor(
    private readonly runs: ReportRuns,
    private readonly ledgers: Ledgers,
    private readonly checkpoints: Checkpoints,
    private readonly health: Health,
  ) {}

  @Post()
  @HttpCode(202)
  @Access('reports:read')
  @ApiOperation({
    operationId: 'requestReportRun',
    summary: 'Have a report made, to be fetched later',
    description:
      'The parameters of the report, as_of and format as members of a JSON object, each a string. The answer is fixed to as_of, made in the background by any replica, and kept for REPORT_RUN_DAYS. Recorded in the ledger _service.',
  })
  @ApiBody({ type: ReportRunRequestDto, examples: { day: { value: EXAMPLE } } })
  @ApiAnswer(202, ReportRunDto)
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'ledger-not-found',
    'report-not-found',
    'not-acceptable',
    'too-many-runs',
    'not-recorded-as-read',
    'archive-unavailable',
    'database-unavailable',
  )
  async create(
    @Param('ledger') ledger: string,
    @Param('report') name: string,
    @Body() body: unknown,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReportRunDto> {
    await this.ledgers.origin(ledger);
    const report = findReport(ledger, name);
    const prepared = await asBody(async () => {
      const request = asMayBeSeen(readRequest(report, body), caller);
      return this.runs.prepare(ledger, chooseFormat(request.format, undefined), request);
    });
    const run = await this.runs.request(prepared, caller);
    const path = ['v1', 'ledgers', ledger, 'reports', name, 'runs', run.id].map(encodeURIComponent);
    void reply.header('location', `/${path.join('/')}`);
    return shown(run);
  }

  @Get()
  @Access('reports:read')
  @ApiOperation({
    operationId: 'listReportRuns',
    summary: 'Runs of a report, the latest ones first',
    description: 'Also those whose answer went out as it was made.',
  })
  @ApiAnswer(200, ReportRunListDto)
  @ApiProblems('invalid-parameter', 'ledger-not-found', 'report-not-found', 'database-unavailable')
  async list(
    @Param('ledger') ledger: string,
    @Param('report') name: string,
    @Query(new QueryPipe(RunListQueryDto)) query: RunListQueryDto,
  ): Promise<ReportRunListDto> {
    await this.ledgers.origin(ledger);
    const runs = await this.runs.list(
      ledger,
      findReport(ledger, name).name,
      Number(query.limit ?? DEFAULT_RUNS_LISTED),
    );
    return { runs: runs.map(shown) };
  }

  @Get(':id')
  @Access('reports:read')
  @ApiOperation({ operationId: 'readReportRun', summary: 'How far a run of a report has come' })
  @ApiAnswer(200, ReportRunDto)
  @ApiProblems('ledger-not-found', 'report-run-not-found', 'database-unavailable')
  async read(
    @Param('ledger') ledger: string,
    @Param('report') report: string,
    @Param('id') id: string,
  ): Promise<ReportRunDto> {
    return shown(await this.runs.find(keyOf(ledger, report, id)));
  }

  @Get(':id/manifest')
  @Access('reports:read')
  @ApiOperation({
    operationId: 'readReportManifest',
    summary: 'What the answer of a run is: what it was made from and how, and its digest',
    description: 'Of every run that is done, also once its answer is not kept any more, or never was.',
  })
  @ApiAnswer(200, ReportManifestDto)
  @ApiProblems('ledger-not-found', 'report-run-not-found', 'report-run-unfinished', 'database-unavailable')
  async manifest(
    @Param('ledger') ledger: string,
    @Param('report') report: string,
    @Param('id') id: string,
  ): Promise<ReportManifestDto> {
    const run = await this.runs.findWhole(keyOf(ledger, report, id));
    const origin = await this.ledgers.origin(ledger);
    return manifestOf(run, origin, await this.checkpointOf(run));
  }

  @Get(':id/content')
  @Access('reports:read')
  @ApiOperation({
    operationId: 'fetchReport',
    summary: 'The kept answer of a run',
    description: 'Who fetched it is recorded in the ledger _service before the first byte.',
  })
  @ApiResponse({
    status: 200,
    description: 'The answer, in the format of the run',
    headers: {
      'Truetrail-As-Of': { description: 'as_of', schema: { type: 'string' }, example: '7' },
      'Repr-Digest': { description: 'RFC 9530, sha-256', schema: { type: 'string' } },
      'Content-Disposition': { description: 'A file name', schema: { type: 'string' } },
    },
    content: { '*/*': { schema: { type: 'string', format: 'binary' } } },
  })
  @ApiProblems(
    'ledger-not-found',
    'report-run-not-found',
    'report-run-unfinished',
    'report-run-expired',
    'not-recorded-as-read',
    'shutting-down',
    'database-unavailable',
  )
  async content(
    @Param('ledger') ledger: string,
    @Param('report') report: string,
    @Param('id') id: string,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const gone = goneSignal(reply, this.health.stopping);
    const run = await this.runs.findKept(keyOf(ledger, report, id));
    const format = formatOf(run.format);
    const headers = {
      ...headersOfKept(run),
      'content-type': format.contentType,
      'content-disposition': `attachment; filename="${fileName({ ...run, asOf: run.as_of })}"`,
    };
    if (request.method === 'HEAD') sendHead(reply, headers);
    else await sendPieces(request, reply, this.runs.content(run, caller, gone), gone, headers);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @Access('reports:read')
  @ApiOperation({
    operationId: 'cancelReportRun',
    summary: 'Stop a run whose answer would be kept',
    description:
      'By whoever asked for it, or with the scope operations:run. One that is over stays as it is. Who cancelled it is recorded in the ledger _service.',
  })
  @ApiAnswer(200, ReportRunDto)
  @ApiProblems('ledger-not-found', 'report-run-not-found', 'not-recorded-as-read', 'database-unavailable')
  async cancel(
    @Param('ledger') ledger: string,
    @Param('report') report: string,
    @Param('id') id: string,
    @Caller() caller: Principal,
  ): Promise<ReportRunDto> {
    return shown(await this.runs.cancel(keyOf(ledger, report, id), caller));
  }

  @Delete(':id/content')
  @Access('reports:read')
  @ApiOperation({
    operationId: 'discardReport',
    summary: 'Throw the kept answer of a run away before its time',
    description:
      'By whoever asked for it, or with the scope operations:run. The run and its manifest stay; one whose answer is not kept stays as it is. Who did so is recorded in the ledger _service.',
  })
  @ApiAnswer(200, ReportRunDto)
  @ApiProblems(
    'ledger-not-found',
    'report-run-not-found',
    'report-run-unfinished',
    'not-recorded-as-read',
    'database-unavailable',
  )
  async discard(
    @Param('ledger') ledger: string,
    @Param('report') report: string,
    @Param('id') id: string,
    @Caller() caller: Principal,
  ): Promise<ReportRunDto> {
    return shown(await this.runs.discard(keyOf(ledger, report, id), caller));
  }

  /** The first checkpoint that covers all that a run was made from, once it is signed. */
  private async checkpointOf({ ledger, as_of: asOf }: StoredRun): Promise<SignedCheckpoint | undefined> {
    try {
      return await this.checkpoints.covering(ledger, BigInt(asOf));
    } catch (error) {
      if (error instanceof Problem && error.slug === 'not-yet-checkpointed') return undefined;
      throw error;
    }
  }
}

/** Throws report-run-not-found: an id that is no UUID is nobody's. */
function keyOf(ledger: string, report: string, id: string): RunKey {
  const known = runIdOf(id);
  if (known === undefined) {
    throw new Problem('report-run-not-found', 'There is no such run of this report in this ledger');
  }
  return { ledger, report, id: known };
}

function shown(run: StoredRun): ReportRunDto {
  const { id, ledger, report, format, parameters, as_of, status, rows, bytes, sha256, error, requested_by } = run;
  const { created_at, started_at, finished_at, expires_at, is_kept: kept } = run;
  return {
    ...{ id, ledger, report, format, parameters: { ...parameters }, as_of, status, kept, rows, bytes, sha256, error },
    ...{ requested_by, created_at, started_at, finished_at, expires_at },
  };
}
