import { execFileSync } from 'node:child_process';
import { appendFileSync, chownSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { Cluster, type Server } from '../../src/database/embedded-cluster.js';
import { findPackage } from '../../src/database/embedded-programs.js';

/** A hot standby that streams from a server, and can take its place. */
export class Standby {
  private constructor(
    private readonly server: Server,
    private readonly folder: string,
    private readonly primaryUrl: string,
  ) {}

  /** Makes one of a copy of a stopped cluster's folder: only what is streamed from then on is new to it. */
  static copy(from: string, to: string, primaryUrl: string): void {
    execFileSync('cp', ['-a', from, to]);
    rmSync(join(to, 'postgres.lock'), { force: true });
    const cluster = join(to, 'postgres');
    const { hostname, port, username, password } = new URL(primaryUrl);
    const primary = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)} application_name=standby`;
    appendFileSync(join(cluster, 'postgresql.auto.conf'), `primary_conninfo = '${primary}'\n`);
    const signal = join(cluster, 'standby.signal');
    writeFileSync(signal, '');
    const { uid, gid } = statSync(cluster);
    chownSync(signal, uid, gid);
  }

  static async start(folder: string, primaryUrl: string, settings: Record<string, string>): Promise<Standby> {
    const cluster = new Cluster(
      folder,
      findPackage(),
      () => undefined,
      { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings },
      () => undefined,
    );
    return new Standby(await cluster.start(), folder, primaryUrl);
  }

  get port(): number {
    return this.server.port;
  }

  /** A login to the primary as one to this server: roles and passwords came with the copy. */
  url(url = this.primaryUrl): string {
    return Object.assign(new URL(url), { port: String(this.port) }).href;
  }

  /** From now on it is a primary, on a timeline of its own. */
  async promote(): Promise<void> {
    const admin = new pg.Client({ connectionString: this.url() });
    await admin.connect();
    await admin.query('SELECT pg_promote(wait => true)');
    await admin.end();
  }

  kill(): void {
    killPostmaster(this.folder);
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

/** SIGKILL to the server of a data folder of ours, as a crash is. */
export function killPostmaster(folder: string): void {
  process.kill(Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL');
}
