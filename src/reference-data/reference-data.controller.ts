import { Body, Controller, Get, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { isObject, QueryPipe, readJsonBody, summary } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem, type FieldError } from '../http/problem.js';
import { goneSignal, sendHead, sendPieces } from '../http/streamed-answer.js';
import { formatMicros } from '../integrity/timestamp.js';
import { Health } from '../operation/health.js';
import { columnsOf, readInstant, type FlatChange } from './change.js';
import { KINDS, type Kind } from './kinds.js';
import {
  changeSchemas,
  DEFAULT_LISTED,
  ReferenceAsOfQuery,
  ReferenceAtQuery,
  ReferenceChangeDto,
  ReferenceHistoryDto,
  ReferenceImportDto,
  ReferenceImportQuery,
  ReferenceKindsDto,
  ReferenceListDto,
  ReferenceListQuery,
} from './reference-data.dto.js';
import { ReferenceData, type RecordedChange } from './reference-data.js';
import { MAX_FILE_BYTES, MAX_FILE_CHANGES } from './reference-file.js';

const KIND = { name: 'kind', enum: KINDS.map(({ name }) => name), example: 'venue' };
const ID = { name: 'id', description: 'What events call the entry', example: 'XETR' };
/** Columns by which entries are sought. */
const SOUGHT = ['lei', 'isin', 'symbol'] as const;
const CSV = 'text/csv; charset=utf-8; header=present';

@ApiTags('reference data')
@Controller('v1/reference')
export class ReferenceDataController {
  constructor(
    private readonly data: ReferenceData,
    private readonly health: Health,
  ) {}

  @Get()
  @Access('reference:read', { everyLedger: true })
  @ApiOperation({
    operationId: 'listReferenceKinds',
    summary: 'Which kinds of reference data there are, and their columns',
  })
  @ApiAnswer(200, ReferenceKindsDto)
  @ApiProblems('database-unavailable')
  async kinds(): Promise<ReferenceKindsDto> {
    const upTo = await this.data.revision(undefined);
    const counts = await this.data.counts(upTo);
    const kinds = KINDS.map((kind) => ({
      kind: kind.name,
      title: kind.title,
      id: kind.id.name,
      columns: [kind.id, ...kind.fields].map(({ name, description, required, example }) => ({
        ...{ name, description, required, example },
      })),
      changes: counts.get(kind.name) ?? '0',
    }));
    return { as_of: String(upTo), kinds };
  }

  @Get(':kind')
  @Access('reference:read', { everyLedger: true, reads: 'reference-data' })
  @ApiOperation({
    operationId: 'listReferenceEntries',
    summary: 'Entries of a kind, as they stood at a time and were known at a time',
    description: 'Of those with a value alone: lei, isin or symbol, for kinds that have such a column.',
  })
  @ApiParam(KIND)
  @ApiAnswer(200, ReferenceListDto)
  @ApiProblems('invalid-parameter', 'reference-kind-not-found', 'database-unavailable')
  async list(
    @Param('kind') name: string,
    @Query(new QueryPipe(ReferenceListQuery)) query: ReferenceListQuery,
  ): Promise<ReferenceListDto> {
    const kind = this.data.kind(name);
    const at = await this.at(query);
    const limit = Number(query.limit ?? DEFAULT_LISTED);
    const values = Object.fromEntries(
      SOUGHT.flatMap((name) => (query[name] === undefined ? [] : [[name, query[name]]])),
    );
    const found = await this.data.list(kind, { ...at, after: query.cursor ?? '', limit: limit + 1 }, values);
    const page = found.slice(0, limit);
    return {
      kind: kind.name,
      valid_at: at.validAt,
      as_of: String(at.upTo),
      entries: page.map((each) => answerOf(kind, each)),
      next_cursor: found.length > limit ? page.at(-1)!.entry_id : null,
    };
  }

