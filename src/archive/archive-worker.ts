import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import { connectionOptions } from '../database/connection.js';
import { KeptConnection } from '../database/kept-connection.js';
import { serveTenants } from '../threads/tenancy.js';
import { ArchiveObjectError } from './archive-format.js';
import { isRowsToCopy } from './rows-to-copy.js';
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
  const options = connectionOptions({ ...settings, asService: true, applicationName: 'truetrail archive' });
  const connection = new KeptConnection(options, settings.url);

  port.on('message', (task: ArchiveTask) => {
    void answer(connection, task).then((message) => port.postMessage(message, movedWith(message)));
  });
  return Promise.resolve(() => connection.end());
});

/** The memory that a result leaves to whoever gets it: that of rows would be copied otherwise. */
function movedWith({ result }: ArchiveWorkerAnswer): ArrayBuffer[] {
  return isRowsToCopy(result) ? [result.keys.buffer, ...result.months.map(({ rows }) => rows.buffer)] : [];
}

async function answer(connection: KeptConnection, task: ArchiveTask): Promise<ArchiveWorkerAnswer> {
  try {
    return { result: await runArchiveTask(() => connection.connected(), task) };
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
