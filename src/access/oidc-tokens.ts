import { Inject, Injectable } from '@nestjs/common';
import {
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import { CONFIG, type Config } from '../config/config.js';
import { Problem } from '../http/problem.js';
import { PeerCertificates } from '../operation/peer-certificates.js';
import { MAX_PRINCIPAL_CHARACTERS, SCOPES, type Principal } from './principal.js';

/** Signatures by a key pair only: with HS256 a public key would do as the secret, with `none` anything would. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
const CLOCK_SKEW_S = 5;
const ISSUER_TIMEOUT_MS = 5_000;
/**
 * How often, at most, an unknown key id makes us ask the issuer for its keys: whoever sends invented ones must not turn
 * us against it. Issuers publish a key some time before they sign with it; one that does not has its tokens refused for
 * this long after the last time we asked.
 */
const KEYS_COOL_DOWN_MS = 10_000;
/** A key that the issuer has withdrawn is believed this much longer; so long can the issuer be away, too. */
const KEYS_MAX_AGE_MS = 10 * 60_000;
/** After a failure the issuer is left alone for this long. */
const FAILURE_COOL_DOWN_MS = 2_000;

/**
 * Access tokens (JWT) of one issuer, verified by its published keys.
 *
 * Claims: `scope` (text, blanks between) or `scp` (text or list) holds our scopes, other words are passed over;
 * `truetrail_ledgers` (text or list) the ledgers, none when absent.
 */
@Injectable()
export class OidcTokens {
  private readonly issuer: string | undefined;
  private readonly audience: string | undefined;
  private readonly keysUrl: string | undefined;
  private readonly keys: JWTVerifyGetKey;
  private failedAt = -Infinity;

  constructor(@Inject(CONFIG) config: Config, certificates: PeerCertificates) {
    this.issuer = config.OIDC_ISSUER;
    this.audience = config.OIDC_AUDIENCE;
    this.keysUrl = config.OIDC_JWKS_URL;
    const known = this.keysUrl ?? this.issuer;
    if (known !== undefined) certificates.watch('issuer', () => new URL(known));
    // jose wants an address at once; fetchKeys uses its own, which is found out when keys are first needed
    this.keys = createRemoteJWKSet(new URL('https://discovered.invalid/'), {
      cooldownDuration: KEYS_COOL_DOWN_MS,
      cacheMaxAge: KEYS_MAX_AGE_MS,
      [customFetch]: () => this.fetchKeys(),
    });
  }

  /** Whether a credential is a token rather than a key: three parts, of which the first is a JOSE header. */
  recognises(credential: string): boolean {
    if (this.issuer === undefined || !/^[\w-]+\.[\w-]*\.[\w-]*$/.test(credential)) return false;
    try {
      decodeProtectedHeader(credential);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * The principal of a valid token, null for an invalid one. Throws issuer-unavailable when the issuer cannot be asked
   * for its keys, and unauthorized, with the reason, for a valid token that cannot be used here.
   */
  async authenticate(token: string): Promise<Principal | null> {
    const payload = await this.verify(token);
    if (payload === null || typeof payload.sub !== 'string' || payload.sub === '') return null;
    const granted = words(payload.scope ?? payload.scp);
    const id = `oidc:${printable(this.issuer!)}#${printable(payload.sub)}`;
    if (id.length > MAX_PRINCIPAL_CHARACTERS) {
      throw new Problem(
        'unauthorized',
        `The issuer and subject of the token make a principal id of ${id.length} characters, and ${MAX_PRINCIPAL_CHARACTERS} can be recorded; ` +
          'let the issuer use shorter subjects',
      );
    }
    return {
      id,
      scopes: new Set(SCOPES.filter((scope) => granted.includes(scope))),
      ledgers: new Set(words(payload.truetrail_ledgers)),
    };
  }

  private async verify(token: string): Promise<JWTPayload | null> {
    try {
      const { payload } = await jwtVerify(token, this.keys, {
        issuer: this.issuer!,
        audience: this.audience!,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_SKEW_S,
        requiredClaims: ['exp', 'sub'],
      });
      return payload;
    } catch (error) {
      if (error instanceof IssuerUnavailable || error instanceof errors.JWKSTimeout) {
        throw new Problem('issuer-unavailable', 'The token issuer does not answer at the moment', {
          cause: error,
          retryAfterSeconds: FAILURE_COOL_DOWN_MS / 1_000,
        });
      }
      // a TypeError: a published key that does not fit the algorithm, or is too short for it
      if (error instanceof errors.JOSEError || error instanceof TypeError) return null;
      throw error;
    }
  }

  /** What jose fetches by, one question at a time; throws IssuerUnavailable, so that it is told from a bad token. */
  private async fetchKeys(): Promise<Response> {
    if (performance.now() < this.failedAt + FAILURE_COOL_DOWN_MS) {
      throw new IssuerUnavailable('the issuer did not answer a moment ago');
    }
    try {
      const address = this.keysUrl === undefined ? await discoverKeysUrl(this.issuer!) : new URL(this.keysUrl);
      const document = (await fetchJson(address)) as { keys?: unknown } | null;
      if (!Array.isArray(document?.keys)) throw new IssuerUnavailable(`what ${address.href} answers is no JWK Set`);
      return Response.json(document);
    } catch (cause) {
      this.failedAt = performance.now();
      throw cause;
    }
  }
}

class IssuerUnavailable extends Error {
  override name = 'IssuerUnavailable';
}

async function discoverKeysUrl(issuer: string): Promise<URL> {
  const address = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const document = (await fetchJson(address)) as { issuer?: unknown; jwks_uri?: unknown } | null;
  if (document?.issuer !== issuer) {
    throw new IssuerUnavailable(`the discovery document at ${address.href} is not that of OIDC_ISSUER`);
  }
  const { jwks_uri: keys } = document;
  if (typeof keys !== 'string' || !URL.canParse(keys)) {
    throw new IssuerUnavailable(`the discovery document at ${address.href} names no jwks_uri`);
  }
  if (address.protocol === 'https:' && new URL(keys).protocol !== 'https:') {
    throw new IssuerUnavailable(`the discovery document at ${address.href} names a jwks_uri without TLS`);
  }
  return new URL(keys);
}

async function fetchJson(address: URL): Promise<unknown> {
  try {
    const response = await fetch(address, {
      headers: { accept: 'application/json, application/jwk-set+json' },
      signal: AbortSignal.timeout(ISSUER_TIMEOUT_MS),
      redirect: 'error',
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return await response.json();
  } catch (cause) {
    throw new IssuerUnavailable(`no answer from ${address.href}`, { cause });
  }
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
