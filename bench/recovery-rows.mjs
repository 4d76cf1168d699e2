// Rows about getting a database back: all of it from the archive alone, and what a restored backup lacks.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { runRound } from './checkpoint-rows.mjs';
import { runScript } from './command-run.mjs';
import { runExport } from './jobs.mjs';
import { importFrom, startDatabase } from './processes.mjs';
import { newBucket } from './s3-rows.mjs';
import { BATCHES_IN_FLIGHT, LEDGER, Trail } from './trail.mjs';

/** The roles of the embedded server. */
const OWNER = 'truetrail_owner';
const APP = 'truetrail_app';
const MIB_A_MB = 1e6 / 2 ** 20;
const PAGE_EVENTS = 50_000;

/** To files, and to S3 where there is one. */
export async function measureRebuild(trail, sizes) {
  const rows = await measureStore(trail, sizes, 'files', (folder) => ({ ARCHIVE_URL: `file://${folder}/archive` }));
  if (process.env.AWS_ENDPOINT_URL_S3 === undefined) return rows;
  const { client, env } = await newBucket();
  client.destroy();
  return [...rows, ...(await measureStore(trail, sizes, 'S3', () => env))];
}

/**
 * An archive of a quarter of the events, then of all, is made a database anew; then two that were put back to how they were
 * at a quarter and at three quarters of them get the rest. What comes back must have the head and the root of what was lost.
 */
async function measureStore(trail, { events, archivedInObject }, store, archiveOf) {
  const own = await Trail.start({ ...trail, env: { ARCHIVE_URL: 'off' } });
  const env = { ...archiveOf(own.folder), ARCHIVE_EXPORT_AGE: '24h' }; // nothing is exported but by hand
  Object.assign(own, { env });
  try {
    await own.restartService();
    await archiveTo(own, Math.floor(events / 4), archivedInObject);
    const small = await rebuildAnew(own);
    const older = await backUp(own, 'older');
    await archiveTo(own, Math.floor((3 * events) / 4), archivedInObject);
    const newer = await backUp(own, 'newer');
    await archiveTo(own, events, archivedInObject);
    const whole = await rebuildAnew(own);
    const few = await recoverBackup(own, newer);
    const many = await recoverBackup(own, older);
    return [
      ...rebuildRows(store, archivedInObject, small, whole),
      peakRow(`memory: rebuild from ${store}, peak at ${whole.events} events`, whole, small),
      ...[few, many].map((run) => recoverRow(store, own.recorded, run)),
      peakRow(`memory: recover from ${store}, peak for ${many.events} events`, many, few),
    ];
  } finally {
    await own.stop();
  }
}

function recoverRow(store, recorded, run) {
  return {
    row: 'rebuild',
    what: `recover from ${store}: the last ${run.events} of ${recorded} events, which a backup lacks, in ${run.seconds.toFixed(1)} s`,
    unit: 'events/s',
    ours: run.events / run.seconds,
    target: 'printed',
    met: null,
    note: described(run),
    detail: run,
  };
}

/** The files of a server that is stopped, with owners and rights: of which events is what it knows. */
async function backUp(own, name) {
  const folder = join(own.folder, name);
  await own.restartBoth(() => execFileSync('cp', ['-a', own.dataDir, folder]));
  return { folder, events: own.recorded };
}

function rebuildRows(store, archivedInObject, small, whole) {
  const row = (run) => ({
    row: 'rebuild',
    what: `rebuild from ${store}, ${run.events} events in objects of ${archivedInObject}, verified, in ${run.seconds.toFixed(1)} s`,
    unit: 'events/s',
    limitName: 'COPY of the same rows and keys, in the server alone',
    limit: run.copied,
    ours: run.events / run.seconds,
    ratio: run.events / run.seconds / run.copied,
    target: 'printed',
    met: null,
    note: described(run),
    detail: run,
  });
  return [row(small), row(whole)];
}

function described({ phases, cpuSeconds, walMb, temporaryMb }) {
  const parts = Object.entries(phases).map(([name, seconds]) => `${name} ${seconds.toFixed(1)} s`);
  return `${parts.join(', ')}; ${cpuSeconds} processor seconds of the command; ${Math.round(walMb)} MB of WAL, ${temporaryMb.toFixed(1)} MB of temporary files at most`;
}

