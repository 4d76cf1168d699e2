import pg from 'pg';
import { connectionOptions, SERVICE_ROLE } from '../src/database/connection.js';
import { SqlState } from '../src/database/sqlstate.js';
import { startService, type TestService } from './support/app.js';
import { connected, record, tamper } from './support/verification.js';

const READ_ONLY_TABLES = [
  'audit_events',
  'event_keys',
  'months',
  'ledgers',
  'ledger_heads',
  'deployment',
  'schema_migrations',
  'legal_holds',
  'legal_hold_acts',
  'archive_object_holds',
];

let service: TestService;
let month: string;

beforeAll(async () => {
  service = await startService();
  await record(service, 5);
  month = await connected(service.database.adminUrl, async (admin) => {
    const { rows } = await admin.query<{ name: string }>(
      'SELECT DISTINCT tableoid::regclass::text AS name FROM audit_events',
    );
    return rows[0]!.name;
  });
});
afterAll(() => service.close());

/** The SQLSTATE of what a statement is refused with; undefined when it is not. `$month` is the month of the events. */
async function refusal(client: pg.ClientBase, statement: string): Promise<string | undefined> {
  await client.query('BEGIN');
  try {
    await client.query(statement.replaceAll('$month', month));
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  } finally {
    await client.query('ROLLBACK');
  }
}

