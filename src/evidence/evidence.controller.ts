import { Body, Controller, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { BodyPipe } from '../http/dto.pipe.js';
import { ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { goneSignal, sendPieces } from '../http/streamed-answer.js';
import { Health } from '../operation/health.js';
import { EVIDENCE_EXAMPLE, EvidenceRequestDto } from './evidence.dto.js';
import type { EvidencePlan } from './evidence-plan.js';
import { readEvidenceRequest } from './evidence-request.js';
import { Evidence } from './evidence.js';

/** Evidence that anybody verifies offline. */
@ApiTags('proofs')
@ApiParam({ name: 'ledger', description: 'Slug of the ledger', example: 'main' })
@Controller('v1/ledgers/:ledger/evidence')
export class EvidenceController {
  constructor(
    private readonly evidence: Evidence,
    private readonly health: Health,
  ) {}

  @Post()
  @HttpCode(200)
  @Access('proofs:read')
  @ApiOperation({
    operationId: 'makeEvidence',
    summary: 'A bundle of events with all that proves them, to be verified offline',
    description:
      'A zip: events (or with contents=false their envelopes), proof, checkpoint, anchor, keys, the archive catalogue, and a page to read (docs/evidence.md). By one of event_ids, order_id, search, sequences, event time or recorded time. Ranges of sequences and of recorded time are proven to be complete; all else is as found at as_of. Streamed; one that fails midway is cut off and never ends cleanly. With contents the scope events:read is needed as well. Recorded in the ledger _service before the first byte.',
  })
  @ApiBody({ type: EvidenceRequestDto, examples: { range: { value: EVIDENCE_EXAMPLE } } })
  @ApiResponse({
    status: 200,
    description: 'The bundle',
    headers: {
      'Truetrail-As-Of': { description: 'as_of', schema: { type: 'string' }, example: '7' },
      'Content-Disposition': { description: 'A file name', schema: { type: 'string' } },
    },
    content: { 'application/zip': { schema: { type: 'string', format: 'binary' } } },
  })
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'ledger-not-found',
    'event-not-found',
    'event-deleted',
    'not-yet-checkpointed',
    'payload-too-large',
    'damaged-record',
    'archive-damaged',
    'archive-unavailable',
    'not-recorded-as-read',
    'read-timeout',
    'reads-overloaded',
    'shutting-down',
    'database-unavailable',
  )
  async make(
    @Param('ledger') ledger: string,
    @Body(new BodyPipe(EvidenceRequestDto)) body: EvidenceRequestDto,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const gone = goneSignal(reply, this.health.stopping);
    const question = readEvidenceRequest(ledger, body);
    assertMayRead(caller, question.contents);
    const plan = await this.evidence.prepare(ledger, question);
    const headers = {
      'content-type': 'application/zip',
      'content-disposition': `attachment; filename="${fileName(plan)}"`,
      'truetrail-as-of': String(plan.asOf),
    };
    await sendPieces(request, reply, this.evidence.pieces(plan, caller, gone), gone, headers);
  }
}

/** Proofs show no content; a bundle with contents is a read of events. Throws forbidden. */
function assertMayRead(caller: Principal, contents: boolean): void {
  if (!contents || caller.scopes.has('events:read')) return;
  throw new Problem(
    'forbidden',
    'A bundle with contents needs the scope events:read as well; ask with "contents": false',
  );
}

function fileName({ ledger, kind, asOf }: EvidencePlan): string {
  return `evidence-${ledger}-${kind}-as-of-${asOf}.zip`;
}
