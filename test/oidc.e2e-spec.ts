import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { exportJWK, SignJWT, type JWK } from 'jose';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { query } from './support/keys.js';

const AUDIENCE = 'truetrail';

interface SigningKey {
  kid: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
}

function newSigningKey(kid: string): SigningKey {
  return { kid, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
}

/** An OIDC issuer on this machine: discovery, keys, and nothing else. */
class Issuer {
  readonly requests: string[] = [];
  published: SigningKey[];
  /** what it answers instead, when set */
  fault: ((path: string) => { status: number; body: string } | undefined) | undefined;
  private server: Server | undefined;
  url = '';

  constructor(readonly key = newSigningKey('first')) {
    this.published = [key];
  }

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      const path = request.url ?? '';
      this.requests.push(path);
      this.answer(path).then(
        ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(body),
        () => response.destroy(),
      );
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }

  private async answer(path: string): Promise<{ status: number; body: string }> {
    const fault = this.fault?.(path);
    if (fault) return fault;
    if (path === '/.well-known/openid-configuration') {
      return { status: 200, body: JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys` }) };
    }
    if (path !== '/keys') return { status: 404, body: '{}' };
    const keys: JWK[] = await Promise.all(
      this.published.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, use: 'sig' })),
    );
    return { status: 200, body: JSON.stringify({ keys }) };
  }

  /** A token that is good for half a minute, unless the claims say otherwise; undefined leaves a claim out. */
  token(
    claims: Record<string, unknown> = {},
    key = this.key,
    header: { alg: string; kid?: string } = { alg: 'RS256', kid: key.kid },
  ) {
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      iss: this.url,
      aud: AUDIENCE,
      sub: 'alice',
      iat: now,
      exp: now + 30,
      scope: 'openid events:read events:write',
      truetrail_ledgers: ['main'],
      ...claims,
    };
    return new SignJWT(JSON.parse(JSON.stringify(payload))).setProtectedHeader(header).sign(key.privateKey);
  }
}

describe('OIDC tokens', () => {
  const issuer = new Issuer();
  let service: TestService;
  beforeAll(async () => {
    await issuer.start();
    service = await startService({ env: { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE } });
  });
  afterAll(async () => {
    await service.close();
    issuer.stop();
  });

  const ledgers = (token: string) => service.http(token).get('/v1/ledgers');
  const post = (token: string, ledger = 'main') =>
    service.http(token).post(`/v1/ledgers/${ledger}/events`).send(sampleEvent());

  it('are accepted, and what they post is recorded by issuer and subject', async () => {
    const { body: receipt } = await post(await issuer.token()).expect(201);
    expect(receipt.recorded_by).toBe(`oidc:${issuer.url}#alice`);
    expect(issuer.requests.slice(0, 2)).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  it('hold scopes by the text `scope` or the list `scp`, and no others', async () => {
    await ledgers(await issuer.token({ scope: 'events:read' })).expect(200);
    await ledgers(await issuer.token({ scope: undefined, scp: ['x', 'events:read'] })).expect(200);
    await ledgers(await issuer.token({ scope: undefined, scp: 'x events:read' })).expect(200);
    for (const scope of [undefined, '', 'events:write', 'events:readx', 'EVENTS:READ', 7]) {
      const { body } = await ledgers(await issuer.token({ scope })).expect(403);
      expect(body.type).toBe('/docs/problems/forbidden');
    }
  });

  it('are for the ledgers of `truetrail_ledgers`, text or list, and for none without it', async () => {
    await post(await issuer.token({ truetrail_ledgers: 'desk-1 main' })).expect(201);
    await post(await issuer.token({ truetrail_ledgers: ['*'] })).expect(201);
    for (const claim of [undefined, [], 'desk-1', ['desk-1'], { main: true }, [['main']]]) {
      const { body } = await post(await issuer.token({ truetrail_ledgers: claim })).expect(404);
      expect(body.type).toBe('/docs/problems/ledger-not-found');
    }
  });

  it('are refused with 401 when anything about them is not as it must be', async () => {
    const now = Math.floor(Date.now() / 1000);
    const refused: Record<string, string> = {
      'wrong audience': await issuer.token({ aud: 'another' }),
      'no audience': await issuer.token({ aud: undefined }),
      'wrong issuer': await issuer.token({ iss: 'https://elsewhere.example' }),
      'issuer with a slash more': await issuer.token({ iss: `${issuer.url}/` }),
      'no issuer': await issuer.token({ iss: undefined }),
      expired: await issuer.token({ exp: now - 10 }),
      'not yet valid': await issuer.token({ nbf: now + 60 }),
      'no expiry': await issuer.token({ exp: undefined }),
      'no subject': await issuer.token({ sub: undefined }),
      'an empty subject': await issuer.token({ sub: '' }),
      'a subject that is no text': await issuer.token({ sub: 7 }),
      'an unknown key': await issuer.token({}, newSigningKey('stranger')),
      "an unknown key under the first one's name": await issuer.token({}, newSigningKey('first')),
      'a signature cut short': (await issuer.token()).slice(0, -8),
    };
    const [, payload, signature] = (await issuer.token()).split('.');
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    refused['alg none'] = `${part({ alg: 'none' })}.${payload}.`;
    refused['alg none with a signature'] = `${part({ alg: 'None', kid: 'first' })}.${payload}.${signature}`;
    const pem = issuer.key.publicKey.export({ type: 'spki', format: 'pem' });
    const forged = `${part({ alg: 'HS256', kid: 'first' })}.${payload}`;
    refused['HS256 with the public key as its secret'] =
      `${forged}.${createHmac('sha256', pem).update(forged).digest('base64url')}`;
    const inflated = JSON.parse(Buffer.from(payload!, 'base64url').toString());
    refused['another payload'] =
      `${part({ alg: 'RS256', kid: 'first' })}.${part({ ...inflated, sub: 'bob' })}.${signature}`;
    for (const [what, token] of Object.entries(refused)) {
      const { status, body, headers } = await ledgers(token);
      expect({ what, status, type: body.type }).toEqual({ what, status: 401, type: '/docs/problems/unauthorized' });
      expect(headers['www-authenticate']).toContain('Bearer');
      expect(JSON.stringify(body)).not.toContain(token);
    }
  });

  it('make principals of printable ASCII, whatever the subject is', async () => {
    const subjects: Record<string, string> = {
      'a "b" \\c': 'a%20%22b%22%20%5Cc',
      'x#y%20': 'x%23y%2520',
      'Zoë\u0007': 'Zo%C3%AB%07',
      'user|42@example.com': 'user|42@example.com',
    };
    for (const [sub, encoded] of Object.entries(subjects)) {
      const { body } = await post(await issuer.token({ sub })).expect(201);
      expect(body.recorded_by).toBe(`oidc:${issuer.url}#${encoded}`);
      expect(body.recorded_by).toMatch(/^[!-~]+$/);
    }
  });

  it('are refused when the principal would not fit into a record, at the door and with the reason', async () => {
    const room = 255 - `oidc:${issuer.url}#`.length;
    const fits = await issuer.token({ sub: 'x'.repeat(room), scope: 'keys:manage' });
    const key = { name: 'x', scopes: ['keys:manage'], ledgers: ['main'] };
    await service.http(fits).post('/v1/api-keys').send(key).expect(201);
    const rows = await query<{ user_id: string }>(
      service.database,
      `SELECT user_id FROM audit_events WHERE ledger = '_service' ORDER BY sequence DESC LIMIT 1`,
    );
    expect(rows[0]!.user_id).toBe(`oidc:${issuer.url}#${'x'.repeat(room)}`);
    for (const sub of ['x'.repeat(room + 1), 'ö'.repeat(50)]) {
      const { body } = await ledgers(await issuer.token({ sub })).expect(401);
      expect(body.detail).toContain('255 can be recorded');
    }
  });

  it('leave API keys as they are, also those that look like tokens', async () => {
    await service.http().get('/v1/ledgers').expect(200);
    await ledgers('one.two.three').expect(401);
    const lookalike = 'a-bootstrap-key.that-looks.like-a-token-0123';
    const other = await startService({
      database: service.database,
      env: { OIDC_ISSUER: 'http://127.0.0.1:9', OIDC_AUDIENCE: AUDIENCE, BOOTSTRAP_API_KEY: lookalike },
    });
    try {
      await other.http(lookalike).get('/v1/ledgers').expect(200);
    } finally {
      await other.close();
    }
  });
});

describe('the keys of an OIDC issuer', () => {
  let issuer: Issuer;
  let service: TestService;
  let now: { mockRestore(): void };
  let aheadMs = 0;
  beforeEach(async () => {
    issuer = new Issuer();
    await issuer.start();
    service = await startService({ env: { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE } });
    // jose's cool-down goes by Date.now, expiry by new Date: time can pass for the one and stand still for the other
    const real = Date.now;
    aheadMs = 0;
    now = jest.spyOn(Date, 'now').mockImplementation(() => real() + aheadMs);
  });
  afterEach(async () => {
    now.mockRestore();
    await service.close();
    issuer.stop();
  });

  const status = async (token: string): Promise<number> => (await service.http(token).get('/v1/ledgers')).status;
  const askedForKeys = (): number => issuer.requests.filter((path) => path === '/keys').length;

  it('are fetched again for a key that is not known, but not at every stranger’s wish', async () => {
    const first = await issuer.token();
    expect(await status(first)).toBe(200);
    const second = newSigningKey('second');
    issuer.published = [issuer.key, second];
    const rotated = await issuer.token({}, second);
    expect(await status(rotated)).toBe(401); // asked a moment ago
    expect(askedForKeys()).toBe(1);
    aheadMs = 10_100;
    expect(await status(rotated)).toBe(200);
    expect(askedForKeys()).toBe(2);
    const strangers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => issuer.token({}, { ...issuer.key, kid: `invented-${i}` })),
    );
    for (const token of strangers) expect(await status(token)).toBe(401);
    expect(askedForKeys()).toBe(2);
    expect(await status(first)).toBe(200);
  });

  it('are believed no longer than ten minutes after they were withdrawn', async () => {
    const token = await issuer.token();
    expect(await status(token)).toBe(200);
    issuer.published = [newSigningKey('second')];
    aheadMs = 9 * 60_000;
    expect(await status(token)).toBe(200);
    aheadMs = 10 * 60_000 + 1_000;
    expect(await status(token)).toBe(401);
  });

  it.each<[string, Issuer['fault']]>([
    ['answers 500', () => ({ status: 500, body: '{}' })],
    ['answers nonsense', () => ({ status: 200, body: '<html>' })],
    ['answers null', () => ({ status: 200, body: 'null' })],
    ['has no keys', (path) => (path === '/keys' ? { status: 200, body: '{"error":"none"}' } : undefined)],
    [
      'is another one',
      (path) => (path === '/keys' ? undefined : { status: 200, body: '{"issuer":"https://x.example"}' }),
    ],
    ['redirects', () => ({ status: 302, body: '' })],
  ])('make tokens 503, never 401, while it %s', async (_what, fault) => {
    issuer.fault = fault;
    const { body, headers } = await service
      .http(await issuer.token())
      .get('/v1/ledgers')
      .expect(503);
    expect(body.type).toBe('/docs/problems/issuer-unavailable');
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(JSON.stringify(body)).not.toContain(issuer.url);
    await service.http().get('/v1/ledgers').expect(200);
  });

  it('are not asked for again and again while it is down, and are back soon after', async () => {
    issuer.fault = () => ({ status: 500, body: '{}' });
    const token = await issuer.token();
    for (let i = 0; i < 10; i++) expect(await status(token)).toBe(503);
    expect(issuer.requests.length).toBe(1);
    issuer.fault = undefined;
    const began = performance.now();
    for (;;) {
      const sentAt = performance.now();
      if ((await status(token)) === 200) break;
      expect(sentAt - began).toBeLessThan(4_000);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  it('serve a token that they know while it is down', async () => {
    const token = await issuer.token();
    expect(await status(token)).toBe(200);
    issuer.stop();
    expect(await status(token)).toBe(200);
    expect(await status(await issuer.token({}, { ...issuer.key, kid: 'unknown' }))).toBe(401);
    aheadMs = 10_100;
    expect(await status(await issuer.token({}, { ...issuer.key, kid: 'unknown' }))).toBe(503);
  });

  it('are taken from OIDC_JWKS_URL without discovery', async () => {
    const other = await startService({
      database: service.database,
      env: { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE, OIDC_JWKS_URL: `${issuer.url}/keys` },
    });
    try {
      await other
        .http(await issuer.token())
        .get('/v1/ledgers')
        .expect(200);
      expect(issuer.requests).toEqual(['/keys']);
    } finally {
      await other.close();
    }
  });
});
