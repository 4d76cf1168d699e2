import pg from 'pg';
import { TRAIL_INDEXES } from '../src/events/trail-indexes.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { query } from './support/keys.js';
import { folderStore, type TestStore } from './support/stores.js';
import { endRow, publishesItsRows, tampering } from './support/tamper-matrix.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { connected, record, runJob, tamper, verify, type ShownVerification } from './support/verification.js';

/*
 * Rows that stand in their table and not in one of its indexes: reads by that index leave them out, and hashes, links and
 * keys say nothing of it. Each is made for real by a superuser, who switches an index off and on around an INSERT.
 */

let service: TestService;
let store: TestStore;
let ledgers = 0;

beforeAll(async () => {
  store = folderStore();
  service = await startService({ env: { ARCHIVE_URL: store.url }, settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS } });
});
afterAll(async () => {
  await service.close();
  store.close();
});

const CORRECTED = '0197f3a1-0000-7000-8000-0000000000c0';
const HIDDEN = 3;

/** The table of the month that lies `back` months before the present one, and its middle. */
function month(back = 0): { table: string; middle: Date } {
  const now = new Date();
  const middle = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 15, 12));
  return { table: `audit_events_${middle.toISOString().slice(0, 7).replace('-', '_')}`, middle };
}

async function newLedger(): Promise<string> {
  const ledger = `unindexed-${(ledgers += 1)}`;
  await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
  return ledger;
}

/** Does something while no row that comes gets into these indexes, as a superuser. */
async function withIndexesOff(names: readonly string[], work: () => Promise<unknown>): Promise<void> {
  const set = (isReady: boolean): Promise<unknown> =>
    connected(service.database.adminUrl, (admin) =>
      admin.query('UPDATE pg_index SET indisready = $1 WHERE indexrelid = ANY ($2::regclass[])', [isReady, names]),
    );
  await set(false);
  try {
    await work();
  } finally {
    await set(true);
  }
}

const members = (i: number): Record<string, unknown> => ({ corrects: i % 2 === 0 ? CORRECTED : undefined });

/** A ledger of five events, of which the third is in none of these indexes; its id. */
async function hidden(ledger: string, names: readonly string[]): Promise<{ event_id: string; entity_id: string }> {
  await record(service, HIDDEN - 1, ledger, members);
  const event = sampleEvent({ corrects: CORRECTED });
  await withIndexesOff(names, () => service.http().post(`/v1/ledgers/${ledger}/events`).send(event).expect(201));
  await record(service, 2, ledger, members);
  return { event_id: event.event_id, entity_id: event.entity_id as string };
}

/** `kind@sequence` of each finding, in order. */
function places({ findings }: Pick<ShownVerification, 'findings'>): string[] {
  return findings.map(({ kind, sequence }) => `${kind}@${sequence}`);
}

const leaves = (from: string, more: { blind?: string } = {}): void =>
  tampering('leaves an event out of an index', 'a superuser', from, more);