function peakRow(what, { peakMb }, small) {
  const [ours, limit] = [peakMb * MIB_A_MB, small.peakMb * MIB_A_MB];
  return {
    ...{ row: 'rebuild', what, unit: 'MiB', limitName: `peak at ${small.events} events`, limit, ours },
    ...{ ratio: ours / limit, target: '≤ that + 64 MiB', met: ours <= limit + 64 },
  };
}

/** Brings the ledger to so many events, all of them archived, in objects as a service makes them in minutes, and signed. */
async function archiveTo(own, target, archivedInObject) {
  own.log(`  recording and archiving to ${target} events`);
  await own.withConnections(BATCHES_IN_FLIGHT, async (connections) => {
    while (own.recorded < target) {
      const count = Math.min(archivedInObject, target - own.recorded);
      await own.postBatches(connections, own.makeBatches(connections[0], count));
      if (own.recorded < target) await runExport(own);
    }
  });
  await runRound(own);
  await runExport(own);
}

/** A new database of the same server, filled by `truetrail rebuild` while no service runs. */
async function rebuildAnew(own) {
  const expected = await endOf(own);
  await own.service.stop();
  const copied = await copyRate(own, await newDatabase(own, `limit_${own.recorded}`));
  const database = await newDatabase(own, `rebuilt_${own.recorded}`);
  const run = await runCommand(own, database, ['rebuild', '--json']);
  const main = JSON.parse(run.output).find(({ ledger }) => ledger === LEDGER);
  const { verdict, missing, unsigned, fault } = main;
  if (verdict !== 'valid' || missing || unsigned || fault) throw new Error(`rebuild: ${JSON.stringify(main)}`);
  await requireSame(own, database, expected);
  await own.restartService();
  return {
    events: own.recorded,
    copied,
    ...measured(run, [
      ['read', / is whole$/],
      ['taken', / is taken$|^Everything is in/],
    ]),
  };
}

/** The server anew from the files of a backup, and what it lacks brought back by `truetrail recover`. */
async function recoverBackup(own, { folder: dataDir, events: before }) {
  const expected = await endOf(own);
  await own.service.stop();
  const server = await startDatabase({ ...own, dataDir });
  const run = await runCommand(own, server, ['recover', '--json']);
  const { recovered, missing, differs, refusal } = JSON.parse(run.output).ledgers.find(
    ({ ledger }) => ledger === LEDGER,
  );
  if (
    missing ||
    differs ||
    refusal ||
    Number(recovered?.from) !== before + 1 ||
    Number(recovered.to) !== own.recorded
  ) {
    throw new Error(`recover: ${run.output}`);
  }
  await requireSame(own, server, expected);
  await server.stop();
  await own.restartService();
  return {
    events: own.recorded - before,
    ...measured(run, [
      ['read', / is whole$/],
      ['taken', new RegExp(`^${LEDGER}: events .* are back$`)],
    ]),
  };
}

/** By the last line that each phase writes, the first object among them; what comes after the last one is verification. */
function measured({ ms, lines, peakMb, cpuSeconds, temporaryMb, walMb }, ends) {
  let since = lines.find(({ text }) => / is whole$/.test(text))?.ms ?? 0;
  const phases = { 'ready to read': since / 1000 };
  for (const [name, line] of ends) {
    const end = lines.findLast(({ text }) => line.test(text))?.ms ?? since;
    phases[name] = (end - since) / 1000;
    since = end;
  }
  phases.compared = (ms - since) / 1000;
  return { seconds: ms / 1000, peakMb, cpuSeconds, temporaryMb, walMb, phases };
}

/** `truetrail ARGS` on a database and the archive. */
async function runCommand(own, { serviceUrl, ownerUrl, adminUrl }, args) {
  const temporary = join(own.folder, 'temporary');
  mkdirSync(temporary, { recursive: true });
  const walBefore = await walPosition(adminUrl);
  const run = await runScript([...own.nodeArgs, join(own.build, 'src', 'cli', 'truetrail.js'), ...args], {
    // PATH and the like of this process; nothing of its settings
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME, AWS_CA_BUNDLE: process.env.AWS_CA_BUNDLE },
      ...own.env,
      ...{ DATA_DIR: join(own.folder, 'data'), DATABASE_URL: serviceUrl, DATABASE_OWNER_URL: ownerUrl },
    },
    temporary,
    cleanup: own.cleanup,
  });
  return { ...run, walMb: ((await walPosition(adminUrl)) - walBefore) / 1e6 };
}

