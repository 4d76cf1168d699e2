import { chmodSync, existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { pino } from 'pino';
import { Exporter } from '../src/archive/exporter.js';
import { ArchiveReader } from '../src/archive/archive-reader.js';
import { ObjectFiles } from '../src/archive/object-files.js';
import type { ObjectStore } from '../src/archive/object-store.js';
import { ARCHIVED_EVENTS, type ArchivedEvents } from '../src/archive/archived-events.js';
import { POOL } from '../src/database/tokens.js';
import { Ledgers } from '../src/events/ledgers.js';
import { OrderHistory } from '../src/events/order-history.js';
import { readHistoryRequest } from '../src/events/search-query.dto.js';
import { ClockMonitor } from '../src/operation/clock-monitor.js';
import { sampleEvent, startService, takeTurn, type TestService } from './support/app.js';
import { createKey } from './support/keys.js';
import { STORES, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { connected, runJob } from './support/verification.js';

/** The first day of a time's month. */
function firstOf(time: Date): string {
  return `${time.toISOString().slice(0, 7)}-01`;
}

/** A day of the month that lies `back` months before the present one, noon. */
function monthsAgo(back: number, day = 15): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, day, 12));
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'months that are archived in %s',
  (_, make) => {
    let test: TestStore;
    let service: TestService;
    let admin: pg.Client;
    beforeEach(async () => {
      test = await make();
      service = await startService({
        env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12' },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      });
      admin = new pg.Client({ connectionString: service.database.adminUrl });
      await admin.connect();
    });
    afterEach(async () => {
      await admin.end();
      await service.close();
      test.close();
    });

    async function run(job: string): Promise<Record<string, unknown>> {
      const { status, outcome } = await runJob(service, job);
      if (status !== 'done') throw new Error(JSON.stringify(outcome));
      return outcome as unknown as Record<string, unknown>;
    }

    async function record(count: number, members: Record<string, unknown> = {}, ledger = 'main'): Promise<string[]> {
      const events = Array.from({ length: count }, () => sampleEvent(members));
      const { body } = await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
      return body.receipts.map(({ recorded_at }: { recorded_at: string }) => recorded_at);
    }

    /** Events of two months that are long over, both of them sealed and archived. */
    async function archiveTwoMonths(): Promise<[string, string]> {
      for (const back of [15, 14]) {
        await moveTrailClock(admin, monthsAgo(back));
        await run('partition-maintenance');
        await record(30, { entity_id: 'O-1' });
      }
      await moveTrailClock(admin, new Date());
      await run('partition-maintenance');
      await run('archive-export');
      return [firstOf(monthsAgo(15)), firstOf(monthsAgo(14))];
    }

    const stateOf = async (month: string): Promise<string> =>
      (await admin.query<{ state: string }>('SELECT state FROM months WHERE month = $1', [month])).rows[0]!.state;

    const states = async (): Promise<string[]> =>
      (await admin.query<{ state: string }>('SELECT state FROM months ORDER BY month')).rows.map(({ state }) => state);

    it('are closed, sealed, archived once more, retired and dropped, each when it may', async () => {
      await moveTrailClock(admin, monthsAgo(14));
      await run('partition-maintenance');
      const events = Array.from({ length: 50 }, () => sampleEvent());
      await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
      await moveTrailClock(admin, new Date());
      const { closed, sealed } = (await run('partition-maintenance')) as { closed: string[]; sealed: string[] };
      expect(closed).toHaveLength(4); // the month, and three that were made ahead of it
      expect(sealed).toEqual(closed);
      expect((await run('archive-export')).months).toEqual([closed[0]]);
      expect(await run('retention')).toMatchObject({
        retired: closed.slice(0, 2),
        dropped: closed.slice(0, 2),
        kept: [],
      });
      expect((await states()).slice(0, 5)).toEqual(['dropped', 'dropped', 'sealed', 'sealed', 'open']);
      expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [] });
    });

    it('let nothing in once they are closed, whatever the clock says, nor begin a ledger before their end', async () => {
      await moveTrailClock(admin, monthsAgo(3));
      await run('partition-maintenance');
      await record(2);
      await moveTrailClock(admin, monthsAgo(1));
      await run('partition-maintenance');
      const floor = `${firstOf(monthsAgo(1))}T00:00:00.000000Z`; // the end of the last closed month
      const { body: before } = await service.http().get('/v1/ledgers/main').expect(200);
      expect(before.recorded_at.slice(0, 7)).toBe(firstOf(monthsAgo(3)).slice(0, 7)); // the last event's, not the floor
      await moveTrailClock(admin, monthsAgo(3)); // set back
      expect(await record(2)).toEqual([floor, floor]);
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      expect(await record(1, {}, 'desk-1')).toEqual([floor]);
      const name = `audit_events_${firstOf(monthsAgo(3)).slice(0, 7).replace('-', '_')}`;
      // nor does the owner get a row in
      await expect(admin.query(`INSERT INTO ${name} SELECT * FROM ${name} LIMIT 1`)).rejects.toMatchObject({
        constraint: `${name}_sealed_check`,
      });
      const changes = async (): Promise<string[]> => {
        const { findings } = (await run('schema-check')) as { findings: { detail: string }[] };
        return findings.map(({ detail }) => detail).filter((detail) => !detail.startsWith('function trail_now'));
      };
      expect(await changes()).toEqual([]);
      await admin.query(`ALTER TABLE ${name} DROP CONSTRAINT ${name}_sealed_check`);
      expect(await changes()).toEqual([expect.stringContaining(`${name}_sealed_check`)]);
    });

    it('are not closed while the clocks disagree, and are there again after a sleep of half a year', async () => {
      await run('partition-maintenance');
      const careful = await startService({ env: { ARCHIVE_URL: 'off' }, database: service.database });
      try {
        await moveTrailClock(admin, monthsAgo(-6));
        while (careful.app.get(ClockMonitor).agrees) await pause(50);
        expect((await runJob(careful, 'partition-maintenance')).outcome).toMatchObject({ closed: [], sealed: [] });
      } finally {
        await careful.close();
      }
      expect(await run('partition-maintenance')).toMatchObject({ months_ahead: 3 });
      const [at] = await record(1);
      expect(at!.slice(0, 7)).toBe(monthsAgo(-6).toISOString().slice(0, 7));
      expect(await states()).not.toContain('closed'); // each that is over is sealed at once
    });

    it('are archived whole after a crash at any step', async () => {
      class Crash extends Error {}
      /** A month is three objects, and its index two. */
      class SmallObjects extends Exporter {
        protected override readonly maxObjectEvents = { early: 32_768n, month: 15n, entities: 30n };
      }
      const crashing = (at: number, after: boolean): ObjectStore => {
        let calls = 0;
        const proxy: ObjectStore = new Proxy(test.store, {
          get(target, name) {
            if (name === 'within') return () => proxy;
            const member = Reflect.get(target, name) as unknown;
            if (typeof member !== 'function') return member;
            return (...parameters: unknown[]): unknown => {
              calls += 1;
              // who has crashed asks the store for nothing more, also not for the object that it wrote meanwhile
              if (calls > at || (calls === at && (!after || name === 'list' || name === 'read'))) throw new Crash();
              const result = (member as (...all: unknown[]) => unknown).apply(target, parameters);
              if (calls !== at || !(result instanceof Promise)) return result;
              return result.then(() => {
                throw new Crash();
              });
            };
          },
        });
        return proxy;
      };
      await moveTrailClock(admin, monthsAgo(14));
      await run('partition-maintenance');
      await record(40, { entity_id: 'O-1' });
      await moveTrailClock(admin, new Date());
      await run('partition-maintenance');
      const turn = await takeTurn(service, 'archive-export');
      const settings = { ARCHIVE_EXPORT_AGE: 1_000, ARCHIVE_EXPORT_EVENTS: 1, ARCHIVE_RETENTION_YEARS: 7 };
      const pool = service.app.get<pg.Pool>(POOL);
      let crashes = 0;
      for (let at = 1; at <= 60; at++) {
        const exporter = new SmallObjects(settings, pool, service.database.serviceUrl, crashing(at, at % 2 === 0));
        const signal = new AbortController().signal;
        try {
          await exporter.run({ takeAll: true, requestedBy: 'key:test', signal, log: pino({ level: 'silent' }) });
          break;
        } catch (error) {
          expect(error).toBeInstanceOf(Crash);
          crashes += 1;
        }
      }
      await turn.release();
      expect(crashes).toBeGreaterThan(8);
      const { rows } = await admin.query<{ kind: string; from: string; to: string }>(
        `SELECT kind, min(from_sequence) AS from, max(to_sequence) AS to, sum(to_sequence - from_sequence + 1) AS events
           FROM archive_ranges WHERE ledger = 'main' GROUP BY kind ORDER BY kind`,
      );
      expect(rows).toEqual(
        ['digests', 'early', 'entities', 'month'].map((kind) => ({ kind, from: '1', to: '40', events: '40' })),
      );
      const { rows: parts } = await admin.query<{ kind: string; part: string }>(
        `SELECT kind, from_sequence || '-' || to_sequence AS part FROM archive_ranges
           WHERE ledger = 'main' AND kind IN ('month', 'entities') ORDER BY number`,
      );
      const partsOf = (kind: string): string[] => parts.filter((each) => each.kind === kind).map(({ part }) => part);
      expect([partsOf('month'), partsOf('entities')]).toEqual([
        ['1-15', '16-30', '31-40'],
        ['1-30', '31-40'],
      ]);
      expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [] });
      expect((await run('retention')).kept).toEqual([]);
      const { body } = await service.http().get('/v1/ledgers/main/orders/O-1/history').expect(200);
      expect(body).toMatchObject({ archived_to: '40' });
      expect(body.events).toHaveLength(40);
    });

    it('stay while a hold touches them, while an earlier one stays, or until what is archived was verified', async () => {
      const [first, second] = await archiveTwoMonths();
      await connected(service.database.serviceUrl, async (client) => {
        await client.query('SET ROLE truetrail_service');
        await expect(client.query('SELECT retire_month($1)', [second])).rejects.toMatchObject({ code: 'TT020' });
        await expect(client.query('SELECT retire_month($1)', [firstOf(monthsAgo(0))])).resolves.toMatchObject({
          rows: [{ retire_month: false }],
        });
      });
      const hold = {
        ledgers: ['main'],
        recorded_from: monthsAgo(15, 1).toISOString(),
        recorded_to: monthsAgo(15, 28).toISOString(),
      };
      const { key: clerk } = await createKey(service, ['holds:request'], ['*']);
      const { body: held } = await service
        .http(clerk)
        .post('/v1/legal-holds')
        .send({ ...hold, reason: 'an inquiry' })
        .expect(201);
      expect(await run('retention')).toMatchObject({
        retired: [],
        kept: [{ month: first, reason: expect.stringContaining(held.id) }],
      });
      const { key: another } = await createKey(service, ['holds:approve'], ['*']);
      await service.http(another).post(`/v1/legal-holds/${held.id}/rejections`).send({ reason: 'none' }).expect(201);
      // not verified for a week: the function refuses, and the job has it verified first
      await admin.query(`UPDATE archive_object_states SET verified_at = trail_now() - interval '8 days'`);
      await connected(service.database.serviceUrl, async (client) => {
        await client.query('SET ROLE truetrail_service');
        await expect(client.query('SELECT retire_month($1)', [first])).rejects.toMatchObject({ code: 'TT023' });
      });
      const outcome = await run('retention');
      expect(outcome).toMatchObject({ retired: expect.arrayContaining([first, second]), kept: [] });
      expect(outcome.objects_read).toBeGreaterThanOrEqual(4);
    });

    it('stay when anything is found of what is archived of them', async () => {
      const [first] = await archiveTwoMonths();
      await admin.query(`UPDATE archive_object_states SET verified_at = trail_now() - interval '6 days'`);
      // a lock that was longer, as far as the catalogue knows
      await admin.query(
        `UPDATE archive_object_states SET retain_until = retain_until + interval '1 year'
           WHERE number = (SELECT min(number) FROM archive_objects WHERE kind = 'month')`,
      );
      for (let hour = 0; hour < 2; hour++) {
        const outcome = await run('retention');
        expect(outcome).toMatchObject({ retired: [], dropped: [], findings: [{ kind: 'object-unlocked' }] });
        expect(outcome.kept).toContainEqual({ month: first, reason: expect.stringContaining('1 findings') });
      }
      expect(await stateOf(first)).toBe('sealed');
    });

    it('leave no gap in a history that is read as they go', async () => {
      const corrected = sampleEvent({ entity_id: 'O-9' });
      for (const back of [15, 14]) {
        await moveTrailClock(admin, monthsAgo(back));
        await run('partition-maintenance');
        if (back === 15) await service.http().post('/v1/ledgers/main/events').send(corrected).expect(201);
        else await record(1, { entity_id: 'O-9', corrects: corrected.event_id });
        await record(200, { entity_id: 'O-9' });
      }
      await moveTrailClock(admin, new Date());
      await run('partition-maintenance');
      await run('archive-export');
      const pool = service.app.get<pg.Pool>(POOL);
      let statements = 0;
      const racing = new Proxy(pool, {
        get(target, name) {
          const member = Reflect.get(target, name) as unknown;
          if (typeof member !== 'function') return member;
          if (name !== 'connect') return member.bind(target) as unknown;
          return async () => {
            if (++statements === 2) expect((await run('retention')).dropped).not.toEqual([]);
            return target.connect();
          };
        },
      });
      const histories = new OrderHistory(
        racing,
        service.app.get(Ledgers),
        service.app.get<ArchivedEvents>(ARCHIVED_EVENTS),
      );
      const { events, archived_to: archivedTo } = await histories.page(
        'main',
        'O-9',
        readHistoryRequest('main', 'O-9', {}),
      );
      expect(statements).toBeGreaterThan(2);
      expect(events.map(({ ordinal, sequence }) => [ordinal, sequence])).toEqual(
        Array.from({ length: 402 }, (_each, i) => [i + 1, String(i + 1)]),
      );
      expect(events[0]!.corrected_by).toBe(events[201]!.event_id);
      expect(archivedTo).toBe('402');
    });

    it('wait for whoever reads to be dropped, and nobody waits for them', async () => {
      const [first] = await archiveTwoMonths();
      await connected(service.database.serviceUrl, async (reader) => {
        await reader.query('BEGIN');
        await reader.query('SELECT count(*) FROM audit_events'); // a search that takes its time
        const { body: asked } = await service.http().post('/v1/jobs/retention/runs').expect(202);
        while ((await stateOf(first)) === 'sealed') await pause(50);
        await pause(1_000);
        expect(await stateOf(first)).toBe('retired');
        const took: number[] = [];
        for (let i = 0; i < 3; i++) {
          const began = performance.now();
          await record(1);
          await service.http().get('/v1/ledgers/main/orders/O-1/history').expect(200);
          took.push(performance.now() - began);
        }
        // as strict as can be on a machine that others use too: most of them, and the attempts to drop go on meanwhile
        expect(took.sort((a, b) => a - b)[1]).toBeLessThan(2_000);
        expect(await stateOf(first)).toBe('retired');
        await reader.query('COMMIT');
        while ((await stateOf(first)) !== 'dropped') await pause(50);
        expect(asked.id).toBeDefined();
      });
    });

    it('are read by the row group: the bytes that a read fetches are counted', async () => {
      await moveTrailClock(admin, monthsAgo(14));
      await run('partition-maintenance');
      for (let part = 0; part < 6; part++) {
        const at = new Date(monthsAgo(14).getTime() + part * 3_600_000).toISOString();
        const events = Array.from({ length: 2_500 }, (_each, i) =>
          sampleEvent({ timestamp: at, entity_id: `O-${part}-${i % 500}`, user_id: `trader-${part}` }),
        );
        await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
      }
      await moveTrailClock(admin, new Date());
      await run('partition-maintenance');
      await run('archive-export');
      await run('retention');
      let fetched = 0;
      let requests = 0;
      const counting = new Proxy(test.store, {
        get(target, name) {
          const member = Reflect.get(target, name) as unknown;
          if (typeof member !== 'function') return member;
          return (...parameters: unknown[]): unknown => {
            if (name === 'readRange') {
              fetched += parameters[2] as number;
              requests += 1;
            }
            return (member as (...all: unknown[]) => unknown).apply(target, parameters);
          };
        },
      });
      const { rows } = await admin.query<{ bytes: string }>(
        `SELECT sum(bytes) AS bytes FROM archive_objects WHERE kind = 'month'`,
      );
      const all = Number(rows[0]!.bytes);
      const pool = service.app.get<pg.Pool>(POOL);
      const reader = (): ArchiveReader => {
        [fetched, requests] = [0, 0];
        return new ArchiveReader(pool, new ObjectFiles(counting, undefined), 60_000);
      };
      const everything = {
        ledger: 'main',
        upTo: 15_000n,
        after: undefined,
        maxRows: 20_000,
        maxBytes: 1e9,
        query: {
          equal: [],
          metadata: [],
          from: undefined,
          to: undefined,
          recordedFrom: undefined,
          recordedTo: undefined,
          fromSequence: 1n,
          toSequence: 15_000n,
          sort: 'sequence' as const,
          order: 'asc' as const,
        },
      };
      expect((await reader().search(everything)).rows).toHaveLength(15_000);
      expect(fetched).toBeGreaterThan(0.8 * all);
      const end = Math.min(all, 262_144); // what comes with each footer

      expect(await reader().at('main', ['7777'])).toMatchObject([{ sequence: '7777' }]);
      expect(fetched - end).toBeLessThan(0.25 * all);
      const [life] = await reader().lives(
        'main',
        [{ entityType: 'order', entityId: 'O-3-7', after: 0n, upTo: 15_000n }],
        100,
      );
      expect(life).toHaveLength(5);
      expect(requests).toBeLessThan(8);
      // by event time
      const from = { micros: (monthsAgo(14).getTime() + 5 * 3_600_000) * 1000, nanos: 0 };
      const late = await reader().search({ ...everything, query: { ...everything.query, from, sort: 'timestamp' } });
      expect(late.rows).toHaveLength(2_500);
      expect(fetched - end).toBeLessThan(0.5 * all);
      // by a column with least and greatest values
      const equal: ['user_id', string][] = [['user_id', 'trader-5']];
      expect((await reader().search({ ...everything, query: { ...everything.query, equal } })).rows).toHaveLength(
        2_500,
      );
      expect(fetched - end).toBeLessThan(0.5 * all);
    });

    it('are told of when the store is away or an object is not as it was, and the rest is answered', async () => {
      await archiveTwoMonths();
      await record(4, { entity_id: 'O-2' });
      await run('retention');
      if (test.owner) return; // what nobody can do to a bucket is shown in archive-export; who is away, in store-faults
      const folder = fileURLToPath(new URL(test.store.location));
      renameSync(folder, `${folder.replace(/\/$/, '')}.away`);
      try {
        await service.http().get('/v1/ledgers/main/orders/O-2/history').expect(503);
        const { body: problem } = await service.http().get('/v1/ledgers/main/events?limit=5').expect(503);
        expect(problem.type).toBe('/docs/problems/archive-unavailable');
        await service.http().get('/v1/ledgers/main/events?limit=3&order=desc').expect(200);
        await service.http().get('/v1/ledgers/main/events?from_sequence=61').expect(200);
        await record(1);
      } finally {
        renameSync(`${folder.replace(/\/$/, '')}.away`, folder);
      }
      await service.http().get('/v1/ledgers/main/events?limit=5').expect(200);
      const month = join(folder, 'month');
      const [name] = readdirSync(month).filter((each) => each.endsWith('.parquet'));
      expect(existsSync(join(month, name!))).toBe(true);
      chmodSync(join(month, name!), 0o644);
      writeFileSync(join(month, name!), Buffer.alloc(5_000, 7));
      // another service, which has kept nothing of it in memory
      const other = await startService({ env: { ARCHIVE_URL: test.url }, database: service.database });
      try {
        const { body } = await other.http().get('/v1/ledgers/main/events?limit=5').expect(500);
        expect(body.type).toBe('/docs/problems/archive-damaged');
        const { text: metrics } = await other.http().get('/metrics').expect(200);
        expect(metrics).toContain('truetrail_internal_errors_total 1');
        const { body: audit } = await other
          .http()
          .post('/v1/ledgers/main/archive/audits')
          .send({ events: 1_000 })
          .expect(200);
        expect(audit.verdict).toBe('invalid');
        expect(audit.events.filter(({ fault }: { fault: string | null }) => fault !== null).length).toBe(30);
      } finally {
        await other.close();
      }
      expect(await run('archive-verification')).toMatchObject({ verdict: 'invalid' });
    });

    it('can be audited at random', async () => {
      await archiveTwoMonths();
      await run('retention');
      await record(20);
      await run('archive-export');
      const { body } = await service.http().post('/v1/ledgers/main/archive/audits').send({ events: 50 }).expect(200);
      expect(body).toMatchObject({ verdict: 'valid', archived: '80' });
      const sequences = new Set(body.events.map(({ sequence }: { sequence: string }) => sequence));
      expect(sequences.size).toBe(50);
      for (const { fault, event_id, object_key, ms } of body.events) {
        expect([fault, typeof event_id, typeof object_key, ms > 0]).toEqual([null, 'string', 'string', true]);
      }
      const { body: recorded } = await service
        .http()
        .get('/v1/ledgers/_service/events?event_type=archive_audit')
        .expect(200);
      expect(recorded.events[0].new_state).toMatchObject({ audit: body.id, events: '50', verdict: 'valid' });
      await service.http().post('/v1/ledgers/main/archive/audits').send({ events: 0 }).expect(400);
      const { body: months } = await service.http().get('/v1/partitions').expect(200);
      expect(months.partitions.filter(({ state }: { state: string }) => state === 'dropped').length).toBeGreaterThan(1);
      expect(months.partitions[0].ranges[0]).toMatchObject({ ledger: 'main', from_sequence: '1', to_sequence: '30' });
    });
  },
);
