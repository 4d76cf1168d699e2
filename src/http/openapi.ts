import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { addExamples } from './openapi-examples.js';

const PROBLEM_SCHEMA = {
  type: 'object',
  description: 'RFC 9457 problem details',
  required: ['type', 'title', 'status', 'detail', 'instance'],
  properties: {
    type: {
      type: 'string',
      description: 'Stable; a page of this service explains it',
      example: '/docs/problems/invalid-event',
    },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string', description: "The request's id, as in the log and in X-Request-Id" },
    errors: {
      type: 'array',
      maxItems: 100,
      items: {
        type: 'object',
        required: ['pointer', 'rule', 'detail'],
        properties: {
          pointer: { type: 'string', description: 'RFC 6901 into the body; /query/x, /path/x, /header/x otherwise' },
          rule: { type: 'string' },
          detail: { type: 'string' },
        },
      },
    },
    errors_total: { type: 'integer' },
  },
} as const;

let made: OpenAPIObject | undefined;

/** The OpenAPI document of the service: the same for every application of a process, and slow to make. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  return (made ??= describe(app));
}

function describe(app: INestApplication): OpenAPIObject {
  const document = SwaggerModule.createDocument(
    app,
    new DocumentBuilder()
      .setTitle('Truetrail')
      .setDescription(
        'The audit trail of a trading firm. Errors are RFC 9457 problem details; 429, 503 and 504 may be tried again.',
      )
      .setVersion('v1')
      .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key or an OIDC access token' })
      .build(),
    { operationIdFactory: (_controller, method) => method },
  );
  document.components ??= {};
  document.components.schemas = { ...document.components.schemas, Problem: PROBLEM_SCHEMA as never };
  nameRests(document);
  allowNulls(document);
  addExamples(document);
  return document;
}

/** The rest of a path is `*` to Nest, and its documents call it `{path}` in the path and `*` in the parameters. */
function nameRests(document: OpenAPIObject): void {
  for (const [path, methods] of Object.entries(document.paths)) {
    if (!path.includes('{path}')) continue;
    for (const { parameters = [] } of Object.values(methods as Record<string, { parameters?: { name: string }[] }>)) {
      for (const parameter of parameters) if (parameter.name === '*') parameter.name = 'path';
    }
  }
}

interface Schema {
  type?: string;
  nullable?: boolean;
  enum?: unknown[];
  allOf?: object[];
  anyOf?: object[];
}

/** `nullable` beside an enumeration that has no null, or beside another schema, allows no null by OpenAPI 3.0. */
function allowNulls(place: unknown): void {
  if (place === null || typeof place !== 'object') return;
  for (const each of Object.values(place)) allowNulls(each);
  const schema = place as Schema;
  if (schema.nullable !== true) return;
  if (Array.isArray(schema.enum) && !schema.enum.includes(null)) schema.enum.push(null);
  if (!Array.isArray(schema.allOf)) return;
  schema.anyOf = [...schema.allOf, { type: 'object', nullable: true, enum: [null] }];
  delete schema.allOf;
  delete schema.nullable;
  delete schema.type;
}

/** Swagger's UI at /docs. For main.ts alone: its packages do not load under Jest below Node 24.9. */
export function serveApiDocs(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), { raw: false, customSiteTitle: 'Truetrail API' });
}
