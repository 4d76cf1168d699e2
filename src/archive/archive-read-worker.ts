import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import pg from 'pg';
import { connectionOptions, keepFromCrashing } from '../database/connection.js';
import { errorAsData, type ErrorAsData } from '../http/error-data.js';
import { serveTenants } from '../threads/tenancy.js';
import { makeArchiveReader, NoArchive, type ArchiveReadSettings } from './archive-reading.js';
import type { ArchivedEvents } from './archived-events.js';

export interface ArchiveReadWorkerSettings {
  url: string;
  lockTimeoutMs: number;
  archive: ArchiveReadSettings;
}

/** A call of the ArchivedEvents as data. */
export interface ArchiveReadRequest {
  id: number;
  method: keyof ArchivedEvents;
  parameters: unknown[];
}

export interface ArchiveReadAnswer {
  id: number;
  result?: unknown;
  error?: ErrorAsData;
}

/** Whoever posts events comes first. (On Linux, and nowhere else, a priority is a thread's own.) */
const NICENESS = 5;
/** For look-ups in the catalogue. */
const CONNECTIONS = 2;

if (process.platform === 'linux') setPriority(NICENESS);

serveTenants(async ({ url, lockTimeoutMs, archive }: ArchiveReadWorkerSettings, port: MessagePort) => {
  const pool = new pg.Pool({
    ...connectionOptions({ url, asService: true, applicationName: 'truetrail archive reads', lockTimeoutMs }),
    max: CONNECTIONS,
  });
  keepFromCrashing(pool);
  pool.on('error', () => undefined); // an idle connection was lost; the next read makes a new one
  const reader: ArchivedEvents = (await makeArchiveReader(pool, archive)) ?? new NoArchive();

  port.on('message', ({ id, method, parameters }: ArchiveReadRequest) => {
    const call = reader[method].bind(reader) as (...all: unknown[]) => Promise<unknown>;
    void call(...parameters)
      .then((result): ArchiveReadAnswer => ({ id, result }))
      .catch((error: unknown): ArchiveReadAnswer => ({ id, error: errorAsData(error) }))
      .then((answer) => port.postMessage(answer));
  });
  return () => pool.end();
});
