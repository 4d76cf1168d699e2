import { Readable } from 'node:stream';
import { Body, Controller, Headers, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { isEventId } from '../integrity/event.js';
import { Problem } from '../http/problem.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { bodyStream } from '../http/request-body.js';
import { Health } from '../operation/health.js';
import { uuidv7 } from '../database/uuidv7.js';
import { BatchReceiptsDto, EventBatchDto, EventDto, OrderStepDto, ReceiptDto } from './event.dto.js';
import { EventIntake } from './event-intake.js';
import { recordStream } from './event-stream.js';
import { Ledgers } from './ledgers.js';
import { MAX_BATCH_BYTES, MAX_EVENT_BYTES, readBatchBody, readEventBody, readOrderStepBody } from './event-reader.js';

const WRITE_PROBLEMS = [
  'invalid-json',
  'invalid-event',
  'leap-second',
  'ledger-not-found',
  'event-id-conflict',
  'event-deleted',
  'ledger-closed',
  'payload-too-large',
  'unsupported-media-type',
  'queue-full',
  'clock-out-of-tolerance',
  'ledger-behind-its-anchor',
  'anchors-unavailable',
  'database-unavailable',
  'append-timeout',
] as const;

/** Ways in for events. */
@ApiTags('events')
@Controller('v1/ledgers/:ledger')
export class EventsController {
  constructor(
    private readonly intake: EventIntake,
    private readonly ledgers: Ledgers,
    private readonly health: Health,
  ) {}

  @Post('events')
  @Access('events:write', { maxBodyBytes: MAX_EVENT_BYTES })
  @ApiOperation({
    operationId: 'recordEvent',
    summary: 'Record one event',
    description:
      'Answers once the event is durable: 201, or 200 when it was there already. Send an event_id (UUIDv7) or an Idempotency-Key: without either, a repeat after a lost answer is recorded twice.',
  })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A UUID that serves as event_id' })
  @ApiBody({ type: EventDto })
  @ApiAnswer(201, ReceiptDto)
  @ApiAnswer(200, ReceiptDto)
  @ApiProblems(...WRITE_PROBLEMS, 'idempotency-key-mismatch')
  async recordEvent(
    @Param('ledger') ledger: string,
    @Body() body: unknown,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReceiptDto> {
    this.intake.assertPostable(ledger);
    const event = readEventBody(body, idempotentId(idempotencyKey));
    assertSameId(event.content.event_id, idempotencyKey);
    const { receipt, repeated } = await this.intake.recordEvent(ledger, event, caller);
    void reply.code(repeated ? 200 : 201);
    return receipt;
  }

  @Post('events/batch')
  @Access('events:write', { maxBodyBytes: MAX_BATCH_BYTES })
  @ApiOperation({
    operationId: 'recordBatch',
    summary: 'Record up to 10,000 events, all or nothing',
    description:
      '201 if anything was new, else 200. Receipts come in the order of the events. Give each an event_id: an Idempotency-Key stands for one event, and with it a batch is refused that has events without an id.',
  })
  @ApiBody({ type: EventBatchDto })
  @ApiAnswer(201, BatchReceiptsDto)
  @ApiAnswer(200, BatchReceiptsDto)
  @ApiProblems(...WRITE_PROBLEMS, 'bodies-overloaded')
  async recordBatch(
    @Param('ledger') ledger: string,
    @Body() body: unknown,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BatchReceiptsDto> {
    this.intake.assertPostable(ledger);
    const appended = await this.intake.recordBatch(ledger, readBatchBody(body, uuidv7, idempotencyKey), caller);
    const ids = new Set<string>();
    let repeated = 0;
    for (const { receipt, repeated: wasThere } of appended) {
      if (wasThere || ids.has(receipt.event_id)) repeated += 1;
      ids.add(receipt.event_id);
    }
    const recorded = appended.length - repeated;
    void reply.code(recorded > 0 ? 201 : 200);
    return { receipts: appended.map(({ receipt }) => receipt), recorded: String(recorded), repeated: String(repeated) };
  }

  @Post('events/stream')
  @Access('events:write', { takesLines: true })
  @ApiOperation({
    operationId: 'recordStream',
    summary: 'Record events line by line, as many as there are',
    description:
      'One answer line for each line, in order: {"line", "receipt"} or {"line", "problem"}; a bad line does not stop the rest. The last line is {"end": ...}; without it the answer is incomplete. Read the answer while sending: a full queue slows reading. To resume, send again from the first line without a receipt.',
  })
  @ApiConsumes('application/x-ndjson')
  @ApiProduces('application/x-ndjson')
  @ApiBody({ type: EventDto, description: 'One event a line, each with an event_id; 256 KiB a line' })
  @ApiResponse({ status: 200, description: 'NDJSON: an answer a line, then the end' })
  @ApiProblems('ledger-not-found', 'unsupported-media-type')
  async recordStream(
    @Param('ledger') ledger: string,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    this.intake.assertPostable(ledger);
    await this.ledgers.origin(ledger);
    const answer = recordStream(this.intake, {
      body: bodyStream(request.raw),
      ledger,
      caller,
      requestId: request.id,
      stopping: this.health.stopping,
      onFault: (error) => request.log.error({ err: error }, 'a line of a stream could not be recorded'),
    });
    void reply
      .code(200)
      .header('content-type', 'application/x-ndjson; charset=utf-8')
      .send(Readable.from(answer, { objectMode: true, highWaterMark: 16 }));
  }

  @Post('orders/:order_id/:action')
  @HttpCode(201)
  @Access('events:write', { maxBodyBytes: MAX_EVENT_BYTES })
  @ApiOperation({
    operationId: 'recordOrderStep',
    summary: "Record a step of an order's life",
    description:
      'The same event as by the plain route, with the members that the path implies left out, and with more checks. Actions: create, modify, partial_fill, fill, cancel, reject.',
  })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A UUID that serves as event_id' })
  @ApiBody({ type: OrderStepDto })
  @ApiAnswer(201, ReceiptDto)
  @ApiAnswer(200, ReceiptDto)
  @ApiProblems(...WRITE_PROBLEMS, 'invalid-parameter', 'idempotency-key-mismatch')
  async recordOrderStep(
    @Param('ledger') ledger: string,
    @Param('order_id') orderId: string,
    @Param('action') action: string,
    @Body() body: unknown,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReceiptDto> {
    this.intake.assertPostable(ledger);
    const event = readOrderStepBody(body, orderId, action, idempotentId(idempotencyKey));
    assertSameId(event.content.event_id, idempotencyKey);
    const { receipt, repeated } = await this.intake.recordEvent(ledger, event, caller);
    void reply.code(repeated ? 200 : 201);
    return receipt;
  }
}

/** Where the id of an event without one comes from: the header, or else the service. Throws invalid-parameter. */
function idempotentId(header: string | undefined): () => string {
  if (header === undefined) return uuidv7;
  if (!isEventId(header)) {
    const detail = 'Idempotency-Key must be a UUID of the form 8-4-4-4-12';
    throw new Problem('invalid-parameter', detail, {
      errors: [{ pointer: '/header/idempotency-key', rule: 'uuid', detail }],
    });
  }
  return () => header;
}

function assertSameId(eventId: string, header: string | undefined): void {
  if (header !== undefined && header.toLowerCase() !== eventId) {
    throw new Problem('idempotency-key-mismatch', 'Idempotency-Key and event_id name different ids');
  }
}
