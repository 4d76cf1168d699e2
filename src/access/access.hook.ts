import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CONFIG, type Config } from '../config/config.js';
import { Problem } from '../http/problem.js';
import type { RouteAccess } from './access.decorator.js';
import { ApiKeys } from './api-keys.js';
import { OidcTokens } from './oidc-tokens.js';
import { RefusedCredentials } from './refused-credentials.js';
import { EVERY_LEDGER, mayUseLedger, type Principal } from './principal.js';

const MAX_CREDENTIAL_CHARACTERS = 8192;
/** How often the credentials of a stream are looked at again: it may go on for longer than they are good for. */
const STREAM_CHECK_MS = 5_000;

/**
 * Decides who calls and whether they may, before a byte of the body is read: a stranger must not be able to make the
 * service hold 16 MiB. (A guard of Nest's runs after the body.)
 */
@Injectable()
export class AccessHook {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'PUBLIC_PROOFS'>,
    private readonly keys: ApiKeys,
    private readonly tokens: OidcTokens,
    private readonly refused: RefusedCredentials,
  ) {}

  /** Sets `request.principal`. Throws unauthorized, forbidden or ledger-not-found. */
  async admit(request: FastifyRequest): Promise<void> {
    const { access, everyLedger, isProof, takesLines } = request.routeOptions.config as RouteAccess;
    if (access === 'open' || (isProof && this.config.PUBLIC_PROOFS === 'true')) return;
    const principal = await this.authenticate(request.headers.authorization).catch((error: unknown) => {
      const isRefused = error instanceof Problem && error.slug === 'unauthorized';
      if (isRefused && request.headers.authorization !== undefined) this.refused.note(request.ip);
      throw error;
    });
    request.principal = principal;
    if (access === undefined) throw new Problem('forbidden', 'This operation is open to nobody');
    if (access !== 'any' && !access.some((scope) => principal.scopes.has(scope)))
      throw new Problem('forbidden', `This operation needs the scope ${access.join(' or ')}`);
    if (everyLedger && !principal.ledgers.has(EVERY_LEDGER)) {
      throw new Problem('forbidden', 'This operation is of all ledgers; these credentials are only for some');
    }
    const ledger = (request.params as { ledger?: string } | undefined)?.ledger;
    if (ledger !== undefined && !mayUseLedger(principal, ledger)) {
      throw new Problem('ledger-not-found', 'There is no such ledger, or these credentials are not for it');
    }
    if (takesLines) this.watch(request);
  }

  /**
   * Cuts the connection of a stream whose key is revoked or whose token expires. What it had no receipt for yet is sent
   * again by whoever still may.
   */
  private watch({ raw, headers, log }: FastifyRequest): void {
    const timer = setInterval(() => {
      this.authenticate(headers.authorization).catch((error: unknown) => {
        if (!(error instanceof Problem && error.status === 401)) return; // cannot be asked at the moment
        log.info('a stream was cut off: its credentials are no longer good');
        raw.destroy();
      });
    }, STREAM_CHECK_MS);
    raw.once('close', () => clearInterval(timer));
  }

  private async authenticate(authorization: string | undefined): Promise<Principal> {
    if (authorization === undefined) throw new Problem('unauthorized', 'Send a key as Authorization: Bearer <key>');
    const credential = /^Bearer +([!-~]+) *$/i.exec(authorization)?.[1];
    if (credential === undefined || credential.length > MAX_CREDENTIAL_CHARACTERS) {
      throw new Problem('unauthorized', 'The Authorization header is not of the form Bearer <key>');
    }
    const principal = this.tokens.recognises(credential)
      ? await this.tokens.authenticate(credential)
      : await this.keys.authenticate(credential);
    if (!principal) throw new Problem('unauthorized', 'The key or token is unknown, expired or revoked');
    return principal;
  }
}
