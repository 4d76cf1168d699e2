import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startService, type TestService } from './support/app.js';
import { Alarms } from './support/alarms.js';
import { checkTrail } from './support/check-trail.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { freePort } from './support/free-port.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { record, runJob, verify } from './support/verification.js';

const DAY_MS = 86_400_000;
const LEDGERS = ['main', 'desk-1'];
const JOBS = ['partition-maintenance', 'archive-export', 'checkpoint', 'retention', 'archive-verification'];
const ALL_DONE = Object.fromEntries(JOBS.map((job) => [job, 'done']));
/** What has nothing to do with the archive goes on; what has fails, and says so. */
const WITHOUT_ARCHIVE = {
  'partition-maintenance': 'done',
  'archive-export': 'failed',
  checkpoint: 'failed',
  retention: 'done',
  'archive-verification': 'failed',
};

describe('an archive that is away for a week, over the end of a month', () => {
  const place = mkdtempSync(join(tmpdir(), 'truetrail-away-'));
  const folder = join(place, 'archive');
  const away = join(place, 'elsewhere');
  const now = new Date();
  /** The trail's clock when the archive goes away: four days before the end of last month. */
  const began = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1, 12) - 5 * DAY_MS;
  const month = `${new Date(began).toISOString().slice(0, 7)}-01`;
  let database: TestDatabase;
  let service: TestService;
  let admin: pg.Client;
  let metrics: string;
  const receipts = new Map(LEDGERS.map((ledger) => [ledger, [] as Awaited<ReturnType<typeof record>>]));

  async function start(): Promise<void> {
    service = await startService({
      database,
      env: {
        ARCHIVE_URL: `file:${folder}`,
        DATA_DIR: join(place, 'data'),
        SIGNING_KEY_FILE: join(place, 'signing-key.pem'),
        METRICS_PORT: new URL(metrics).port,
      },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
  }

  beforeAll(async () => {
    metrics = `http://127.0.0.1:${await freePort()}/metrics`;
    database = await createTestDatabase();
    admin = new pg.Client({ connectionString: database.adminUrl });
    await admin.connect();
    await moveTrailClock(admin, new Date(began));
    await start();
    await service.http().put('/v1/ledgers/desk-1').expect(201);
  });
  afterAll(async () => {
    await service.close();
    await admin.end();
    await database.drop();
    rmSync(place, { recursive: true, force: true });
  });

  async function post(count: number): Promise<void> {
    for (const ledger of LEDGERS)
      receipts.get(ledger)!.push(...(await record(service, count, ledger, (i) => ({ entity_id: `O-${i}` }))));
  }

  /** Each job's status after a run that was asked for. */
  async function runAll(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const job of JOBS) found[job] = (await runJob(service, job)).status;
    return found;
  }

  async function column(sql: string): Promise<unknown[]> {
    const { rows } = await admin.query<unknown[]>({ text: sql, rowMode: 'array' });
    return rows.map(([value]) => value);
  }

  const historyOf = async (order: string): Promise<unknown[]> =>
    (await service.http().get(`/v1/ledgers/main/orders/${order}/history`).expect(200)).body.events;

  it('delays nobody and loses nothing; all of it is archived, signed and verified when it is back', async () => {
    const alarms = new Alarms({ 'truetrail-a': metrics });
    await post(20);
    expect(await runAll()).toEqual(ALL_DONE);
    await alarms.scrape(3);
    const [anchored] = await column('SELECT max(number) FROM anchors');

    renameSync(folder, away);
    for (let day = 1; day <= 7; day++) {
      await moveTrailClock(admin, new Date(began + day * DAY_MS));
      await post(20);
      expect(await runAll()).toEqual(WITHOUT_ARCHIVE);
      await alarms.scrape(2);
    }
    await service.close();
    await start(); // a replica starts without it, too
    await post(20);
    // nor does a month leave the database that is due to, and is in no archive
    await moveTrailClock(admin, new Date(began + 500 * DAY_MS));
    await post(20);
    expect(await runAll()).toEqual(WITHOUT_ARCHIVE);
    expect(await column(`SELECT state FROM months WHERE month = '${month}'`)).toEqual(['sealed']);
    expect(await historyOf('O-3')).toHaveLength(10);
    expect(await column('SELECT max(number) FROM anchors')).toEqual([anchored]);
    await alarms.scrape(2);
    for (const [ledger, given] of receipts) {
      const { size, sequences, rows } = await checkTrail(database.adminUrl, ledger);
      expect(size).toBe(BigInt(given.length));
      for (const { event_id, sequence, event_hash } of given) {
        expect(sequences.get(event_id)).toBe(BigInt(sequence));
        expect(rows.get(event_id)!.event_hash.toString('hex')).toBe(event_hash);
      }
    }

    rmSync(folder, { recursive: true, force: true }); // what a replica finds where nothing is mounted, it makes
    renameSync(away, folder);
    expect(await runAll()).toEqual(ALL_DONE);
    await alarms.scrape(3);
    for (const ledger of LEDGERS) {
      const { body } = await service.http().get(`/v1/ledgers/${ledger}/archive/summary`).expect(200);
      expect(body.archived).toBe(body.size);
    }
    expect(await verify(service)).toMatchObject({ verdict: 'valid', findings: [], unread: [] });
    // the month could leave as soon as it was archived, and is answered for from there
    expect(await column(`SELECT state FROM months WHERE month = '${month}'`)).toEqual(['dropped']);
    expect(await historyOf('O-3')).toHaveLength(10);
    alarms.expectFired(
      'an archive that is away for a week',
      ['TruetrailArchiveBehind', 'TruetrailNotSigning', 'TruetrailJobFailing', 'TruetrailJobNotRunning'],
      // of a folder, and of the clock that the test moves
      {
        maybe: [
          ...['TruetrailArchiveStoreFault', 'TruetrailClockDifference', 'TruetrailSchemaChanged'],
          'TruetrailVerificationOld',
        ],
      },
    );
  });
});