describe('an event that stands in its table', () => {
  it.each(TRAIL_INDEXES.slice(1))('and not in …_$suffix is found and named', async ({ suffix }) => {
    leaves(`…_${suffix} of its month`);
    const ledger = await newLedger();
    const index = `${month().table}_${suffix}`;
    const event = await hidden(ledger, [index]);
    const found = await verify(service, {}, ledger);
    expect(found).toMatchObject({ status: 'done', verdict: 'invalid', checked: '5', findings_total: '1', unread: [] });
    const detail = `${index} does not have the event: reads by this index leave it out`;
    expect(found.findings).toEqual([{ kind: 'index', sequence: '3', event_id: event.event_id, detail }]);
    // also by a verification of a few events, which looks each of them up
    const part = await verify(service, { from_sequence: '2', to_sequence: '4' }, ledger);
    expect(part.findings).toEqual(found.findings);
    endRow();
    expect((await verify(service, { from_sequence: '4' }, ledger)).verdict).toBe('valid');
  });

  it('and not in …_sequence_key is missing, and said to be there by the other indexes', async () => {
    leaves('…_sequence_key of its month');
    const ledger = await newLedger();
    await hidden(ledger, [`${month().table}_sequence_key`]);
    const found = await verify(service, {}, ledger);
    expect(found).toMatchObject({ status: 'done', verdict: 'invalid', unread: [] });
    expect(places(found)).toEqual(['missing@3', 'key@3', 'index@3']);
    expect(found.findings[2]!.detail).toMatch(
      /_sequence_key does not have the event, of which .*_entity_idx has an entry/,
    );
  });

  it('the only one of its ledger and not in …_sequence_key is found as well', async () => {
    leaves('…_sequence_key of its month, as the only one of its ledger');
    const ledger = await newLedger();
    await withIndexesOff([`${month().table}_sequence_key`], () => record(service, 1, ledger));
    expect(places(await verify(service, {}, ledger))).toContain('index@1');
  });

  it('and whose key is not in the primary key of its table is found and named', async () => {
    leaves('event_keys_…_pkey');
    const ledger = await newLedger();
    const all = Array.from({ length: 8 }, (_, i) => `event_keys_${i}_pkey`);
    const event = await hidden(ledger, all);
    const found = await verify(service, {}, ledger);
    expect(found).toMatchObject({ verdict: 'invalid', checked: '5', findings_total: '1', unread: [] });
    expect(found.findings).toMatchObject([{ kind: 'index', sequence: '3', event_id: event.event_id }]);
    expect(found.findings[0]!.detail).toMatch(/^event_keys_\d_pkey does not have the key of the event/);
    expect(places(await verify(service, { from_sequence: '3', to_sequence: '3' }, ledger))).toEqual(['index@3']);
  });

  it('and not in the index of metadata is not found', async () => {
    leaves('…_metadata_idx of its month (GIN)', {
      blind:
        'a GIN index cannot be read from one end to the other; searches by metadata that go by it leave the event out, all others show it. amcheck of PostgreSQL 18 finds it',
    });
    const ledger = await newLedger();
    await hidden(ledger, [`${month().table}_metadata_idx`]);
    expect((await verify(service, {}, ledger)).verdict).toBe('valid');
  });

  it('is lost to whoever asks for the history of its order, which the daily verification tells', async () => {
    const ledger = await newLedger();
    const { entity_id: order } = await hidden(ledger, [`${month().table}_entity_idx`]);
    await service.http().get(`/v1/ledgers/${ledger}/orders/${order}/history`).expect(404);
    const { outcome } = await runJob(service, 'chain-verification');
    expect(outcome.verdict).toBe('invalid');
    expect(outcome.ledgers.find((each) => each.ledger === ledger)).toMatchObject({
      verdict: 'invalid',
      findings_total: '1',
    });
    const { body } = await service
      .http()
      .get('/v1/ledgers/_service/events?event_type=verification&limit=1000')
      .expect(200);
    const told = (body.events as { new_state: { ledger?: string } }[]).find(
      ({ new_state }) => new_state.ledger === ledger,
    );
    expect(told).toMatchObject({ new_state: { findings: [{ kind: 'index', sequence: '3' }] } });
    const { text } = await service.http().get('/metrics').expect(200);
    expect(text).toContain(`truetrail_verification_findings_total{ledger="${ledger}",kind="index"} 1`);
  });

  it('and in an index under values that are not its own is found and named', async () => {
    leaves('…_entity_idx of its month, which has it as another order’s');
    const { table } = month();
    const ledger = await newLedger();
    const receipts = await record(service, 5, ledger);
    // the index of a copy of the table, the same in all but one value, in the place of its own
    const changed = `CASE WHEN e.ledger = '${ledger}' AND e.sequence = 3 THEN '{"entity_id": "O"}' ELSE '{}' END`;
    await tamper(
      service.database.adminUrl,
      `CREATE TABLE copied (LIKE ${table})`,
      `INSERT INTO copied SELECT (jsonb_populate_record(e, ${changed}::jsonb)).* FROM ${table} AS e ORDER BY e.ctid`,
      `VACUUM FULL ${table}`,
      `VACUUM FULL copied`,
      `CREATE INDEX copied_idx ON copied (ledger, entity_type, entity_id, sequence)`,
    );
    const [{ moved } = { moved: '?' }] = await query<{ moved: string }>(
      service.database,
      `SELECT count(*) AS moved FROM ${table} AS e JOIN copied AS c ON c.event_id = e.event_id AND c.ledger = e.ledger
         WHERE c.ctid <> e.ctid`,
    );
    expect(moved).toBe('0');
    const swap = `UPDATE pg_class AS a SET relfilenode = b.relfilenode FROM pg_class AS b
      WHERE (a.oid, b.oid) IN (('copied_idx'::regclass, '${table}_entity_idx'::regclass), ('${table}_entity_idx'::regclass, 'copied_idx'::regclass))`;
    await tamper(service.database.adminUrl, swap);
    try {
      const found = await verify(service, {}, ledger);
      expect(found).toMatchObject({ verdict: 'invalid', findings_total: '2', unread: [] });
      expect(found.findings.map(({ sequence, event_id, detail }) => [sequence, event_id, detail])).toEqual([
        ['3', receipts[2]!.event_id, `${table}_entity_idx does not have the event: reads by this index leave it out`],
        ['3', receipts[2]!.event_id, `${table}_entity_idx has the event under values that are not its own`],
      ]);
    } finally {
      endRow();
      await tamper(service.database.adminUrl, swap, 'DROP TABLE copied');
    }
    expect((await verify(service, {}, ledger)).verdict).toBe('valid');
  });
});

