import { rebuildFromArchive } from '../src/cli/rebuild.js';
import { listSchemaObjects, describeSchema } from '../src/chain/schema-check.sql.js';
import { readConfig } from '../src/config/config.js';
import { SERVICE_ROLE } from '../src/database/connection.js';
import { TRAIL_INDEXES } from '../src/events/trail-indexes.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { query } from './support/keys.js';
import { folderStore, onFolders } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { connected, runJob, verify } from './support/verification.js';

/** Facts of the catalogue that the description of the schema leaves out, and that decide how tables and indexes belong together. */
const BELONGING = `
  SELECT c.relname, c.relkind, c.relispartition, c.relhasindex, pg_get_expr(c.relpartbound, c.oid) AS bounds,
         i.inhparent::regclass::text AS parent, i.inhseqno, c.reloptions, c.relreplident, c.reltablespace,
         x.indisunique, x.indisprimary, x.indisvalid, x.indisready, x.indimmediate, x.indisclustered
    FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid LEFT JOIN pg_index AS x ON x.indexrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'i', 'I') ORDER BY c.relname`;
const COLUMNS = `
  SELECT a.attrelid::regclass::text AS relation, a.attname, a.attnum, a.attislocal, a.attinhcount, a.attstorage, a.attcompression,
         a.attstattarget, col_description(a.attrelid, a.attnum) AS comment
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 ORDER BY 1, a.attnum`;
const CONSTRAINTS = `
  SELECT k.conrelid::regclass::text AS relation, k.conname, k.contype, k.convalidated, k.conislocal, k.coninhcount, k.connoinherit,
         k.conparentid <> 0 AS has_parent, k.conindid::regclass::text AS by_index
    FROM pg_constraint AS k WHERE k.connamespace = 'public'::regnamespace AND k.conrelid <> 0 ORDER BY 1, k.conname`;

/** Counters whose digits, as PostgreSQL keeps them, are to the base of 10,000. */
const COUNTERS = ['0', '7', '9999', '10000', '99990000', '100000000', '12345678901234', '9223372036854775807'];

const NOW = new Date();
const monthsAgo = (back: number): Date => new Date(Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() - back, 15, 12));

onFolders('the tables that a rebuild makes', () => {
  const test = folderStore();
  let service: TestService;
  let copy: TestDatabase;

  beforeAll(async () => {
    service = await startService({
      env: { ARCHIVE_URL: test.url },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    copy = await createTestDatabase();
    // a month that is there already
    await query(copy, `SELECT create_month('${monthsAgo(1).toISOString().slice(0, 7)}-01')`);
    for (const back of [2, 1, 0]) {
      await connected(service.database.adminUrl, (admin) => moveTrailClock(admin, back === 0 ? NOW : monthsAgo(back)));
      await runJob(service, 'partition-maintenance');
      const first = sampleEvent();
      const events = [
        first,
        sampleEvent({ corrects: first.event_id, previous_state: { quantity: '1', text: '\u{1F600} \ufffd "\\\n' } }),
        sampleEvent({ entity_id: '\u00fc\u{1F680}', raw: { media_type: 'text/plain', data: 'AAECAw==' } }),
        sampleEvent({ raw: { media_type: 'text/plain', data: '' } }),
        ...COUNTERS.map((source_sequence) => sampleEvent({ source: 'oms', source_session: 's', source_sequence })),
      ];
      await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
    }
    // all of them in one object: its rows go into several tables
    await runJob(service, 'archive-export');
    const ledgers = await rebuildFromArchive(
      readConfig({
        ...{ DATABASE_URL: copy.serviceUrl, DATABASE_OWNER_URL: copy.ownerUrl, ARCHIVE_URL: test.url },
        ...{ ONLINE_MONTHS: '12', LOG_LEVEL: 'silent' },
      }),
      () => undefined,
    );
    expect(ledgers.map(({ verdict }) => verdict)).toEqual(['valid', 'valid']);
  });
  afterAll(async () => {
    await service.close();
    await copy.drop();
    test.close();
  });

  /** What the catalogue says of the same tables in a database that was migrated, and in which these months were made. */
  const catalogue = async (of: TestDatabase): Promise<unknown> => ({
    described: await connected(of.ownerUrl, async (owner) => {
      const { tables, functions } = await listSchemaObjects(owner);
      return describeSchema(owner, tables, functions, SERVICE_ROLE);
    }),
    belonging: await query(of, BELONGING),
    columns: await query(of, COLUMNS),
    constraints: await query(of, CONSTRAINTS),
  });

  it('have the indexes, constraints, triggers and rights, by the same names, that create_month and migrations give', async () => {
    const months = await query<{ month: string }>(copy, 'SELECT month::text FROM months ORDER BY month');
    expect(months).toHaveLength(3);
    const fresh = await createTestDatabase();
    try {
      for (const { month } of months) await query(fresh, `SELECT create_month('${month}')`);
      expect(await catalogue(copy)).toEqual(await catalogue(fresh));
    } finally {
      await fresh.drop();
    }
    const attached = await query<{ indexes: number }>(
      copy,
      `SELECT count(*)::integer AS indexes FROM pg_inherits AS i JOIN pg_index AS x ON x.indexrelid = i.inhrelid
         WHERE x.indrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit_events'::regclass) AND x.indisvalid`,
    );
    // all but the unique one of a month, which has no parent; and that of metadata
    expect(attached[0]!.indexes).toBe(months.length * TRAIL_INDEXES.length);
  });

  it('hold every value as it was', async () => {
    for (const text of [
      'SELECT * FROM audit_events ORDER BY ledger, sequence',
      'SELECT * FROM event_keys ORDER BY ledger, sequence',
      'SELECT tableoid::regclass::text, count(*) FROM audit_events GROUP BY 1 ORDER BY 1',
    ]) {
      expect(await query(copy, text)).toEqual(await query(service.database, text));
    }
  });

  it('are those of a deployment: an id counts once, nothing can be changed, and the schema is as it should be', async () => {
    const rebuilt = await startService({ env: { ARCHIVE_URL: test.url }, database: copy });
    try {
      const [known] = await query<{ event_id: string }>(
        copy,
        `SELECT event_id FROM audit_events WHERE ledger = 'main'`,
      );
      const repeated = sampleEvent({ event_id: known!.event_id, entity_id: 'another' });
      await rebuilt.http().post('/v1/ledgers/main/events').send(repeated).expect(409);
      const twice = `INSERT INTO event_keys SELECT * FROM event_keys LIMIT 1`;
      await expect(query(copy, twice)).rejects.toThrow(/duplicate key .*"event_keys_[0-7]_pkey"/);
      for (const change of ['DELETE FROM audit_events', 'TRUNCATE event_keys', 'UPDATE event_keys SET sequence = 1']) {
        await expect(query(copy, change)).rejects.toThrow();
      }
      expect((await runJob(rebuilt, 'schema-check')).outcome).toMatchObject({ verdict: 'valid' });
      expect(await verify(rebuilt)).toMatchObject({ verdict: 'valid' });
    } finally {
      await rebuilt.close();
    }
  });
});
