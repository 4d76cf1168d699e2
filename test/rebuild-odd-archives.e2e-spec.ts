import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Exporter } from '../src/archive/exporter.js';
import { rebuildFromArchive } from '../src/cli/rebuild.js';
import { readConfig } from '../src/config/config.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { query } from './support/keys.js';
import { folderStore, onFolders, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { connected, record, runJob, verify } from './support/verification.js';

const NOW = new Date();
const monthsAgo = (back: number): Date => new Date(Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() - back, 15, 12));

let test: TestStore;
let service: TestService;
let copy: TestDatabase;
beforeEach(async () => {
  test = folderStore();
  service = await startOn();
  copy = await createTestDatabase();
});
afterEach(async () => {
  await service.close();
  await copy.drop();
  test.close();
});

function startOn(database?: TestDatabase): Promise<TestService> {
  return startService({
    env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12' },
    settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    ...(database ? { database } : {}),
  });
}

const rebuildCopy = () =>
  rebuildFromArchive(
    readConfig({
      ...{ DATABASE_URL: copy.serviceUrl, DATABASE_OWNER_URL: copy.ownerUrl, ARCHIVE_URL: test.url },
      ...{ ONLINE_MONTHS: '12', LOG_LEVEL: 'silent' },
    }),
    () => undefined,
  );

/** Leaves an archive as it was before the objects after one were written. */
function cutAfter(number: number): void {
  const root = fileURLToPath(test.url);
  for (const kind of ['early', 'month', 'entities', 'digests']) {
    for (const name of readdirSync(join(root, kind), { withFileTypes: true })) {
      if (!name.isFile() || Number(name.name.split('-')[0]) <= number) continue;
      const file = join(root, kind, name.name);
      chmodSync(file, 0o600);
      rmSync(file);
    }
  }
}

onFolders('a rebuild from an archive that ends between the indexes of an old month', () => {
  it.each([1, 2])('has the month in the database, as before it left; %d of the indexes are there', async (written) => {
    Object.assign(service.app.get(Exporter), { maxObjectEvents: { early: 32_768n, month: 25n, entities: 50n } });
    await service.http().put('/v1/ledgers/desk-1').expect(201);
    const at = (back: number) =>
      connected(service.database.adminUrl, (admin) => moveTrailClock(admin, back === 0 ? NOW : monthsAgo(back)));
    for (const back of [15, 14]) {
      await at(back);
      await runJob(service, 'partition-maintenance');
      for (const ledger of ['main', 'desk-1']) await record(service, 60, ledger);
      await runJob(service, 'archive-export');
    }
    await at(0);
    await runJob(service, 'partition-maintenance');
    await runJob(service, 'archive-export');
    const month = `${monthsAgo(14).toISOString().slice(0, 7)}-01`;
    const indexes = await query<{ number: string }>(
      service.database,
      `SELECT DISTINCT o.number FROM archive_objects AS o JOIN archive_ranges AS r USING (number)
         WHERE o.kind = 'entities' AND r.least_recorded_at >= '${month}' ORDER BY o.number`,
    );
    expect(indexes.length).toBeGreaterThan(2);
    cutAfter(Number(indexes[written - 1]!.number));

    const ledgers = await rebuildCopy();
    expect(ledgers.map(({ ledger, verdict }) => [ledger, verdict])).toEqual([
      ['_service', 'valid'],
      ['desk-1', 'valid'],
      ['main', 'valid'],
    ]);
    expect(await query(copy, `SELECT ledger, size FROM ledger_heads WHERE ledger <> '_service' ORDER BY 1`)).toEqual([
      { ledger: 'desk-1', size: '120' },
      { ledger: 'main', size: '120' },
    ]);
    const states = `SELECT state FROM months WHERE month IN ('${month}', date '${month}' - interval '1 month') ORDER BY month`;
    expect(await query(copy, states)).toEqual([{ state: 'dropped' }, { state: 'open' }]);

    await service.close();
    const rebuilt = await startOn(copy);
    try {
      await runJob(rebuilt, 'partition-maintenance');
      expect((await runJob(rebuilt, 'archive-export')).outcome).toMatchObject({ refused: [], adopted: 0 });
      expect((await runJob(rebuilt, 'retention')).outcome).toMatchObject({
        ...{ dropped: expect.arrayContaining([month]), kept: [] },
      });
      expect(await verify(rebuilt)).toMatchObject({ verdict: 'valid' });
      const { body } = await rebuilt.http().get('/v1/ledgers/main/events?limit=1000').expect(200);
      expect(body.events).toHaveLength(120);
    } finally {
      await rebuilt.close();
    }
  });
});

