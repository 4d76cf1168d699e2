import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import type { ArchiveReadSettings } from '../archive/archive-reading.js';
import { connectionOptions } from '../database/connection.js';
import { KeptConnection } from '../database/kept-connection.js';
import { sqlState } from '../database/sqlstate.js';
import { serveTenants } from '../threads/tenancy.js';
import { archivedHashesOf, quietPool } from './thread-reading.js';
import { findRoots, type FoundRoot, type WantedRoot } from './tree-growth.js';

export interface TreeWorkerSettings {
  url: string;
  lockTimeoutMs: number;
  archive: ArchiveReadSettings;
}

/** An error loses its class between threads; this is what is needed of it. */
export interface TreeWorkerAnswer {
  roots?: FoundRoot[];
  error?: { message: string; code: string | undefined };
}

/** Whoever posts events comes first: on Linux, and nowhere else, a priority is a thread's own. */
const NICENESS = 10;

if (process.platform === 'linux') setPriority(NICENESS);

serveTenants((settings: TreeWorkerSettings, port: MessagePort) => {
  const options = connectionOptions({ ...settings, asService: true, applicationName: 'truetrail checkpoints' });
  const catalogue = quietPool(options, 1);
  const archivedHashes = archivedHashesOf(catalogue, settings.archive);
  const connection = new KeptConnection(options, settings.url);

  async function answer(wanted: readonly WantedRoot[]): Promise<TreeWorkerAnswer> {
    try {
      return { roots: await findRoots(await connection.connected(), archivedHashes, wanted) };
    } catch (error) {
      // whatever was under way on it
      await connection.end().catch(() => undefined);
      return { error: { message: (error as Error).message, code: sqlState(error) } };
    }
  }

  port.on('message', (wanted: readonly WantedRoot[]) => {
    void answer(wanted).then((message) => port.postMessage(message));
  });
  return Promise.resolve(async () => {
    await connection.end();
    await catalogue.end();
  });
});
