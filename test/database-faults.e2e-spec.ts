import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { FaultProxy } from './support/fault-proxy.js';
import { freePort } from './support/free-port.js';
import { lasting, REFUSED, UNSURE, type Trail } from './support/lasting.js';
import { Replica } from './support/replica.js';
import { canMountTmpfs, mountTmpfs } from './support/tmpfs.js';
import { moveTrailClock } from './support/trail-clock.js';

/** How much longer the failures last that are over in a moment otherwise: minutes of real time, with TEST_ALL_FAULTS=1. */
const LONGER = process.env.TEST_ALL_FAULTS === '1' ? 20 : 1;
const HAS_TMPFS = canMountTmpfs();
if (!HAS_TMPFS) process.stderr.write('skipped: PostgreSQL without room for events (Linux, and root who may mount)\n');

const CLOCK = '503 clock-out-of-tolerance';

describe('while PostgreSQL or the way to it', () => {
  let database: TestDatabase;
  let admin: pg.Client;
  let proxy: FaultProxy;
  let replica: Replica;
  let metrics: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    admin = new pg.Client({ connectionString: database.adminUrl });
    await admin.connect();
    proxy = await FaultProxy.start(Number(new URL(database.serviceUrl).port));
    const port = await freePort();
    metrics = `http://127.0.0.1:${port}/metrics`;
    replica = await Replica.start({
      DATABASE_URL: Object.assign(new URL(database.serviceUrl), { port: String(proxy.port) }).href,
      METRICS_PORT: String(port),
      APPEND_TIMEOUT: '1s',
    });
  });

  afterAll(async () => {
    await replica?.end('SIGKILL');
    await proxy?.close();
    await admin?.end();
    await database?.drop();
  });

  const trail: Trail = {
    get url() {
      return replica.url;
    },
    get metrics() {
      return metrics;
    },
    get adminUrl() {
      return database.adminUrl;
    },
  };

  it(
    'is slow, submitters wait, and are told to send again past APPEND_TIMEOUT',
    async () => {
      await lasting(
        trail,
        'a slow database',
        { answers: UNSURE, alarms: ['TruetrailAppendSlow'], maybe: REFUSED },
        async (_, alarms) => {
          proxy.delay(350);
          await alarms.scrape(16, () => pause(50 * LONGER));
          proxy.delay(0);
        },
      );
    },
    60_000 * (LONGER + 1),
  );

  it(
    'resets connections all the time, what was under way on them is sent again',
    async () => {
      await lasting(
        trail,
        'a flaky network',
        { answers: UNSURE, alarms: ['TruetrailDatabaseUnsteady'], maybe: [...REFUSED, 'TruetrailDatabaseDown'] },
        async (_, alarms) => {
          proxy.delay(20); // so that appends are under way when their connection is reset
          await alarms.scrape(18, async () => {
            for (let i = 0; i < 4 * LONGER; i++) {
              await pause(60);
              proxy.cut();
            }
          });
          proxy.delay(0);
        },
      );
    },
    60_000 * (LONGER + 1),
  );

  it('loses the answers to commits, nothing is doubled, and every event gets the receipt of that commit', async () => {
    await lasting(
      trail,
      'answers that are lost',
      // a submitter waits for ten seconds, which is less than the service waits for what became of a commit
      {
        answers: [...UNSURE, 'no answer'],
        alarms: ['TruetrailDatabaseDown'],
        maybe: [...REFUSED, 'TruetrailDatabaseUnsteady'],
      },
      async (_, alarms) => {
        for (let i = 0; i < 2; i++) {
          proxy.loseReplies(true);
          await alarms.scrape(2);
          proxy.loseReplies(false);
          proxy.cut(); // as TCP does in the end
        }
      },
    );
  });

  it('has no connections left, appends go on over those that there are, and wait once they are gone too', async () => {
    await lasting(
      trail,
      'no connections left',
      { answers: UNSURE, alarms: ['TruetrailDatabaseDown'], maybe: [...REFUSED, 'TruetrailDatabaseUnsteady'] },
      async (submitters, alarms) => {
        await admin.query(`ALTER DATABASE ${database.name} CONNECTION LIMIT 1`);
        await submitters.progress(40);
        proxy.cut();
        await alarms.scrape(6, () => pause(150));
        await admin.query(`ALTER DATABASE ${database.name} CONNECTION LIMIT -1`);
      },
    );
  });

  it('has a clock that is stepped forth and back, nothing is recorded with a wrong time, and it goes on by itself', async () => {
    await lasting(
      trail,
      'a clock that is stepped',
      { answers: [...UNSURE, CLOCK], alarms: ['TruetrailClockDifference'], maybe: REFUSED },
      async (submitters, alarms) => {
        for (const stepMs of [4_000, -4_000]) {
          await moveTrailClock(admin, new Date(Date.now() + stepMs));
          for (let i = 0; !submitters.answers.has(CLOCK); i++) {
            if (i > 100) throw new Error('nobody notices');
            await pause(100);
          }
          await alarms.scrape(5, () => pause(50));
          submitters.answers.delete(CLOCK);
          await moveTrailClock(admin, new Date());
        }
      },
    );
  });

  const onTmpfs = HAS_TMPFS ? it : it.skip;
  onTmpfs(
    'has no room left for events, they are not acknowledged, and are once there is room',
    async () => {
      const place = mkdtempSync(join(tmpdir(), 'truetrail-full-'));
      mountTmpfs(place, 'size=16m,mode=755');
      const space = `full_${database.name}`;
      const months = async (to: string): Promise<void> => {
        const { rows } = await admin.query<{ name: string }>(
          `SELECT partition_name AS name FROM months WHERE month = date_trunc('month', trail_now(), 'UTC')::date`,
        );
        await admin.query(`ALTER TABLE ${rows[0]!.name} SET TABLESPACE ${to}`);
      };
      try {
        mkdirSync(join(place, 'space'));
        execFileSync('chown', ['postgres', join(place, 'space')]);
        await admin.query(`CREATE TABLESPACE ${space} LOCATION '${join(place, 'space')}'`);
        await months(space);
        await lasting(
          trail,
          'no room for events',
          { answers: UNSURE, alarms: ['TruetrailEventsRefused'], maybe: [...REFUSED, 'TruetrailDatabaseUnsteady'] },
          async (submitters, alarms) => {
            const ballast = join(place, 'ballast');
            for (;;) {
              try {
                writeFileSync(ballast, Buffer.alloc(4_096), { flag: 'a' });
              } catch (error) {
                expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
                break;
              }
            }
            for (let i = 0; !UNSURE.some((each) => submitters.answers.has(each)); i++) {
              if (i > 100) throw new Error('it does not get full');
              await pause(100);
            }
            await alarms.scrape(14, () => pause(250 * LONGER));
            rmSync(ballast);
          },
        );
        await months('pg_default');
        await admin.query(`DROP TABLESPACE ${space}`);
      } finally {
        execFileSync('umount', ['-l', place]);
        rmSync(place, { recursive: true, force: true });
      }
    },
    60_000 * (LONGER + 1),
  );
});