  @Post(':kind')
  @Access('reference:write', { everyLedger: true })
  @ApiOperation({
    operationId: 'recordReferenceChange',
    summary: 'Say what an entry is from a time on, or that it ends',
    description:
      'Members are the columns of the kind. Nothing is overwritten: of two changes about the same time the later one holds, and both stand. What says what holds already is answered 200 and not recorded again. Recorded in the ledger _service before the answer.',
  })
  @ApiParam(KIND)
  @ApiBody({ schema: changeSchemas() })
  @ApiAnswer(201, ReferenceChangeDto)
  @ApiAnswer(200, ReferenceChangeDto, 'It was known already; the change that says so')
  @ApiProblems(
    'invalid-json',
    'invalid-body',
    'reference-kind-not-found',
    'queue-full',
    'append-timeout',
    'database-unavailable',
  )
  async change(
    @Param('kind') name: string,
    @Body() body: unknown,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReferenceChangeDto> {
    const kind = this.data.kind(name);
    const { change, isRecorded } = await this.data.change(caller, kind, flatBody(kind, body));
    void reply.status(isRecorded ? 201 : 200);
    return answerOf(kind, change);
  }

  @Post(':kind/imports')
  @Access('reference:write', { everyLedger: true, maxBodyBytes: MAX_FILE_BYTES, takesCsv: true })
  @ApiOperation({
    operationId: 'importReferenceData',
    summary: 'Record the changes of a CSV file, all or none',
    description: `RFC 4180 in UTF-8, with a header that names columns of the kind in any order; ${MAX_FILE_CHANGES} changes and ${MAX_FILE_BYTES} bytes at most. Every mistake is told by its line, its column and the rule, as /lines/{line}/{column}, and then nothing is recorded. Importing a file again records nothing.`,
  })
  @ApiParam(KIND)
  @ApiConsumes('text/csv')
  @ApiBody({
    schema: {
      type: 'string',
      example: 'mic,name,operating_mic,segment,country,valid_from\r\nXETR,XETRA,XETR,OPRT,DE,2005-06-27\r\n',
    },
  })
  @ApiAnswer(201, ReferenceImportDto)
  @ApiAnswer(200, ReferenceImportDto, 'Nothing was recorded: all was known already, or it was a dry run')
  @ApiProblems(
    'invalid-parameter',
    'invalid-body',
    'reference-kind-not-found',
    'payload-too-large',
    'unsupported-media-type',
    'queue-full',
    'bodies-overloaded',
    'append-timeout',
    'database-unavailable',
  )
  async import(
    @Param('kind') name: string,
    @Query(new QueryPipe(ReferenceImportQuery)) query: ReferenceImportQuery,
    @Body() body: unknown,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReferenceImportDto> {
    const kind = this.data.kind(name);
    if (!Buffer.isBuffer(body)) throw new Problem('invalid-body', 'The body is missing: send text/csv');
    const isDryRun = query.dry_run === 'true';
    const { changes, recorded, unchanged, asOf } = await this.data.import(caller, kind, body, isDryRun);
    void reply.status(recorded > 0 && !isDryRun ? 201 : 200);
    return {
      kind: kind.name,
      dry_run: isDryRun,
      changes: String(changes),
      recorded: String(recorded),
      unchanged: String(unchanged),
      as_of: String(asOf),
    };
  }

  @Get(':kind/export')
  @Access('reference:read', { everyLedger: true })
  @ApiOperation({
    operationId: 'exportReferenceData',
    summary: 'All entries of a kind over all times, as CSV',
    description:
      'As it was known at as_of, in the form that an import takes: what holds, and not how it came about. Who read it is recorded in the ledger _service before the first byte.',
  })
  @ApiParam(KIND)
  @ApiResponse({ status: 200, description: 'The file', content: { 'text/csv': { schema: { type: 'string' } } } })
  @ApiProblems('invalid-parameter', 'reference-kind-not-found', 'not-recorded-as-read', 'database-unavailable')
  async export(
    @Param('kind') name: string,
    @Query(new QueryPipe(ReferenceAsOfQuery)) query: ReferenceAsOfQuery,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const gone = goneSignal(reply, this.health.stopping);
    const kind = this.data.kind(name);
    const upTo = await this.data.revision(query.as_of);
    const headers = {
      'content-type': CSV,
      'content-disposition': `attachment; filename="${kind.name}-as-of-${upTo}.csv"`,
      'truetrail-reference-as-of': String(upTo),
    };
    if (request.method === 'HEAD') sendHead(reply, headers);
    else await sendPieces(request, reply, this.data.export(caller, kind, upTo), gone, headers);
  }

  @Get(':kind/entries/:id')
  @Access('reference:read', { everyLedger: true, reads: 'reference-data' })
  @ApiOperation({
    operationId: 'readReferenceEntry',
    summary: 'An entry as it stood at a time and was known at a time',
  })
  @ApiParam(KIND)
  @ApiParam(ID)
  @ApiAnswer(200, ReferenceChangeDto)
  @ApiProblems('invalid-parameter', 'reference-kind-not-found', 'reference-entry-not-found', 'database-unavailable')
  async read(
    @Param('kind') name: string,
    @Param('id') id: string,
    @Query(new QueryPipe(ReferenceAtQuery)) query: ReferenceAtQuery,
  ): Promise<ReferenceChangeDto> {
    const kind = this.data.kind(name);
    return answerOf(kind, await this.data.find(kind, id, await this.at(query)));
  }

  @Get(':kind/entries/:id/history')
  @Access('reference:read', { everyLedger: true, reads: 'reference-data' })
  @ApiOperation({
    operationId: 'readReferenceHistory',
    summary: 'All that was ever said of an entry, when and by whom',
  })
  @ApiParam(KIND)
  @ApiParam(ID)
  @ApiAnswer(200, ReferenceHistoryDto)
  @ApiProblems('invalid-parameter', 'reference-kind-not-found', 'reference-entry-not-found', 'database-unavailable')
  async history(
    @Param('kind') name: string,
    @Param('id') id: string,
    @Query(new QueryPipe(ReferenceAsOfQuery)) query: ReferenceAsOfQuery,
  ): Promise<ReferenceHistoryDto> {
    const kind = this.data.kind(name);
    const upTo = await this.data.revision(query.as_of);
    const changes = await this.data.history(kind, id, upTo);
    return { kind: kind.name, id, as_of: String(upTo), changes: changes.map((each) => answerOf(kind, each)) };
  }

  private async at({ valid_at: at, as_of: asOf }: ReferenceAtQuery): Promise<{ validAt: string; upTo: bigint }> {
    const read = at === undefined ? { time: formatMicros(Date.now() * 1000) } : readInstant(at);
    if ('mistake' in read) throw new Error(read.mistake); // the query's rule has refused it
    return { validAt: read.time, upTo: await this.data.revision(asOf) };
  }
}

/** Throws invalid-json, and invalid-body for what is no column of the kind, or no text. */
function flatBody(kind: Kind, bytes: unknown): FlatChange {
  const body = readJsonBody(bytes);
  if (!isObject(body)) throw new Problem('invalid-body', 'The body must be a JSON object');
  const columns = columnsOf(kind);
  const errors: FieldError[] = [];
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(body)) {
    const pointer = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (!columns.includes(name)) errors.push({ pointer, rule: 'unknown', detail: `${name} is not known here` });
    else if (typeof value !== 'string' || value === '') {
      errors.push({ pointer, rule: 'text', detail: `${name} must be a text, or left out` });
    } else texts[name] = value;
  }
  if (errors.length > 0) throw new Problem('invalid-body', summary(errors), { errors });
  return texts;
}

function answerOf(kind: Kind, change: RecordedChange): ReferenceChangeDto {
  const { entry_id: id, valid_from, valid_to, attributes, reason, revision, recorded_at, principal } = change;
  const { event_id, ledger, sequence } = change;
  return {
    ...{
      kind: kind.name,
      id,
      valid_from,
      valid_to,
      attributes: attributes === null ? null : inOrder(kind, attributes),
    },
    ...{ reason, revision, recorded_at, recorded_by: principal, event_id, ledger, sequence },
  };
}

/** Attributes in the order of the kind's columns. */
function inOrder(kind: Kind, attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    kind.fields.flatMap(({ name }) => (Object.hasOwn(attributes, name) ? [[name, attributes[name]!]] : [])),
  );
}
