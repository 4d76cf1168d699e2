import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** A database of its own for a test file, migrated, with the rights that an installed one has. */
export interface TestDatabase {
  name: string;
  /** Owns schema and tables; migrates. */
  ownerUrl: string;
  /** What the service logs in with. */
  serviceUrl: string;
  /** A superuser: for what an intruder or an administrator could do. */
  adminUrl: string;
  /** Ends whatever is still connected, too. */
  drop(): Promise<void>;
}

/** PostgreSQL waits 5 s by itself for others to leave the template (an autovacuum worker, say); after that, again. */
const ATTEMPTS = 5;
const OBJECT_IN_USE = '55006';

/**
 * Clones the migrated template that ./global-setup.js made: 35 ms with its connections, where migrating takes ten times
 * that. Several workers may clone at once. The rights on the database itself are copied too; what ALTER DATABASE … SET
 * has set is not.
 *
 * Or clones `from`, to which nobody may be connected: what took long to make is made once for several tests.
 */
export async function createTestDatabase(from?: TestDatabase): Promise<TestDatabase> {
  const adminUrl = required('TEST_ADMIN_URL');
  const template = from?.name ?? required('TEST_TEMPLATE_DATABASE');
  const name = `truetrail_test_${required('TEST_RUN_ID')}_${randomBytes(4).toString('hex')}`;
  await withAdmin(adminUrl, async (admin) => {
    await clone(admin, name, template);
    await copyRights(admin, name, template);
  });
  return {
    name,
    ownerUrl: inDatabase(required('TEST_OWNER_URL_BASE'), name),
    serviceUrl: inDatabase(required('TEST_SERVICE_URL_BASE'), name),
    adminUrl: inDatabase(adminUrl, name),
    drop: () =>
      withAdmin(adminUrl, async (admin) => {
        await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }),
  };
}

async function clone(admin: pg.Client, name: string, template: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      // Measured, three workers at once: wal_log, the default, 23 ms; file_copy, with its checkpoints, 70 to 280 ms.
      await admin.query(`CREATE DATABASE ${name} OWNER truetrail_owner TEMPLATE ${template} STRATEGY wal_log`);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== OBJECT_IN_USE || attempt === ATTEMPTS) throw error;
      await sleep(100 * attempt);
    }
  }
}

/** CREATE DATABASE copies what is in the template, not who may do what with the database. */
async function copyRights(admin: pg.Client, name: string, template: string): Promise<void> {
  const { rows } = await admin.query<{ privilege: string; grantee: string }>(
    `SELECT privilege_type AS privilege, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee
       FROM pg_database, aclexplode(datacl)
      WHERE datname = $1`,
    [template],
  );
  const grants = rows.map(({ privilege, grantee }) => `GRANT ${privilege} ON DATABASE ${name} TO ${grantee}`);
  await admin.query([`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`, ...grants].join('; '));
}

async function withAdmin(url: string, work: (admin: pg.Client) => Promise<void>): Promise<void> {
  const admin = new pg.Client({ connectionString: url, application_name: 'truetrail test set-up' });
  admin.on('error', () => undefined); // a broken connection fails the query that uses it
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

function inDatabase(url: string, name: string): string {
  return Object.assign(new URL(url), { pathname: `/${name}` }).href;
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: tests with a database run in Jest's project "e2e", by \`npm test\``);
  return value;
}
