import { request as httpRequest } from 'node:http';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { OpenAPIObject } from '@nestjs/swagger';
import { SCOPES } from '../src/access/principal.js';
import { startService, TEST_KEY, type TestService } from './support/app.js';
import { createKey } from './support/keys.js';

interface Operation {
  name: string;
  method: string;
  path: string;
  scope: string;
  contentType: string | undefined;
}

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'] as const;
/** What stands in a path for its parameters, where anything will do that leads past access control. */
const PARAMETERS: Record<string, string> = { ledger: 'main', action: 'create', slug: 'forbidden' };

/** The scopes of which an operation asks for any one. */
function alternatives(asked: string): string[] {
  return asked.split(' or ');
}

function operationsOf(document: OpenAPIObject): Operation[] {
  return Object.entries(document.paths).flatMap(([template, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method] as (typeof item.get & { 'x-scope'?: string }) | undefined;
      if (!operation) return [];
      const body = operation.requestBody as { content?: Record<string, unknown> } | undefined;
      return {
        name: `${method.toUpperCase()} ${template}`,
        method,
        path: template.replaceAll(/\{(\w+)\}/g, (_, name: string) => PARAMETERS[name] ?? 'x'),
        scope: operation['x-scope'] ?? '',
        contentType: body?.content && Object.keys(body.content)[0],
      };
    }),
  );
}

