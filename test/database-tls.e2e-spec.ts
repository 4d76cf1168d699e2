import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { connectionOptions } from '../src/database/connection.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../src/database/embedded-postgres.js';
import { DatabaseCertificate } from '../src/operation/database-certificate.js';
import { Metrics } from '../src/operation/metrics.js';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl && process.env.CI) throw new Error('these tests need the program openssl');
if (!hasOpenssl) process.stderr.write('SKIPPED test/database-tls.e2e-spec.ts: there is no program openssl here\n');

(hasOpenssl ? describe : describe.skip)('TLS to PostgreSQL', () => {
  const folder = mkdtempSync(join(tmpdir(), 'truetrail-database-tls-'));
  const file = (name: string): string => join(folder, name);
  let postgres: EmbeddedPostgres;

  /** By itself, or by a CA that was made so. */
  function makeCertificate(
    name: string,
    alternative: string,
    { days = 2, ca }: { days?: number; ca?: string } = {},
  ): void {
    const subject = ['-subj', `/CN=${ca ? 'database' : name}`, '-addext', `subjectAltName=${alternative}`];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file(`${name}.key`)];
    const issuer = ca
      ? ['-CA', file(`${ca}.pem`), '-CAkey', file(`${ca}.key`), '-addext', 'basicConstraints=CA:FALSE']
      : [];
    const args = ['req', '-x509', '-days', String(days), ...key, ...subject, ...issuer, '-out', file(`${name}.pem`)];
    execFileSync('openssl', args, { stdio: 'ignore' });
  }

  async function asAdmin(...statements: string[]): Promise<void> {
    const admin = new pg.Client({ connectionString: postgres.adminUrl });
    await admin.connect();
    try {
      for (const statement of statements) await admin.query(statement);
    } finally {
      await admin.end();
    }
  }

  /** Has the server show this certificate, to connections that are made from now on. */
  async function serve(name: string, ca = name): Promise<void> {
    const cluster = file('data/postgres');
    const { uid, gid } = statSync(cluster);
    for (const end of ['pem', 'key']) {
      copyFileSync(file(`${name}.${end}`), join(cluster, `server.${end}`));
      chownSync(join(cluster, `server.${end}`), uid, gid);
      chmodSync(join(cluster, `server.${end}`), 0o600);
    }
    await asAdmin(
      `ALTER SYSTEM SET ssl_cert_file = 'server.pem'`,
      `ALTER SYSTEM SET ssl_key_file = 'server.key'`,
      `ALTER SYSTEM SET ssl = on`,
      `SELECT pg_reload_conf()`,
    );
    const isServed = async (): Promise<boolean> => {
      const client = new pg.Client({
        connectionString: `${postgres.adminUrl}?sslmode=verify-full&sslrootcert=${file(`${ca}.pem`)}`,
      });
      try {
        await client.connect();
        return true;
      } catch (error) {
        return /altnames/.test((error as Error).message); // it is this one, and of another name
      } finally {
        await client.end().catch(() => undefined);
      }
    };
    for (let tries = 0; !(await isServed()); tries++) if (tries > 100) throw new Error('the server shows another one');
  }

  const verifying = (ca: string): string =>
    `${postgres.serviceUrl}?sslmode=verify-full&sslrootcert=${encodeURIComponent(file(`${ca}.pem`))}`;

  /** What a start of the service comes to, on what it is given. */
  async function start(env: Record<string, string>): Promise<{ code: number; output: string }> {
    const build = process.env.TRUETRAIL_BUILD;
    if (!build) throw new Error('TRUETRAIL_BUILD is not set: run the tests by `npm test`');
    const child = spawn(process.execPath, [join(build, 'src/main.js')], {
      env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: file('service'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    const [code] = (await once(child, 'close')) as [number];
    return { code, output };
  }

  beforeAll(async () => {
    postgres = await startEmbeddedPostgres({ dataDir: file('data'), log: () => undefined });
    makeCertificate('right', 'IP:127.0.0.1');
    makeCertificate('other', 'IP:127.0.0.1');
    makeCertificate('elsewhere', 'DNS:db.example.com');
  });
  afterAll(async () => {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is not left out by a service that was told to verify, where the server has none', async () => {
    const { code, output } = await start({ DATABASE_URL: verifying('right') });
    expect([code, output]).toEqual([1, expect.stringMatching(/Truetrail did not start\.[^]*does not support SSL/)]);
  });

  it('is made, and the certificate verified, on every connection', async () => {
    await serve('right');
    const url = verifying('right');
    const client = new pg.Client(
      connectionOptions({ url, asService: false, applicationName: 'test', lockTimeoutMs: 1_000 }),
    );
    await client.connect();
    const { rows } = await client.query('SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    await client.end();
    expect(rows).toEqual([{ ssl: true, version: expect.stringMatching(/^TLSv1\.[23]$/) }]);
  });

  it('has the end of its certificate, or of the CA that it is trusted by, in the metrics', async () => {
    const remaining = async (url: string): Promise<number | undefined> => {
      const metrics = new Metrics(pino({ level: 'silent' }));
      new DatabaseCertificate(url, metrics);
      const line = /^truetrail_database_certificate_remaining_seconds (\S+)$/m.exec(await metrics.render());
      return line ? Number(line[1]) : undefined;
    };
    const day = 86_400;
    await serve('right');
    expect(await remaining(postgres.serviceUrl)).toBeUndefined(); // without TLS
    expect(await remaining(verifying('right'))).toBeGreaterThan(1.9 * day);
    expect(await remaining(verifying('right'))).toBeLessThanOrEqual(2 * day);
    makeCertificate('ca', 'DNS:ca', { days: 1 });
    makeCertificate('issued', 'IP:127.0.0.1', { days: 9, ca: 'ca' });
    await serve('issued', 'ca');
    expect(await remaining(verifying('ca'))).toBeGreaterThan(0.9 * day);
    expect(await remaining(verifying('ca'))).toBeLessThanOrEqual(day);
    expect(await remaining(verifying('other'))).toBeUndefined(); // no connection at all
  });

  it('is refused with another CA, and with a certificate of another name', async () => {
    await serve('right');
    const unknown = await start({ DATABASE_URL: verifying('other') });
    expect([unknown.code, unknown.output]).toEqual([
      1,
      expect.stringMatching(/did not start\.[^]*self-signed certificate/),
    ]);
    await serve('elsewhere');
    const renamed = await start({ DATABASE_URL: verifying('elsewhere') });
    expect([renamed.code, renamed.output]).toEqual([
      1,
      expect.stringMatching(/did not start\.[^]*does not match certificate's altnames/),
    ]);
    const password = new URL(postgres.serviceUrl).password;
    for (const { output } of [unknown, renamed]) expect(output).not.toContain(password);
  });

  it('is asked for before anything is connected to, of a server on another machine', async () => {
    const { code, output } = await start({
      DATABASE_URL: 'postgres://truetrail_app:hunter2-and-more@db.example.com/truetrail',
    });
    expect([code, output]).toEqual([1, expect.stringContaining('need sslmode=verify-full')]);
    expect(output).not.toContain('hunter2');
  });
});
