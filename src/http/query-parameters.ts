import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { invalidParameters, queryError, type Parameters } from './parameters.js';
import { Problem } from './problem.js';

/** A request's query parameters, for routes whose names are not all known beforehand. Throws invalid-parameter. */
export const QueryParameters = createParamDecorator((_: unknown, context: ExecutionContext): Parameters => {
  return readQuery(context.switchToHttp().getRequest<FastifyRequest>());
});

function readQuery(request: FastifyRequest): Parameters {
  const url = request.raw.url ?? '';
  const at = url.indexOf('?');
  if (at >= 0 && !isDecodable(url.slice(at + 1))) {
    // Fastify's parser would take such a text as it stands, and a search for it would find nothing.
    const detail = 'the query has a % that does not begin an octet of UTF-8 text';
    throw new Problem('invalid-parameter', detail, { errors: [{ pointer: '/query', rule: 'encoding', detail }] });
  }
  const query = request.query as Record<string, unknown>;
  const doubled = Object.keys(query).filter((name) => typeof query[name] !== 'string');
  if (doubled.length > 0)
    throw invalidParameters(doubled.map((name) => queryError(name, 'once', 'must be given once')));
  return query as Record<string, string>;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
