import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { readConfig, secretsOf } from '../src/config/config.js';
import { createLogger, NestLogger } from '../src/operation/logger.js';
import { sampleEvent, startService, TEST_KEY } from './support/app.js';
import { createTestDatabase } from './support/database.js';
import { createKey, query } from './support/keys.js';

describe('secrets', () => {
  it('are in no log, at any level, and in no problem, whatever goes wrong', async () => {
    const database = await createTestDatabase();
    const env = { DATABASE_URL: database.serviceUrl, DATABASE_OWNER_URL: database.ownerUrl, LOG_LEVEL: 'trace' };
    const secrets = secretsOf(readConfig({ ...env, BOOTSTRAP_API_KEY: TEST_KEY }));
    const lines: string[] = [];
    const logger = createLogger('trace', { to: { write: (line) => lines.push(line) }, secrets });
    const service = await startService({
      database,
      env: { ...env, OIDC_ISSUER: 'http://127.0.0.1:9', OIDC_AUDIENCE: 'truetrail' },
      logger,
    });
    service.app.useLogger(new NestLogger(logger));
    const answers: string[] = [];
    const ask = async (sent: ReturnType<ReturnType<typeof service.http>['get']>): Promise<number> => {
      const { status, text, headers } = await sent;
      if (status >= 400) answers.push(`${text} ${JSON.stringify(headers)}`);
      return status;
    };
    try {
      const { key, id } = await createKey(service, ['events:read', 'events:write']);
      const token = ['{"alg":"RS256","kid":"x"}', '{"sub":"alice"}', 'signature']
        .map((part) => Buffer.from(part).toString('base64url'))
        .join('.');
      const basic = Buffer.from(`user:${TEST_KEY}`).toString('base64');
      expect(await ask(service.http(key).post('/v1/ledgers/main/events').send(sampleEvent()))).toBe(201);
      expect(await ask(service.http(key).get('/v1/api-keys'))).toBe(403);
      expect(await ask(service.http(key).get(`/v1/api-keys/${key}`))).toBe(403);
      expect(await ask(service.http().get(`/v1/api-keys/${key}`))).toBe(404);
      expect(await ask(service.http(null).get('/v1/ledgers').set('authorization', `Basic ${basic}`))).toBe(401);
      expect(await ask(service.http(null).get(`/v1/ledgers?key=${key}`))).toBe(401);
      expect(await ask(service.http(null).get(`/${TEST_KEY}/${key}?authorization=${TEST_KEY}`))).toBe(404);
      expect(await ask(service.http(token).get('/v1/ledgers'))).toBe(503); // the issuer is not there
      expect(await ask(service.http(key).post('/v1/ledgers/main/events').send({ key, token }))).toBe(400);
      expect(await ask(service.http().delete(`/v1/api-keys/${id}`))).toBe(200);
      expect(await ask(service.http(key).get('/v1/ledgers'))).toBe(401);
      // a fault of our own: 500, and all of it in the log
      await query(database, 'ALTER TABLE api_keys RENAME COLUMN name TO label');
      expect(await ask(service.http().get('/v1/api-keys'))).toBe(500);
      // connections that break while they are in use or idle
      await query(
        database,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      );
      await ask(service.http(`${key}-another`).get('/v1/ledgers'));
      logger.error({ err: new Error(`no answer to ${database.serviceUrl}`), req: { headers: { authorization: key } } });
      logger.info(`Authorization: Bearer ${token}`);
      logger.info({ settings: { url: database.ownerUrl }, list: [TEST_KEY] }, `key ${key}`);

      const password = (url: string): string => new URL(url).password;
      const unspeakable = [TEST_KEY, key, token, basic, password(database.serviceUrl), password(database.ownerUrl)];
      expect(lines.length).toBeGreaterThan(20);
      for (const line of lines) JSON.parse(line);
      for (const secret of unspeakable) {
        expect(lines.filter((line) => line.includes(secret))).toEqual([]);
        expect(answers.filter((answer) => answer.includes(secret))).toEqual([]);
      }
      expect(answers.length).toBeGreaterThan(9);
    } finally {
      await service.close();
      await database.drop();
    }
  });

  describe('of a database that cannot be had are not in what is said about it', () => {
    async function start(env: Record<string, string>): Promise<{ code: number; output: string }> {
      const build = process.env.TRUETRAIL_BUILD;
      if (!build) throw new Error('TRUETRAIL_BUILD is not set: run the tests by `npm test`');
      const child = spawn(process.execPath, [join(build, 'src/main.js')], {
        env: { PATH: process.env.PATH, LOG_LEVEL: 'trace', PORT: '0', DATABASE_WAIT: '0s', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text) => (output += text));
      const [code] = (await once(child, 'close')) as [number];
      return { code, output };
    }

    const at = (url: string, change: Partial<URL>): string => Object.assign(new URL(url), change).href;

    const CASES: [string, (url: string) => string, RegExp][] = [
      ['a wrong password', (url) => at(url, { password: 'hunter2-and-more' }), /password authentication failed/],
      ['a wrong port', (url) => at(url, { password: 'hunter2-and-more', port: '1' }), /ECONNREFUSED/],
      ['a wrong database', (url) => at(url, { pathname: '/nowhere' }), /database "nowhere" does not exist/],
      ['no URL at all', () => 'postgres://user:hunter2-and-more@host:port/x', /DATABASE_URL must be/],
    ];
    // each a start of a process, which takes its time on a machine that does much else
    it.each(
      CASES.flatMap(([what, wrong, reason]) => [
        [what, ['DATABASE_URL'], wrong, reason] as const,
        [what, ['DATABASE_URL', 'DATABASE_OWNER_URL'], wrong, reason] as const,
      ]),
    )('%s, in %j', async (_what, settings, wrong, reason) => {
      const url = wrong(process.env.TEST_SERVICE_URL_BASE!);
      const { code, output } = await start(Object.fromEntries(settings.map((name) => [name, url])));
      expect(code).toBe(1);
      expect(output).toMatch(reason);
      expect(output).toContain('Truetrail did not start.');
      expect(output).not.toContain('hunter2');
      expect(output).not.toContain(new URL(process.env.TEST_SERVICE_URL_BASE!).password);
    });
  });
});
