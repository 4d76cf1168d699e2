import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import pg from 'pg';
import { makeArchiveReader, type ArchiveReadSettings } from '../archive/archive-reading.js';
import { connectionOptions, keepFromCrashing } from '../database/connection.js';
import { KeptConnection } from '../database/kept-connection.js';
import { sqlState } from '../database/sqlstate.js';
import { serveTenants } from '../threads/tenancy.js';
import { runTask, type VerificationSubject, type VerificationTask } from './verification-tasks.js';

/** What the thread is made with. */
export interface WorkerSettings {
  url: string;
  lockTimeoutMs: number;
  archive: ArchiveReadSettings;
}

export interface WorkerRequest {
  subject: VerificationSubject;
  task: VerificationTask;
}

/** How far a task came to the database. */
export type Reach = 'not-connected' | 'connection-lost' | 'answered';

/** An error loses its class between threads; this is what is needed of it. */
export interface WorkerAnswer {
  result?: unknown;
  error?: { message: string; code: string | undefined; reach: Reach };
}

/** Answering requests comes first: on Linux, and nowhere else, a priority is a thread's own. */
const NICENESS = 10;

if (process.platform === 'linux') setPriority(NICENESS);

/*
 * A thread of verification: its own connection, one task at a time, each read and checked here, so that no row crosses
 * threads.
 */
serveTenants(async (settings: WorkerSettings, port: MessagePort) => {
  const options = connectionOptions({ ...settings, asService: true, applicationName: 'truetrail verification' });
  /** For the catalogue of the archive, on which nothing is ever under way for long; connects when it is first asked. */
  const catalogue = new pg.Pool({ ...options, max: 1 });
  keepFromCrashing(catalogue);
  catalogue.on('error', () => undefined);
  const archive = await makeArchiveReader(catalogue, settings.archive);
  const connection = new KeptConnection(options, settings.url, (client) =>
    // as many processors as there are threads, and no more
    client.query('SET max_parallel_workers_per_gather = 0'),
  );

  async function answer({ subject, task }: WorkerRequest): Promise<WorkerAnswer> {
    let used: pg.Client | undefined;
    try {
      used = await connection.connected();
      return { result: await runTask(used, archive, subject, task) };
    } catch (error) {
      const { message } = error as Error;
      const reach = used === undefined ? 'not-connected' : connection.has(used) ? 'answered' : 'connection-lost';
      return { error: { message, code: sqlState(error), reach } };
    }
  }

  port.on('message', (request: WorkerRequest) => {
    void answer(request).then((message) => port.postMessage(message));
  });
  return async () => {
    await connection.end();
    await catalogue.end();
  };
});
