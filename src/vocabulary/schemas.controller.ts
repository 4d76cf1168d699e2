import { Controller, Get, Header, Param } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AnyKey } from '../access/access.decorator.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import type { JsonObject } from '../integrity/canonical-json.js';
import { SCHEMAS } from './order-event-schema.js';

export class SchemaDto {
  @ApiProperty({ example: 'order-event' })
  name: string;
  @ApiProperty({ example: 'An event of an order' })
  title: string;
  @ApiProperty({ description: 'Goes up when names or codes are added; none is ever taken away', example: 1 })
  version: number;
  @ApiProperty({ description: 'Path of the schema', example: '/v1/schemas/order-event' })
  path: string;
}

export class SchemaListDto {
  @ApiProperty({ type: [SchemaDto] })
  schemas: SchemaDto[];
}

/** The schemas of what sources write into events. */
@ApiTags('service')
@Controller('v1/schemas')
export class SchemasController {
  @Get()
  @AnyKey()
  @ApiOperation({
    operationId: 'listSchemas',
    summary: 'List the published schemas',
    description: 'Of what reports read from events. Nothing is refused for not following them.',
  })
  @ApiAnswer(200, SchemaListDto)
  @ApiProblems()
  list(): SchemaListDto {
    return {
      schemas: SCHEMAS.map(({ name, title, version }) => ({ name, title, version, path: `/v1/schemas/${name}` })),
    };
  }

  @Get(':name')
  @AnyKey()
  @Header('content-type', 'application/schema+json; charset=utf-8')
  @ApiOperation({
    operationId: 'readSchema',
    summary: 'A published schema',
    description: 'JSON Schema, draft 2020-12.',
  })
  @ApiParam({ name: 'name', example: 'order-event' })
  @ApiResponse({
    status: 200,
    description: 'The schema',
    content: { 'application/schema+json': { schema: { type: 'object' } } },
  })
  @ApiProblems('schema-not-found')
  read(@Param('name') name: string): JsonObject {
    const found = SCHEMAS.find((each) => each.name === name);
    if (!found) throw new Problem('schema-not-found', 'There is no such schema; GET /v1/schemas lists them');
    return found.schema;
  }
}
