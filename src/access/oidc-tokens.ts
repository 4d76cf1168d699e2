import { Inject, Injectable } from '@nestjs/common';
import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { CONFIG, type Config } from '../config/config.js';
import { Problem } from '../http/problem.js';
import { SCOPES, type Principal } from './principal.js';

/** Signatures by a key pair only: with HS256 a public key would do as the secret, with `none` anything would. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const CLOCK_SKEW_S = 5;
const DISCOVERY_TIMEOUT_MS = 5_000;

/**
 * Access tokens (JWT) of one issuer, verified by its published keys. The keys are fetched again when a token names one
 * that is not known, at most every 30 s (jose's cool-down).
 *
 * Claims: `scope` (text, blanks between) or `scp` (list) holds our scopes; `truetrail_ledgers` (text or list) the
 * ledgers, none when absent.
 */
@Injectable()
export class OidcTokens {
  private keys: JWTVerifyGetKey | undefined;

  constructor(@Inject(CONFIG) private readonly config: Config) {}

  get enabled(): boolean {
    return this.config.OIDC_ISSUER !== undefined;
  }

  /** The principal of a valid token, null for an invalid one. Throws 503 when the issuer cannot be asked. */
  async authenticate(token: string): Promise<Principal | null> {
    const issuer = this.config.OIDC_ISSUER;
    const audience = this.config.OIDC_AUDIENCE;
    if (issuer === undefined || audience === undefined) return null;
    try {
      const { payload } = await jwtVerify(token, await this.issuerKeys(issuer), {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_SKEW_S,
        requiredClaims: ['exp', 'sub'],
      });
      const granted = words(payload.scope ?? payload.scp);
      return {
        id: `oidc:${printable(issuer)}#${printable(payload.sub ?? '')}`,
        scopes: new Set(SCOPES.filter((scope) => granted.includes(scope))),
        ledgers: new Set(words(payload.truetrail_ledgers)),
      };
    } catch (error) {
      if (error instanceof errors.JWKSTimeout || error instanceof IssuerUnavailable || error instanceof TypeError) {
        throw new Problem('database-unavailable', 'The token issuer does not answer at the moment', { cause: error });
      }
      if (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC') {
        throw new Problem('database-unavailable', 'The token issuer does not answer at the moment', { cause: error });
      }
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }

  private async issuerKeys(issuer: string): Promise<JWTVerifyGetKey> {
    this.keys ??= createRemoteJWKSet(new URL(this.config.OIDC_JWKS_URL ?? (await discover(issuer))));
    return this.keys;
  }
}

class IssuerUnavailable extends Error {}

async function discover(issuer: string): Promise<string> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(DISCOVERY_TIMEOUT_MS), redirect: 'error' });
    const document = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
    if (response.ok && document.issuer === issuer && typeof document.jwks_uri === 'string') return document.jwks_uri;
  } catch (cause) {
    throw new IssuerUnavailable(`no discovery document at ${address}`, { cause });
  }
  throw new IssuerUnavailable(`the discovery document at ${address} is not that of the issuer`);
}

function words(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((word) => word !== '');
  if (Array.isArray(claim)) return claim.filter((word): word is string => typeof word === 'string');
  return [];
}

/** Percent-encodes whatever is not printable ASCII, and `"`, `\`, `#` and `%`: SQL writes it into JSON as it stands. */
function printable(text: string): string {
  return Array.from(Buffer.from(text, 'utf8'), (byte) =>
    byte > 0x20 && byte < 0x7f && !'"\\#%'.includes(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
}
