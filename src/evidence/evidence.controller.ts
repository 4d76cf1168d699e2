import { Body, Controller, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { BodyPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { goneSignal, sendPieces } from '../http/streamed-answer.js';
import { kindOfAsked } from '../integrity/evidence-claims.js';
import { Health } from '../operation/health.js';
import { EVIDENCE_EXAMPLE, EvidenceRequestDto } from './evidence.dto.js';
import { assertMayRead, headersOfBundle, pathOfRun } from './evidence-answer.js';
import { readEvidenceRequest } from './evidence-request.js';
import { EvidenceRunDto, shownRun } from './evidence-run.dto.js';
import { EvidenceRuns } from './evidence-runs.js';
import { BundleTooLarge, Evidence } from './evidence.js';

/** Evidence that anybody verifies offline. */
@ApiTags('proofs')
@ApiParam({ name: 'ledger', description: 'Slug of the ledger', example: 'main' })
@Controller('v1/ledgers/:ledger/evidence')
export class EvidenceController {
  constructor(
    private readonly evidence: Evidence,
    private readonly runs: EvidenceRuns,
    private readonly health: Health,
  ) {}

  @Post()
  @HttpCode(200)
  @Access('proofs:read')
  @ApiOperation({
    operationId: 'makeEvidence',
    summary: 'A bundle of events with all that proves them, to be verified offline',
    description:
      'A zip: events (or with contents=false their envelopes), proof, checkpoint, anchor, keys, the archive catalogue, and a page to read (docs/evidence.md). By one of event_ids, order_id, search, sequences, event time or recorded time. Ranges of sequences and of recorded time are proven to be complete up to as_of (whoever asks for a recorded time that is over should see the event after it: the verifier says where it is not there); all else is as found at as_of, which is the size of the last checkpoint where it is not given: an id, a sequence or an order with an event past it is refused until that is signed (409). Streamed; one that fails midway is cut off and never ends cleanly. One of more than 10,000 events is made as a run, to be fetched later (202). With contents the scope events:read is needed as well. Recorded in the ledger _service before the first byte.',
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
  @ApiAnswer(202, EvidenceRunDto, 'It has more than 10,000 events: the run that makes it')
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'ledger-not-found',
    'event-not-found',
    'event-deleted',
    'not-yet-checkpointed',
    'events-lost',
    'payload-too-large',
    'too-many-runs',
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
      ...headersOfBundle(ledger, kindOfAsked(plan.asked)!, plan.asOf),
      'truetrail-as-of': String(plan.asOf),
    };
    try {
      await sendPieces(request, reply, this.evidence.direct(plan, caller, gone), gone, headers);
    } catch (error) {
      if (!(error instanceof BundleTooLarge)) throw error;
      const run = await this.runs.request(plan, caller);
      await reply.code(202).header('location', pathOfRun(run)).send(shownRun(run));
    }
  }
}
