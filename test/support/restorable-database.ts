import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { migrate } from '../../src/database/migrate.js';
import type { TestDatabase } from './database.js';

const SETTINGS = { shared_buffers: '16MB', hot_standby: 'off' };

/**
 * A server of its own that can be backed up and restored, which a clone of the template cannot: the backup is a copy of
 * the stopped cluster's files, so the restored one has the system identifier of the old one, and its timeline unless
 * it is recovered as from an archive of WAL.
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

  /** Nothing may be connected. */
  async backUp(name: string): Promise<void> {
    await this.server.stop();
    execFileSync('cp', ['-a', this.folder, join(this.root, name)]);
    await this.startAgain();
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
      const signal = join(cluster, 'recovery.signal');
      writeFileSync(signal, '');
      const { uid, gid } = statSync(cluster);
      chownSync(signal, uid, gid);
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
