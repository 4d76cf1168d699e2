import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import pg from 'pg';
import type { ArchiveReadSettings } from '../archive/archive-reading.js';
import { connectionOptions } from '../database/connection.js';
import { watchForSilence } from '../database/silent-connections.js';
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
  let client: pg.Client | undefined;

  async function connect(): Promise<pg.Client> {
    if (client) return client;
    const made = new pg.Client(options);
    made.on('error', () => {
      if (client === made) client = undefined;
    });
    await made.connect();
    await watchForSilence(made, settings.url);
    client = made;
    return made;
  }

  async function answer(wanted: readonly WantedRoot[]): Promise<TreeWorkerAnswer> {
    try {
      return { roots: await findRoots(await connect(), archivedHashes, wanted) };
    } catch (error) {
      // whatever was under way on it
      await client?.end().catch(() => undefined);
      client = undefined;
      return { error: { message: (error as Error).message, code: sqlState(error) } };
    }
  }

  port.on('message', (wanted: readonly WantedRoot[]) => {
    void answer(wanted).then((message) => port.postMessage(message));
  });
  return Promise.resolve(async () => {
    await client?.end();
    await catalogue.end();
  });
});
