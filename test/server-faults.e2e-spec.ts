import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../src/database/embedded-postgres.js';
import { migrate } from '../src/database/migrate.js';
import type { Alarms } from './support/alarms.js';
import { DiskFaults } from './support/disk-faults.js';
import { FaultProxy } from './support/fault-proxy.js';
import { freePort } from './support/free-port.js';
import { lasting, REFUSED, UNSURE, type Trail } from './support/lasting.js';
import { Replica } from './support/replica.js';
import { killPostmaster } from './support/standby.js';
import type { Submitters } from './support/submitters.js';

const HAS_DISK_FAULTS = DiskFaults.areThere();
if (!HAS_DISK_FAULTS)
  process.stderr.write('skipped: a full disk of WAL, a disk that fails or is slow (no C compiler, or not Linux)\n');
/** Small, so that a test can fill files of WAL. */
const SETTINGS = { shared_buffers: '32MB', max_connections: '60', min_wal_size: '32MB', max_wal_size: '64MB' };
/** Scrapes, a minute each: long enough for the alarm of a database that is gone. */
const DOWN_SCRAPES = 4;
const RECOVERY_MS = 20_000;
const MAYBE = [...REFUSED, 'TruetrailDatabaseUnsteady'];

describe('when the server of PostgreSQL', () => {
  let root: string;
  let faults: DiskFaults | undefined;
  let postgres: EmbeddedPostgres;
  let proxy: FaultProxy;
  let replica: Replica;
  let metrics: string;
  const folder = (): string => join(root, 'data');
  const portOf = (url: string): number => Number(new URL(url).port);
  const trail: Trail = {
    get url() {
      return replica.url;
    },
    get metrics() {
      return metrics;
    },
    get adminUrl() {
      return Object.assign(new URL(postgres.adminUrl), { pathname: '/truetrail' }).href;
    },
  };

  async function startServer(): Promise<void> {
    const start = (): Promise<EmbeddedPostgres> =>
      startEmbeddedPostgres({ dataDir: folder(), log: () => undefined, settings: SETTINGS });
    postgres = await (faults ? faults.under(start) : start());
  }

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'truetrail-server-faults-'));
    chmodSync(root, 0o711);
    if (HAS_DISK_FAULTS) faults = DiskFaults.make(root);
    await startServer();
    await migrate({ ownerUrl: postgres.ownerUrl, serviceUrl: postgres.serviceUrl, log: () => undefined });
    proxy = await FaultProxy.start(portOf(postgres.serviceUrl));
    const port = await freePort();
    metrics = `http://127.0.0.1:${port}/metrics`;
    replica = await Replica.start({
      DATABASE_URL: Object.assign(new URL(postgres.serviceUrl), { port: String(proxy.port) }).href,
      METRICS_PORT: String(port),
      APPEND_TIMEOUT: '1s',
    });
  });

  afterAll(async () => {
    faults?.end();
    await replica?.end('SIGKILL');
    await proxy?.close();
    await postgres?.stop().catch(() => undefined);
    rmSync(root, { recursive: true, force: true });
  });

  /** As a platform does with a server that has ended, or is about to: one that works, on the same folder. */
  async function startAgain(): Promise<void> {
    await postgres.stop().catch(() => undefined); // it has ended
    await startServer();
    proxy.retarget(portOf(postgres.serviceUrl));
  }

  /** It tries to recover again and again as long as its disk fails. Started again only where it has given up. */
  async function untilRecovered(): Promise<void> {
    const isThere = (): Promise<boolean> => {
      const client = new pg.Client({ connectionString: trail.adminUrl });
      client.on('error', () => undefined);
      return client.connect().then(
        () => client.end().then(() => true),
        () => false,
      );
    };
    for (const until = Date.now() + RECOVERY_MS; !(await isThere()); await pause(100)) {
      if (!existsSync(join(folder(), 'postgres/postmaster.pid'))) return startAgain();
      if (Date.now() > until) throw new Error('the server does not come back');
    }
  }

  const logLength = (): number => readFileSync(join(folder(), 'postgres.log'), 'utf8').length;
  const logSince = (length: number): string => readFileSync(join(folder(), 'postgres.log'), 'utf8').slice(length);

  /** Until a request is refused for want of a database, or its outcome is not known. */
  async function untilNoticed(submitters: Submitters): Promise<void> {
    for (let i = 0; !UNSURE.some((each) => submitters.answers.has(each)); i++) {
      if (i > 200) throw new Error(`nobody notices: ${[...submitters.answers].join(', ')}`);
      await pause(50);
    }
  }

  const isDown = async (alarms: Alarms): Promise<void> => alarms.scrape(DOWN_SCRAPES, () => pause(100));

  it('is restarted, submitters send again until it is back', async () => {
    await lasting(
      trail,
      'a server that is restarted',
      { answers: UNSURE, alarms: ['TruetrailDatabaseDown'], maybe: MAYBE },
      async (_, alarms) => {
        await postgres.stop();
        await isDown(alarms);
        await startAgain();
      },
    );
  });

  it('is killed, what it had acknowledged is there when it is started again', async () => {
    await lasting(
      trail,
      'a server that is killed',
      { answers: UNSURE, alarms: ['TruetrailDatabaseDown'], maybe: MAYBE },
      async (_, alarms) => {
        killPostmaster(folder());
        await isDown(alarms);
        await startAgain();
      },
    );
  });

  it('loses one of its processes, it restarts itself, and nobody has to do anything', async () => {
    await lasting(
      trail,
      'a process of the server that is killed',
      { answers: UNSURE, alarms: [], maybe: ['TruetrailDatabaseDown', ...MAYBE] },
      async (submitters, alarms) => {
        const before = logLength();
        const admin = new pg.Client({ connectionString: trail.adminUrl });
        admin.on('error', () => undefined);
        await admin.connect();
        const { rows } = await admin.query<{ pid: number }>(
          `SELECT pid FROM pg_stat_activity WHERE usename = 'truetrail_app' LIMIT 1`,
        );
        process.kill(rows[0]!.pid, 'SIGKILL');
        await admin.end().catch(() => undefined);
        for (let i = 0; !logSince(before).includes('all server processes terminated; reinitializing'); i++) {
          if (i > 200) throw new Error('the server goes on');
          await pause(50);
        }
        await submitters.progress(20);
        await alarms.scrape(2);
      },
    );
  });

  const withFaults = HAS_DISK_FAULTS ? it : it.skip;

  withFaults(
    'has a slow disk: every sync takes more than half a second',
    async () => {
      await lasting(
        trail,
        'a disk that syncs slowly',
        { answers: UNSURE, alarms: ['TruetrailAppendSlow'], maybe: REFUSED },
        async (_, alarms) => {
          faults!.begin('sync DELAY 700');
          await alarms.scrape(16, () => pause(400));
          faults!.end();
        },
      );
    },
    120_000,
  );

  withFaults(
    'has a disk whose syncs fail: it trusts nothing that it wrote, and recovers from its WAL once they do not',
    async () => {
      await lasting(
        trail,
        'a disk whose syncs fail',
        { answers: UNSURE, alarms: ['TruetrailDatabaseDown'], maybe: MAYBE },
        async (submitters, alarms) => {
          const before = logLength();
          faults!.begin('fdatasync EIO');
          await untilNoticed(submitters);
          await isDown(alarms);
          expect(logSince(before)).toMatch(/PANIC: {2}could not fdatasync file/);
          faults!.end();
          await untilRecovered();
        },
      );
    },
    120_000,
  );

  withFaults(
    'has no room for WAL: nothing is acknowledged, and it recovers once there is room',
    async () => {
      await lasting(
        trail,
        'a full disk of WAL',
        { answers: UNSURE, alarms: ['TruetrailDatabaseDown'], maybe: MAYBE },
        async (submitters, alarms) => {
          const before = logLength();
          faults!.begin('write ENOSPC /pg_wal/');
          await untilNoticed(submitters);
          await isDown(alarms);
          expect(logSince(before)).toMatch(/PANIC: {2}could not write to (log )?file .*No space left on device/);
          faults!.end();
          await untilRecovered();
        },
      );
    },
    120_000,
  );
});
