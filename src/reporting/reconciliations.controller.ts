import { Body, Controller, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { Ledgers } from '../events/ledgers.js';
import { ApiProblems } from '../http/openapi.decorator.js';
import type { Parameters } from '../http/parameters.js';
import { Problem } from '../http/problem.js';
import { QueryParameters } from '../http/query-parameters.js';
import { goneSignal, sendPieces } from '../http/streamed-answer.js';
import { Health } from '../operation/health.js';
import { fileName } from '../reports/report-file-name.js';
import { chooseFormat, formatOf } from '../reports/report-formats.js';
import { asBody } from '../reports/report-request-body.js';
import { MAX_MESSAGE_BYTES } from '../transaction-reports/schema-sets.js';
import { ApiReconciliation, ApiReconciliationParameters, ReconciliationRequestDto } from './reconciliation.dto.js';
import { readReconciliation, readReconciliationBody } from './reconciliation-request.js';
import { Reconciliations, type PreparedReconciliation, type ReconcileBy } from './reconciliations.js';

/** 10,000 positions. */
const MAX_POSITIONS_BYTES = 4 * 1024 * 1024;
const EXAMPLE = { from_date: '2026-06-02', to_date: '2026-06-02', list: 'differences' };
const PROBLEMS = [
  ...(['ledger-not-found', 'not-acceptable', 'damaged-record', 'not-recorded-as-read', 'read-timeout'] as const),
  ...(['reads-overloaded', 'queue-full', 'append-timeout', 'shutting-down', 'database-unavailable'] as const),
  'bodies-overloaded',
] as const;

/** Transaction reports that are held against what was sent, what the authority accepted, and what it has. */
@ApiTags('transaction reports')
@ApiParam({ name: 'ledger', description: 'Slug of the ledger', example: 'main' })
@Controller('v1/ledgers/:ledger/transaction-reports/reconciliations')
export class ReconciliationsController {
  constructor(
    private readonly reconciliations: Reconciliations,
    private readonly ledgers: Ledgers,
    private readonly health: Health,
  ) {}

  @Post()
  @HttpCode(200)
  @Access('transaction-reports:submit', { maxBodyBytes: MAX_POSITIONS_BYTES })
  @ApiOperation({
    operationId: 'reconcileTransactionReports',
    summary: 'Hold what events give now against what was sent and accepted, by reference and by position',
    description:
      'Asked for as a report is, and answered in its formats, streamed: references, then positions, then totals. That it was done, by whom, with what and with which counts is recorded in the ledger _reporting before the last of the answer goes out; that it was asked for, in _service before the first.',
  })
  @ApiBody({ type: ReconciliationRequestDto, examples: { day: { value: EXAMPLE } } })
  @ApiReconciliation()
  @ApiProblems('invalid-json', 'invalid-body', 'payload-too-large', ...PROBLEMS)
  async reconcile(
    @Param('ledger') ledger: string,
    @Body() body: unknown,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.ledgers.origin(ledger);
    const { parameters, positions } = readReconciliationBody(body);
    const prepared = await asBody(() => this.prepare(ledger, parameters, request, { positions }));
    await this.answer(prepared, caller, request, reply);
  }

  @Post('samples')
  @HttpCode(200)
  @Access('transaction-reports:submit', { maxBodyBytes: MAX_MESSAGE_BYTES, takesXml: true })
  @ApiOperation({
    operationId: 'reconcileTransactionReportSample',
    summary: 'The same, and against a file of reports: a sample that an authority gave out, or one that was sent',
    description:
      'auth.016.001.01, in its envelope or bare, up to 64 MiB. What is wrong with a file is told by its line, as /lines/{line}. The file itself is not kept: its SHA-256 is recorded.',
  })
  @ApiConsumes('application/xml')
  @ApiBody({
    schema: { type: 'string', example: '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:auth.016.001.01">…' },
  })
  @ApiReconciliation()
  @ApiReconciliationParameters()
  @ApiProblems(
    ...(['invalid-parameter', 'invalid-body', 'payload-too-large', 'unsupported-media-type'] as const),
    ...PROBLEMS,
  )
  async reconcileSample(
    @Param('ledger') ledger: string,
    @Body() sample: unknown,
    @QueryParameters() parameters: Parameters,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.ledgers.origin(ledger);
    if (!Buffer.isBuffer(sample)) throw new Problem('invalid-body', 'The body is missing: send application/xml');
    const prepared = await this.prepare(ledger, parameters, request, { sample });
    await this.answer(prepared, caller, request, reply);
  }

  private async prepare(
    ledger: string,
    parameters: Parameters,
    request: FastifyRequest,
    by: ReconcileBy,
  ): Promise<PreparedReconciliation> {
    const wanted = readReconciliation(parameters);
    return this.reconciliations.prepare(ledger, chooseFormat(wanted.format, request.headers.accept), wanted, by);
  }

  private async answer(
    prepared: PreparedReconciliation,
    caller: Principal,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const gone = goneSignal(reply, this.health.stopping);
    await sendPieces(request, reply, this.reconciliations.handOut(prepared, caller, gone), gone, {
      'content-type': formatOf(prepared.format).contentType,
      'content-disposition': `attachment; filename="${fileName(prepared)}"`,
      'truetrail-as-of': String(prepared.asOf),
      'truetrail-reconciliation': prepared.id,
      vary: 'accept',
    });
  }
}
