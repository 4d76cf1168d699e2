import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { ObjectMissing, StoreUnavailable } from '../archive/object-store.js';
import type { S3Settings } from '../archive/s3-object-store.js';
import { openBackupStore } from './backup-store.js';
import { readObject, type ReadObject, type ReadTask } from './object-reading.js';

/** An error loses its class between threads; this is what is needed of it. */
export interface BackupWorkerAnswer {
  read?: ReadObject;
  error?: { message: string; kind: 'missing' | 'unavailable' | 'other' };
}

/** Whoever posts events comes first: on Linux, and nowhere else, a priority is a thread's own. */
const NICENESS = 19;

const store = openBackupStore(workerData as S3Settings);
if (process.platform === 'linux') setPriority(NICENESS);

async function answer(task: ReadTask): Promise<BackupWorkerAnswer> {
  try {
    return { read: await readObject(store, task) };
  } catch (error) {
    const kind = error instanceof ObjectMissing ? 'missing' : error instanceof StoreUnavailable ? 'unavailable' : 'other';
    return { error: { message: (error as Error).message, kind } };
  }
}

parentPort!.on('message', (task: ReadTask) => {
  void answer(task).then((message) => parentPort!.postMessage(message));
});
