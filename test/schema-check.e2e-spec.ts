import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVICE_ROLE } from '../src/database/connection.js';
import { differences, expectedFrom } from '../src/chain/schema-check.js';
import { describeSchema, listSchemaObjects } from '../src/chain/schema-check.sql.js';
import { startService, type TestService } from './support/app.js';
import { connected, runJob } from './support/verification.js';

const EXPECTED = join(import.meta.dirname, '..', 'src', 'chain', 'expected-schema.json');

describe('what the schema is expected to be', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  it('is what the migrations make (after a change of one: npm run db:schema)', async () => {
    const expected = await connected(service.database.ownerUrl, async (owner) => {
      const { tables, functions } = await listSchemaObjects(owner);
      return expectedFrom(await describeSchema(owner, tables, functions, SERVICE_ROLE));
    });
    expect(JSON.parse(readFileSync(EXPECTED, 'utf8'))).toEqual(expected);
  });

  it('is found as it should be on an untouched database, by the job', async () => {
    const { outcome } = await runJob(service, 'schema-check');
    expect(outcome).toEqual({ verdict: 'valid', findings: [], findings_total: '0', unread: null });
  });

  /** What somebody with the rights to do so may do, and a sentence that must be among the findings. */
  const CHANGES: [name: string, change: string, finding: RegExp, undo: string][] = [
    [
      'a disabled trigger',
      'ALTER TABLE audit_events DISABLE TRIGGER audit_events_refuse_statement',
      /^trigger audit_events\.audit_events_refuse_statement: is: .*disabled; it should be: .*always$/,
      'ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_refuse_statement',
    ],
    [
      'a trigger of a month that no longer fires for replication',
      'ALTER TABLE $month ENABLE TRIGGER $month_refuse_row',
      /^trigger audit_events_\d{4}_\d\d\.audit_events_\d{4}_\d\d_refuse_row: is: .*not for replication/,
      'ALTER TABLE $month ENABLE ALWAYS TRIGGER $month_refuse_row',
    ],
    [
      'a dropped trigger of a table of keys',
      'DROP TRIGGER event_keys_3_refuse_row ON event_keys_3',
      /^trigger event_keys_3\.event_keys_3_refuse_row: is not there/,
      `CREATE TRIGGER event_keys_3_refuse_row BEFORE UPDATE OR DELETE ON event_keys_3 FOR EACH ROW EXECUTE FUNCTION refuse_change();
       ALTER TABLE event_keys_3 ENABLE ALWAYS TRIGGER event_keys_3_refuse_row`,
    ],
    [
      'a trigger that changes what comes in',
      `CREATE FUNCTION public.polish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.user_id := 'x'; RETURN NEW; END $$;
       CREATE TRIGGER polish BEFORE INSERT ON $month FOR EACH ROW EXECUTE FUNCTION polish()`,
      /^trigger audit_events_\d{4}_\d\d\.polish: should not be there/,
      'DROP TRIGGER polish ON $month; DROP FUNCTION polish()',
    ],
    [
      'a rule that swallows what is inserted',
      'CREATE RULE swallow AS ON INSERT TO audit_events DO INSTEAD NOTHING',
      /^rule audit_events\.swallow: should not be there/,
      'DROP RULE swallow ON audit_events',
    ],
    [
      'a dropped constraint',
      'ALTER TABLE audit_events DROP CONSTRAINT audit_events_hashes_check',
      /^constraint audit_events_\d{4}_\d\d\.audit_events_hashes_check: is not there/,
      `ALTER TABLE audit_events ADD CONSTRAINT audit_events_hashes_check CHECK (
          octet_length(salt) = 16 AND octet_length(content_hash) = 32 AND octet_length(event_hash) = 32
          AND (sequence = 1) = (previous_event_hash IS NULL) AND octet_length(previous_event_hash) = 32)`,
    ],
    [
      'a constraint replaced by a weaker one of its name',
      `ALTER TABLE ledger_heads DROP CONSTRAINT ledger_heads_size_check;
       ALTER TABLE ledger_heads ADD CONSTRAINT ledger_heads_size_check CHECK (size >= -1)`,
      /^constraint ledger_heads\.ledger_heads_size_check: is: CHECK \(\(size >= '-1'::integer\)\)/,
      `ALTER TABLE ledger_heads DROP CONSTRAINT ledger_heads_size_check;
       ALTER TABLE ledger_heads ADD CONSTRAINT ledger_heads_size_check CHECK (size >= 0)`,
    ],
    [
      'a constraint that was never validated',
      `ALTER TABLE ledger_heads DROP CONSTRAINT ledger_heads_size_check;
       ALTER TABLE ledger_heads ADD CONSTRAINT ledger_heads_size_check CHECK (size >= 0) NOT VALID`,
      /^constraint ledger_heads\.ledger_heads_size_check: is: .* NOT VALID/,
      'ALTER TABLE ledger_heads VALIDATE CONSTRAINT ledger_heads_size_check',
    ],
    [
      'a dropped NOT NULL',
      'ALTER TABLE audit_events ALTER COLUMN salt DROP NOT NULL',
      /^column audit_events\.salt: is: bytea; it should be: bytea NOT NULL$/,
      'ALTER TABLE audit_events ALTER COLUMN salt SET NOT NULL',
    ],
    [
      'a column of another type',
      'ALTER TABLE audit_events ALTER COLUMN source_sequence TYPE numeric USING source_sequence',
      /^column audit_events_\d{4}_\d\d\.source_sequence: is: numeric; it should be: numeric\(19,0\)$/,
      'ALTER TABLE audit_events ALTER COLUMN source_sequence TYPE numeric(19, 0)',
    ],
    [
      'a trigger that passes for one of PostgreSQL’s own',
      `CREATE FUNCTION public.polish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.user_id := 'x'; RETURN NEW; END $$;
       CREATE TRIGGER polish BEFORE INSERT ON $month FOR EACH ROW EXECUTE FUNCTION polish();
       UPDATE pg_trigger SET tgisinternal = true WHERE tgname = 'polish'`,
      /^trigger audit_events_\d{4}_\d\d\.polish: should not be there/,
      `UPDATE pg_trigger SET tgisinternal = false WHERE tgname = 'polish'; DROP TRIGGER polish ON $month; DROP FUNCTION polish()`,
    ],
    [
      'a foreign key that is not looked at',
      'ALTER TABLE checkpoints DISABLE TRIGGER ALL',
      /^trigger checkpoints\.RI_ConstraintTrigger_c_\d+: should not be there; it is: .*, disabled$/,
      `ALTER TABLE checkpoints ENABLE TRIGGER ALL; ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER checkpoints_refuse_row;
       ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER checkpoints_refuse_statement`,
    ],
    [
      'an event trigger',
      `CREATE FUNCTION public.meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
       CREATE EVENT TRIGGER meddle ON ddl_command_end EXECUTE FUNCTION meddle()`,
      /^event trigger meddle: should not be there; it is: on ddl_command_end of \w+ to call /,
      'DROP EVENT TRIGGER meddle; DROP FUNCTION meddle()',
    ],
    [
      'a clock that comes first',
      `CREATE FUNCTION pg_catalog.trail_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT '2020-01-01'::timestamptz $$`,
      /^function pg_catalog\.trail_now\(\): should not be there/,
      `DROP FUNCTION pg_catalog.trail_now()`,
    ],
    [
      'a column too many',
      'ALTER TABLE event_keys ADD COLUMN note text',
      /^column event_keys_0\.note: should not be there/,
      'ALTER TABLE event_keys DROP COLUMN note',
    ],
    [
      'a dropped unique index',
      'DROP INDEX $month_sequence_key',
      /^index audit_events_\d{4}_\d\d\.audit_events_\d{4}_\d\d_sequence_key: is not there/,
      'CREATE UNIQUE INDEX $month_sequence_key ON $month (ledger, sequence)',
    ],
    [
      'row security',
      `ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
       CREATE POLICY hide ON audit_events USING (user_id <> 'trader-1')`,
      /^policy audit_events\.hide: should not be there/,
      'DROP POLICY hide ON audit_events; ALTER TABLE audit_events DISABLE ROW LEVEL SECURITY',
    ],
    [
      'a table that does not outlive a crash',
      'ALTER TABLE $month SET UNLOGGED',
      /^table audit_events_\d{4}_\d\d: is: ordinary, unlogged/,
      'ALTER TABLE $month SET LOGGED',
    ],
    [
      'another owner',
      `ALTER TABLE $month OWNER TO ${SERVICE_ROLE}`,
      /^table audit_events_\d{4}_\d\d: is: .*owned by truetrail_service/,
      `ALTER TABLE $month OWNER TO truetrail_owner; GRANT SELECT ON $month TO ${SERVICE_ROLE}`,
    ],
    [
      'a right too many for the service',
      `GRANT INSERT ON audit_events TO ${SERVICE_ROLE}`,
      /^grant on audit_events to truetrail_service: is: INSERT, SELECT; it should be: SELECT$/,
      `REVOKE INSERT ON audit_events FROM ${SERVICE_ROLE}`,
    ],
    [
      'a right for everybody on a column',
      'GRANT UPDATE (size) ON ledger_heads TO PUBLIC',
      /^grant on ledger_heads to PUBLIC: should not be there; it is: UPDATE \(size\)$/,
      'REVOKE UPDATE (size) ON ledger_heads FROM PUBLIC',
    ],
    [
      'a clock that was replaced',
      `CREATE OR REPLACE FUNCTION trail_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
         SET search_path = pg_catalog AS $$ SELECT clock_timestamp() - interval '1 minute' $$`,
      /^function trail_now\(\): is: /,
      `CREATE OR REPLACE FUNCTION trail_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
         SET search_path = pg_catalog AS $$ SELECT clock_timestamp() $$`,
    ],
    [
      'a refusal that refuses nothing',
      `CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog
         AS $$ BEGIN RETURN coalesce(NEW, OLD); END $$`,
      /^function refuse_change\(\): is: /,
      `CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $body`,
    ],
    [
      'an append function with the caller’s search path',
      `ALTER FUNCTION append_events RESET search_path`,
      /^function append_events\(.*is: .*security definer, owned by/,
      `ALTER FUNCTION append_events SET search_path = pg_catalog, public, pg_temp`,
    ],
    [
      'a second function of the name',
      `CREATE FUNCTION create_ledger(p_ledger text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$`,
      /^function create_ledger\(p_ledger text\): should not be there/,
      `DROP FUNCTION create_ledger(text)`,
    ],
    [
      'a month that is detached',
      'ALTER TABLE audit_events DETACH PARTITION $month',
      /^month audit_events_\d{4}_\d\d of the catalogue is no part of the trail$/,
      'ALTER TABLE audit_events ATTACH PARTITION $month FOR VALUES $bounds',
    ],
    [
      'a month of the catalogue that is not there',
      `INSERT INTO months (month, partition_name, created_at) VALUES ('1999-01-01', 'audit_events_1999_01', now())`,
      /^month audit_events_1999_01 of the catalogue is no part of the trail$/,
      `DELETE FROM months WHERE month = '1999-01-01'`,
    ],
    [
      'a partition with other bounds',
      `CREATE TABLE audit_events_1998_01 (LIKE audit_events INCLUDING ALL);
       ALTER TABLE audit_events ATTACH PARTITION audit_events_1998_01 FOR VALUES FROM ('1998-01-01') TO ('1998-01-15')`,
      /^table audit_events_1998_01: is: .*TO \('1998-01-15 00:00:00\+00'\).*; it should be: .*TO \('1998-02-01 00:00:00\+00'\)/,
      'DROP TABLE audit_events_1998_01',
    ],
    [
      'a table of the trail’s name that comes first',
      `SET allow_system_table_mods = on; CREATE VIEW pg_catalog.ledgers AS SELECT * FROM public.ledgers; SET allow_system_table_mods = off`,
      /^name ledgers: is: pg_catalog; it should be: public$/,
      `SET allow_system_table_mods = on; DROP VIEW pg_catalog.ledgers`,
    ],
  ];

  it.each(CHANGES)('shows %s', async (_name, change, finding, undo) => {
    await connected(service.database.adminUrl, async (admin) => {
      const { rows } = await admin.query<{ month: string; bounds: string; body: string }>(
        `SELECT m.partition_name AS month, substr(pg_get_expr(c.relpartbound, c.oid), 12) AS bounds,
                (SELECT prosrc FROM pg_proc WHERE proname = 'refuse_change') AS body
           FROM months AS m JOIN pg_class AS c ON c.relname = m.partition_name ORDER BY m.month LIMIT 1`,
      );
      const { month, bounds, body } = rows[0]!;
      const filled = (text: string): string =>
        text
          .replaceAll('$month', month)
          .replaceAll('$bounds', bounds)
          .replaceAll('$body', () => `$$${body}$$`);
      await admin.query(filled(change));
      try {
        const { outcome } = await runJob(service, 'schema-check');
        expect(outcome.verdict).toBe('invalid');
        expect(outcome.findings.map(({ detail }: { detail: string }) => detail)).toContainEqual(
          expect.stringMatching(finding),
        );
      } finally {
        await admin.query(filled(undo));
      }
    });
    const { outcome } = await runJob(service, 'schema-check');
    expect(outcome).toMatchObject({ verdict: 'valid' }); // the change was all that it saw
  });

  it('is as it should be when every check was made anew from what is printed of it, as pg_upgrade does', async () => {
    const makeAnew = `
      SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s', conrelid::regclass, conname, conname, pg_get_constraintdef(oid)) AS made
        FROM pg_constraint WHERE contype = 'c' AND coninhcount = 0 AND connamespace = 'public'::regnamespace AND conrelid <> 0`;
    await connected(service.database.adminUrl, async (admin) => {
      const printed = (): Promise<{ rows: { text: string }[] }> =>
        admin.query(
          'SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint ORDER BY conrelid::regclass::text, conname',
        );
      const before = await printed();
      const { rows } = await admin.query<{ made: string }>(makeAnew);
      expect(rows.length).toBeGreaterThan(20);
      for (const { made } of rows) await admin.query(made);
      expect((await printed()).rows).not.toEqual(before.rows); // else nothing was shown
    });
    const { outcome } = await runJob(service, 'schema-check');
    expect(outcome).toEqual({ verdict: 'valid', findings: [], findings_total: '0', unread: null });
  });

  it('shows a role that the service is a member of', async () => {
    const expected = JSON.parse(readFileSync(EXPECTED, 'utf8'));
    await connected(service.database.adminUrl, async (admin) => {
      const { tables, functions } = await listSchemaObjects(admin);
      // roles are the whole server's, and other tests run on it
      await admin.query('BEGIN');
      await admin.query(`GRANT pg_write_all_data TO ${SERVICE_ROLE}`);
      const found = differences(expected, await describeSchema(admin, tables, functions, SERVICE_ROLE), new Set());
      await admin.query('ROLLBACK');
      expect(found).toEqual([expect.stringMatching(/^role truetrail_service: is: member of pg_write_all_data/)]);
    });
  });

  it('says what it could not see, beside what it saw', async () => {
    await connected(service.database.adminUrl, (admin) => admin.query('ALTER TABLE months RENAME TO moons'));
    const { outcome } = await runJob(service, 'schema-check');
    expect(outcome).toMatchObject({ verdict: 'invalid', unread: expect.stringContaining('months') });
    expect(outcome.findings.map(({ detail }) => detail)).toContainEqual(
      expect.stringMatching(/^table months: is not there/),
    );
    await connected(service.database.adminUrl, (admin) => admin.query('ALTER TABLE moons RENAME TO months'));
  });
});
