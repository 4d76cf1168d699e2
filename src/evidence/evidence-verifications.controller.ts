import { Body, Controller, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { BodyPipe } from '../http/dto.pipe.js';
import { goneSignal } from '../http/streamed-answer.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Health } from '../operation/health.js';
import { EvidenceVerificationDto, EvidenceVerificationRequestDto } from './evidence-verification.dto.js';
import { EvidenceVerifications } from './evidence-verifications.js';

@ApiTags('verification')
@Controller('v1/ledgers/:ledger/evidence/verifications')
export class EvidenceVerificationsController {
  constructor(
    private readonly verifications: EvidenceVerifications,
    private readonly health: Health,
  ) {}

  @Post()
  @HttpCode(200)
  @Access('verifications:run')
  @ApiOperation({
    operationId: 'verifyEvidence',
    summary: 'Make evidence bundles of samples of the ledger, or of a range, and verify them as an outsider does',
    description:
      'By public keys alone, without the database: the last events, some from anywhere, and some that only the archive has. The job evidence-verification does it daily, of every ledger. Recorded in the ledger _service. No bundle is handed out or kept.',
  })
  @ApiBody({ type: EvidenceVerificationRequestDto, required: false })
  @ApiAnswer(200, EvidenceVerificationDto)
  @ApiProblems(
    'ledger-not-found',
    'invalid-json',
    'invalid-body',
    'reads-overloaded',
    'shutting-down',
    'database-unavailable',
  )
  run(
    @Param('ledger') ledger: string,
    @Body() body: unknown,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<EvidenceVerificationDto> {
    const asked =
      body === undefined || body === null ? {} : new BodyPipe(EvidenceVerificationRequestDto).transform(body);
    return this.verifications.run(ledger, asked, caller, goneSignal(reply, this.health.stopping));
  }
}
