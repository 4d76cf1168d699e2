import { Controller, Get, Headers, Param, Req, Res } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiHeader,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
  ApiTags,
  getSchemaPath,
  type ApiResponseOptions,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { isEventId, isEventText, MAX_CODE_POINTS } from '../integrity/event.js';
import { LINES_HEADERS, wantsLines } from '../http/ndjson.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { invalidParameters, queryError, type Parameters } from '../http/parameters.js';
import { QueryParameters } from '../http/query-parameters.js';
import { goneSignal, sendHead, sendPieces } from '../http/streamed-answer.js';
import type { LongRead } from '../long-reads/long-read.js';
import { LongReads } from '../long-reads/long-reads.js';
import { Health } from '../operation/health.js';
import { BulkReads, type BulkRead } from './bulk-reads.js';
import { EventRecordDto, OrderHistoryDto, SearchPageDto } from './event-record.dto.js';
import { EventSearch } from './event-search.js';
import { OrderHistory } from './order-history.js';
import {
  HistoryParametersDto,
  readHistoryRequest,
  readSearchRequest,
  SearchParametersDto,
} from './search-query.dto.js';
import { MAX_METADATA_FILTERS } from './search-request.js';

const READ_PROBLEMS = [
  'invalid-parameter',
  'ledger-not-found',
  'damaged-record',
  'archive-damaged',
  'archive-unavailable',
  'database-unavailable',
] as const;
const BULK_READ_PROBLEMS = [
  ...READ_PROBLEMS,
  'not-acceptable',
  'uri-too-long',
  'not-recorded-as-read',
  'reads-overloaded',
  'shutting-down',
] as const;

/** Ways to read events. */
@ApiTags('events')
@ApiExtraModels(SearchPageDto, OrderHistoryDto)
@ApiParam({ name: 'ledger', description: 'Slug of the ledger', example: 'main' })
@Controller('v1/ledgers/:ledger')
export class EventsReadController {
  constructor(
    private readonly search: EventSearch,
    private readonly histories: OrderHistory,
    private readonly longReads: LongReads,
    private readonly bulkReads: BulkReads,
    private readonly health: Health,
  ) {}

  @Get('events/:event_id')
  @Access('events:read', { reads: 'event' })
  @ApiOperation({
    operationId: 'readEvent',
    summary: 'Read one event',
    description: 'Content and envelope in one flat object. Its ETag is its event_hash: an event never changes.',
  })
  @ApiParam({ name: 'event_id', description: 'In either case', example: '0197f3a1-6c00-7000-8000-00000000000a' })
  @ApiHeader({ name: 'If-None-Match', required: false, description: 'An ETag that you have: then 304 without a body' })
  @ApiAnswer(200, EventRecordDto)
  @ApiResponse({ status: 304, description: 'Nothing new: the event is the one that you have' })
  @ApiProblems(...READ_PROBLEMS, 'event-not-found', 'event-deleted')
  async readEvent(
    @Param('ledger') ledger: string,
    @Param('event_id') eventId: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @QueryParameters() query: Parameters,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    assertNone(query);
    if (!isEventId(eventId)) {
      throw invalidPath('event_id', 'uuid', 'must be a UUID of the form 8-4-4-4-12, neither nil nor max');
    }
    const event = await this.search.find(ledger, eventId.toLowerCase());
    const tag = `"${event.event_hash}"`;
    void reply.header('etag', tag);
    if (namesTag(ifNoneMatch, tag)) void reply.code(304).send();
    else void reply.send(event);
  }

  @Get('events')
  @Access('events:read', { reads: 'search' })
  @ApiOperation({
    operationId: 'searchEvents',
    summary: 'Search events',
    description:
      'All filters must match. Pages are stable: events recorded after the walk began do not appear in it, and none is left out or doubled. With Accept: application/x-ndjson all matches come as lines, ended by {"end": {"events", "as_of", "archived_to"}} (and "deleted" where something was) (limit is then refused); such a read is recorded in the ledger _service.',
  })
  @ApiQuery({ type: SearchParametersDto })
  @ApiQuery({
    name: 'metadata.client_id',
    required: false,
    schema: { type: 'string' },
    description: `metadata.<key> for any top-level member of metadata: a string equal to the value, or a number, boolean or null with that JSON text. Up to ${MAX_METADATA_FILTERS}; all must match`,
    example: 'C-77',
  })
  @ApiResponse(linesOr(SearchPageDto))
  @ApiProblems(...BULK_READ_PROBLEMS, 'read-timeout')
  async searchEvents(
    @Param('ledger') ledger: string,
    @QueryParameters() parameters: Parameters,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const search = readSearchRequest(ledger, parameters);
    if (!wantsLines(request.headers.accept)) {
      void reply.header('vary', 'accept').send(await this.search.page(ledger, search));
      return;
    }
    assertNoLimit(search.limit);
    const read = { ledger, action: 'search', parameters: search.query.parameters };
    await this.sendLines(request, reply, { kind: 'search', ledger, request: search }, read, caller);
  }

