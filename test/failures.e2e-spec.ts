import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../src/database/embedded-postgres.js';
import { migrate } from '../src/database/migrate.js';
import { FaultProxy } from './support/fault-proxy.js';
import { freePort } from './support/free-port.js';
import { lasting, UNSURE, type Trail } from './support/lasting.js';
import { Replica } from './support/replica.js';
import { killPostmaster, Standby } from './support/standby.js';

const MAX_CONNECTIONS = 60;
const SETTINGS = { shared_buffers: '32MB', max_connections: String(MAX_CONNECTIONS), hot_standby: 'on' };
const FEEDBACK = { hot_standby_feedback: 'on', wal_receiver_status_interval: '1s' };

describe('when PostgreSQL fails', () => {
  let root: string;
  let primary: EmbeddedPostgres;
  let standby: Standby;
  let proxy: FaultProxy;
  let replica: Replica;
  let metrics: string;
  /** where the trail is now */
  let adminUrl: string;
  const primaryFolder = (): string => join(root, 'primary');
  const inTrail = (url: string): string => Object.assign(new URL(url), { pathname: '/truetrail' }).href;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'truetrail-failures-'));
    chmodSync(root, 0o711);
    const options = { dataDir: primaryFolder(), log: (): void => undefined, settings: SETTINGS };
    primary = await startEmbeddedPostgres(options);
    await migrate({ ownerUrl: primary.ownerUrl, serviceUrl: primary.serviceUrl, log: () => undefined });
    await primary.stop();
    Standby.copy(primaryFolder(), join(root, 'standby'), primary.adminUrl);
    primary = await startEmbeddedPostgres(options);
    adminUrl = inTrail(primary.adminUrl);
    standby = await Standby.start(join(root, 'standby'), primary.adminUrl, { ...SETTINGS, ...FEEDBACK });
    await asAdmin(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`, 'SELECT pg_reload_conf()');
    proxy = await FaultProxy.start(Number(new URL(primary.serviceUrl).port));
    const port = await freePort();
    metrics = `http://127.0.0.1:${port}/metrics`;
    replica = await Replica.start({
      DATABASE_URL: Object.assign(new URL(primary.serviceUrl), { port: String(proxy.port) }).href,
      DATA_DIR: join(root, 'data'),
      ARCHIVE_URL: `file:${join(root, 'archive')}`,
      SIGNING_KEY_FILE: join(root, 'signing-key.pem'),
      CHECKPOINT_SCHEDULE: '* * * * * *',
      METRICS_PORT: String(port),
      APPEND_TIMEOUT: '1s',
    });
  });

  afterAll(async () => {
    await replica?.end('SIGKILL');
    await proxy?.close();
    await standby?.stop();
    await primary?.stop().catch(() => undefined);
    rmSync(root, { recursive: true, force: true });
  });

  async function asAdmin(...statements: string[]): Promise<void> {
    const admin = new pg.Client({ connectionString: adminUrl });
    await admin.connect();
    for (const statement of statements) await admin.query(statement);
    await admin.end();
  }

  const trail: Trail = {
    get url() {
      return replica.url;
    },
    get metrics() {
      return metrics;
    },
    get adminUrl() {
      return adminUrl;
    },
  };

  it('has a standby that holds a snapshot: that is no session whose age a right would show', async () => {
    await asAdmin('GRANT pg_read_all_stats TO truetrail_app');
    const admin = new pg.Client({ connectionString: adminUrl });
    await admin.connect();
    const held = `SELECT FROM pg_stat_activity WHERE backend_type = 'walsender' AND backend_xmin IS NOT NULL`;
    for (let i = 0; (await admin.query(held)).rowCount === 0; i++) {
      if (i > 150) throw new Error('the standby holds nothing');
      await pause(100);
    }
    await admin.end();
    expect(await (await fetch(metrics)).text()).toContain('\ntruetrail_hidden_snapshots 0\n');
  });

  it('does not let the service in for a while: what is refused then may be sent again', async () => {
    await lasting(trail, 'a login that is refused', { answers: UNSURE, alarms: [] }, async (submitters) => {
      const sessions = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'truetrail_app'`;
      await asAdmin('ALTER ROLE truetrail_app NOLOGIN', sessions);
      for (let i = 0; !submitters.answers.has('503 database-unavailable'); i++) {
        if (i > 200) throw new Error(`nothing is refused: ${[...submitters.answers].join()}`);
        await pause(50);
      }
      await asAdmin('ALTER ROLE truetrail_app LOGIN');
    });
  });

  it('its machine is gone without a word: a standby takes its place, and nothing acknowledged is missing there', async () => {
    await lasting(
      trail,
      'failover to a streaming standby',
      {
        answers: [...UNSURE, 'no answer', '503 anchors-unavailable'],
        alarms: ['TruetrailDatabaseDown'],
        // whether it lasts long enough for these too is a matter of when the standby is promoted
        maybe: [
          'TruetrailEventsRefused',
          'TruetrailDatabaseUnsteady',
          'TruetrailHeadNotMoving',
          'TruetrailPoolExhausted',
          'TruetrailNotSigning',
        ],
      },
      async (submitters, alarms) => {
        proxy.silence();
        killPostmaster(primaryFolder());
        const toStandby = await FaultProxy.start(standby.port);
        const early = Replica.start({
          DATABASE_URL: Object.assign(new URL(primary.serviceUrl), { port: String(toStandby.port) }).href,
          DATABASE_WAIT: '60s',
          DATA_DIR: join(root, 'early'),
          LOG_LEVEL: 'info',
        });
        early.catch(() => undefined); // it is awaited below
        await alarms.scrape(6);
        await toStandby.untilJoined(2);
        await standby.promote();
        adminUrl = inTrail(standby.url());
        await asAdmin(`ALTER SYSTEM SET synchronous_standby_names = ''`, 'SELECT pg_reload_conf()');
        proxy.retarget(standby.port);
        const began = Date.now();
        await submitters.progress(1);
        // by TCP alone it would be a quarter of an hour
        expect(Date.now() - began).toBeLessThan(20_000);
        await alarms.scrape(8, () => pause(200));
        const { log } = await early;
        expect(log).toContain('no database yet (the server follows another one): trying for another 60 s');
        await (await early).end('SIGTERM');
        await toStandby.close();
      },
    );
  });
});
