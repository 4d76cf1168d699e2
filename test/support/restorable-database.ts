import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { migrate } from '../../src/database/migrate.js';
import type { TestDatabase } from './database.js';

const SETTINGS = { shared_buffers: '16MB', hot_standby: 'off' };

/**
 * A server of its own that can be backed up and restored, which a clone of the template cannot: the backup is a base backup
 * of the running server, so the restored one has the system identifier of the old one, and its timeline unless it is
 * recovered as from an archive of WAL.
 */
export class RestorableDatabase {
  private constructor(
    private readonly root: string,
    private folder: string,
    private server: EmbeddedPostgres,
    private readonly settings: Record<string, string>,
  ) {}

  /** `given` are settings of PostgreSQL besides ours. */
  static async start(given: Record<string, string> = {}): Promise<RestorableDatabase> {
    const settings = { ...SETTINGS, ...given };
    const root = mkdtempSync(join(tmpdir(), 'truetrail-restore-'));
    chmodSync(root, 0o711);
    const folder = join(root, 'data');
    const server = await startEmbeddedPostgres({
      dataDir: folder,
      log: () => undefined,
      settings,
    });
    await migrate({ ownerUrl: server.ownerUrl, serviceUrl: server.serviceUrl, log: () => undefined });
    return new RestorableDatabase(root, folder, server, settings);
  }

  get database(): TestDatabase {
    const { ownerUrl, serviceUrl, adminUrl } = this.server;
    return {
      name: 'truetrail',
      ownerUrl,
      serviceUrl,
      adminUrl: Object.assign(new URL(adminUrl), { pathname: '/truetrail' }).href,
      drop: () => Promise.resolve(),
    };
  }

  /**
   * Copies the files of the server while it runs and whoever is connected goes on, with `backup_label` and the WAL that they
   * are recovered by: what pg_basebackup does with `--wal-method=fetch`. The package of the embedded PostgreSQL lacks that
   * program, and another version's does not read this server.
   */
  async backUp(name: string): Promise<void> {
    const backup = join(this.root, name);
    const cluster = join(backup, 'postgres');
    const admin = new pg.Client({ connectionString: this.server.adminUrl });
    await admin.connect();
    try {
      await admin.query('SELECT pg_backup_start($1, fast => true)', [name]);
      copyChanging(this.folder, backup);
      const { rows } = await admin.query<{ label: string; spaces: string }>(
        'SELECT labelfile AS label, spcmapfile AS spaces FROM pg_backup_stop(wait_for_archive => false)',
      );
      if (rows[0]!.spaces !== '') throw new Error('a tablespace is not copied');
      writeOwned(cluster, 'backup_label', rows[0]!.label);
    } finally {
      await admin.end(); // ends the backup where it was begun and not ended
    }
    rmSync(join(cluster, 'pg_wal'), { recursive: true });
    copyChanging(join(this.folder, 'postgres', 'pg_wal'), join(cluster, 'pg_wal'));
    // what is of the process that runs
    for (const file of ['postgres.lock', 'postgres/postmaster.pid', 'postgres/postmaster.opts'])
      rmSync(join(backup, file), { recursive: true, force: true });
  }

  /** What has happened since the backup is gone. With `newTimeline` the way that recovery from an archive of WAL goes. */
  async restore(name: string, { newTimeline = false } = {}): Promise<void> {
    await this.server.stop();
    this.folder = mkdtempSync(join(this.root, 'restored-'));
    rmSync(this.folder, { recursive: true });
    execFileSync('cp', ['-a', join(this.root, name), this.folder]);
    if (newTimeline) {
      const cluster = join(this.folder, 'postgres');
      appendFileSync(join(cluster, 'postgresql.auto.conf'), `restore_command = 'false'\n`);
      writeOwned(cluster, 'recovery.signal', '');
    }
    await this.startAgain();
  }

  async close(): Promise<void> {
    await this.server.stop();
    rmSync(this.root, { recursive: true, force: true });
  }

  private async startAgain(): Promise<void> {
    this.server = await startEmbeddedPostgres({
      dataDir: this.folder,
      log: () => undefined,
      settings: this.settings,
    });
  }
}

/** A copy with owners and rights; of what goes away meanwhile, which the label's WAL makes good, nothing is told. */
function copyChanging(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-a', from, to], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const faults = stderr.split('\n').filter((line) => line !== '' && !line.endsWith('No such file or directory'));
  if (faults.length > 0 || (status !== 0 && stderr === '')) throw new Error(`cp of ${from}: ${faults.join('\n')}`);
}

/** A file in the cluster's folder, of the cluster's user. */
function writeOwned(cluster: string, name: string, text: string): void {
  const file = join(cluster, name);
  writeFileSync(file, text, { mode: 0o600 });
  const { uid, gid } = statSync(cluster);
  chownSync(file, uid, gid);
}
