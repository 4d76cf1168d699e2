import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type pg from 'pg';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { POOL } from '../database/tokens.js';
import { EventSearch } from '../events/event-search.js';
import { Ledgers } from '../events/ledgers.js';
import { BodyPipe, QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { isEventId } from '../integrity/event.js';
import * as sql from './archive-catalogue.sql.js';
import { ArchiveAudit } from './archive-audit.js';
import { readDeletedSpans } from './deleted-ranges.js';
import {
  ArchiveAuditDto,
  ArchivedEventDto,
  ArchiveObjectListDto,
  ArchiveObjectListQueryDto,
  ArchiveSummaryDto,
  AuditRequestDto,
  DEFAULT_AUDITED,
  DEFAULT_OBJECTS_LISTED,
} from './archive.dto.js';

/** Where events are archived: the catalogue, not the objects. */
@ApiTags('archive')
@ApiParam({ name: 'ledger', description: 'Slug of the ledger', example: 'main' })
@Controller('v1/ledgers/:ledger')
export class ArchiveController {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly ledgers: Ledgers,
    private readonly audits: ArchiveAudit,
    private readonly search: EventSearch,
  ) {}

  @Get('archive/objects')
  @Access('events:read')
  @ApiOperation({
    operationId: 'listArchiveObjects',
    summary: 'The objects that hold events of the ledger, in the order in which they were written',
  })
  @ApiAnswer(200, ArchiveObjectListDto)
  @ApiProblems('invalid-parameter', 'ledger-not-found', 'database-unavailable')
  async list(
    @Param('ledger') ledger: string,
    @Query(new QueryPipe(ArchiveObjectListQueryDto)) query: ArchiveObjectListQueryDto,
  ): Promise<ArchiveObjectListDto> {
    await this.ledgers.origin(ledger);
    const limit = Number(query.limit ?? DEFAULT_OBJECTS_LISTED);
    const objects = await sql.listRangesOfLedger(this.pool, ledger, BigInt(query.cursor ?? 1), limit + 1);
    const next = objects[limit];
    return { objects: objects.slice(0, limit), next_cursor: next === undefined ? null : next.number };
  }

  @Get('archive/summary')
  @Access('events:read')
  @ApiOperation({ operationId: 'summarizeArchive', summary: 'How much of the ledger is archived, and until when' })
  @ApiAnswer(200, ArchiveSummaryDto)
  @ApiProblems('ledger-not-found', 'database-unavailable')
  async summarize(@Param('ledger') ledger: string): Promise<ArchiveSummaryDto> {
    const { size } = await this.ledgers.state(ledger);
    const end = (await sql.readArchiveEnds(this.pool)).find((each) => each.ledger === ledger);
    const [totals, classes, removed, deleted] = await Promise.all([
      sql.totalsOfLedger(this.pool, ledger),
      sql.classesOfLedger(this.pool, ledger),
      sql.removedOfLedger(this.pool, ledger),
      readDeletedSpans(this.pool, ledger),
    ]);
    return {
      ledger,
      size,
      archived: end?.archived ?? '0',
      totals,
      record_classes: classes,
      removed,
      deleted: deleted.map(({ shown }) => shown),
    };
  }

  @Post('archive/audits')
  @HttpCode(200)
  @Access('verifications:run')
  @ApiOperation({
    operationId: 'auditArchive',
    summary: 'Draw events over all that is archived; fetch, recompute and time each',
    description: 'From the store itself, not from a cache. Recorded in the ledger _service with what was drawn.',
  })
  @ApiAnswer(200, ArchiveAuditDto)
  @ApiProblems('invalid-body', 'ledger-not-found', 'archive-unavailable', 'read-timeout', 'database-unavailable')
  async audit(
    @Param('ledger') ledger: string,
    @Body(new BodyPipe(AuditRequestDto)) request: AuditRequestDto,
    @Caller() caller: Principal,
  ): Promise<ArchiveAuditDto> {
    await this.ledgers.origin(ledger);
    return this.audits.run(ledger, request.events ?? DEFAULT_AUDITED, caller);
  }

  @Get('events/:event_id/archive')
  @Access('events:read')
  @ApiOperation({
    operationId: 'readEventArchive',
    summary: 'Where an event is archived: since when, under which digest, locked until when, why, by whom',
    description:
      'Entity and content_hash are read from the event, from the archive where it has left the database. Of a deleted event they are null, and the objects that held it say when they were removed.',
  })
  @ApiParam({ name: 'event_id', example: '0197f3a1-6c00-7000-8000-00000000000a' })
  @ApiAnswer(200, ArchivedEventDto)
  @ApiProblems(
    'invalid-parameter',
    'ledger-not-found',
    'event-not-found',
    'damaged-record',
    'archive-damaged',
    'archive-unavailable',
    'database-unavailable',
  )
  async find(@Param('ledger') ledger: string, @Param('event_id') eventId: string): Promise<ArchivedEventDto> {
    await this.ledgers.origin(ledger);
    if (!isEventId(eventId)) {
      const detail = 'event_id must be a UUID of the form 8-4-4-4-12, neither nil nor max';
      throw new Problem('invalid-parameter', detail, {
        errors: [{ pointer: '/path/event_id', rule: 'uuid', detail }],
      });
    }
    const found = await sql.findArchivedEvent(this.pool, ledger, eventId.toLowerCase());
    if (!found) throw new Problem('event-not-found', 'The ledger holds no event with this id');
    return {
      ledger,
      event_id: eventId.toLowerCase(),
      ...(await this.entryOf(ledger, eventId.toLowerCase())),
      ...found,
    };
  }

  /** What the event itself says, and why it is kept; of one that was deleted, nothing. */
  private async entryOf(
    ledger: string,
    eventId: string,
  ): Promise<Omit<ArchivedEventDto, 'ledger' | 'event_id' | 'sequence' | 'objects'>> {
    try {
      const event = await this.search.find(ledger, eventId);
      const { entity_type, entity_id, content_hash } = event;
      return { entity_type, entity_id, content_hash, ...(await sql.keepingOfEvent(this.pool, { ...event, ledger })) };
    } catch (error) {
      if (!(error instanceof Problem && error.slug === 'event-deleted')) throw error;
      return { entity_type: null, entity_id: null, content_hash: null, record_class: null, reason: null };
    }
  }
}
