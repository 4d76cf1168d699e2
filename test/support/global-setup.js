// Jest runs this once, before the first test with a database: it provides a PostgreSQL server and, on it, a migrated
// template database that each test file clones (./database.ts). Plain JavaScript, because Jest loads it outside the
// transformation of tests; the service's own code comes from the build.
//
// The server is an embedded one in a temporary folder, or the one that TEST_DATABASE_ADMIN_URL (a superuser's login)
// names: one for tests, since roles of ours are made on it and stay.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { ensureBuilt } from '../../scripts/build.mjs';
import { tellOnceIfWithoutS3 } from './without-s3.js';

/** On a server of the developer's own: a server for tests holds nothing to protect, and runs can share the roles. */
const ROLE_PASSWORD = 'truetrail-test';

export default async function globalSetup() {
  tellOnceIfWithoutS3();
  const build = process.env.TRUETRAIL_BUILD || ensureBuilt();
  const runId = `${process.pid}_${randomBytes(4).toString('hex')}`;
  const run = { runId };
  globalThis.truetrailTestRun = run; // for ./global-teardown.js
  try {
    const given = process.env.TEST_DATABASE_ADMIN_URL;
    const urls = given ? await prepareServer(given) : await startServer(build, run);
    // Its application_name says that this run lives: what a run that does not has left behind can then be dropped.
    run.admin = new pg.Client({ connectionString: urls.admin, application_name: applicationName(runId) });
    run.admin.on('error', () => {}); // tests that need the server will say so
    await run.admin.connect();
    await dropDeadRuns(run.admin);
    const template = await makeTemplate(run, urls, build);
    Object.assign(process.env, {
      TRUETRAIL_BUILD: build,
      TEST_RUN_ID: runId,
      TEST_TEMPLATE_DATABASE: template,
      TEST_ADMIN_URL: urls.admin,
      TEST_OWNER_URL_BASE: urls.owner, // to be used with another database in its path, as the next
      TEST_SERVICE_URL_BASE: urls.service,
    });
  } catch (error) {
    await endRun(run);
    throw error;
  }
}

/** Ends what globalSetup began: the databases of this run, or the whole server where it is ours. */
export async function endRun(run) {
  if (run.admin) {
    if (!run.server) {
      const names = await databasesOf(run.admin, run.runId).catch(() => []);
      for (const name of names) await run.admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    }
    await run.admin.end().catch(() => {});
  }
  if (run.server) await run.server.stop();
  if (run.folder) rmSync(run.folder, { recursive: true, force: true });
  run.watchdog?.stdin.end('done');
}

/** @returns URLs of the three logins, to any database */
async function startServer(build, run) {
  const { startEmbeddedPostgres } = await load(build, 'src/database/embedded-postgres.js');
  run.folder = mkdtempSync(join(tmpdir(), 'truetrail-test-'));
  run.watchdog = watch(run.folder);
  const messages = [];
  run.server = await startEmbeddedPostgres({
    dataDir: join(run.folder, 'data'),
    log: (message) => messages.push(message),
    // The service refuses a server without fsync. Several test files at once, each with its pools, want connections.
    settings: { max_connections: '300', shared_buffers: '128MB', log_checkpoints: 'off' },
  });
  return { admin: run.server.adminUrl, owner: run.server.ownerUrl, service: run.server.serviceUrl };
}

/**
 * A process that outlives Jest when that is interrupted or killed (then the pipe to it breaks), stops the server and
 * removes the folder. Jest calls globalTeardown at an orderly end only.
 */
