import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { BodyPipe, QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { formatMicros, parseTimestamp } from '../integrity/timestamp.js';
import {
  ApproveHoldDto,
  DEFAULT_HOLDS_LISTED,
  LegalHoldInArchiveDto,
  LegalHoldListDto,
  LegalHoldListQueryDto,
  RejectHoldDto,
  ReleaseHoldDto,
  RequestHoldDto,
} from './legal-hold.dto.js';
import { LegalHolds, type HoldSelection } from './legal-holds.js';

@ApiTags('legal holds')
@Controller('v1/legal-holds')
export class LegalHoldsController {
  constructor(private readonly holds: LegalHolds) {}

  @Post()
  @Access('holds:request')
  @ApiOperation({
    operationId: 'requestLegalHold',
    summary: 'Ask for a legal hold, which stops drops and deletions from now on',
    description:
      'Whatever it touches stays in PostgreSQL and in the archive, whatever its retention says. It waits for the approval of another principal, and stops drops and deletions meanwhile. Which entity, user or record class it selects does not narrow what is kept: that is the whole recorded time of its ledgers. Recorded before the answer. After a lost answer the hold may be there: look at the list.',
  })
  @ApiBody({ type: RequestHoldDto })
  @ApiAnswer(201, LegalHoldInArchiveDto)
  @ApiProblems('invalid-json', 'invalid-body', 'ledger-not-found', 'database-unavailable')
  async request(
    @Body(new BodyPipe(RequestHoldDto)) body: RequestHoldDto,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LegalHoldInArchiveDto> {
    const hold = await this.holds.request(caller, selectionOf(body), body.reason);
    void reply.header('location', `/v1/legal-holds/${hold.id}`);
    return hold;
  }

  @Get()
  @Access(['holds:request', 'holds:approve'])
  @ApiOperation({
    operationId: 'listLegalHolds',
    summary: 'The legal holds, the latest ones first, also those that are over',
    description: 'Only those whose ledgers are all among the ledgers of these credentials.',
  })
  @ApiAnswer(200, LegalHoldListDto)
  @ApiProblems('invalid-parameter', 'ledger-not-found', 'database-unavailable')
  async list(
    @Query(new QueryPipe(LegalHoldListQueryDto)) query: LegalHoldListQueryDto,
    @Caller() caller: Principal,
  ): Promise<LegalHoldListDto> {
    const { state, ledger, cursor: before } = query;
    const limit = Number(query.limit ?? DEFAULT_HOLDS_LISTED);
    const holds = await this.holds.list(caller, { state, ledger, before }, limit + 1);
    const page = holds.slice(0, limit);
    return { holds: page, next_cursor: holds.length > limit ? page.at(-1)!.id : null };
  }

  @Get(':id')
  @Access(['holds:request', 'holds:approve'])
  @ApiOperation({
    operationId: 'readLegalHold',
    summary: 'A legal hold: what it keeps, why, what was done by whom, and how far it is in force in the archive',
  })
  @ApiParam({ name: 'id', example: '0197f3a1-6c00-7000-8000-0000000000d1' })
  @ApiAnswer(200, LegalHoldInArchiveDto)
  @ApiProblems('hold-not-found', 'database-unavailable')
  read(@Param('id') id: string, @Caller() caller: Principal): Promise<LegalHoldInArchiveDto> {
    return this.holds.find(caller, id);
  }

  @Post(':id/approvals')
  @Access('holds:approve')
  @ApiOperation({
    operationId: 'approveLegalHold',
    summary: 'Agree to a hold that was asked for, or to its release',
    description:
      'By another principal than the one who asked. A requested hold becomes active; a hold whose release was asked for is released, and stops nothing any more. With seen_state an approval that is meant for the one never becomes one for the other.',
  })
  @ApiBody({ type: ApproveHoldDto, required: false })
  @ApiAnswer(201, LegalHoldInArchiveDto)
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'other-principal-needed',
    'hold-not-found',
    'hold-state-conflict',
    'database-unavailable',
  )
  approve(@Param('id') id: string, @Body() body: unknown, @Caller() caller: Principal): Promise<LegalHoldInArchiveDto> {
    const given = body === undefined || body === null ? {} : new BodyPipe(ApproveHoldDto).transform(body);
    const { reason, seen_state: seenState }: ApproveHoldDto = given;
    return this.holds.approve(caller, id, { reason, seenState });
  }

  @Post(':id/rejections')
  @Access('holds:approve')
  @ApiOperation({
    operationId: 'rejectLegalHold',
    summary: 'Turn down a hold that was asked for, or its release',
    description:
      'A requested hold is rejected, and stops nothing any more: that takes another principal than the one who asked, since others may rely on it. A hold whose release was asked for is active again: that is open to whoever asked, too.',
  })
  @ApiBody({ type: RejectHoldDto })
  @ApiAnswer(201, LegalHoldInArchiveDto)
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'other-principal-needed',
    'hold-not-found',
    'hold-state-conflict',
    'database-unavailable',
  )
  reject(
    @Param('id') id: string,
    @Body(new BodyPipe(RejectHoldDto)) { reason, seen_state: seenState }: RejectHoldDto,
    @Caller() caller: Principal,
  ): Promise<LegalHoldInArchiveDto> {
    return this.holds.reject(caller, id, { reason, seenState });
  }

  @Post(':id/releases')
  @Access('holds:request')
  @ApiOperation({
    operationId: 'requestLegalHoldRelease',
    summary: 'Ask for the end of an active hold',
    description: 'The hold stops drops and deletions until another principal has approved its release.',
  })
  @ApiBody({ type: ReleaseHoldDto })
  @ApiAnswer(201, LegalHoldInArchiveDto)
  @ApiProblems('invalid-json', 'invalid-body', 'hold-not-found', 'hold-state-conflict', 'database-unavailable')
  release(
    @Param('id') id: string,
    @Body(new BodyPipe(ReleaseHoldDto)) { reason }: ReleaseHoldDto,
    @Caller() caller: Principal,
  ): Promise<LegalHoldInArchiveDto> {
    return this.holds.requestRelease(caller, id, { reason });
  }
}

/** Throws invalid-body for half an entity, and for a time that ends before it begins. */
function selectionOf(body: RequestHoldDto): HoldSelection {
  const { ledgers, entity_type = null, entity_id = null, user_id = null, event_type = null } = body;
  if ((entity_type === null) !== (entity_id === null)) {
    throw invalidBody('entity_id', 'entity', 'give entity_type and entity_id together, or neither');
  }
  const from = body.recorded_from === undefined ? null : parseTimestamp(body.recorded_from).micros;
  const to = body.recorded_to === undefined ? null : endOf(body.recorded_to);
  if (from !== null && to !== null && from >= to) {
    throw invalidBody('recorded_to', 'range', 'recorded_to must be later than recorded_from');
  }
  return {
    ledgers,
    entity_type,
    entity_id,
    user_id,
    event_type,
    recorded_from: from === null ? null : formatMicros(from),
    recorded_to: to === null ? null : formatMicros(to),
  };
}

/** The last microsecond that a time can name. */
const LAST_MICROS = parseTimestamp('2199-12-31T23:59:59.999999Z').micros;

/** Microseconds; an end finer than that comes after the one that it is in. */
function endOf(time: string): number {
  const { micros, nanos } = parseTimestamp(time);
  return nanos > 0 ? Math.min(micros + 1, LAST_MICROS) : micros;
}

function invalidBody(member: string, rule: string, detail: string): Problem {
  return new Problem('invalid-body', detail, { errors: [{ pointer: `/${member}`, rule, detail }] });
}
