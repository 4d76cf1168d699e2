import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { S3ObjectStore } from '../src/archive/s3-object-store.js';
import { startService } from './support/app.js';
import { makeCertificate, newKey, type Authority } from './support/time-stamps.js';

const DAY_MS = 86_400_000;
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'truetrail-peers-'));
const servers: Server[] = [];
const sockets = new Set<Socket>();

const inDays = (days: number): string =>
  `${new Date(Date.now() + days * DAY_MS)
    .toISOString()
    .replace(/[-:T]/g, '')
    .replace(/\.\d+Z$/, '')}Z`;
const pem = (...authorities: Authority[]): string =>
  authorities.map(({ certificate }) => certificate.toString()).join('');

/** A server of TLS that shows this certificate and those above it; its address. */
async function showing(leaf: Authority, ...above: Authority[]): Promise<string> {
  const key = leaf.key.export({ type: 'pkcs8', format: 'pem' });
  const server = createServer({ cert: pem(leaf, ...above), key }, (socket) => socket.on('error', () => undefined));
  await listening(server);
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}

async function listening(server: Server): Promise<void> {
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, 'localhost');
  await once(server, 'listening');
  servers.push(server);
}

/** What the metrics of a process of its own say of these, in days: trust is read when a process begins. */
async function remainingDays(urls: string[], trusted?: Authority): Promise<Record<string, number>> {
  const build = (path: string): string => pathToFileURL(join(process.env.TRUETRAIL_BUILD!, 'src/operation', path)).href;
  const script = `
    import { setTimeout as pause } from 'node:timers/promises';
    import { Metrics } from '${build('metrics.js')}';
    import { PeerCertificates } from '${build('peer-certificates.js')}';
    const metrics = new Metrics({ warn: () => undefined });
    const peers = new PeerCertificates(metrics);
    for (const url of process.argv.slice(1)) peers.watch('archive', () => new URL(url));
    await metrics.render();
    await pause(1_000);
    console.log(await metrics.render());
    process.exit();`;
  const env = { ...process.env };
  if (trusted) {
    env.NODE_EXTRA_CA_CERTS = join(folder, 'trusted.pem');
    writeFileSync(env.NODE_EXTRA_CA_CERTS, pem(trusted));
  }
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script, '--', ...urls], { env });
  return remainingIn(stdout);
}

/** `{ address: days }` */
function remainingIn(metrics: string): Record<string, number> {
  const lines = metrics.matchAll(
    /^truetrail_peer_certificate_remaining_seconds\{peer="([a-z_]+)",address="([^"]+)"\} (\S+)$/gm,
  );
  return Object.fromEntries(
    Array.from(lines, ([, peer, address, seconds]) => [`${peer} ${address}`, Math.round(Number(seconds) / 86_400)]),
  );
}

const shown = (url: string, peer = 'archive'): string => `${peer} ${new URL(url).host}`;

afterAll(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the metrics say when the certificate of a peer ends', () => {
  const root = makeCertificate({ name: 'root', ca: {}, to: inDays(300) });

  it('or a CA above it, if that is first, trusted or not, and whether it has ended or will', async () => {
    const short = makeCertificate({ name: 'short', ca: {}, issuer: root, to: inDays(20) });
    const urls = [
      await showing(makeCertificate({ name: 'localhost', issuer: root, to: inDays(90) }), root),
      await showing(makeCertificate({ name: 'localhost', issuer: short, to: inDays(90) }), short, root),
      await showing(makeCertificate({ name: 'localhost', issuer: root, to: inDays(-3) }), root),
    ];
    const expected = { [shown(urls[0]!)]: 90, [shown(urls[1]!)]: 20, [shown(urls[2]!)]: -3 };
    expect(await remainingDays(urls)).toEqual(expected);
    expect(await remainingDays(urls, root)).toEqual(expected);
  });

  it('and not of a CA that has ended and is shown without need', async () => {
    const key = newKey();
    const old = makeCertificate({ name: 'old', ca: {}, to: inDays(-10) });
    const trusted = makeCertificate({ name: 'new', key, ca: {}, to: inDays(300) });
    const cross = makeCertificate({ name: 'new', key, ca: {}, issuer: old, to: inDays(-10) });
    const leaf = makeCertificate({ name: 'localhost', issuer: trusted, to: inDays(60) });
    const url = await showing(leaf, cross);
    expect(await remainingDays([url], trusted)).toEqual({ [shown(url)]: 60 });
  });

  it('and nothing of one without TLS, that speaks none, or is away', async () => {
    const mute = createTcpServer((socket) => socket.end('SSH-2.0-none\r\n'));
    await listening(mute);
    const { port } = mute.address() as AddressInfo;
    expect(
      await remainingDays([`http://localhost:${port}`, `https://localhost:${port}`, 'https://localhost:1']),
    ).toEqual({});
  });
});

it('a service shows it of the issuer of tokens and of time-stamp authorities, and waits for neither', async () => {
  const leaf = makeCertificate({ name: 'localhost', to: inDays(40) });
  const [issuer, authority] = [await showing(leaf), await showing(leaf)];
  writeFileSync(join(folder, 'roots.pem'), pem(leaf));
  const service = await startService({
    env: {
      ARCHIVE_URL: `file:${join(folder, 'archive')}`,
      OIDC_ISSUER: issuer,
      OIDC_AUDIENCE: 'truetrail',
      TIMESTAMP_AUTHORITIES: `${authority}/tsa`,
      TIMESTAMP_CA_FILE: join(folder, 'roots.pem'),
    },
  });
  try {
    const seen = async (): Promise<Record<string, number>> =>
      remainingIn((await service.http().get('/metrics').expect(200)).text);
    const both = { [shown(issuer, 'issuer')]: 40, [shown(authority, 'timestamp_authority')]: 40 };
    for (let i = 0; i < 50 && Object.keys(await seen()).length < 2; i++) await new Promise((r) => setTimeout(r, 100));
    expect(await seen()).toEqual(both);
  } finally {
    await service.close();
  }
});

it('a store on S3 is looked at where its requests go', async () => {
  const url = await showing(makeCertificate({ name: 'localhost', to: inDays(50) }));
  const names = ['AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;
  const before = names.map((name) => process.env[name]);
  names.forEach((name) => (process.env[name] = name === 'AWS_ENDPOINT_URL_S3' ? url : 'none'));
  try {
    const store = new S3ObjectStore({ bucket: 'trail', prefix: '' });
    expect(store.endpoint).toBeUndefined();
    await expect(store.within(AbortSignal.timeout(200)).versionsOf('a')).rejects.toThrow();
    expect(store.endpoint?.port).toBe(new URL(url).port);
    expect(store.endpoint?.protocol).toBe('https:');
  } finally {
    names.forEach((name, i) => {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    });
  }
});
