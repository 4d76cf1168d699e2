import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { once } from 'node:events';
import { pino } from 'pino';
import { readConfig } from '../src/config/config.js';
import { httpAdapter } from '../src/http/http-app.js';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl && process.env.CI) throw new Error('these tests need the program openssl');
if (!hasOpenssl) process.stderr.write('SKIPPED test/tls.e2e-spec.ts: there is no program openssl here\n');

(hasOpenssl ? describe : describe.skip)('TLS by the service itself', () => {
  const folder = mkdtempSync(join(tmpdir(), 'truetrail-tls-'));
  const file = (name: string): string => join(folder, name);
  let service: TestService;

  function makeCertificate(name: string): void {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
        ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
        ...['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)],
      ],
      { stdio: 'ignore' },
    );
  }

  beforeAll(async () => {
    makeCertificate('one');
    makeCertificate('two');
    service = await startService({ env: { TLS_CERT_FILE: file('one.pem'), TLS_KEY_FILE: file('one.key') } });
  });
  afterAll(async () => {
    await service?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const port = (): number => Number(new URL(service.url).port);

  async function send(options: RequestOptions, body?: object): Promise<{ status: number; text: string }> {
    const sent = request({
      host: '127.0.0.1',
      port: port(),
      agent: false,
      headers: { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json' },
      ...options,
    });
    sent.end(body && JSON.stringify(body));
    const [response] = await once(sent, 'response');
    let text = '';
    for await (const piece of response.setEncoding('utf8')) text += piece;
    return { status: response.statusCode, text };
  }

  it('serves those that trust its certificate', async () => {
    const trusting = { ca: readFileSync(file('one.pem')) };
    expect((await send({ ...trusting, path: '/health/live' })).status).toBe(200);
    const posted = await send({ ...trusting, path: '/v1/ledgers/main/events', method: 'POST' }, sampleEvent());
    expect(posted.status).toBe(201);
    expect(JSON.parse(posted.text)).toHaveProperty('event_hash');
  });

  it('shows for how long its certificate is good', async () => {
    const { text } = await send({ ca: readFileSync(file('one.pem')), path: '/metrics' });
    const seconds = Number(/^truetrail_tls_certificate_remaining_seconds (\S+)$/m.exec(text)?.[1]);
    expect(seconds).toBeGreaterThan(47 * 3_600);
    expect(seconds).toBeLessThanOrEqual(48 * 3_600);
  });

  it('is refused by those that do not, and says nothing in plain text', async () => {
    await expect(send({ path: '/health/live' })).rejects.toThrow(/self-signed certificate/);
    await expect(fetch(`http://127.0.0.1:${port()}/health/live`)).rejects.toThrow();
  });

  it('speaks TLS 1.2 and 1.3, and nothing older', async () => {
    const shake = async (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): Promise<string | null> => {
      const socket = connectTls({
        ...{ host: '127.0.0.1', port: port(), ca: readFileSync(file('one.pem')) },
        ...{ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' },
      });
      try {
        await once(socket, 'secureConnect');
        return socket.getProtocol();
      } finally {
        socket.destroy();
      }
    };
    expect(await shake('TLSv1.3')).toBe('TLSv1.3');
    expect(await shake('TLSv1.2')).toBe('TLSv1.2');
    await expect(shake('TLSv1.1')).rejects.toThrow();
  });

  it('does not start with files that are not usable, names the setting, and shows nothing of a key', () => {
    const adapter = (cert: string, key: string) => () =>
      httpAdapter(readConfig({ TLS_CERT_FILE: file(cert), TLS_KEY_FILE: file(key) }), pino({ level: 'silent' }));
    writeFileSync(file('broken.key'), 'no key at all');
    expect(adapter('missing.pem', 'one.key')).toThrow(/TLS_CERT_FILE .*ENOENT/);
    expect(adapter('one.pem', 'missing.key')).toThrow(/TLS_KEY_FILE .*ENOENT/);
    expect(adapter('one.pem', 'two.key')).toThrow(/TLS_CERT_FILE and TLS_KEY_FILE .*key values mismatch/);
    expect(adapter('one.pem', 'broken.key')).toThrow(/TLS_CERT_FILE and TLS_KEY_FILE/);
    expect(adapter('one.pem', 'broken.key')).not.toThrow(/no key at all/);
    expect(adapter('one.key', 'one.key')).toThrow(/TLS_CERT_FILE and TLS_KEY_FILE/);
  });
});
