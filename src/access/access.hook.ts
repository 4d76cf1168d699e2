import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../http/problem.js';
import type { RouteAccess } from './access.decorator.js';
import { ApiKeys } from './api-keys.js';
import { OidcTokens } from './oidc-tokens.js';
import { mayUseLedger, type Principal } from './principal.js';

const MAX_CREDENTIAL_CHARACTERS = 8192;

/**
 * Decides who calls and whether they may, before a byte of the body is read: a stranger must not be able to make the
 * service hold 16 MiB. (A guard of Nest's runs after the body.)
 */
@Injectable()
export class AccessHook {
  constructor(
    private readonly keys: ApiKeys,
    private readonly tokens: OidcTokens,
  ) {}

  /** Sets `request.principal`. Throws unauthorized, forbidden or ledger-not-found. */
  async admit(request: FastifyRequest): Promise<void> {
    const { access } = request.routeOptions.config as RouteAccess;
    if (access === 'open') return;
    const principal = await this.authenticate(request.headers.authorization);
    request.principal = principal;
    if (access === undefined) throw new Problem('forbidden', 'This operation is open to nobody');
    if (!principal.scopes.has(access)) throw new Problem('forbidden', `This operation needs the scope ${access}`);
    const ledger = (request.params as { ledger?: string } | undefined)?.ledger;
    if (ledger !== undefined && !mayUseLedger(principal, ledger)) {
      throw new Problem('ledger-not-found', 'There is no such ledger, or these credentials are not for it');
    }
  }

  private async authenticate(authorization: string | undefined): Promise<Principal> {
    if (authorization === undefined) throw new Problem('unauthorized', 'Send a key as Authorization: Bearer <key>');
    const credential = /^Bearer +([!-~]+) *$/i.exec(authorization)?.[1];
    if (credential === undefined || credential.length > MAX_CREDENTIAL_CHARACTERS) {
      throw new Problem('unauthorized', 'The Authorization header is not of the form Bearer <key>');
    }
    // a JWT is three base64url parts; no key of ours has a dot, and a bootstrap key that looks like one is tried below
    const isToken = this.tokens.enabled && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(credential);
    const principal =
      (isToken ? await this.tokens.authenticate(credential) : null) ?? (await this.keys.authenticate(credential));
    if (!principal) throw new Problem('unauthorized', 'The key or token is unknown, expired or revoked');
    return principal;
  }
}
