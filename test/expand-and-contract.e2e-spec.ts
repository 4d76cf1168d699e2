import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { describeSchema, listSchemaObjects } from '../src/chain/schema-check.sql.js';
import { SERVICE_ROLE } from '../src/database/connection.js';
import { MIGRATIONS } from '../migrations/index.js';

/** What a schema says, by what it says it about; as the daily check of the schema sees it. */
type Facts = Map<string, string>;

const BODY = /, body [0-9a-f]{64}$/;

/**
 * What of one migration may break replicas of the release before, which go on while it runs and after: what they may name
 * is gone or another, or something that they may write is refused now. Bodies of functions are not looked at: those are
 * read by people.
 */
function breaks(before: Facts, after: Facts): string[] {
  const found: string[] = [];
  const wasThere = (table: string): boolean => before.has(`table ${table}`);
  for (const [about, said] of before) {
    const [kind] = about.split(' ') as [string];
    const says = after.get(about);
    if (kind === 'index' || kind === 'trigger' || kind === 'role' || kind === 'name') continue; // less of these refuses nothing
    if (kind === 'constraint') {
      if (says !== undefined && says !== said) found.push(`${about} is another`);
    } else if (says === undefined) found.push(`${about} is gone`);
    else if (kind === 'grant' && said.split(', ').some((right) => !says.split(', ').includes(right)))
      found.push(`${about} is less`);
    else if (kind === 'function' && says.replace(BODY, '') !== said.replace(BODY, ''))
      found.push(`${about} is another`);
    else if (kind === 'column' && !isWiderColumn(said, says)) found.push(`${about} is another`);
  }
  for (const [about, says] of after) {
    const [, kind, table] = /^(\w+) (\w+)\./.exec(about) ?? [];
    if (before.has(about) || table === undefined || !wasThere(table)) continue;
    if (kind === 'column' && says.includes('NOT NULL') && !/ (DEFAULT|IDENTITY|GENERATED)/.test(says))
      found.push(`${about} must be given`);
    // what a new column alone must be is no business of those who do not know it
    if (kind === 'constraint' && !onNewColumnsOnly(says, table, before, after)) found.push(`${about} may refuse`);
    if (kind === 'trigger') found.push(`${about} may refuse`);
    if (kind === 'index' && says.includes('UNIQUE')) found.push(`${about} may refuse`);
  }
  return found.sort();
}

/** A column may be allowed to be NULL, or be given a default, and is otherwise as it was. */
function isWiderColumn(said: string, says: string): boolean {
  const type = (text: string): string => text.replace(/ (NOT NULL|DEFAULT .*|IDENTITY)/g, '');
  return type(said) === type(says) && !(says.includes('NOT NULL') && !said.includes('NOT NULL'));
}

function onNewColumnsOnly(definition: string, table: string, before: Facts, after: Facts): boolean {
  const columnsOf = (facts: Facts): string[] =>
    [...facts.keys()].flatMap((about) => (about.startsWith(`column ${table}.`) ? [about.split('.')[1]!] : []));
  const old = new Set(columnsOf(before));
  const named = columnsOf(after).filter((column) => new RegExp(`\\b${column}\\b`).test(definition));
  return named.length > 0 && named.every((column) => !old.has(column));
}

/**
 * What the migrations until the first release break, for replicas that nobody runs. A migration that comes after it must
 * add nothing here: what it is to take away goes in the release after the one that no longer uses it.
 */
const BEFORE_THE_FIRST_RELEASE: Record<string, string[]> = {
  // months got states, and ledgers a border behind which they are archived
  SealAndDropMonths1795910400000: [
    'constraint archive_objects.archive_objects_kind_check is another', // takes one kind more
    'constraint ledger_heads.ledger_heads_archived_to_check may refuse',
    'constraint months.months_state_times_check may refuse',
    'function create_ledger(p_ledger text, p_origin text) is another',
  ],
  // what was sent has no time after which it is thrown away any more
  KeepFilesAsSent1797552000000: ['constraint reporting_runs.reporting_runs_expires_check is another'],
  KeepDigests1796428800000: ['constraint archive_objects.archive_objects_kind_check is another'], // one kind more
  // refusals are what these two are for
  TakeBackBegunDeletions1796947201000: ['trigger archive_removals.archive_removals_refuse_delete may refuse'],
  RequireASecondPerson1797033601000: [
    'trigger legal_hold_acts.legal_hold_acts_refuse_own may refuse',
    'trigger month_deletion_acts.month_deletion_acts_refuse_own may refuse',
  ],
  // several notes of succession for one key: replicas before it cannot write any, once the signing key was changed
  GiveKeysLinesOfSuccessions1797206400000: [
    'column key_successions.position must be given',
    'constraint key_successions.key_successions_pkey is another',
  ],
  // it refuses less than the constraint on kind and subject that it is there for
  JudgeFeedbackAgain1797642371000: ['index reporting_acts.reporting_acts_submission_key may refuse'],
};