  @Get('orders/:order_id/history')
  @Access('events:read', { reads: 'history' })
  @ApiOperation({
    operationId: 'readOrderHistory',
    summary: 'Read the life of an order',
    description:
      'Every event with entity_type order and this entity_id, in sequence. Corrected events stay; corrected_by names the correction in force. With Accept: application/x-ndjson as lines, ended by {"end": {"events", "as_of", "archived_to"}} (and "deleted" where something was) (limit is then refused); such a read is recorded in the ledger _service.',
  })
  @ApiParam({ name: 'order_id', description: 'Percent-encoded, slashes too', example: 'O-1' })
  @ApiQuery({ type: HistoryParametersDto })
  @ApiResponse(linesOr(OrderHistoryDto))
  @ApiProblems(...BULK_READ_PROBLEMS, 'order-not-found')
  async readOrderHistory(
    @Param('ledger') ledger: string,
    @Param('order_id') orderId: string,
    @QueryParameters() parameters: Parameters,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (!isEventText(orderId, MAX_CODE_POINTS.entity_id)) {
      throw invalidPath(
        'order_id',
        'text',
        `must have 1 to ${MAX_CODE_POINTS.entity_id} characters and no control characters`,
      );
    }
    const history = readHistoryRequest(ledger, orderId, parameters);
    if (!wantsLines(request.headers.accept)) {
      void reply.header('vary', 'accept').send(await this.histories.page(ledger, orderId, history));
      return;
    }
    assertNoLimit(history.limit);
    const read = { ledger, action: 'history', parameters: history.parameters };
    await this.sendLines(request, reply, { kind: 'history', ledger, orderId, request: history }, read, caller);
  }

  private async sendLines(
    request: FastifyRequest,
    reply: FastifyReply,
    longRead: LongRead,
    read: Omit<BulkRead, 'asOf'>,
    caller: Principal,
  ): Promise<void> {
    if (request.method === 'HEAD') {
      // what a GET would be refused for, a HEAD is as well
      if (longRead.kind === 'search') await this.search.page(longRead.ledger, { ...longRead.request, limit: 1 });
      if (longRead.kind === 'history') {
        await this.histories.page(longRead.ledger, longRead.orderId, { ...longRead.request, limit: 1 });
      }
      sendHead(reply, LINES_HEADERS);
      return;
    }
    const gone = goneSignal(reply, this.health.stopping);
    const record = (asOf: string): Promise<void> => this.bulkReads.record({ ...read, asOf }, caller);
    await sendPieces(request, reply, this.longReads.pieces(longRead, gone, record), gone, LINES_HEADERS);
  }
}

function linesOr(page: typeof SearchPageDto | typeof OrderHistoryDto): ApiResponseOptions {
  return {
    status: 200,
    description: 'A page as JSON, or everything as lines',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(page) } },
      'application/x-ndjson': { schema: { type: 'string', description: 'An event a line, then {"end": ...}' } },
    },
  };
}

function assertNone(query: Parameters): void {
  const names = Object.keys(query);
  if (names.length > 0) throw invalidParameters(names.map((name) => queryError(name, 'unknown', 'is not known here')));
}

/** Lines are all there is; half of them would look whole. */
function assertNoLimit(limit: number | undefined): void {
  if (limit !== undefined) {
    throw invalidParameters([queryError('limit', 'lines', 'is for pages: an answer in lines holds all events')]);
  }
}

function invalidPath(name: string, rule: string, rest: string): Problem {
  const detail = `${name} ${rest}`;
  return new Problem('invalid-parameter', detail, { errors: [{ pointer: `/path/${name}`, rule, detail }] });
}

/** If-None-Match of RFC 9110, section 13.1.2: weak comparison. */
function namesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === tag);
}
