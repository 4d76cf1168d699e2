import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { RestorableDatabase } from './support/restorable-database.js';

describe('The lag of the archive of WAL', () => {
  let folder: string;
  let server: RestorableDatabase;
  let service: TestService;
  let admin: pg.Client;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-wal-'));
    chmodSync(folder, 0o777);
    mkdirSync(join(folder, 'store'));
    chmodSync(join(folder, 'store'), 0o777);
    const [open, store] = [join(folder, 'open'), join(folder, 'store')];
    server = await RestorableDatabase.start({
      archive_mode: 'on',
      archive_command: `{ test -f ${open} || test -f ${open}-%f; } && cp %p ${store}/%f`,
    });
    service = await startService({ database: server.database });
    admin = new pg.Client({ connectionString: server.database.adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    await admin.end();
    await service.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  const setOpen = (isOpen: boolean): void =>
    isOpen ? writeFileSync(join(folder, 'open'), '') : rmSync(join(folder, 'open'));
  const post = async (): Promise<void> => {
    await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
  };
  const scrape = async (): Promise<{ archiving: number; lag: number; bytes: number | undefined; failures: number }> => {
    const { text } = await service.http().get('/metrics').expect(200);
    const value = (name: string): number | undefined => {
      const found = new RegExp(`^truetrail_wal_${name} (\\S+)$`, 'm').exec(text)?.[1];
      return found === undefined ? undefined : Number(found);
    };
    return {
      archiving: value('archiving')!,
      lag: value('archive_lag_seconds')!,
      bytes: value('unarchived_bytes'),
      failures: value('archive_failures')!,
    };
  };
  /** Ends the segment; its name. An empty one would not end. */
  const switchSegment = async (): Promise<string> => {
    await admin.query(`SELECT pg_create_restore_point('something')`);
    return (await admin.query<{ name: string }>('SELECT pg_walfile_name(pg_switch_wal()) AS name')).rows[0]!.name;
  };
  const archived = async (name: string): Promise<void> => {
    for (;;) {
      const { rows } = await admin.query('SELECT 1 FROM pg_stat_archiver WHERE last_archived_wal >= $1', [name]);
      if (rows.length > 0) return;
      await pause(20);
    }
  };

  it('grows with the first event that is not archived, and is nothing when all are', async () => {
    await post();
    const first = await scrape();
    expect(first.archiving).toBe(1);
    expect(first.lag).toBeGreaterThan(0);
    await pause(300);
    await post(); // a later one changes nothing
    const later = await scrape();
    expect(later.lag).toBeGreaterThan(first.lag + 0.25);

    setOpen(true);
    const name = await switchSegment();
    await archived(name);
    expect(existsSync(join(folder, 'store', name))).toBe(true);
    const done = await scrape();
    expect(done.lag).toBe(0);
    expect(done.bytes).toBeLessThan(16 * 2 ** 20);

    await post();
    const after = await scrape();
    expect(after.lag).toBeGreaterThan(0);
    expect(after.lag).toBeLessThan(later.lag);
  });

  it('is of what waits, though what came before was archived a moment ago', async () => {
    await archived(await switchSegment());
    setOpen(false);
    await post();
    await scrape(); // from here on the replica knows how far WAL had been written
    const first = await switchSegment();
    const before = Date.now();
    await post();
    const after = Date.now();
    await switchSegment();
    while ((await scrape()).failures === 0) await pause(50);

    writeFileSync(join(folder, `open-${first}`), '');
    await switchSegment(); // wakes the archiver, whatever it waits for
    await archived(first);
    await post();
    const asked = Date.now();
    const late = await scrape();
    expect(late.lag).toBeGreaterThan((asked - after) / 1000);
    expect(late.lag).toBeLessThan((Date.now() - before) / 1000);
    expect(late.bytes).toBeGreaterThanOrEqual(16 * 2 ** 20);

    setOpen(true);
    await archived(await switchSegment());
    expect((await scrape()).lag).toBe(0);
  });

  it('is found in a ledger of any length', async () => {
    await archived(await switchSegment());
    await scrape();
    for (let i = 0; i < 7; i++) await post();
    const began = Date.now();
    await pause(200);
    for (let i = 0; i < 5; i++) await post();
    const { lag } = await scrape();
    expect(lag).toBeGreaterThan((Date.now() - began) / 1000);
    expect(lag).toBeLessThan((Date.now() - began) / 1000 + 2);
  });
});