/** An object that nests as deep as an event takes it: the event's own braces are the first. */
function nested(depth: number): Record<string, unknown> {
  return depth === 1 ? { end: [] } : { in: nested(depth - 1) };
}

const ODD_NAMES = ['0', '0-', 'select', 'a--b', '1797698437000', `z${'9'.repeat(62)}`];
const NUMBERS = [
  ...[0, -0, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 9007199254740991, -9007199254740991],
  ...[0.1 + 0.2, 123456789.123456789, 1e20, 100, 4.35],
];

onFolders('a rebuild of values at the ends of what is taken', () => {
  it('has them as they were, finds them, and goes on', async () => {
    for (const name of ODD_NAMES) await service.http().put(`/v1/ledgers/${name}`).expect(201);
    const long = '\u{10ffff}'.repeat(255);
    const events = [
      sampleEvent({ timestamp: '1970-01-01T00:00:00Z' }),
      sampleEvent({ timestamp: '1970-01-01T14:00:00.000000001+14:00' }),
      sampleEvent({ timestamp: '1999-12-31T23:59:59.999999999Z' }),
      sampleEvent({ timestamp: '2000-01-01T00:00:00.000000000Z' }),
      sampleEvent({ timestamp: '2199-12-31T23:59:59.999999999Z' }),
      sampleEvent({
        entity_id: long,
        user_id: long,
        event_type: '\u{1f680}'.repeat(100),
        entity_type: '\u00a0'.repeat(50),
      }),
      sampleEvent({ entity_id: '\\N', user_id: '\ufeff', action: '{}', entity_type: '"' }),
      sampleEvent({ raw: { media_type: 'x', data: Buffer.alloc(65_536, 255).toString('base64') } }),
      sampleEvent({ raw: { media_type: long, data: Buffer.from([0, 10, 92, 46, 10]).toString('base64') } }),
      sampleEvent({ new_state: nested(30), previous_state: {}, metadata: { '': '', ' ': [null, true, [[]]] } }),
      sampleEvent({
        new_state: { numbers: NUMBERS },
        metadata: { text: '\u0001\u001f\u007f\u2028\ufffe\uffff\ud800\udc00' },
      }),
      sampleEvent({ new_state: { text: 'a'.repeat(200_000) } }),
      sampleEvent({ new_state: Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, i / 7])) }),
      sampleEvent({ source: long, source_session: long, source_sequence: '9999999999999999999' }),
      sampleEvent({ source: 's', source_session: ' ', source_sequence: '0' }),
    ];
    await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
    for (const name of ODD_NAMES) await record(service, 2, name);
    await service.http().put('/v1/ledgers/nothing').expect(201);
    await runJob(service, 'archive-export');
    const ledgers = await rebuildCopy();
    expect(new Set(ledgers.map(({ verdict }) => verdict))).toEqual(new Set(['valid']));
    for (const text of [
      'SELECT * FROM audit_events ORDER BY ledger, sequence',
      'SELECT md5(e::text) FROM audit_events AS e ORDER BY ledger, sequence',
      'SELECT * FROM event_keys ORDER BY ledger, sequence',
    ]) {
      expect(await query(copy, text)).toEqual(await query(service.database, text));
    }
    const { body: before } = await service.http().get('/v1/ledgers/main/events?limit=1000').expect(200);
    await service.close();
    const rebuilt = await startOn(copy);
    try {
      const { body: after } = await rebuilt.http().get('/v1/ledgers/main/events?limit=1000').expect(200);
      expect(after).toEqual(before);
      expect(after.events).toHaveLength(events.length);
      for (const { event_id: id, entity_id, entity_type, user_id, event_type, action, timestamp: from } of events) {
        for (const by of [{ entity_id, entity_type }, { user_id }, { event_type }, { action }, { from }]) {
          const query = { ...by, limit: '1000' };
          const { body } = await rebuilt.http().get('/v1/ledgers/main/events').query(query).expect(200);
          expect(body.events).toContainEqual(expect.objectContaining({ event_id: id }));
        }
      }
      for (const name of ODD_NAMES) await record(rebuilt, 1, name);
      await record(rebuilt, 1);
      expect((await runJob(rebuilt, 'archive-export')).outcome).toMatchObject({ refused: [], adopted: 0 });
      expect((await runJob(rebuilt, 'schema-check')).outcome).toMatchObject({ verdict: 'valid' });
      for (const name of ['main', ...ODD_NAMES])
        expect(await verify(rebuilt, {}, name)).toMatchObject({ verdict: 'valid' });
    } finally {
      await rebuilt.close();
    }
  });
});
