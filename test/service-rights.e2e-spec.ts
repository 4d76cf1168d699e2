import { SERVICE_ROLE } from '../src/database/connection.js';
import { startService, type TestService } from './support/app.js';
import { query } from './support/keys.js';

/** What the service may do to each table; a table that is not here has yet to be decided on. Months have one name. */
const TABLES: Record<string, readonly string[]> = {
  ...Object.fromEntries(
    [
      ...['anchors', 'archive_contents', 'archive_object_holds', 'archive_object_states', 'archive_objects'],
      ...['archive_ranges', 'archive_removals', 'archive_store', 'audit_events', 'audit_events_<month>'],
      ...['checked_server', 'checkpoints', 'cosignature_objects', 'cosignatures', 'deployment', 'event_keys'],
      ...['key_successions', 'late_executions', 'ledger_heads', 'ledger_successions', 'ledgers', 'legal_hold_acts'],
      'legal_holds',
      ...['month_deletion_acts', 'month_deletions', 'month_ranges', 'months', 'reference_changes'],
      ...['reference_progress', 'retention_policies', 'schema_migrations', 'signing_keys', 'timestamps'],
      ...['tree_tiles', 'trees', 'waiting_cosignatures', 'witnessed_checkpoints'],
    ].map((table) => [table, ['SELECT']]),
  ),
  // what keeps no events: it may be made anew, or is of the service's own work
  api_keys: ['INSERT', 'SELECT', 'UPDATE (revoked_at)', 'UPDATE (revoked_by)'],
  finding_acknowledgements: ['INSERT', 'SELECT'],
  evidence_run_pieces: ['DELETE', 'INSERT', 'SELECT'],
  evidence_runs: ['INSERT', 'SELECT', 'UPDATE'],
  job_runs: ['INSERT', 'SELECT', 'UPDATE'],
  report_run_pieces: ['DELETE', 'INSERT', 'SELECT'],
  report_runs: ['INSERT', 'SELECT', 'UPDATE'],
  // made again from the ledger _reporting, which alone is the record
  reporting_acts: ['INSERT', 'SELECT'],
  reporting_advices: ['INSERT', 'SELECT', 'UPDATE'],
  reporting_notes: ['INSERT', 'SELECT', 'UPDATE'],
  reporting_parts: ['INSERT', 'SELECT'],
  reporting_progress: ['INSERT', 'SELECT', 'UPDATE'],
  reporting_records: ['INSERT', 'SELECT', 'UPDATE'],
  reporting_decisions: ['DELETE', 'INSERT', 'SELECT'],
  reporting_run_pieces: ['DELETE', 'INSERT', 'SELECT'],
  reporting_runs: ['INSERT', 'SELECT', 'UPDATE'],
  verifications: ['INSERT', 'SELECT', 'UPDATE'],
  // of the migrations alone
  schema_migrations_id_seq: [],
  // of the owner's recoveries alone
  unrecorded_recoveries: [],
  // each is compared with its own index
  ...Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`event_keys_${i}`, ['SELECT']])),
};

/** The functions of the owner that it may call. */
const CALLED = [
  ...['accept_clock_ahead', 'act_on_legal_hold', 'act_on_month_deletion', 'add_retention_policy', 'append_events'],
  ...['begin_object_removal', 'catalogue_anchor', 'catalogue_archive_contents', 'catalogue_archive_object'],
  ...['catalogue_cosignature_object', 'claim_archive_store', 'close_month', 'create_ledger', 'create_month'],
  ...[
    'declare_default_retention',
    'drop_month',
    'early_objects_of_month',
    'finish_object_removal',
    'forget_job_runs',
    'forget_tree',
  ],
  ...['enter_late_executions', 'finish_late_executions'],
  ...['grow_trees', 'keep_cosignatures', 'keep_timestamp', 'kept_until', 'ledger_line', 'list_late_executions'],
  'month_holds',
  ...['name_deployment', 'note_archive_finding', 'note_archive_object', 'note_checked_server'],
  ...['note_ledger_successions', 'note_object_holds', 'note_witnessed', 'objects_of_month', 'objects_under_hold'],
  ...['open_object_holds', 'record_config_digest', 'request_legal_hold', 'request_month_deletion'],
  ...['retention_of_contents', 'retention_of_month', 'retention_of_months', 'retention_of_objects', 'retire_month'],
  ...['seal_month', 'take_reference_changes', 'trail_now'],
];
/** Those that only others of its functions may. */
const INNER = [
  ...['assert_month_has_digests', 'assert_month_is_not_wrong', 'assert_month_may_be_deleted'],
  ...['assert_month_may_leave', 'enter_reference_change', 'late_execution_day', 'makers_of', 'refuse_change'],
  'refuse_own_approval',
];

