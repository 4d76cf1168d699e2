import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import pg from 'pg';
import { connectionOptions } from '../database/connection.js';
import { watchForSilence } from '../database/silent-connections.js';
import { serveTenants } from '../threads/tenancy.js';
import { ArchiveObjectError } from './archive-format.js';
import { runArchiveTask, type ArchiveTask } from './archive-tasks.js';

export interface ArchiveWorkerSettings {
  url: string;
  lockTimeoutMs: number;
}

/** An error loses its class between threads; this is what is needed of it. */
export interface ArchiveWorkerAnswer {
  result?: unknown;
  error?: { message: string; code?: string; at?: { ledger: string; sequence: string } | undefined; isDamage: boolean };
}

/** Whoever posts events comes first: on Linux, and nowhere else, a priority is a thread's own. */
const NICENESS = 10;

if (process.platform === 'linux') setPriority(NICENESS);

serveTenants((settings: ArchiveWorkerSettings, port: MessagePort) => {
  let client: pg.Client | undefined;

  async function connect(): Promise<pg.Client> {
    if (client) return client;
    const made = new pg.Client(
      connectionOptions({ ...settings, asService: true, applicationName: 'truetrail archive' }),
    );
    made.on('error', () => {
      if (client === made) client = undefined;
    });
    await made.connect();
    await watchForSilence(made, settings.url);
    client = made;
    return made;
  }

  port.on('message', (task: ArchiveTask) => {
    void answer(connect, task).then((message) => port.postMessage(message));
  });
  return Promise.resolve(async () => client?.end());
});

async function answer(connect: () => Promise<pg.Client>, task: ArchiveTask): Promise<ArchiveWorkerAnswer> {
  try {
    return { result: await runArchiveTask(connect, task) };
  } catch (error) {
    const { message, code } = error as Error & { code?: unknown };
    const isDamage = error instanceof ArchiveObjectError;
    return {
      error: {
        message,
        ...(typeof code === 'string' ? { code } : {}),
        ...(isDamage ? { at: error.at } : {}),
        isDamage,
      },
    };
  }
}
