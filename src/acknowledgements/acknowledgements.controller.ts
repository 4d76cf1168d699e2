import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { BodyPipe, QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem, type ProblemSlug } from '../http/problem.js';
import { runIdOf } from '../runs/run-id.js';
import {
  AcknowledgeFindingsDto,
  AcknowledgementDto,
  AcknowledgementListDto,
  AcknowledgementListQueryDto,
  DEFAULT_ACKNOWLEDGEMENTS_LISTED,
} from './acknowledgement.dto.js';
import { Acknowledgements } from './acknowledgements.js';

const SUMMARY = 'Say that somebody has looked at what this run found';
const DESCRIPTION =
  'Alarms tell of other findings alone from then on, so that the next one is seen. Nothing else changes: verdicts stay what they are. Recorded before the answer, with the principal and the reason.';

@ApiTags('verification')
@Controller('v1')
export class AcknowledgementsController {
  constructor(private readonly acknowledgements: Acknowledgements) {}

  @Post('ledgers/:ledger/verifications/:id/acknowledgements')
  @Access('operations:run')
  @ApiOperation({ operationId: 'acknowledgeVerification', summary: SUMMARY, description: DESCRIPTION })
  @ApiBody({ type: AcknowledgeFindingsDto })
  @ApiAnswer(201, AcknowledgementDto)
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'ledger-not-found',
    'verification-not-found',
    'nothing-to-acknowledge',
    'database-unavailable',
  )
  async ofVerification(
    @Param('ledger') ledger: string,
    @Param('id') id: string,
    @Body(new BodyPipe(AcknowledgeFindingsDto)) { reason }: AcknowledgeFindingsDto,
    @Caller() caller: Principal,
  ): Promise<AcknowledgementDto> {
    const run = knownId(id, 'verification-not-found', 'There is no such verification in this ledger');
    return this.acknowledgements.ofVerification(caller, ledger, run, reason);
  }

  @Post('jobs/:job/runs/:id/acknowledgements')
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({ operationId: 'acknowledgeJobRun', summary: SUMMARY, description: DESCRIPTION })
  @ApiBody({ type: AcknowledgeFindingsDto })
  @ApiAnswer(201, AcknowledgementDto)
  @ApiProblems('invalid-json', 'invalid-body', 'job-not-found', 'nothing-to-acknowledge', 'database-unavailable')
  async ofJobRun(
    @Param('job') job: string,
    @Param('id') id: string,
    @Body(new BodyPipe(AcknowledgeFindingsDto)) { reason }: AcknowledgeFindingsDto,
    @Caller() caller: Principal,
  ): Promise<AcknowledgementDto> {
    const run = knownId(id, 'job-not-found', 'There is no such run of this job');
    return this.acknowledgements.ofJobRun(caller, job, run, reason);
  }

  @Get('acknowledgements')
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({ operationId: 'listAcknowledgements', summary: 'Findings that were acknowledged, the latest first' })
  @ApiAnswer(200, AcknowledgementListDto)
  @ApiProblems('invalid-parameter', 'database-unavailable')
  async list(
    @Query(new QueryPipe(AcknowledgementListQueryDto)) { limit: text, cursor }: AcknowledgementListQueryDto,
  ): Promise<AcknowledgementListDto> {
    const limit = Number(text ?? DEFAULT_ACKNOWLEDGEMENTS_LISTED);
    const found = await this.acknowledgements.list(cursor, limit + 1);
    const page = found.slice(0, limit);
    return { acknowledgements: page, next_cursor: found.length > limit ? page.at(-1)!.id : null };
  }
}

/** An id that is no UUID is nobody's. */
function knownId(id: string, slug: ProblemSlug, detail: string): string {
  const known = runIdOf(id);
  if (known === undefined) throw new Problem(slug, detail);
  return known;
}