describe('what the service’s role may do, all of it', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());
  const ask = <T extends object>(text: string): Promise<T[]> =>
    query<T & Record<string, unknown>>(service.database, text);

  it('with tables, views and sequences is what is listed here, whoever granted it', async () => {
    const version = Number((await ask<{ v: string }>(`SELECT current_setting('server_version_num') AS v`))[0]!.v);
    const rights = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'];
    if (version >= 170_000) rights.push('MAINTAIN');
    const rows = await ask<{ name: string; kind: string; rights: string[]; columns: string[] }>(
      `SELECT c.relname AS name, c.relkind AS kind,
              ARRAY(SELECT r FROM unnest('{${rights.join(',')},USAGE}'::text[]) AS r
                      WHERE CASE WHEN r = 'USAGE' THEN c.relkind = 'S' AND has_sequence_privilege('${SERVICE_ROLE}', c.oid, r)
                                 ELSE has_table_privilege('${SERVICE_ROLE}', c.oid, r) END) AS rights,
              ARRAY(SELECT format('%s (%s)', r, a.attname)
                      FROM pg_attribute AS a, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS r
                      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                        AND has_column_privilege('${SERVICE_ROLE}', c.oid, a.attnum, r)
                        AND NOT has_table_privilege('${SERVICE_ROLE}', c.oid, r) ORDER BY 1) AS columns
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`,
    );
    const found: Record<string, Set<string>> = {};
    for (const { name, rights: own, columns } of rows) {
      const at = name.replace(/^audit_events_\d{4}_\d{2}$/, 'audit_events_<month>');
      found[at] = new Set([...(found[at] ?? []), ...own, ...columns]);
    }
    expect(Object.fromEntries(Object.entries(found).map(([name, own]) => [name, [...own].sort()]))).toEqual(
      Object.fromEntries(Object.entries(TABLES).map(([name, own]) => [name, [...own].sort()])),
    );
    expect(new Set(rows.map(({ kind }) => kind))).toEqual(new Set(['r', 'p', 'S'])); // no views
  });

  it('with functions is what is listed here, and every one of them looks where its owner says', async () => {
    const rows = await ask<{ name: string; may: boolean; anybody: boolean; definer: boolean; path: string | null }>(
      `SELECT p.proname AS name, has_function_privilege('${SERVICE_ROLE}', p.oid, 'EXECUTE') AS may,
              EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WHERE grantee = 0) AS anybody,
              p.prosecdef AS definer, (SELECT s FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%') AS path
         FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')`,
    );
    expect(
      rows
        .filter(({ may }) => may)
        .map(({ name }) => name)
        .sort(),
    ).toEqual([...CALLED].sort());
    expect(
      rows
        .filter(({ may }) => !may)
        .map(({ name }) => name)
        .sort(),
    ).toEqual([...INNER].sort());
    expect(rows.filter(({ anybody }) => anybody)).toEqual([]);
    expect(
      rows.filter(
        ({ definer, path }) =>
          definer && !/^search_path=(""|pg_catalog(, pg_temp|, public, pg_temp)?|public, pg_temp)$/.test(path ?? ''),
      ),
    ).toEqual([]);
  });

  it('with the database, its schemas and the server is to read, and nothing else', async () => {
    const [own] = await ask(
      `SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin,
              has_schema_privilege(rolname, 'public', 'USAGE') AS usage, has_schema_privilege(rolname, 'public', 'CREATE') AS create_here,
              has_database_privilege(rolname, current_database(), 'CREATE') AS create_schema,
              has_database_privilege(rolname, current_database(), 'TEMPORARY') AS temporary,
              has_parameter_privilege(rolname, 'session_replication_role', 'SET') AS triggers_off,
              ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid) AS memberships,
              ARRAY(SELECT nspname::text FROM pg_namespace
                      WHERE nspname !~ '^(pg_|information_schema$)' ORDER BY 1) AS schemas,
              (SELECT count(*)::int FROM pg_shdepend WHERE refobjid = r.oid AND deptype = 'o') AS owned
         FROM pg_roles AS r WHERE rolname = '${SERVICE_ROLE}'`,
    );
    expect(own).toEqual({
      ...{ rolsuper: false, rolcreaterole: false, rolcreatedb: false, rolreplication: false, rolbypassrls: false },
      ...{ rolcanlogin: false, usage: true, create_here: false, create_schema: false, temporary: false },
      ...{ triggers_off: false, memberships: [], schemas: ['public'], owned: 0 },
    });
  });
});