describe('when a replica starts while there is no database', () => {
  const wait = (url: string, patience: string): Promise<Replica> =>
    Replica.start({ DATABASE_URL: url, DATABASE_WAIT: patience, LOG_LEVEL: 'info' });

  it('it waits for it', async () => {
    const database = await createTestDatabase();
    const proxy = await FaultProxy.start(await freePort());
    try {
      const starting = wait(Object.assign(new URL(database.serviceUrl), { port: String(proxy.port) }).href, '60s');
      starting.catch(() => undefined); // it is awaited below
      await proxy.untilJoined(2);
      proxy.retarget(Number(new URL(database.serviceUrl).port));
      const replica = await starting;
      expect(replica.log).toMatch(/no database yet \([^)]+\): trying for another 60 s/);
      await replica.end('SIGTERM');
    } finally {
      await proxy.close();
      await database.drop();
    }
  });

  it('it says what to look at when it has waited long enough', async () => {
    const nobody = `postgres://truetrail_app@127.0.0.1:${await freePort()}/truetrail`;
    const began = Date.now();
    await expect(wait(nobody, '2s')).rejects.toThrow(/trying for another 2 s[^]*ECONNREFUSED[^]*Is PostgreSQL up/);
    expect(Date.now() - began).toBeGreaterThan(2_000);
  });

  it('it does not wait where the login is refused: that does not pass by itself', async () => {
    const url = Object.assign(new URL(process.env.TEST_SERVICE_URL_BASE!), { password: 'another' }).href;
    const error = await wait(url, '10m').catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/password authentication failed/);
    expect(String(error)).not.toContain('no database yet');
  });
});