describe('each migration, beside replicas of the release before it', () => {
  let admin: pg.Client;
  let client: pg.Client;
  const name = `truetrail_test_${process.env.TEST_RUN_ID}_${randomBytes(4).toString('hex')}`;
  const url = (base: string): string => Object.assign(new URL(base), { pathname: `/${name}` }).href;

  beforeAll(async () => {
    admin = new pg.Client({ connectionString: process.env.TEST_ADMIN_URL });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${name} OWNER truetrail_owner`);
    client = new pg.Client({
      connectionString: url(process.env.TEST_OWNER_URL_BASE!),
      options: '-c TimeZone=UTC -c DateStyle=ISO',
    });
    await client.connect();
  });
  afterAll(async () => {
    await client?.end();
    await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await admin.end();
  });

  async function facts(): Promise<Facts> {
    const { tables, functions } = await listSchemaObjects(client);
    const described = await describeSchema(client, tables, functions, SERVICE_ROLE);
    return new Map(described.map(({ about, says }) => [about, says]));
  }

  async function migrateTo(count: number): Promise<Facts> {
    const source = new DataSource({
      type: 'postgres',
      url: url(process.env.TEST_OWNER_URL_BASE!),
      migrations: MIGRATIONS.slice(0, count),
      migrationsTableName: 'schema_migrations',
      migrationsTransactionMode: 'each',
    });
    await source.initialize();
    try {
      await source.runMigrations();
    } finally {
      await source.destroy();
    }
    return facts();
  }

  it('takes away, renames, narrows and demands nothing that they use', async () => {
    const found: Record<string, string[]> = {};
    let before = await migrateTo(1);
    for (let count = 2; count <= MIGRATIONS.length; count++) {
      const after = await migrateTo(count);
      const broken = breaks(before, after);
      if (broken.length > 0) found[MIGRATIONS[count - 1]!.name] = broken;
      before = after;
    }
    expect(found).toEqual(BEFORE_THE_FIRST_RELEASE);
  });

  /** What the rules say of a change of the whole schema, which is then taken back. */
  async function breaksBy(change: string): Promise<string[]> {
    const before = await facts();
    await client.query('BEGIN');
    try {
      await client.query(change);
      return breaks(before, await facts());
    } finally {
      await client.query('ROLLBACK');
    }
  }

  it.each([
    ['a table that is dropped', 'DROP TABLE report_runs CASCADE'],
    ['a table of another name', 'ALTER TABLE months RENAME TO moons'],
    ['a column that is dropped', 'ALTER TABLE report_runs DROP COLUMN attempts'],
    ['a column of another name', 'ALTER TABLE report_runs RENAME COLUMN attempts TO tries'],
    ['a column of another type', 'ALTER TABLE report_runs ALTER COLUMN attempts TYPE bigint'],
    ['a column that must be given', 'ALTER TABLE report_runs ADD COLUMN wanted text NOT NULL'],
    ['a column that may be NULL no more', 'ALTER TABLE ledger_heads ALTER COLUMN event_hash SET NOT NULL'],
    ['a constraint', 'ALTER TABLE report_runs ADD CONSTRAINT few CHECK (attempts < 3)'],
    ['a unique index', 'CREATE UNIQUE INDEX one_each ON report_runs (attempts)'],
    ['a trigger', 'CREATE TRIGGER t BEFORE UPDATE ON months FOR EACH ROW EXECUTE FUNCTION refuse_own_approval()'],
    ['a right that is taken', 'REVOKE SELECT ON months FROM truetrail_service'],
    ['a function that is dropped', 'DROP FUNCTION trail_now() CASCADE'],
    [
      'a function that returns something else',
      'DROP FUNCTION trail_now() CASCADE; CREATE FUNCTION trail_now() RETURNS text LANGUAGE sql AS $$ SELECT now()::text $$',
    ],
  ])('%s is told of', async (_, change) => {
    expect(await breaksBy(change)).not.toEqual([]);
  });

  it.each([
    ['a column that may be NULL', 'ALTER TABLE report_runs ADD COLUMN note text'],
    ['a column with a default', 'ALTER TABLE report_runs ADD COLUMN note text NOT NULL DEFAULT 0'],
    [
      'a rule for a new column',
      'ALTER TABLE report_runs ADD COLUMN note text, ADD CONSTRAINT short CHECK (length(note) < 9)',
    ],
    ['a table', 'CREATE TABLE notes (note text NOT NULL UNIQUE)'],
    ['an index', 'CREATE INDEX by_attempts ON report_runs (attempts)'],
    ['a function', 'CREATE FUNCTION trail_day() RETURNS date LANGUAGE sql AS $$ SELECT current_date $$'],
    ['a right', 'GRANT DELETE ON months TO truetrail_service'],
  ])('%s is none', async (_, change) => {
    expect(await breaksBy(change)).toEqual([]);
  });
});
