import { Controller, Get, Header, Param, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import {
  AnchorDetailDto,
  AnchoredCheckpointListDto,
  AnchoredCheckpointListQueryDto,
  AnchorListDto,
  AnchorListQueryDto,
  AnchorTimestampListDto,
  DEFAULT_ANCHORS_LISTED,
  isAnchorNumber,
  type AnchorDto,
} from './anchor.dto.js';
import { Anchors, type ObjectLock } from './anchors.js';
import type { ListedAnchor } from './anchors-read.sql.js';

/** Past every anchor. */
const LAST = 999_999_999_999_999_999n;
/** What was anchored never changes. */
const CONTENT_CACHING = 'private, max-age=31536000, immutable';
const PATH_N = { name: 'n', description: 'Number of the anchor', example: '42' };

/** What was signed and put where nobody can rewrite it, and who has stamped and cosigned it since. */
@ApiTags('proofs')
@Controller('v1/anchors')
export class AnchorsController {
  constructor(private readonly anchors: Anchors) {}

  @Get()
  @Access('proofs:read')
  @ApiOperation({
    operationId: 'listAnchors',
    summary: 'The anchors, the last one first',
    description: 'Credentials for some ledgers see those that hold a checkpoint of these.',
  })
  @ApiAnswer(200, AnchorListDto)
  @ApiProblems('invalid-parameter', 'database-unavailable')
  async list(
    @Caller() caller: Principal,
    @Query(new QueryPipe(AnchorListQueryDto)) query: AnchorListQueryDto,
  ): Promise<AnchorListDto> {
    const limit = Number(query.limit ?? DEFAULT_ANCHORS_LISTED);
    const found = await this.anchors.list(caller, query.cursor === undefined ? LAST : BigInt(query.cursor), limit + 1);
    return { anchors: found.slice(0, limit).map(shownAnchor), next_cursor: found[limit]?.number ?? null };
  }

  @Get(':n')
  @Access('proofs:read')
  @ApiParam(PATH_N)
  @ApiOperation({
    operationId: 'readAnchor',
    summary: 'An anchor: digest, object and version, and until when it is locked',
    description: 'The lock is asked of the object store at this moment.',
  })
  @ApiAnswer(200, AnchorDetailDto)
  @ApiProblems(
    'invalid-parameter',
    'anchor-not-found',
    'archive-damaged',
    'archive-unavailable',
    'database-unavailable',
  )
  async read(@Caller() caller: Principal, @Param('n') n: string): Promise<AnchorDetailDto> {
    const number = anchorNumber(n);
    const anchor = await this.anchors.find(caller, number);
    const successions = await this.anchors.successions(caller, number);
    return { ...shownAnchor(anchor), ...shownLock(anchor), successions };
  }

  @Get(':n/content')
  @Access('proofs:read', { everyLedger: true })
  @Header('content-type', 'application/json')
  @Header('cache-control', CONTENT_CACHING)
  @ApiParam(PATH_N)
  @ApiOperation({
    operationId: 'readAnchorContent',
    summary: "The anchor's bytes, as they stand in the object store",
    description:
      'It names all ledgers that were signed in the round, so it is for credentials of every ledger; others get the anchors that prove their events in evidence bundles. The ETag is its SHA-256, which the next anchor names and time stamps are over.',
  })
  @ApiOkResponse({
    content: {
      'application/json': {
        schema: { type: 'object', description: 'truetrail-anchor/1, byte for byte' },
      },
    },
  })
  @ApiProblems(
    'invalid-parameter',
    'anchor-not-found',
    'archive-damaged',
    'archive-unavailable',
    'database-unavailable',
  )
  async content(
    @Caller() caller: Principal,
    @Param('n') n: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const { bytes, sha256 } = await this.anchors.content(caller, anchorNumber(n));
    void reply.header('etag', `"${sha256.toString('hex')}"`);
    return new StreamableFile(bytes);
  }

  @Get(':n/checkpoints')
  @Access('proofs:read')
  @ApiParam(PATH_N)
  @ApiOperation({
    operationId: 'listAnchoredCheckpoints',
    summary: 'The checkpoints of an anchor, each with the cosignatures of witnesses',
  })
  @ApiAnswer(200, AnchoredCheckpointListDto)
  @ApiProblems('invalid-parameter', 'anchor-not-found', 'database-unavailable')
  async checkpoints(
    @Caller() caller: Principal,
    @Param('n') n: string,
    @Query(new QueryPipe(AnchoredCheckpointListQueryDto)) query: AnchoredCheckpointListQueryDto,
  ): Promise<AnchoredCheckpointListDto> {
    const limit = Number(query.limit ?? DEFAULT_ANCHORS_LISTED);
    const found = await this.anchors.checkpoints(caller, anchorNumber(n), query.cursor ?? '', limit + 1);
    const page = found.slice(0, limit);
    return {
      checkpoints: page.map(({ root_hash: rootHash, ...rest }) => ({ ...rest, root_hash: rootHash.toString('hex') })),
      next_cursor: found.length > limit ? page.at(-1)!.ledger : null,
    };
  }

  @Get(':n/timestamps')
  @Access('proofs:read')
  @ApiParam(PATH_N)
  @ApiOperation({
    operationId: 'listAnchorTimestamps',
    summary: 'The time stamps (RFC 3161) that date an anchor, of each authority the first',
    description:
      'One over a later anchor dates this one as well: each anchor names the SHA-256 of the one before. The locks are asked of the object store at this moment.',
  })
  @ApiAnswer(200, AnchorTimestampListDto)
  @ApiProblems(
    'invalid-parameter',
    'anchor-not-found',
    'archive-damaged',
    'archive-unavailable',
    'database-unavailable',
  )
  async timestamps(@Caller() caller: Principal, @Param('n') n: string): Promise<AnchorTimestampListDto> {
    const found = await this.anchors.timestamps(caller, anchorNumber(n));
    return {
      timestamps: found.map(({ retainUntil, isCompliance, sha256, ...rest }) => ({
        ...rest,
        sha256: sha256.toString('hex'),
        ...shownLock({ retainUntil, isCompliance }),
      })),
    };
  }

  @Get(':n/timestamps/:sha256')
  @Access('proofs:read')
  @Header('content-type', 'application/timestamp-reply')
  @Header('cache-control', CONTENT_CACHING)
  @ApiParam(PATH_N)
  @ApiParam({
    name: 'sha256',
    description: 'Of the reply',
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  })
  @ApiOperation({
    operationId: 'readAnchorTimestamp',
    summary: 'A time stamp as the authority gave it (TimeStampResp): what openssl ts -verify reads',
  })
  @ApiOkResponse({
    content: { 'application/timestamp-reply': { schema: { type: 'string', format: 'binary' } } },
  })
  @ApiProblems('invalid-parameter', 'timestamp-not-found', 'database-unavailable')
  async reply(@Param('n') n: string, @Param('sha256') sha256: string): Promise<StreamableFile> {
    const number = anchorNumber(n);
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw wrongPath('sha256', 'must be 64 lower-case hex digits');
    return new StreamableFile(await this.anchors.reply(number, Buffer.from(sha256, 'hex')));
  }
}

function anchorNumber(n: string): bigint {
  if (!isAnchorNumber(n)) throw wrongPath('n', 'must be a whole number from 1');
  return BigInt(n);
}

function wrongPath(name: string, rest: string): Problem {
  const detail = `${name} ${rest}`;
  return new Problem('invalid-parameter', detail, { errors: [{ pointer: `/path/${name}`, rule: name, detail }] });
}

function shownAnchor(anchor: ListedAnchor): AnchorDto {
  const { number: n, sha256, previous, bytes, location, checkpoints, timestamps } = anchor;
  return {
    n,
    sha256: sha256.toString('hex'),
    previous: previous?.toString('hex') ?? null,
    bytes,
    location,
    object_key: anchor.object_key,
    version_id: anchor.version_id,
    catalogued_at: anchor.catalogued_at,
    checkpoints,
    timestamps,
  };
}

function shownLock({ retainUntil, isCompliance }: ObjectLock): { locked_until: string | null; is_compliance: boolean } {
  return { locked_until: retainUntil?.toISOString() ?? null, is_compliance: isCompliance };
}