function watch(folder) {
  const script = `
    const { readFileSync, rmSync } = require('node:fs');
    const [folder] = process.argv.slice(1);
    let text = '';
    process.stdin.on('data', (chunk) => (text += chunk)).on('error', clear).on('end', clear);
    function clear() {
      if (text === 'done') return;
      let pid = 0;
      try {
        pid = Number(readFileSync(folder + '/data/postgres/postmaster.pid', 'utf8').split('\\n')[0]);
        process.kill(pid, 'SIGQUIT');
      } catch {}
      const alive = (pid) => { try { return process.kill(pid, 0); } catch { return false; } };
      const began = Date.now();
      const wait = setInterval(() => {
        if (pid && alive(pid) && Date.now() - began < 10_000) return;
        clearInterval(wait);
        rmSync(folder, { recursive: true, force: true });
      }, 100);
    }`;
  const child = spawn(process.execPath, ['--eval', script, '--', folder], {
    cwd: tmpdir(),
    detached: true, // Ctrl-C is not for it
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: process.env.PATH },
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  child.stdin.unref();
  return child;
}

/** Makes the roles on the given server as the embedded one has them, with a password that tests know. */
async function prepareServer(adminUrl) {
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    const { rows } = await admin.query('SELECT rolsuper FROM pg_roles WHERE rolname = current_user');
    if (!rows[0].rolsuper) throw new Error('the login of TEST_DATABASE_ADMIN_URL is no superuser');
    const as = (user) => Object.assign(new URL(adminUrl), { username: user, password: ROLE_PASSWORD }).href;
    const urls = { admin: adminUrl, owner: as('truetrail_owner'), service: as('truetrail_app') };
    await admin.query(`SELECT pg_advisory_lock(hashtext('truetrail.test'))`); // two runs at once
    for (const [role, rights, url] of [
      ['truetrail_owner', 'LOGIN NOSUPERUSER CREATEROLE', urls.owner],
      ['truetrail_app', 'LOGIN NOSUPERUSER', urls.service],
    ]) {
      const { rowCount } = await admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
      if (rowCount === 0) await admin.query(`CREATE ROLE ${role} ${rights} PASSWORD '${ROLE_PASSWORD}'`);
      await canLogIn(url, role);
    }
    return urls;
  } finally {
    await admin.end();
  }
}

async function canLogIn(url, role) {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (cause) {
    throw new Error(
      `The server of TEST_DATABASE_ADMIN_URL has a role ${role} that is not the tests' (${cause.message}): ` +
        'give the tests a server of their own.',
      { cause },
    );
  } finally {
    await client.end().catch(() => {});
  }
}

async function makeTemplate(run, urls, build) {
  const { admin, runId } = run;
  const name = `truetrail_template_${basename(build)
    .replace(/[^0-9a-z]/g, '')
    .slice(0, 16)}_${runId}`;
  const { rows } = await admin.query('SHOW server_version_num');
  const locale =
    Number(rows[0].server_version_num) >= 170000
      ? `LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'`
      : `LOCALE 'C.UTF-8'`;
  await admin.query(`CREATE DATABASE ${name} OWNER truetrail_owner TEMPLATE template0 ENCODING 'UTF8' ${locale}`);
  await admin.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
  await admin.query(`GRANT CONNECT ON DATABASE ${name} TO truetrail_app`);
  const migration = join(build, 'src', 'database', 'migrate.js');
  if (existsSync(migration)) {
    const { migrate } = await load(build, 'src/database/migrate.js');
    await migrate({ ownerUrl: inDatabase(urls.owner, name), serviceUrl: inDatabase(urls.service, name) });
  }
  // a database that somebody is connected to cannot be cloned
  await admin.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`);
  await admin.query('SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1', [name]);
  return name;
}

/** Databases of runs that were interrupted, on a server that several share. */
async function dropDeadRuns(admin) {
  const { rows } = await admin.query(
    `SELECT application_name FROM pg_stat_activity WHERE application_name LIKE '${applicationName('%')}'`,
  );
  const alive = new Set(rows.map((row) => row.application_name));
  for (const name of await databasesOf(admin, '[0-9]+_[0-9a-f]{8}')) {
    const id = /_(\d+_[0-9a-f]{8})(_[0-9a-f]+)?$/.exec(name)[1];
    if (!alive.has(applicationName(id))) await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

function applicationName(runId) {
  return `truetrail test run ${runId}`;
}

async function databasesOf(admin, runId) {
  const { rows } = await admin.query('SELECT datname FROM pg_database WHERE datname ~ $1', [
    `^truetrail_(template_[0-9a-z]*|test)_${runId}(_[0-9a-f]+)?$`,
  ]);
  return rows.map((row) => row.datname);
}

function inDatabase(url, name) {
  return Object.assign(new URL(url), { pathname: `/${name}` }).href;
}

function load(build, path) {
  return import(pathToFileURL(join(build, path)).href);
}