describe('the service’s role', () => {
  let client: pg.Client;
  beforeAll(async () => {
    client = new pg.Client(
      connectionOptions({
        url: service.database.serviceUrl,
        asService: true,
        applicationName: 'test',
        lockTimeoutMs: 2_000,
      }),
    );
    await client.connect();
    const { rows } = await client.query<{ current_user: string }>('SELECT current_user');
    expect(rows[0]!.current_user).toBe(SERVICE_ROLE);
  });
  afterAll(() => client.end());

  const DENIED: string[] = [
    ...READ_ONLY_TABLES.flatMap((table) => [
      `INSERT INTO ${table} SELECT * FROM ${table} LIMIT 1`,
      `DELETE FROM ${table}`,
      `TRUNCATE ${table}`,
      `TRUNCATE ${table} CASCADE`,
      `DROP TABLE ${table}`,
      `ALTER TABLE ${table} ADD COLUMN x text`,
      `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
      `ALTER TABLE ${table} OWNER TO ${SERVICE_ROLE}`,
      `CREATE TRIGGER t BEFORE INSERT ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
      `CREATE RULE r AS ON INSERT TO ${table} DO INSTEAD NOTHING`,
      `CREATE INDEX ON ${table} ((1))`,
      `LOCK TABLE ${table} IN ROW EXCLUSIVE MODE`,
      `COPY ${table} FROM PROGRAM 'true'`,
      `SELECT * FROM ${table} FOR UPDATE`,
    ]),
    `UPDATE audit_events SET user_id = 'x'`,
    `UPDATE event_keys SET sequence = 1`,
    `UPDATE months SET state = 'dropped'`,
    `UPDATE ledgers SET origin = 'x'`,
    `UPDATE ledger_heads SET size = 0, event_hash = NULL`,
    `UPDATE deployment SET log_origin = 'x'`,
    `UPDATE legal_holds SET state = 'released', asked_by = NULL`,
    `UPDATE legal_hold_acts SET principal = 'key:other'`,
    `UPDATE archive_object_holds SET confirmed_at = NULL`,
    `LOCK TABLE legal_holds IN SHARE MODE`,
    `MERGE INTO event_keys AS k USING (VALUES (1)) AS v (x) ON false WHEN NOT MATCHED THEN INSERT (ledger, event_id, sequence) VALUES ('main', gen_random_uuid(), 1)`,
    ...['$month', 'event_keys_0'].flatMap((leaf) => [
      `SELECT * FROM ${leaf} FOR UPDATE`,
      `INSERT INTO ${leaf} SELECT * FROM ${leaf} LIMIT 1`,
      `DELETE FROM ${leaf}`,
      `TRUNCATE ${leaf}`,
      `DROP TABLE ${leaf}`,
      `ALTER TABLE ${leaf} DISABLE TRIGGER ALL`,
      `ALTER TABLE ${leaf} SET UNLOGGED`,
    ]),
    `UPDATE $month SET user_id = 'x'`,
    `UPDATE event_keys_0 SET sequence = 1`,
    `ALTER TABLE audit_events DETACH PARTITION $month`,
    `CREATE TABLE public.t (x int)`,
    `CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    `CREATE SCHEMA s`,
    `CREATE TEMP TABLE t (x int)`,
    `DROP FUNCTION append_events`,
    `DROP FUNCTION refuse_change CASCADE`,
    `ALTER FUNCTION append_events SECURITY INVOKER`,
    `ALTER FUNCTION trail_now() OWNER TO ${SERVICE_ROLE}`,
    `CREATE OR REPLACE FUNCTION trail_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'`,
    `SET session_replication_role = replica`,
    `SET SESSION AUTHORIZATION truetrail_owner`,
    `SET ROLE truetrail_owner`,
    // a grant by somebody who has nothing to grant is a warning, and does nothing
    `GRANT INSERT ON audit_events TO ${SERVICE_ROLE}; INSERT INTO audit_events SELECT * FROM audit_events LIMIT 1`,
    `ALTER ROLE ${SERVICE_ROLE} SUPERUSER`,
    `CREATE ROLE r`,
    `UPDATE pg_trigger SET tgenabled = 'D'`,
    `UPDATE api_keys SET scopes = '{operations:run}'`,
    `DELETE FROM api_keys`,
    `DELETE FROM verifications`,
    `UPDATE finding_acknowledgements SET findings = '[]'`,
    `DELETE FROM finding_acknowledgements`,
    `DELETE FROM job_runs`,
    `SELECT pg_read_file('/etc/passwd')`,
  ];

  it.each(DENIED)('may not: %s', async (statement) => {
    expect(await refusal(client, statement)).toBe(SqlState.insufficientPrivilege);
  });

  it.each([
    [`SELECT create_month('2026-06-02')`, '22023'],
    [`SELECT create_month(NULL)`, '22023'],
    [`SELECT create_month('infinity')`, /^22/],
    [`SELECT create_month('x"; DROP TABLE audit_events; --')`, '22007'],
    [`SELECT create_ledger('main''; DROP TABLE audit_events; --', 'x')`, SqlState.checkViolation],
    [`SELECT create_ledger('UPPER', 'x')`, SqlState.checkViolation],
    [`SELECT create_ledger('quoted', 'x"y')`, SqlState.checkViolation],
    [`SELECT create_ledger(NULL, 'x')`, '23502'],
    [`SELECT refuse_change()`, SqlState.insufficientPrivilege],
  ])('gets nothing out of the owner’s functions: %s', async (statement, code) => {
    expect(await refusal(client, statement)).toEqual(typeof code === 'string' ? code : expect.stringMatching(code));
  });

  it('cannot change a ledger’s origin by making it again', async () => {
    const { rows } = await client.query<{ created: boolean; origin: string }>(
      `SELECT * FROM create_ledger('main', 'forged')`,
    );
    expect(rows).toEqual([{ created: false, origin: 'audit.example.com/truetrail/main' }]);
  });

  it('cannot lead the owner’s functions to objects of its own', async () => {
    await client.query('SET search_path = pg_temp, public');
    expect(await refusal(client, `SELECT create_ledger('main', 'x')`)).toBeUndefined();
    await client.query('SET search_path = public');
  });
});

