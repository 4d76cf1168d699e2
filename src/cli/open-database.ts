import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Config } from '../config/config.js';
import { connectionOptions } from '../database/connection.js';
import { startEmbeddedPostgres } from '../database/embedded-postgres.js';
import { isUpToDate, migrate } from '../database/migrate.js';
import { LockHeldError } from '../database/process-lock.js';
import { readJson } from '../integrity/strict-json.js';

/** The database of the service, whether that runs or not. */
export interface OpenDatabase {
  /** what the service logs in with */
  url: string;
  ownerUrl: string;
  /** stops the embedded server if it was started for this */
  close(): Promise<void>;
}

/** How long the embedded server of a service that is just starting is waited for. */
const STARTING_TIMEOUT_MS = 30_000;

/**
 * The database that DATABASE_URL names; without it the embedded one: the server of the service that runs on DATA_DIR, or
 * else one that is started for the time being.
 */
export async function openDatabase(config: Config, log: (message: string) => void): Promise<OpenDatabase> {
  if (config.DATABASE_URL !== undefined) {
    const url = config.DATABASE_URL;
    return { url, ownerUrl: config.DATABASE_OWNER_URL ?? url, close: () => Promise.resolve() };
  }
  const dataDir = config.DATA_DIR!;
  try {
    const server = await startEmbeddedPostgres({ dataDir, log });
    return { url: server.serviceUrl, ownerUrl: server.ownerUrl, close: () => server.stop() };
  } catch (error) {
    if (!(error instanceof Error && error.cause instanceof LockHeldError)) throw error;
    const { serviceUrl, ownerUrl } = await runningEmbeddedPostgres(dataDir, error.cause.pid);
    return { url: serviceUrl, ownerUrl, close: () => Promise.resolve() };
  }
}

/** Brings the schema up to date and admits the service's login, as the service does when it starts. */
export async function migrateDatabase(
  config: Config,
  { url, ownerUrl }: OpenDatabase,
  log: (message: string) => void,
): Promise<void> {
  const hasOwnLogin = config.DATABASE_URL === undefined || config.DATABASE_OWNER_URL !== undefined;
  await migrate({ ownerUrl, ...(hasOwnLogin ? { serviceUrl: url } : {}), patienceMs: config.DATABASE_WAIT, log });
}

/** Throws with what to do when the schema is not that of this release. */
export async function assertMigrated({ url }: OpenDatabase): Promise<void> {
  const client = new pg.Client(
    connectionOptions({ url, asService: false, applicationName: 'truetrail command line', lockTimeoutMs: 5_000 }),
  );
  client.on('error', () => undefined); // the query that meets it fails
  await client.connect();
  try {
    if (!(await isUpToDate(client))) {
      throw new Error('The database is not migrated to this release. Run `npm run migrate` first.');
    }
  } finally {
    await client.end();
  }
}

/**
 * How to reach the server that another process has started on a data folder: its port stands in PostgreSQL's own pid
 * file, the passwords in the file that embedded-postgres.ts keeps beside it.
 */
async function runningEmbeddedPostgres(
  dataDir: string,
  servicePid: number,
): Promise<{ serviceUrl: string; ownerUrl: string }> {
  const deadline = Date.now() + STARTING_TIMEOUT_MS;
  for (;;) {
    const [, , , port, , , , status] = readIfThere(join(dataDir, 'postgres', 'postmaster.pid')).split('\n');
    if (status?.trim() === 'ready') {
      const credentials = readIfThere(join(dataDir, 'postgres-credentials.json'));
      const { owner, app } = readJson(credentials) as { owner: string; app: string };
      const url = (user: string, password: string): string =>
        `postgres://${user}:${password}@127.0.0.1:${port}/truetrail`;
      return { serviceUrl: url('truetrail_app', app), ownerUrl: url('truetrail_owner', owner) };
    }
    if (Date.now() > deadline) {
      throw new Error(`${dataDir} is in use by process ${servicePid}, whose PostgreSQL is not ready. Look at its log.`);
    }
    await pause(100);
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