describe('access', () => {
  let service: TestService;
  let operations: Operation[];
  let guarded: Operation[];
  /** those that ask for more than any key */
  let scoped: Operation[];
  /** By what operations ask for: keys that hold it alone, the one that holds all else, those for another ledger. */
  const only = new Map<string, string[]>();
  const allBut = new Map<string, string>();
  const elsewhere = new Map<string, string[]>();
  beforeAll(async () => {
    service = await startService();
    operations = operationsOf((await service.http(null).get('/openapi.json').expect(200)).body);
    guarded = operations.filter(({ scope }) => scope !== 'none');
    scoped = guarded.filter(({ scope }) => scope !== 'any');
    const makeKey = async (scopes: string[], ledger: string): Promise<string> =>
      (await createKey(service, scopes, [ledger])).key;
    for (const asked of new Set([...SCOPES, ...scoped.map(({ scope }) => scope)])) {
      const scopes = alternatives(asked);
      only.set(asked, await Promise.all(scopes.map((scope) => makeKey([scope], '*'))));
      const others = SCOPES.filter((other) => !scopes.includes(other));
      allBut.set(asked, await makeKey(others, '*'));
      elsewhere.set(asked, await Promise.all(scopes.map((scope) => makeKey([scope], 'desk-1'))));
    }
  });
  afterAll(() => service.close());

  function send({ method, path, contentType }: Operation, key: string | null, at = path) {
    const sent = service.http(key)[method as 'post'](at);
    return contentType === undefined ? sent : sent.set('content-type', contentType).send('{}\n');
  }

  /** Answers of all operations, by name: one comparison shows every one that is wrong. */
  async function answers(
    of: Operation[],
    ask: (operation: Operation) => ReturnType<typeof send>,
  ): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const operation of of) {
      const { status, body } = await ask(operation);
      found[operation.name] = `${status} ${String(body?.type ?? '').replace('/docs/problems/', '')}`.trim();
    }
    return found;
  }

  const all = (of: Operation[], answer: string): Record<string, string> =>
    Object.fromEntries(of.map(({ name }) => [name, answer]));

  it('is declared by every operation', () => {
    expect(operations.length).toBeGreaterThan(10);
    const undeclared = operations.filter(
      ({ scope }) =>
        !alternatives(scope).every((each) => ['none', 'any', ...(SCOPES as readonly string[])].includes(each)),
    );
    expect(undeclared).toEqual([]);
    const withAlternatives = operations.filter(({ scope }) => scope.includes(' or '));
    expect(withAlternatives.map(({ name }) => name)).toEqual([
      'GET /v1/legal-holds',
      'GET /v1/legal-holds/{id}',
      'GET /v1/deletions/candidates',
      'GET /v1/deletions',
      'GET /v1/deletions/{id}',
      'POST /v1/deletions/{id}/rejections',
    ]);
    expect(operations.filter(({ scope }) => scope === 'any').map(({ name }) => name)).toEqual([
      'GET /v1/limits',
      'GET /v1/schemas',
      'GET /v1/schemas/{name}',
    ]);
  });

  it('is open to all for health and documents, and for nothing else', async () => {
    const open = operations.filter(({ scope }) => scope === 'none').map(({ name }) => name);
    expect(open.sort()).toEqual(['GET /health/live', 'GET /health/ready']);
    for (const path of [
      '/health/live',
      '/health/ready',
      '/openapi.json',
      '/docs/problems',
      '/docs/problems/forbidden',
    ]) {
      await service.http(null).get(path).expect(200);
      await service.http('no-such-key').get(path).expect(200);
    }
  });

  it('is denied with 401 without a key, with one that is none, and with anything but a bearer', async () => {
    expect(await answers(guarded, (operation) => send(operation, null))).toEqual(all(guarded, '401 unauthorized'));
    expect(await answers(guarded, (operation) => send(operation, 'tt_invented'))).toEqual(
      all(guarded, '401 unauthorized'),
    );
    const basic = `Basic ${Buffer.from(`user:${TEST_KEY}`).toString('base64')}`;
    for (const authorization of [
      basic,
      TEST_KEY,
      'Bearer',
      'Bearer ',
      `Bearer a ${TEST_KEY}`,
      `Bearer ${'x'.repeat(8193)}`,
    ]) {
      await service.http(null).get('/v1/ledgers').set('authorization', authorization).expect(401);
    }
    await service.http(null).get(`/v1/ledgers?key=${TEST_KEY}`).expect(401);
    await service.http(null).get(`/v1/ledgers`).set('cookie', `key=${TEST_KEY}`).expect(401);
    await service.http(null).head('/v1/ledgers').expect(401);
  });

  it('is denied with 403 to a key of every scope but the one that is needed', async () => {
    expect(await answers(scoped, (operation) => send(operation, allBut.get(operation.scope)!))).toEqual(
      all(scoped, '403 forbidden'),
    );
  });

  it('is granted to a key of the one scope that is needed, or of any one of them', async () => {
    for (const nth of [0, 1]) {
      const open = scoped.filter(({ scope }) => only.get(scope)![nth] !== undefined);
      const found = await answers(open, (operation) => send(operation, only.get(operation.scope)![nth]!));
      const denied = Object.entries(found).filter(([, answer]) => /^40[13]/.test(answer));
      expect(denied).toEqual([]);
      const faults = Object.entries(found).filter(([, answer]) => answer.startsWith('5'));
      expect(faults).toEqual([]);
    }
  });

  it('is denied with 403 for what is of all ledgers to a key for some', async () => {
    for (const path of ['/metrics', '/v1/jobs', '/v1/jobs/chain-verification/runs']) {
      await service.http(elsewhere.get('operations:run')![0]).get(path).expect(403);
      await service.http(only.get('operations:run')![0]).get(path).expect(200);
    }
  });

  it('is denied with 404 for a ledger that the key is not for, as for one that is not there', async () => {
    const ofLedgers = guarded.filter(({ name }) => name.includes('{ledger}'));
    expect(ofLedgers.length).toBeGreaterThan(5);
    for (const ledger of ['main', '_service', 'nowhere', '%6dain', 'MAIN']) {
      const found = await answers(ofLedgers, (operation) =>
        send(operation, elsewhere.get(operation.scope)![0]!, operation.path.replace('/main', `/${ledger}`)),
      );
      expect(found).toEqual(all(ofLedgers, '404 ledger-not-found'));
    }
  });

  it('is denied before a byte of the body is read, and without asking for it', async () => {
    for (const path of ['/v1/ledgers/main/events/batch', '/v1/ledgers/main/events/stream', '/nowhere']) {
      const sent = httpRequest(`${service.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': 16_777_216, expect: '100-continue' },
      });
      let invited = false;
      sent.on('continue', () => (invited = true)).on('error', () => undefined);
      sent.flushHeaders();
      const [response] = await once(sent, 'response');
      expect(response.statusCode).toBe(path === '/nowhere' ? 404 : 401);
      expect(invited).toBe(false);
      sent.destroy();
    }
  });

  it('granted, a body that waits to be asked for is asked for', async () => {
    const sent = httpRequest(`${service.url}/v1/api-keys`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${TEST_KEY}`, expect: '100-continue' },
    });
    sent.flushHeaders();
    await once(sent, 'continue');
    sent.end('{}');
    const [response] = await once(sent, 'response');
    expect(response.statusCode).toBe(400);
    response.resume();
  });

  it('is not to be had by two Authorization headers', async () => {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    socket.write(
      `GET /v1/ledgers HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer no-such-key\r\nAuthorization: Bearer ${TEST_KEY}\r\n\r\n`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 40[01]/);
    socket.destroy();
  });

  it('answers carry what keeps a browser from doing anything with them', async () => {
    const { headers } = await service.http().get('/v1/ledgers').expect(200);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
    });
    expect(headers).not.toHaveProperty('x-powered-by');
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});