describe('the owner', () => {
  const CHANGES = [
    `UPDATE audit_events SET user_id = 'mallory'`,
    `UPDATE audit_events SET user_id = user_id WHERE false`,
    `DELETE FROM audit_events`,
    `TRUNCATE audit_events`,
    `UPDATE event_keys SET sequence = 1`,
    `DELETE FROM event_keys`,
    `TRUNCATE event_keys`,
    `UPDATE $month SET user_id = 'mallory'`,
    `DELETE FROM $month`,
    `TRUNCATE $month`,
    ...Array.from({ length: 8 }, (_, i) => [
      `UPDATE event_keys_${i} SET sequence = 1`,
      `DELETE FROM event_keys_${i}`,
      `TRUNCATE event_keys_${i}`,
    ]).flat(),
    `MERGE INTO $month AS m USING (VALUES (1)) AS v (x) ON m.sequence = v.x WHEN MATCHED THEN DELETE`,
    `INSERT INTO event_keys (ledger, event_id, sequence) SELECT ledger, event_id, sequence FROM event_keys LIMIT 1
       ON CONFLICT (event_id, ledger) DO UPDATE SET sequence = 7`,
    `WITH gone AS (DELETE FROM audit_events RETURNING *) SELECT count(*) FROM gone`,
  ];

  it.each(CHANGES)('is refused by a trigger: %s', async (statement) => {
    await connected(service.database.ownerUrl, async (owner) => {
      expect(await refusal(owner, statement)).toBe(SqlState.appendOnly);
    });
  });

  it.each(CHANGES)('so is a superuser for whom ordinary triggers do not fire: %s', async (statement) => {
    await connected(service.database.adminUrl, async (admin) => {
      await admin.query('SET session_replication_role = replica');
      expect(await refusal(admin, statement)).toBe(SqlState.appendOnly);
    });
  });

  it('is refused on a month that is detached', async () => {
    await connected(service.database.ownerUrl, async (owner) => {
      for (const statement of [`UPDATE ${month} SET user_id = 'x'`, `DELETE FROM ${month}`, `TRUNCATE ${month}`]) {
        expect(await refusal(owner, `ALTER TABLE audit_events DETACH PARTITION ${month}; ${statement}`)).toBe(
          SqlState.appendOnly,
        );
      }
    });
  });

  it('cannot drop a month’s triggers with those of the parent', async () => {
    await connected(service.database.ownerUrl, async (owner) => {
      const code = await refusal(
        owner,
        `DROP TRIGGER audit_events_refuse_statement ON audit_events; DELETE FROM ${month}`,
      );
      expect(code).toBe(SqlState.appendOnly);
    });
  });

  it('cannot drop the function below its triggers', async () => {
    await connected(service.database.ownerUrl, async (owner) => {
      expect(await refusal(owner, 'DROP FUNCTION refuse_change()')).toBe('2BP01');
    });
  });

  it('gets the same sequence into a ledger only in two months, since each has a unique index', async () => {
    await connected(service.database.adminUrl, async (admin) => {
      const again = `INSERT INTO audit_events SELECT (e).* FROM (SELECT e FROM audit_events AS e WHERE sequence = 1 AND ledger = 'main') AS s`;
      expect(await refusal(admin, again)).toBe(SqlState.uniqueViolation);
    });
  });
});

describe('what these tests do', () => {
  it('changes rows once triggers are disabled: the tests of tampering do tamper', async () => {
    await tamper(
      service.database.adminUrl,
      `UPDATE audit_events SET user_id = 'mallory' WHERE ledger = 'main' AND sequence = 1`,
    );
    const { rows } = await connected(service.database.adminUrl, (admin) =>
      admin.query(`SELECT user_id FROM audit_events WHERE ledger = 'main' AND sequence = 1`),
    );
    expect(rows).toEqual([{ user_id: 'mallory' }]);
    await connected(service.database.adminUrl, async (admin) => {
      expect(await refusal(admin, `DELETE FROM ${month}`)).toBe(SqlState.appendOnly); // and enabled again afterwards
    });
  });
});
