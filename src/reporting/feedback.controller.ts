import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { goneSignal } from '../http/streamed-answer.js';
import { Health } from '../operation/health.js';
import { DEFAULT_RUNS_LISTED, RunListQueryDto } from '../runs/kept-run.dto.js';
import { MAX_MESSAGE_BYTES } from '../transaction-reports/schema-sets.js';
import { FeedbackDto, FeedbackListDto, shownFeedback } from './feedback.dto.js';
import { ReceivedFeedback } from './received-feedback.js';

/** What authorities answered on transaction reports. Their files name files that were sent, whichever ledger is reported. */
@ApiTags('transaction reports')
@Controller('v1/transaction-report-feedback')
export class FeedbackController {
  constructor(
    private readonly feedback: ReceivedFeedback,
    private readonly health: Health,
  ) {}

  @Post()
  @Access('transaction-reports:submit', { everyLedger: true, maxBodyBytes: MAX_MESSAGE_BYTES, takesXml: true })
  @ApiOperation({
    operationId: 'handInFeedback',
    summary: "Hand in an authority's feedback on files that were sent",
    description:
      'auth.031.001.01, in its envelope or bare, up to 64 MiB, as it came. What it says of each record that is news is recorded in the ledger _reporting, and so is the file. The same file again changes nothing. What is wrong with a file is told by its line, as /lines/{line}, and then nothing of it counts.',
  })
  @ApiConsumes('application/xml')
  @ApiBody({
    schema: { type: 'string', example: '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:auth.031.001.01">…' },
  })
  @ApiAnswer(201, FeedbackDto)
  @ApiAnswer(200, FeedbackDto, 'It was handed in before')
  @ApiProblems(
    ...(['invalid-body', 'payload-too-large', 'unsupported-media-type', 'reads-overloaded', 'queue-full'] as const),
    ...(['append-timeout', 'shutting-down', 'database-unavailable', 'bodies-overloaded'] as const),
  )
  async take(
    @Body() body: unknown,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<FeedbackDto> {
    if (!Buffer.isBuffer(body)) throw new Problem('invalid-body', 'The body is missing: send application/xml');
    const { act, isNew } = await this.feedback.take(body, caller, goneSignal(reply, this.health.stopping));
    void reply.status(isNew ? 201 : 200).header('location', `/v1/transaction-report-feedback/${act.subject}`);
    return shownFeedback(act);
  }

  @Get()
  @Access('reports:read', { everyLedger: true })
  @ApiOperation({ operationId: 'listFeedback', summary: 'Feedback that was handed in, the latest first' })
  @ApiAnswer(200, FeedbackListDto)
  @ApiProblems('invalid-parameter', 'database-unavailable')
  async list(@Query(new QueryPipe(RunListQueryDto)) query: RunListQueryDto): Promise<FeedbackListDto> {
    return { feedback: (await this.feedback.list(Number(query.limit ?? DEFAULT_RUNS_LISTED))).map(shownFeedback) };
  }

  @Get(':sha256')
  @Access('reports:read', { everyLedger: true })
  @ApiOperation({ operationId: 'readFeedback', summary: 'What a file of feedback changed' })
  @ApiParam({
    name: 'sha256',
    description: 'Of the file, hex',
    example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
  })
  @ApiAnswer(200, FeedbackDto)
  @ApiProblems('feedback-not-found', 'database-unavailable')
  async read(@Param('sha256') sha256: string): Promise<FeedbackDto> {
    return shownFeedback(await this.feedback.find(sha256));
  }
}
