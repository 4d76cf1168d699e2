import pg from 'pg';
import { connectionOptions, SERVICE_ROLE } from './connection.js';
import { ownerDataSource } from './data-source.js';
import { MIGRATIONS } from '../../migrations/index.js';
import { connectPatiently } from './patient-connection.js';
import { sqlState, SqlState } from './sqlstate.js';

const MIGRATION_LOCK = `hashtextextended('truetrail.migrations', 0)`;

/**
 * Brings the schema up to date. Replicas that start together take turns: the second finds nothing left to do.
 *
 * Where the service logs in by itself (`serviceUrl`), that login is made a member of the service's role. Throws with a
 * sentence that says what the owner's login lacks.
 */
export async function migrate(options: {
  ownerUrl: string;
  serviceUrl?: string;
  /** how long a server that cannot be reached is waited for; not at all by itself */
  patienceMs?: number;
  log?: (message: string) => void;
}): Promise<void> {
  const { ownerUrl, serviceUrl, patienceMs = 0, log = () => undefined } = options;
  const login = { url: ownerUrl, asService: false, applicationName: 'truetrail migrations', lockTimeoutMs: 0 };
  const lock = await connectPatiently(connectionOptions(login), { patienceMs, log });
  try {
    await requireUtf8(lock);
    await lock.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK})`);
    if (!(await isUpToDate(lock))) {
      const dataSource = await ownerDataSource(ownerUrl).initialize();
      try {
        for (const migration of await dataSource.runMigrations({ transaction: 'each' }))
          log(`migrated: ${migration.name}`);
      } finally {
        await dataSource.destroy();
      }
    }
    if (serviceUrl !== undefined) await admitServiceLogin(lock, decodeURIComponent(new URL(serviceUrl).username));
  } catch (cause) {
    if (sqlState(cause) === SqlState.insufficientPrivilege) {
      throw new Error(
        `The login that migrates may not do so (${(cause as Error).message}). Is DATABASE_OWNER_URL given? It must own the database's schema and be allowed to create roles; ` +
          `or have an administrator create the role ${SERVICE_ROLE} and grant it to that login`,
        { cause },
      );
    }
    throw cause;
  } finally {
    await lock.end(); // the session's end releases the lock
  }
}

/** No other encoding holds all that an event may; one of single bytes would take them, and count bytes for characters. */
async function requireUtf8(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ encoding: string }>(`SELECT current_setting('server_encoding') AS encoding`);
  const { encoding } = rows[0]!;
  if (encoding !== 'UTF8')
    throw new Error(`The database has the encoding ${encoding}: make one with UTF8 (docs/installation.md has how)`);
}

/** Whether every migration of this build has run. Readable by the service's role too. */
export async function isUpToDate(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.schema_migrations') IS NOT NULL AS there`,
  );
  if (!rows[0]?.there) return false;
  const done = await client.query<{ name: string }>('SELECT name FROM schema_migrations');
  const names = new Set(done.rows.map((row) => row.name));
  return MIGRATIONS.every((migration) => names.has(migration.name));
}

async function admitServiceLogin(client: pg.Client, login: string): Promise<void> {
  const { rows } = await client.query<{ member: boolean }>(`SELECT pg_has_role($1, $2, 'MEMBER') AS member`, [
    login,
    SERVICE_ROLE,
  ]);
  if (rows[0]?.member) return;
  await client.query(`GRANT ${SERVICE_ROLE} TO ${pg.escapeIdentifier(login)}`);
}