describe('a month that is archived and still here', () => {
  it('is compared like the others', async () => {
    leaves('…_entity_idx of an archived month that is still online');
    const ledger = await newLedger();
    const { table, middle } = month(2);
    await connected(service.database.adminUrl, (admin) => moveTrailClock(admin, middle));
    try {
      await runJob(service, 'partition-maintenance');
      await hidden(ledger, [`${table}_entity_idx`]);
    } finally {
      await connected(service.database.adminUrl, (admin) => moveTrailClock(admin, new Date()));
    }
    await record(service, 2, ledger);
    await runJob(service, 'partition-maintenance');
    await runJob(service, 'archive-export');
    const { body: ranges } = await service.http().get(`/v1/ledgers/${ledger}`).expect(200);
    expect(ranges.size).toBe('7');
    const [sealed] = await query<{ state: string; archived: boolean }>(
      service.database,
      `SELECT m.state, EXISTS (SELECT FROM archive_ranges WHERE ledger = $1 AND kind = 'month') AS archived
         FROM months AS m WHERE m.partition_name = $2`,
      [ledger, table],
    );
    expect(sealed).toEqual({ state: 'sealed', archived: true });
    const found = await verify(service, {}, ledger);
    expect(places(found)).toEqual(['index@3']);
    expect(found.findings[0]!.detail).toContain(`${table}_entity_idx`);
  });
});

describe('a comparison', () => {
  it('is of each B-tree that a month and a table of keys have', async () => {
    const names = await query<{ name: string }>(
      service.database,
      `SELECT c.relname AS name FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS a ON a.oid = c.relam
         WHERE a.amname = 'btree' AND i.indrelid IN ($1::regclass, 'event_keys_0'::regclass) ORDER BY 1`,
      [month().table],
    );
    const compared = TRAIL_INDEXES.map(({ suffix }) => `${month().table}_${suffix}`);
    expect(names.map(({ name }) => name)).toEqual([...compared, 'event_keys_0_pkey'].sort());
  });

  it('of a ledger that is appended to meanwhile finds nothing', async () => {
    const ledger = await newLedger();
    await record(service, 2_000, ledger, members);
    let isOver = false;
    const appends = (async () => {
      while (!isOver) await record(service, 20, ledger, members);
    })();
    const verdicts: unknown[] = [];
    try {
      for (let i = 0; i < 4; i++) {
        const { verdict, findings, unread } = await verify(service, {}, ledger);
        verdicts.push({ verdict, findings, unread });
      }
    } finally {
      isOver = true;
      await appends;
    }
    expect(verdicts).toEqual(verdicts.map(() => ({ verdict: 'valid', findings: [], unread: [] })));
  });

  it('of a ledger of which months leave meanwhile finds nothing', async () => {
    const archive = folderStore();
    const leaving = await startService({
      env: { ARCHIVE_URL: archive.url, ONLINE_MONTHS: '1' },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    const clockTo = (time: Date): Promise<unknown> =>
      connected(leaving.database.adminUrl, (admin) => moveTrailClock(admin, time));
    try {
      const old = [6, 5, 4, 3].map((back) => month(back));
      for (const { middle } of old) {
        await clockTo(middle);
        await runJob(leaving, 'partition-maintenance');
        await record(leaving, 1_500, 'main', members);
      }
      await clockTo(new Date());
      await record(leaving, 10, 'main', members);
      await runJob(leaving, 'partition-maintenance');
      await runJob(leaving, 'archive-export');
      let isOver = false;
      const verdicts: unknown[] = [];
      const verifyOnAndOn = async (): Promise<void> => {
        while (!isOver) {
          const { verdict, findings } = await verify(leaving);
          verdicts.push({ verdict, findings });
        }
      };
      // the first begins before a month leaves, and one takes about as long as a run of retention
      const verifications = Promise.all([verifyOnAndOn(), verifyOnAndOn()]);
      const states = async (): Promise<string[]> => {
        const names = old.map(({ table }) => table);
        const select = 'SELECT state FROM months WHERE partition_name = ANY ($1)';
        return (await query<{ state: string }>(leaving.database, select, [names])).map(({ state }) => state);
      };
      try {
        for (let run = 0; run < 20 && (await states()).some((state) => state !== 'dropped'); run++) {
          await runJob(leaving, 'retention');
        }
      } finally {
        isOver = true;
        await verifications;
      }
      expect(new Set(await states())).toEqual(new Set(['dropped']));
      expect(verdicts).toEqual(verdicts.map(() => ({ verdict: 'valid', findings: [] })));
      expect(await verify(leaving)).toMatchObject({ verdict: 'valid', checked: '6010' });
    } finally {
      await leaving.close();
      archive.close();
    }
  });

  it('does not judge an index that is not there', async () => {
    const ledger = await newLedger();
    const index = `${month().table}_user_idx`;
    await record(service, 3, ledger);
    const set = (isValid: boolean): Promise<unknown> =>
      connected(service.database.adminUrl, (admin: pg.Client) =>
        admin.query('UPDATE pg_index SET indisvalid = $1 WHERE indexrelid = $2::regclass', [isValid, index]),
      );
    await set(false);
    try {
      const found = await verify(service, {}, ledger);
      expect(found).toMatchObject({ verdict: 'undecided', findings_total: '0' });
      expect(found.unread).toMatchObject([
        { reason: expect.stringContaining(`${index}: PostgreSQL does not read by it`) },
      ]);
    } finally {
      await set(true);
    }
    expect((await verify(service, {}, ledger)).verdict).toBe('valid');
  });
});

publishesItsRows('tamper-indexes.e2e-spec.ts');
