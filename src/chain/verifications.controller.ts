import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { BodyPipe, QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { runIdOf } from '../runs/run-id.js';
import {
  DEFAULT_VERIFICATIONS_LISTED,
  VerificationDto,
  VerificationListDto,
  VerificationListQueryDto,
  VerificationRangeDto,
} from './verification.dto.js';
import { shownFinding } from './findings.js';
import { Verifications, type AskedRange, type Verification } from './verifications.js';

@ApiTags('verification')
@Controller('v1/ledgers/:ledger/verifications')
export class VerificationsController {
  constructor(private readonly verifications: Verifications) {}

  @Post()
  @HttpCode(202)
  @Access('verifications:run')
  @ApiOperation({
    operationId: 'requestVerification',
    summary: 'Verify a range of a ledger against itself: contents, links, order and keys',
    description:
      'All of the ledger by default, as far as it goes at this moment. By recorded time, one event on each side is verified as well. Whatever shows only beside a checkpoint, such as a tail cut off together with its keys and head, is not found here; whether tables, triggers and rights are as they should be is the job schema-check.',
  })
  @ApiBody({ type: VerificationRangeDto, required: false })
  @ApiAnswer(202, VerificationDto)
  @ApiProblems('ledger-not-found', 'invalid-json', 'invalid-body', 'database-unavailable')
  async create(
    @Param('ledger') ledger: string,
    @Body() body: unknown,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationDto> {
    const range =
      body === undefined || body === null ? {} : askedRange(new BodyPipe(VerificationRangeDto).transform(body));
    const run = await this.verifications.request(ledger, range, caller.id);
    void reply.header('location', `/v1/ledgers/${encodeURIComponent(ledger)}/verifications/${run.id}`);
    return shown(run);
  }

  @Get()
  @Access('verifications:run')
  @ApiOperation({ operationId: 'listVerifications', summary: 'Runs of verification, the latest ones first' })
  @ApiAnswer(200, VerificationListDto)
  @ApiProblems('ledger-not-found', 'invalid-parameter', 'database-unavailable')
  async list(
    @Param('ledger') ledger: string,
    @Query(new QueryPipe(VerificationListQueryDto)) query: VerificationListQueryDto,
  ): Promise<VerificationListDto> {
    const runs = await this.verifications.list(ledger, Number(query.limit ?? DEFAULT_VERIFICATIONS_LISTED));
    return { verifications: runs.map(shown) };
  }

  @Get(':id')
  @Access('verifications:run')
  @ApiOperation({ operationId: 'readVerification', summary: 'How far a verification has come, and what it found' })
  @ApiAnswer(200, VerificationDto)
  @ApiProblems('ledger-not-found', 'verification-not-found', 'database-unavailable')
  async read(@Param('ledger') ledger: string, @Param('id') id: string): Promise<VerificationDto> {
    return shown(await this.verifications.find(ledger, uuidOf(id)));
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @Access('verifications:run')
  @ApiOperation({
    operationId: 'cancelVerification',
    summary: 'Stop a verification that is not over; what it found so far stays',
  })
  @ApiAnswer(200, VerificationDto)
  @ApiProblems('ledger-not-found', 'verification-not-found', 'database-unavailable')
  async cancel(@Param('ledger') ledger: string, @Param('id') id: string): Promise<VerificationDto> {
    return shown(await this.verifications.cancel(ledger, uuidOf(id)));
  }
}

/** Throws verification-not-found: an id that is no UUID is nobody's. */
function uuidOf(id: string): string {
  const known = runIdOf(id);
  if (known === undefined) {
    throw new Problem('verification-not-found', 'There is no such verification in this ledger');
  }
  return known;
}

/** Throws invalid-body for sequences and times together. */
function askedRange(range: VerificationRangeDto): AskedRange {
  const { from_sequence: from, to_sequence: to, recorded_from: recordedFrom, recorded_to: recordedTo } = range;
  if ((from ?? to) !== undefined && (recordedFrom ?? recordedTo) !== undefined) {
    const detail = 'give sequences or recorded times, not both';
    throw new Problem('invalid-body', detail, { errors: [{ pointer: '', rule: 'one-kind', detail }] });
  }
  return {
    ...(from === undefined ? {} : { fromSequence: BigInt(from) }),
    ...(to === undefined ? {} : { toSequence: BigInt(to) }),
    ...(recordedFrom === undefined ? {} : { recordedFrom: boundOf(recordedFrom) }),
    ...(recordedTo === undefined ? {} : { recordedTo: boundOf(recordedTo) }),
  };
}

/** Microseconds; a bound finer than that comes before the next one. */
function boundOf(time: string): number {
  const { micros, nanos } = parseTimestamp(time);
  return nanos > 0 ? micros + 1 : micros;
}

function shown(run: Verification): VerificationDto {
  const total = BigInt(run.to_sequence) - BigInt(run.from_sequence) + 1n;
  return {
    id: run.id,
    ledger: run.ledger,
    from_sequence: run.from_sequence,
    to_sequence: run.to_sequence,
    status: run.status,
    verdict: run.verdict,
    checked: run.checked,
    total: String(total),
    findings: run.findings.map(shownFinding),
    findings_total: run.findings_total,
    unread: run.unread,
    deleted: run.deleted,
    requested_by: run.requested_by,
    created_at: run.created_at,
    started_at: run.started_at,
    finished_at: run.finished_at,
  };
}
