import { Controller, Get, Header, Headers, Param, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/access.decorator.js';
import { Ledgers } from '../events/ledgers.js';
import { QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { HASH_BYTES, isEventId } from '../integrity/event.js';
import { parseTilePath } from '../integrity/tiles.js';
import { formatTlogProof } from '../integrity/tlog-proof.js';
import { ConsistencyDto, ConsistencyQueryDto, EventProofDto, KeyHistoryDto } from './checkpoint.dto.js';
import { Checkpoints } from './checkpoints.js';

/** A checkpoint may be a few seconds old wherever it is kept; a tile of its width never changes. */
const CHECKPOINT_CACHING = 'max-age=5';
const TILE_CACHING = 'max-age=31536000, immutable';
const TEXT = 'text/plain; charset=utf-8';
const PROOF_EXAMPLE =
  'c2sp.org/tlog-proof@v1\nindex 5\nvBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=\n\naudit.example.com/truetrail/main\n8\n…\n';

/** Signed checkpoints and proofs against them. What needs no content of events is open to all with PUBLIC_PROOFS. */
@ApiTags('proofs')
@ApiParam({ name: 'ledger', description: 'Slug of the ledger', example: 'main' })
@Controller('v1/ledgers/:ledger')
export class CheckpointsController {
  constructor(
    private readonly checkpoints: Checkpoints,
    private readonly ledgers: Ledgers,
  ) {}

  @Get('checkpoint')
  @Access('proofs:read', { isProof: true })
  @Header('content-type', TEXT)
  @Header('cache-control', CHECKPOINT_CACHING)
  @ApiOperation({
    operationId: 'readCheckpoint',
    summary: 'The last signed checkpoint of the ledger: its size and root (C2SP tlog-checkpoint)',
  })
  @ApiOkResponse({
    content: {
      'text/plain': {
        schema: { type: 'string' },
        example:
          'audit.example.com/truetrail/main\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n— audit.example.com/truetrail/main cEAOkXZi…\n',
      },
    },
  })
  @ApiProblems('ledger-not-found', 'not-yet-checkpointed', 'database-unavailable')
  async latest(@Param('ledger') ledger: string): Promise<string> {
    return (await this.checkpoints.latest(ledger)).note;
  }

  @Get('tile/*')
  @Access('proofs:read', { isProof: true })
  @Header('content-type', 'application/octet-stream')
  @Header('cache-control', TILE_CACHING)
  @ApiOperation({
    operationId: 'readTile',
    summary: 'A tile of the tree, or the event hashes of one (C2SP tlog-tiles)',
    description:
      'The path is `<level>/<index>[.p/<width>]`, or `entries/<index>[.p/<width>]` for the entry bundle: event hashes of 32 bytes, each with its length in two bytes before it. A tile of its width never changes.',
  })
  @ApiParam({ name: '*', description: 'Level and index', example: '0/000.p/2' })
  @ApiOkResponse({ content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } })
  @ApiProblems(
    'ledger-not-found',
    'tile-not-found',
    'not-yet-checkpointed',
    'events-lost',
    'damaged-record',
    'archive-unavailable',
    'database-unavailable',
  )
  async tile(@Param('ledger') ledger: string, @Param('*') path: string): Promise<StreamableFile> {
    const tile = parseTilePath(path);
    if (!tile) throw new Problem('tile-not-found', 'The path is not that of a tile: <level>/<index>[.p/<width>]');
    if (!tile.isEntries) return new StreamableFile(await this.checkpoints.tile(ledger, tile));
    const length = Buffer.alloc(2);
    length.writeUInt16BE(HASH_BYTES);
    const hashes = await this.checkpoints.entries(ledger, tile);
    return new StreamableFile(Buffer.concat(hashes.flatMap((hash) => [length, hash])));
  }

  @Get('keys')
  @Access('proofs:read', { isProof: true })
  @Header('content-type', TEXT)
  @ApiOperation({
    operationId: 'listVerifierKeys',
    summary: 'The keys that verify checkpoints of the ledger, a line each, the current one first (C2SP signed-note)',
    description: 'Whoever audits should have them from elsewhere as well: these come from whom they are to check.',
  })
  @ApiOkResponse({
    content: {
      'text/plain': {
        schema: { type: 'string' },
        example: 'audit.example.com/truetrail/main+a959bdf4+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n',
      },
    },
  })
  @ApiProblems('ledger-not-found', 'database-unavailable')
  async keys(@Param('ledger') ledger: string): Promise<string> {
    return (await this.checkpoints.keys(ledger)).map((key) => `${key.toString()}\n`).join('');
  }

  @Get('keys/history')
  @Access('proofs:read', { isProof: true })
  @ApiOperation({ operationId: 'readKeyHistory', summary: 'The keys of the ledger, and how each gave way to the next' })
  @ApiAnswer(200, KeyHistoryDto)
  @ApiProblems('ledger-not-found', 'database-unavailable')
  async history(@Param('ledger') ledger: string): Promise<KeyHistoryDto> {
    const keys = (await this.checkpoints.keys(ledger)).reverse().map(String);
    const origin = await this.ledgers.origin(ledger);
    return { origin, keys, successions: await this.checkpoints.successions(ledger) };
  }

  @Get('consistency')
  @Access('proofs:read', { isProof: true })
  @ApiOperation({
    operationId: 'proveConsistency',
    summary: 'The proof that an older tree of the ledger is the beginning of a newer one',
  })
  @ApiAnswer(200, ConsistencyDto)
  @ApiProblems(
    'invalid-parameter',
    'ledger-not-found',
    'not-yet-checkpointed',
    'events-lost',
    'damaged-record',
    'archive-unavailable',
    'database-unavailable',
  )
  async consistency(
    @Param('ledger') ledger: string,
    @Query(new QueryPipe(ConsistencyQueryDto)) query: ConsistencyQueryDto,
  ): Promise<ConsistencyDto> {
    const origin = await this.ledgers.origin(ledger);
    const from = BigInt(query.from);
    const to = query.to === undefined ? (await this.checkpoints.held(ledger)).size : BigInt(query.to);
    if (from > to) {
      const detail = 'from must not be greater than to';
      throw new Problem('invalid-parameter', detail, { errors: [{ pointer: '/query/from', rule: 'order', detail }] });
    }
    const hashes = await this.checkpoints.consistency(ledger, from, to);
    return { origin, from: String(from), to: String(to), hashes: hashes.map((hash) => hash.toString('base64')) };
  }

  @Get('events/:event_id/proof')
  @Access('proofs:read', { reads: 'proof' })
  @ApiOperation({
    operationId: 'proveEvent',
    summary: 'The proof that an event is in the last checkpoint: as JSON, or as text (C2SP tlog-proof)',
    description: '`Accept: text/plain` gets the tlog-proof. It verifies offline, with the event hash of the receipt.',
  })
  @ApiParam({ name: 'event_id', example: '0197f3a1-6c00-7000-8000-00000000000a' })
  @ApiAnswer(200, EventProofDto)
  @ApiOkResponse({
    content: {
      'application/json': { schema: { $ref: '#/components/schemas/EventProofDto' } },
      'text/plain': { schema: { type: 'string' }, example: PROOF_EXAMPLE },
    },
  })
  @ApiProblems(
    'invalid-parameter',
    'ledger-not-found',
    'event-not-found',
    'not-yet-checkpointed',
    'events-lost',
    'damaged-record',
    'archive-unavailable',
    'database-unavailable',
  )
  async prove(
    @Param('ledger') ledger: string,
    @Param('event_id') eventId: string,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<EventProofDto | string> {
    const origin = await this.ledgers.origin(ledger);
    if (!isEventId(eventId)) {
      const detail = 'event_id must be a UUID of the form 8-4-4-4-12, neither nil nor max';
      throw new Problem('invalid-parameter', detail, { errors: [{ pointer: '/path/event_id', rule: 'uuid', detail }] });
    }
    const { sequence, checkpoint, hashes } = await this.checkpoints.proofOf(ledger, eventId.toLowerCase());
    if (accept?.startsWith('text/plain')) {
      void reply.header('content-type', TEXT);
      return formatTlogProof({ index: sequence - 1n, hashes, note: checkpoint.note });
    }
    return {
      origin,
      event_id: eventId.toLowerCase(),
      sequence: String(sequence),
      leaf_index: String(sequence - 1n),
      tree_size: String(checkpoint.size),
      hashes: hashes.map((hash) => hash.toString('base64')),
      checkpoint: checkpoint.note,
      anchor: String(checkpoint.anchor),
    };
  }
}
