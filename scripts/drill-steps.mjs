// The steps of `npm run drill`, see scripts/drill.mjs.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CreateBucketCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { HttpConnection } from '../bench/http-connection.mjs';
import { OrderEvents } from '../bench/order-events.mjs';
import { Cleanup, importFrom, KEY, startProcess, temporaryFolder } from '../bench/processes.mjs';
import { percentile } from '../bench/statistics.mjs';
import { root } from './install.mjs';
import { followOthers } from './drill-follow.mjs';
import { checkLog, nameUnencrypted, refuseDamaged, tamperWithBackups } from './drill-log.mjs';
import { Server, Site } from './drill-server.mjs';

const AWS_VARIABLES = ['AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
const EVENTS = '/v1/ledgers/main/events';
const CLOSED = 'ledger-behind-its-anchor';
/** Longer than a replica waits before it looks at a closed ledger again. */
const OPENING_MS = 60_000;
/** Seconds; an export that takes longer is broken. */
const LONGEST_ARCHIVE_TIMEOUT = 240;

/** How a drill goes: seconds, but for `clients` and the time between two posts of each, milliseconds. */
const PACES = {
  short: { archiveTimeout: 15, quiet: 6, before: 2, exports: 3, killFrom: 6, killTo: 11, clients: 2, gapMs: 8 },
  full: { archiveTimeout: 60, quiet: 30, before: 30, exports: 20, killFrom: 25, killTo: 55, clients: 4, gapMs: 4 },
};

const say = (line) => console.log(line);
const seconds = (from, to = performance.now()) => ((to - from) / 1000).toFixed(1);

/** Whether everything held. */
export async function drill({ build, short, bin, kmsKey }) {
  for (const name of AWS_VARIABLES) if (!process.env[name]) throw new Error(`${name} is not set: see --help`);
  const pace = short ? PACES.short : PACES.full;
  const cleanup = new Cleanup();
  process.once('SIGINT', () => void cleanup.run().then(() => process.exit(130)));
  process.once('SIGTERM', () => void cleanup.run().then(() => process.exit(143)));
  let failures = 0;
  const expect = (holds, what) => {
    say(`${holds ? 'ok    ' : 'FAILED'} ${what}`);
    if (!holds) failures += 1;
  };
  try {
    await runDrill({ build, bin, kmsKey, pace, cleanup, expect });
  } finally {
    await cleanup.run();
  }
  say(failures === 0 ? 'the drill holds' : `${failures} failures`);
  return failures === 0;
}

async function runDrill({ build, bin, kmsKey, pace, cleanup, expect }) {
  const folder = temporaryFolder(cleanup);
  const aws = Object.fromEntries(AWS_VARIABLES.map((name) => [name, process.env[name]]));
  const id = randomBytes(4).toString('hex');
  const [backups, archive] = [`truetrail-drill-${id}-backup`, `truetrail-drill-${id}-archive`];
  for (const bucket of [backups, archive]) await makeBucket(bucket);
  const site = new Site({ folder: join(folder), bin, root, backupUrl: `s3://${backups}/truetrail/db-1`, aws, kmsKey });
  const own = temporaryFolder(cleanup);
  const settings = {
    ...aws,
    ARCHIVE_URL: `s3://${archive}/trail`,
    LOG_ORIGIN: 'audit.example.com/drill',
    SIGNING_KEY_FILE: join(own, 'signing-key.pem'),
    DATA_DIR: own,
    CHECKPOINT_SCHEDULE: '*/2 * * * * *',
    VERIFICATION_SCHEDULE: 'off',
  };
  const databaseOf = (server, name = 'truetrail') => ({
    DATABASE_URL: server.url('truetrail_app', name),
    DATABASE_OWNER_URL: server.url('truetrail_owner', name),
  });
  const command = (server, args, name, codes = [0]) =>
    run(
      process.execPath,
      [join(build, 'src', 'cli', 'truetrail.js'), ...args],
      { ...settings, ...databaseOf(server, name), PATH: process.env.PATH },
      codes,
    );
  /** The report of `truetrail verify`, whatever it says. */
  const verifyAll = async (server) =>
    JSON.parse((await command(server, ['verify', '--json'], undefined, [0, 1, 2])).stdout);
  const mainOf = ({ stdout }) => JSON.parse(stdout).ledgers.find(({ ledger }) => ledger === 'main');
  const serve = (server) =>
    startProcess({
      args: [join(build, 'src', 'main.js')],
      env: { ...settings, DATABASE_URL: server.url('truetrail_app') },
      folder: own,
      cleanup,
    });

  // Events under way
  const server = await Server.make(site, 'first', pace.archiveTimeout);
  cleanup.add(() => server.stop());
  await command(server, ['migrate']);
  const service = await serve(server);
  const { uuidv7 } = await importFrom(build, 'src/database/uuidv7.js');
  const load = new Load(service.url, new OrderEvents(uuidv7), pace);
  await load.start();
  await pause(2_000); // the first requests of a process are slower
  load.latencies = [];
  await pause(pace.quiet * 1000);
  const quiet = load.latencies;
  load.latencies = [];
  const backupBegun = performance.now();
  await server.startBaseBackup((program, args, env) => runAs(site, program, args, env));
  const backupSeconds = seconds(backupBegun);
  const busy = load.latencies;
  load.latencies = [];
  say(
    `base backup: ${backupSeconds} s; POST p99 ${ms(quiet)} ms without it (${quiet.length}), ${ms(busy)} ms during it (${busy.length})`,
  );

  const api = await HttpConnection.open(service.url, KEY);
  cleanup.add(() => api.close());
  await pause(pace.before * 1000);
  const target = new Date();
  await pause(1_100);
  // the service's own ledger goes on as well
  const made = await api.call('POST', '/v1/api-keys', { name: 'drill', scopes: ['events:read'], ledgers: ['main'] });
  expect(made.status === 201, 'a key is made after the base backup');

  // A moment of chance, when the WAL is behind what was signed and archived
  const exporting = exportEvery(api, load, pace);
  const { killAfter, archiveTimeout, endedAt, lag, lagReadAt } = await freezeBehindTheArchive(
    server,
    exporting,
    load.acknowledged,
    pace,
    () => lagOf(service.url),
  );
  const exportedTo = exporting.last().sure;
  await server.lose();
  const lostAt = Date.now();
  const crashed = performance.now();
  await load.stop();
  await exporting.stop();
  await service.stop().catch(() => undefined); // its database is gone
  const acknowledged = [...load.acknowledged.values()].filter(({ at }) => at <= lostAt);
  const lastAcknowledged = Math.max(...acknowledged.map(({ sequence }) => sequence));
  // of what nobody got an answer to something may be there all the same
  const lost = ({ size }) => Math.max(0, lastAcknowledged - size);
  say(
    `killed ${(killAfter / 1000).toFixed(1)} s after a file of WAL reached the store; ${acknowledged.length} events acknowledged, ${exportedTo} of them archived`,
  );

  const behind = (lagReadAt - endedAt) / 1000;
  expect(
    lag > 0 && lag <= behind + 0.5,
    `the service said before that its WAL was ${lag.toFixed(1)} s behind (${behind.toFixed(1)} s)`,
  );

  // Back to the end of the WAL
  const restoring = performance.now();
  const second = await Server.restore(site, 'second');
  cleanup.add(() => second.stop());
  const restoreSeconds = seconds(restoring);
  const before = await held(second, load, lostAt);
  say(
    `restored from ${second.backup} to the end of the WAL in ${restoreSeconds} s: ${lost(before)} events lacking, the last ${before.lostSeconds.toFixed(1)} s`,
  );
  expect(before.wrong === 0, 'every event that is there is the one that was acknowledged');
  expect(before.size < exportedTo, 'the archive has more than the WAL had');
  const lostByWal = (lostAt - endedAt) / 1000;
  expect(
    before.lostSeconds <= lostByWal + 0.1,
    `WAL alone loses nothing of before its last file in the store was over (${lostByWal.toFixed(1)} s)`,
  );
  expect(
    before.lostSeconds <= archiveTimeout + 10,
    `nor more than archive_timeout and what it takes to end a file (${archiveTimeout + 10} s)`,
  );

  const again = await serve(second);
  const closed = await tryToPost(again.url, load);
  expect(
    closed.status === 503 && closed.problem === CLOSED,
    `the service is up and closed: ${closed.status} ${closed.problem}`,
  );
  await again.stop();
  const lacking = await verifyAll(second);
  expect(
    lacking.verdict === 'invalid' &&
      lacking.ledgers.some(({ ledger, verdict }) => ledger === 'main' && verdict === 'invalid'),
    `verify says that main is not what was signed: ${findingOf(lacking, 'main')}`,
  );

  const recovering = performance.now();
  const fromArchive = mainOf(await command(second, ['recover', '--json'], undefined, [0, 1]));
  const recoverSeconds = seconds(recovering);
  const archived = await held(second, load, lostAt);
  expect(archived.wrong === 0, 'every event that is there is the one that was acknowledged');
  expect(
    archived.size >= exportedTo,
    `recover brings back events ${fromArchive.recovered?.from} to ${fromArchive.recovered?.to}, and all that was archived`,
  );
  let receiptsSeconds = '0.0';
  if (fromArchive.missing) {
    // what was signed and not archived yet is with those who sent it
    const file = join(own, 'receipts.ndjson');
    const kept = [...load.acknowledged.values()].filter(({ sequence }) => sequence > archived.size);
    writeFileSync(file, kept.map(({ content, receipt }) => `${JSON.stringify({ content, receipt })}\n`).join(''));
    const begun = performance.now();
    const fromReceipts = mainOf(await command(second, ['recover', '--from-receipts', file, '--json']));
    receiptsSeconds = seconds(begun);
    expect(
      fromReceipts.missing === null,
      `receipts bring back events ${fromReceipts.recovered?.from} to ${fromReceipts.recovered?.to}, in ${receiptsSeconds} s`,
    );
  }
  // before the service opens: everything that is there, held against every anchor
  const verifying = performance.now();
  const verified = await verifyAll(second);
  const verifySeconds = seconds(verifying);
  expect(
    verified.verdict === 'valid' && verified.anchors.verdict === 'valid' && verified.anchors.read > 0,
    `verify, before the service opens: ${verified.ledgers.map(({ ledger, verdict, checked }) => `${ledger} ${verdict} (${checked} events)`).join(', ')}, ${verified.anchors.read} anchors`,
  );
  const reopened = await serve(second);
  let opened;
  for (const begun = performance.now(); performance.now() - begun < OPENING_MS; await pause(250)) {
    opened = await tryToPost(reopened.url, load);
    if (opened.status === 201) break;
  }
  const recoverySeconds = seconds(crashed);
  expect(opened?.status === 201, 'the service takes events again');
  const after = await held(second, load, lostAt, opened?.sequence);
  expect(
    after.wrong === 0 && after.size >= archived.size,
    'every event that is there is the one that was acknowledged',
  );
  const verifiedApi = await HttpConnection.open(reopened.url, KEY);
  cleanup.add(() => verifiedApi.close());
  for (const ledger of ['main', '_service']) {
    expect((await verify(verifiedApi, ledger)) === 'valid', `${ledger} is valid with what came after`);
  }
  expect((await runJob(verifiedApi, 'archive-export')).status === 'done', 'what came after is archived');
  const { body: summary } = await verifiedApi.call('GET', '/v1/ledgers/main');
  await reopened.stop();

  // An earlier moment, as somebody might choose it by mistake
  const targetText = target.toISOString().replace('T', ' ').replace('Z', '+00');
  const third = await Server.restore(site, 'third', targetText);
  cleanup.add(() => third.stop());
  const earlier = await held(third, load, lostAt);
  expect(
    earlier.size < before.size && earlier.wrong === 0,
    `restored to ${targetText}: ${earlier.size} events, all of them as acknowledged`,
  );
  expect((await verifyAll(third)).verdict === 'invalid', 'verify says that it is not what was signed');
  const wrongService = await serve(third);
  const refused = await tryToPost(wrongService.url, load);
  expect(refused.status === 503 && refused.problem === CLOSED, `an earlier moment is noticed: ${refused.detail}`);
  await wrongService.stop();
  // what was damaged on its way, where no check sum of tar or gzip is
  const file = await fileOfEvents(third);
  third.stopCleanly();
  expect(third.hasSoundPages(), 'every page of the restored server has its check sum');
  flipOneBit(file);
  expect(!third.hasSoundPages(), 'a page with one wrong bit is noticed');

  // The log of what is in the bucket, of both servers
  await second.archiveNow();
  await checkLog({ site, bucket: backups, expect });
  await followOthers({ site, bucket: backups, expect });
  await refuseDamaged({ site, bucket: backups, expect });
  await tamperWithBackups({ site, bucket: backups, expect });
  if (site.isEncrypted) nameUnencrypted({ site, expect });

  // Nothing but the archive
  await second.makeDatabase('rebuilt');
  const rebuilding = performance.now();
  const rebuilt = JSON.parse((await command(second, ['rebuild', '--json'], 'rebuilt')).stdout);
  const rebuildSeconds = seconds(rebuilding);
  const rebuiltMain = rebuilt.find(({ ledger }) => ledger === 'main');
  expect(
    rebuilt.every(({ verdict }) => verdict === 'valid') && rebuiltMain.size === summary.size,
    `a database from the archive alone: ${rebuiltMain?.size} of ${summary.size} events, in ${rebuildSeconds} s`,
  );

  say('');
  say(
    `recovery time            ${recoverySeconds} s from the loss to the first new event: ${restoreSeconds} restore, ${recoverSeconds} recover, ${receiptsSeconds} receipts, ${verifySeconds} verify`,
  );
  say(
    `lost by the WAL alone    ${lost(before)} events, ${before.lostSeconds.toFixed(1)} s (archive_timeout ${archiveTimeout} s)`,
  );
  say(`lost after recover       ${lost(archived)} events, ${archived.lostSeconds.toFixed(1)} s`);
  say(`lost after receipts      ${lost(after)} events, ${after.lostSeconds.toFixed(1)} s, to be posted again`);
  say(`rebuild from the archive ${rebuildSeconds} s for ${rebuiltMain?.size} events`);
  say(`POST p99                 ${ms(quiet)} ms, ${ms(busy)} ms during the base backup of ${backupSeconds} s`);
}

const findingOf = ({ ledgers }, name) => ledgers.find(({ ledger }) => ledger === name)?.findings[0]?.detail;

/** Where the server has the events of the month of the latest one. */
async function fileOfEvents(server) {
  const { rows } = await server.query(
    `SELECT pg_relation_filepath(tableoid::regclass) AS path FROM audit_events WHERE ledger = 'main' ORDER BY sequence DESC LIMIT 1`,
    [],
    'truetrail',
  );
  return join(server.data, rows[0].path);
}

function flipOneBit(path) {
  const file = openSync(path, 'r+');
  try {
    const [byte, at] = [Buffer.alloc(1), 5_000]; // of the first page
    readSync(file, byte, 0, 1, at);
    byte[0] ^= 1;
    writeSync(file, byte, 0, 1, at);
  } finally {
    closeSync(file);
  }
}

/** Posts single events, each of `clients` one at a time, and keeps what was acknowledged. */
class Load {
  /** by event_id: { sequence, at, content, receipt } */
  acknowledged = new Map();
  latencies = [];
  failed = 0;
  #working = [];
  #isOver = false;

  constructor(url, events, { clients, gapMs }) {
    Object.assign(this, { url, events, clients, gapMs });
  }

  async start() {
    for (let i = 0; i < this.clients; i++) {
      const connection = await HttpConnection.open(this.url, KEY);
      this.#working.push(this.#work(connection).finally(() => connection.close()));
    }
  }

  async stop() {
    this.#isOver = true;
    await Promise.all(this.#working);
  }

  async #work(connection) {
    while (!this.#isOver) {
      const begun = performance.now();
      const text = this.events.next();
      let answer;
      try {
        answer = await connection.send(connection.encode('POST', EVENTS, text));
      } catch {
        return; // the service ended
      }
      this.keep(text, answer);
      this.latencies.push(performance.now() - begun);
      await pause(this.gapMs);
    }
  }

  keep(text, { status, body }) {
    if (status !== 201) {
      this.failed += 1;
      return undefined;
    }
    const receipt = JSON.parse(body.toString());
    const sequence = Number(receipt.sequence);
    const content = JSON.parse(text);
    this.acknowledged.set(content.event_id, { sequence, at: Date.now(), content, receipt });
    return sequence;
  }
}

/** Of what was acknowledged until `lostAt`: how far the database has it, and by how many seconds it lacks it. `until` is the first new event. */
async function held(server, load, lostAt, until = Infinity) {
  const { rows } = await server.query(
    `SELECT event_id::text, sequence::float8 AS sequence FROM audit_events WHERE ledger = 'main' AND sequence < $1::float8`,
    [until],
    'truetrail',
  );
  const there = new Map(rows.map(({ event_id: id, sequence }) => [id, sequence]));
  const size = rows.reduce((last, { sequence }) => Math.max(last, sequence), 0);
  let [wrong, firstLost] = [0, Infinity];
  for (const [id, { sequence, at }] of load.acknowledged) {
    if (at > lostAt) continue;
    if (sequence > size) firstLost = Math.min(firstLost, at);
    else if (there.get(id) !== sequence) wrong += 1;
  }
  return { size, wrong, lostSeconds: firstLost === Infinity ? 0 : (lostAt - firstLost) / 1000 };
}

async function tryToPost(url, load) {
  const connection = await HttpConnection.open(url, KEY);
  try {
    const text = load.events.next();
    const answer = await connection.send(connection.encode('POST', EVENTS, text));
    const body = JSON.parse(answer.body.toString());
    if (answer.status === 201) return { status: 201, sequence: Number(body.sequence) };
    return { status: answer.status, problem: String(body.type).split('/').at(-1), detail: body.detail };
  } finally {
    connection.close();
  }
}

/** What the service publishes, seconds. */
async function lagOf(url) {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${KEY}` } });
  return Number(/^truetrail_wal_archive_lag_seconds (\S+)$/m.exec(await answer.text())?.[1]);
}

/** Waits until the server has brought one more file of WAL to the store, and is at no other; its name. */
async function nextSegment(server, last, archiveTimeout) {
  const patienceMs = (archiveTimeout + 60) * 1000;
  for (let [newest, since] = [last, Date.now()]; ; await pause(100)) {
    const { isAllArchived, lastArchived } = server.walOnDisk();
    if (isAllArchived && lastArchived !== undefined && lastArchived !== last) return lastArchived;
    if (lastArchived !== newest) [newest, since] = [lastArchived, Date.now()];
    if (Date.now() - since > patienceMs) throw new Error('no WAL reaches the store');
  }
}

/**
 * Freezes the server at a moment at which an export is over that began, with new events, when all files of WAL but the present
 * one were in the store, and still are: what one is on its way might arrive after the loss. That is seen once the server
 * is frozen, since a busy machine may go on to the next file, and bring it to the store, while it is being asked. Where
 * files are over before an export is, on a machine that has other work, they last longer from then on.
 */
async function freezeBehindTheArchive(server, exporting, acknowledged, pace, readLag) {
  let { archiveTimeout } = pace;
  let last = server.walOnDisk().lastArchived;
  for (;;) {
    last = await nextSegment(server, last, archiveTimeout);
    const since = performance.now();
    const known = lastSequence(acknowledged);
    await pause(pace.killFrom * 1000 + Math.random() * (pace.killTo - pace.killFrom) * 1000);
    const isOver = () => {
      const { isAllArchived, lastArchived } = server.walOnDisk();
      return !isAllArchived || lastArchived !== last;
    };
    const isExported = () => exporting.last().begun >= since && exporting.last().sure > known;
    while (!isExported() && !isOver()) await pause(100);
    const lag = await readLag();
    const lagReadAt = Date.now();
    server.freeze();
    if (isExported() && !isOver()) {
      const { endedAt } = server.walOnDisk();
      return { killAfter: performance.now() - since, archiveTimeout, endedAt, lag, lagReadAt };
    }
    server.thaw();
    if (archiveTimeout >= LONGEST_ARCHIVE_TIMEOUT) throw new Error(`no export is done in ${archiveTimeout} seconds`);
    archiveTimeout *= 2;
    await server.setArchiveTimeout(archiveTimeout);
    say(`a file of WAL was over before an export was: archive_timeout is ${archiveTimeout} s from here`);
  }
}

const lastSequence = (acknowledged) => Math.max(0, ...[...acknowledged.values()].map(({ sequence }) => sequence));

/** Exports again and again: when the last began that was done, ms, and up to which event it is `sure` to have done it. */
function exportEvery(api, load, { exports }) {
  let [last, isOver] = [{ begun: -1, sure: 0 }, false];
  const work = (async () => {
    while (!isOver) {
      const begun = performance.now();
      const sure = lastSequence(load.acknowledged);
      const isSigned = (await runJob(api, 'checkpoint')).status === 'done';
      if ((await runJob(api, 'archive-export')).status === 'done' && isSigned) last = { begun, sure };
      await pause(exports * 1000);
    }
  })().catch(() => undefined); // the database is gone
  return {
    last: () => last,
    stop: async () => {
      isOver = true;
      await work;
    },
  };
}

async function runJob(api, job) {
  const { status, body } = await api.call('POST', `/v1/jobs/${job}/runs`);
  if (status !== 202) throw new Error(`${job}: ${status}`);
  for (;;) {
    const run = await api.call('GET', `/v1/jobs/${job}/runs/${body.id}`);
    if (run.status !== 200) throw new Error(`${job}: ${run.status}`);
    if (run.body.status === 'failed') say(`       ${job} failed: ${JSON.stringify(run.body.outcome)}`);
    if (run.body.status === 'done' || run.body.status === 'failed') return run.body;
    await pause(50);
  }
}

async function verify(api, ledger) {
  const { body } = await api.call('POST', `/v1/ledgers/${ledger}/verifications`, {});
  for (;;) {
    const run = await api.call('GET', `/v1/ledgers/${ledger}/verifications/${body.id}`);
    if (run.body.status === 'failed') return 'failed';
    if (run.body.verdict) return run.body.verdict;
    await pause(100);
  }
}

async function makeBucket(bucket) {
  const client = new S3Client({});
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    const DefaultRetention = { Mode: 'COMPLIANCE', Days: 1 };
    await client.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket,
        ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention } },
      }),
    );
  } finally {
    client.destroy();
  }
}

/** Runs a program without holding up the load; rejects with what it said when it fails. */
function run(program, args, env, codes = [0]) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
    child.once('error', reject);
    child.once('close', (code) => {
      if (codes.includes(code)) resolve(output);
      else reject(new Error(`${program} ${args.join(' ')} ended with ${code}: ${output.stderr}`));
    });
  });
}

function runAs(site, program, args, env) {
  const asUser = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : [];
  const [first, ...rest] = [...asUser, program, ...args];
  return run(first, rest, { ...site.env, ...env });
}

const ms = (samples) => percentile(samples, 0.99).toFixed(1);
