import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { Ledgers } from '../events/ledgers.js';
import { BodyPipe, QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { goneSignal, sendHead, sendPieces } from '../http/streamed-answer.js';
import { kindOfAsked } from '../integrity/evidence-claims.js';
import { Health } from '../operation/health.js';
import { headersOfKept } from '../runs/kept-answer.js';
import { runIdOf } from '../runs/run-id.js';
import { assertMayRead, headersOfBundle, pathOfRun } from './evidence-answer.js';
import { EVIDENCE_EXAMPLE, EvidenceRequestDto } from './evidence.dto.js';
import { readEvidenceRequest } from './evidence-request.js';
import { DEFAULT_RUNS_LISTED, RunListQueryDto } from '../runs/kept-run.dto.js';
import { EvidenceRunDto, EvidenceRunListDto, shownRun } from './evidence-run.dto.js';
import { EvidenceRuns, runNotFound, type RunKey } from './evidence-runs.js';
import { Evidence } from './evidence.js';

/** Bundles that are made in the background and fetched later. */
@ApiTags('proofs')
@ApiParam({ name: 'ledger', description: 'Slug of the ledger', example: 'main' })
@Controller('v1/ledgers/:ledger/evidence/runs')
export class EvidenceRunsController {
  constructor(
    private readonly evidence: Evidence,
    private readonly runs: EvidenceRuns,
    private readonly ledgers: Ledgers,
    private readonly health: Health,
  ) {}

  @Post()
  @HttpCode(202)
  @Access('proofs:read')
  @ApiOperation({
    operationId: 'requestEvidenceRun',
    summary: 'Have a bundle made, to be fetched later',
    description:
      'Asked for as makeEvidence, and of any size. The bundle is fixed to as_of, made in the background by any replica, and kept for EVIDENCE_RUN_DAYS. With contents the scope events:read is needed as well. Recorded in the ledger _service.',
  })
  @ApiBody({ type: EvidenceRequestDto, examples: { range: { value: EVIDENCE_EXAMPLE } } })
  @ApiAnswer(202, EvidenceRunDto)
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'ledger-not-found',
    'event-not-found',
    'not-yet-checkpointed',
    'events-lost',
    'payload-too-large',
    'too-many-runs',
    'damaged-record',
    'archive-damaged',
    'archive-unavailable',
    'not-recorded-as-read',
    'database-unavailable',
  )
  async create(
    @Param('ledger') ledger: string,
    @Body(new BodyPipe(EvidenceRequestDto)) body: EvidenceRequestDto,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<EvidenceRunDto> {
    const question = readEvidenceRequest(ledger, body);
    assertMayRead(caller, question.contents);
    const run = await this.runs.request(await this.evidence.prepare(ledger, question), caller);
    void reply.header('location', pathOfRun(run));
    return shownRun(run);
  }

  @Get()
  @Access('proofs:read')
  @ApiOperation({ operationId: 'listEvidenceRuns', summary: 'Bundles made as runs, the latest ones first' })
  @ApiAnswer(200, EvidenceRunListDto)
  @ApiProblems('invalid-parameter', 'ledger-not-found', 'database-unavailable')
  async list(
    @Param('ledger') ledger: string,
    @Query(new QueryPipe(RunListQueryDto)) query: RunListQueryDto,
  ): Promise<EvidenceRunListDto> {
    await this.ledgers.origin(ledger);
    const runs = await this.runs.list(ledger, Number(query.limit ?? DEFAULT_RUNS_LISTED));
    return { runs: runs.map(shownRun) };
  }

  @Get(':id')
  @Access('proofs:read')
  @ApiOperation({ operationId: 'readEvidenceRun', summary: 'How far a bundle has come' })
  @ApiAnswer(200, EvidenceRunDto)
  @ApiProblems('ledger-not-found', 'evidence-run-not-found', 'database-unavailable')
  async read(@Param('ledger') ledger: string, @Param('id') id: string): Promise<EvidenceRunDto> {
    return shownRun(await this.runs.find(keyOf(ledger, id)));
  }

  @Get(':id/content')
  @Access('proofs:read')
  @ApiOperation({
    operationId: 'fetchEvidence',
    summary: 'A kept bundle',
    description:
      'Who fetched it is recorded in the ledger _service before the first byte. For one with contents the scope events:read is needed as well.',
  })
  @ApiResponse({
    status: 200,
    description: 'The bundle',
    headers: {
      'Truetrail-As-Of': { description: 'as_of', schema: { type: 'string' }, example: '7' },
      'Repr-Digest': { description: 'RFC 9530, sha-256', schema: { type: 'string' } },
      'Content-Disposition': { description: 'A file name', schema: { type: 'string' } },
    },
    content: { 'application/zip': { schema: { type: 'string', format: 'binary' } } },
  })
  @ApiProblems(
    'ledger-not-found',
    'evidence-run-not-found',
    'evidence-run-unfinished',
    'evidence-run-expired',
    'not-recorded-as-read',
    'shutting-down',
    'database-unavailable',
  )
  async content(
    @Param('ledger') ledger: string,
    @Param('id') id: string,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const gone = goneSignal(reply, this.health.stopping);
    const key = keyOf(ledger, id);
    assertMayRead(caller, (await this.runs.find(key)).contents);
    const run = await this.runs.findKept(key);
    const headers = { ...headersOfKept(run), ...headersOfBundle(ledger, kindOfAsked(run.asked)!, run.as_of) };
    if (request.method === 'HEAD') sendHead(reply, headers);
    else await sendPieces(request, reply, this.runs.content(run, caller, gone), gone, headers);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @Access('proofs:read')
  @ApiOperation({
    operationId: 'cancelEvidenceRun',
    summary: 'Stop a run',
    description:
      'By whoever asked for it, or with the scope operations:run. One that is over stays as it is. Who cancelled it is recorded in the ledger _service.',
  })
  @ApiAnswer(200, EvidenceRunDto)
  @ApiProblems('ledger-not-found', 'evidence-run-not-found', 'not-recorded-as-read', 'database-unavailable')
  async cancel(
    @Param('ledger') ledger: string,
    @Param('id') id: string,
    @Caller() caller: Principal,
  ): Promise<EvidenceRunDto> {
    return shownRun(await this.runs.cancel(keyOf(ledger, id), caller));
  }

  @Delete(':id/content')
  @Access('proofs:read')
  @ApiOperation({
    operationId: 'discardEvidence',
    summary: 'Throw a kept bundle away before its time',
    description:
      'By whoever asked for it, or with the scope operations:run. The run stays, with the digest of what was made. Who did so is recorded in the ledger _service.',
  })
  @ApiAnswer(200, EvidenceRunDto)
  @ApiProblems(
    'ledger-not-found',
    'evidence-run-not-found',
    'evidence-run-unfinished',
    'not-recorded-as-read',
    'database-unavailable',
  )
  async discard(
    @Param('ledger') ledger: string,
    @Param('id') id: string,
    @Caller() caller: Principal,
  ): Promise<EvidenceRunDto> {
    return shownRun(await this.runs.discard(keyOf(ledger, id), caller));
  }
}

/** Throws evidence-run-not-found: an id that is no UUID is nobody's. */
function keyOf(ledger: string, id: string): RunKey {
  const known = runIdOf(id);
  if (known === undefined) throw runNotFound();
  return { ledger, id: known };
}
