import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Principal, Scope } from './principal.js';

/** What a route asks of its caller; kept in Fastify's route config, so that it is checked before a body is read. */
export interface RouteAccess {
  access?: readonly Scope[] | 'any' | 'open';
  /** it tells or does something of all ledgers, so credentials for some will not do */
  everyLedger?: boolean;
  /** hashes and signatures alone: open to all where PUBLIC_PROOFS is true */
  isProof?: boolean;
  /**
   * answers of it are counted as reads of a ledger, under this name: `event`, `search`, `history`, `proof`; and, of the
   * service's own, `reference-data`
   */
  reads?: string;
  /** the most that a body of this route may have after decompression, bytes */
  maxBodyBytes?: number;
  /** its body is application/x-ndjson, read by the handler, and nothing else is taken */
  takesLines?: boolean;
  /** its body is text/csv, given to the handler as its bytes, and nothing else is taken */
  takesCsv?: boolean;
  /** its body is application/xml or text/xml, given to the handler as its bytes, and nothing else is taken */
  takesXml?: boolean;
}

/** The scope that a route needs; of several any one will do. A route without this and without `Open` is answered 403. */
export function Access(scope: Scope | readonly Scope[], options: Omit<RouteAccess, 'access'> = {}): MethodDecorator {
  const scopes = typeof scope === 'string' ? [scope] : scope;
  return applyDecorators(
    RouteConfig({ access: scopes, ...options } satisfies RouteAccess),
    ApiBearerAuth(),
    ApiExtension('x-scope', scopes.join(' or ')),
  );
}

/** A route for whoever has a key or token, whatever it is good for. */
export function AnyKey(): MethodDecorator {
  return applyDecorators(
    RouteConfig({ access: 'any' } satisfies RouteAccess),
    ApiBearerAuth(),
    ApiExtension('x-scope', 'any'),
  );
}

/** A route that needs no key: health probes and API documents alone. */
export function Open(): MethodDecorator {
  return applyDecorators(RouteConfig({ access: 'open' } satisfies RouteAccess), ApiExtension('x-scope', 'none'));
}

/** The caller, in a handler of a route with `Access`. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const principal = context.switchToHttp().getRequest<FastifyRequest>().principal;
  if (!principal) throw new Error('a route without @Access has no caller');
  return principal;
});

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | null;
  }
}