function walPosition(adminUrl) {
  return connected(adminUrl, async (admin) => {
    const { rows } = await admin.query(`SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes`);
    return Number(rows[0].bytes);
  });
}

/** As the embedded server makes its own: empty, with the rights of an installed one. */
async function newDatabase({ database: { ownerUrl, serviceUrl, adminUrl } }, name) {
  await connected(adminUrl, async (admin) => {
    await admin.query(
      `CREATE DATABASE ${name} OWNER ${OWNER} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'`,
    );
    await admin.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
    await admin.query(`GRANT CONNECT ON DATABASE ${name} TO ${APP}`);
  });
  const at = (url) => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  return { ownerUrl: at(ownerUrl), serviceUrl: at(serviceUrl), adminUrl: at(adminUrl) };
}

/** Events a second of COPY, which the server reads from its own files: no driver, no network, no hash. One transaction. */
async function copyRate(own, database) {
  await runCommand(own, database, ['migrate']);
  const folder = join(own.folder, 'copied');
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o777); // PostgreSQL has a user of its own
  const tables = ['event_keys', 'audit_events'];
  const months = await own.withAdmin(async (admin) => {
    for (const table of tables) {
      await admin.query(
        `COPY (SELECT * FROM ${table} WHERE ledger = '${LEDGER}' ORDER BY sequence) TO '${folder}/${table}' (FORMAT binary)`,
      );
    }
    const { rows } = await admin.query('SELECT DISTINCT month::text FROM months ORDER BY month');
    return rows.map(({ month }) => month);
  });
  await connected(database.ownerUrl, async (owner) => {
    for (const month of months) await owner.query('SELECT create_month($1::date)', [month]);
  });
  const begun = performance.now();
  await connected(database.adminUrl, async (admin) => {
    await admin.query('BEGIN');
    for (const table of tables) await admin.query(`COPY ${table} FROM '${folder}/${table}' (FORMAT binary)`);
    await admin.query('COMMIT');
  });
  return (own.recorded * 1000) / (performance.now() - begun);
}

/** What the ledger was: its head, and the root that was signed over all of it. */
async function endOf(own) {
  const head = await headOf(own.database);
  const { body } = await own.call('GET', `/v1/ledgers/${LEDGER}/checkpoint`);
  const [, size, root] = String(body).split('\n');
  if (Number(size) !== own.recorded || Number(head.size) !== own.recorded) {
    throw new Error(`of ${own.recorded} events ${size} are signed, and the head is at ${head.size}`);
  }
  return { ...head, root };
}

async function requireSame({ build }, database, expected) {
  const found = { ...(await headOf(database)), root: await rootOf(build, database) };
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`it is ${JSON.stringify(found)}, and was ${JSON.stringify(expected)}`);
  }
}

function headOf({ ownerUrl }) {
  return connected(ownerUrl, async (owner) => {
    const { rows } = await owner.query(
      `SELECT size, encode(event_hash, 'hex') AS event_hash FROM ledger_heads WHERE ledger = $1`,
      [LEDGER],
    );
    return rows[0];
  });
}

/** Base64, over the rows as they are. */
async function rootOf(build, { ownerUrl }) {
  const [{ GrowingTree }, { leafHash }] = await Promise.all([
    importFrom(build, 'src/integrity/tiles.js'),
    importFrom(build, 'src/integrity/event.js'),
  ]);
  const tree = new GrowingTree(0n, []);
  await connected(ownerUrl, async (owner) => {
    for (;;) {
      const { rows } = await owner.query(
        'SELECT event_hash FROM audit_events WHERE ledger = $1 AND sequence > $2 ORDER BY sequence LIMIT $3',
        [LEDGER, String(tree.size), PAGE_EVENTS],
      );
      if (rows.length === 0) return;
      for (const { event_hash: hash } of rows) tree.append(leafHash(hash));
    }
  });
  return tree.root().toString('base64');
}

async function connected(connectionString, work) {
  const client = new pg.Client({ connectionString, application_name: 'bench' });
  client.on('error', () => undefined); // the query that meets it fails
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
