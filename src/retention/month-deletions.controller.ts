import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { BodyPipe, QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import {
  ApproveDeletionDto,
  DEFAULT_DELETIONS_LISTED,
  DeletionCandidateListDto,
  MonthDeletionDto,
  MonthDeletionListDto,
  MonthDeletionListQueryDto,
  RejectDeletionDto,
  RequestDeletionDto,
} from './month-deletion.dto.js';
import { MonthDeletions } from './month-deletions.js';

const ID = { name: 'id', example: '0197f3a1-6c00-7000-8000-0000000000d7' } as const;

@ApiTags('retention')
@Controller('v1/deletions')
export class MonthDeletionsController {
  constructor(private readonly deletions: MonthDeletions) {}

  @Get('candidates')
  @Access(['operations:run', 'holds:approve'], { everyLedger: true })
  @ApiOperation({
    operationId: 'listDeletionCandidates',
    summary: 'Months whose retention is over, and which legal holds keep them all the same',
    description: 'They have left PostgreSQL, no object of them is locked any more, and nobody has asked for it yet.',
  })
  @ApiAnswer(200, DeletionCandidateListDto)
  @ApiProblems('database-unavailable')
  async candidates(): Promise<DeletionCandidateListDto> {
    return { months: await this.deletions.candidates() };
  }

  @Get()
  @Access(['operations:run', 'holds:approve'], { everyLedger: true })
  @ApiOperation({ operationId: 'listDeletions', summary: 'The deletions of months, the latest ones first' })
  @ApiAnswer(200, MonthDeletionListDto)
  @ApiProblems('invalid-parameter', 'database-unavailable')
  async list(
    @Query(new QueryPipe(MonthDeletionListQueryDto)) query: MonthDeletionListQueryDto,
  ): Promise<MonthDeletionListDto> {
    const { state, cursor: before } = query;
    const limit = Number(query.limit ?? DEFAULT_DELETIONS_LISTED);
    const deletions = await this.deletions.list({ state, before }, limit + 1);
    const page = deletions.slice(0, limit);
    return { deletions: page, next_cursor: deletions.length > limit ? page.at(-1)!.id : null };
  }

  @Get(':id')
  @Access(['operations:run', 'holds:approve'], { everyLedger: true })
  @ApiOperation({
    operationId: 'readDeletion',
    summary: 'The deletion of a month: why, what was done by whom, how far it is, and under which policy',
  })
  @ApiParam(ID)
  @ApiAnswer(200, MonthDeletionDto)
  @ApiProblems('deletion-not-found', 'database-unavailable')
  read(@Param('id') id: string): Promise<MonthDeletionDto> {
    return this.deletions.find(id);
  }

  @Post()
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({
    operationId: 'requestDeletion',
    summary: 'Ask for the deletion of a month whose retention is over',
    description:
      'Nothing is deleted until another principal has approved it. What stays for ever: how many events there were, how the chains went on, the catalogue, and their ids. Recorded before the answer.',
  })
  @ApiBody({ type: RequestDeletionDto })
  @ApiAnswer(201, MonthDeletionDto)
  @ApiProblems('invalid-json', 'invalid-body', 'month-must-be-kept', 'deletion-state-conflict', 'database-unavailable')
  async request(
    @Body(new BodyPipe(RequestDeletionDto)) { month, reason }: RequestDeletionDto,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MonthDeletionDto> {
    const deletion = await this.deletions.request(caller, month, reason);
    void reply.header('location', `/v1/deletions/${deletion.id}`);
    return deletion;
  }

  @Post(':id/approvals')
  @Access('holds:approve', { everyLedger: true })
  @ApiOperation({
    operationId: 'approveDeletion',
    summary: 'Agree to the deletion of a month',
    description:
      'By another principal than the one who asked. The job month-deletion then removes the objects of the month, unless a legal hold has come up. Recorded before the answer.',
  })
  @ApiParam(ID)
  @ApiBody({ type: ApproveDeletionDto, required: false })
  @ApiAnswer(201, MonthDeletionDto)
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'other-principal-needed',
    'deletion-not-found',
    'deletion-state-conflict',
    'month-must-be-kept',
    'database-unavailable',
  )
  approve(@Param('id') id: string, @Body() body: unknown, @Caller() caller: Principal): Promise<MonthDeletionDto> {
    const given = body === undefined || body === null ? {} : new BodyPipe(ApproveDeletionDto).transform(body);
    const { reason }: ApproveDeletionDto = given;
    return this.deletions.approve(caller, id, reason);
  }

  @Post(':id/rejections')
  @Access(['operations:run', 'holds:approve'], { everyLedger: true })
  @ApiOperation({
    operationId: 'rejectDeletion',
    summary: 'Turn down, or take back, the deletion of a month of which nothing was removed yet',
    description:
      'By anybody who may ask or approve: it keeps the records, and once its removal has begun gives them back to readers, as long as nothing is gone. The month may be asked for again.',
  })
  @ApiParam(ID)
  @ApiBody({ type: RejectDeletionDto })
  @ApiAnswer(201, MonthDeletionDto)
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'deletion-not-found',
    'deletion-state-conflict',
    'archive-unavailable',
    'database-unavailable',
  )
  reject(
    @Param('id') id: string,
    @Body(new BodyPipe(RejectDeletionDto)) { reason }: RejectDeletionDto,
    @Caller() caller: Principal,
  ): Promise<MonthDeletionDto> {
    return this.deletions.reject(caller, id, reason);
  }
}
