import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import { makeArchiveReader, type ArchiveReadSettings } from '../archive/archive-reading.js';
import { connectionOptions, keepFromCrashing } from '../database/data-source.js';
import { sqlState } from '../database/sqlstate.js';
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

const settings = workerData as TreeWorkerSettings;
if (process.platform === 'linux') setPriority(NICENESS);
const options = connectionOptions({ ...settings, asService: true, applicationName: 'truetrail checkpoints' });
const archive = makeArchiveReader(catalogue(), settings.archive);
let client: pg.Client | undefined;

/** For the catalogue of the archive; connects when it is first asked. */
function catalogue(): pg.Pool {
  const pool = new pg.Pool({ ...options, max: 1 });
  keepFromCrashing(pool);
  pool.on('error', () => undefined);
  return pool;
}

async function connect(): Promise<pg.Client> {
  if (client) return client;
  const made = new pg.Client(options);
  made.on('error', () => {
    if (client === made) client = undefined;
  });
  await made.connect();
  client = made;
  return made;
}

async function archivedHashes(ledger: string, from: bigint, to: bigint): Promise<Buffer[]> {
  if (!archive) throw new Error('events have left the database, and ARCHIVE_URL is off');
  const hashes: Buffer[] = [];
  for await (const rows of archive.range(ledger, from, to)) {
    for (const row of rows) hashes.push(Buffer.from(row.event_hash));
  }
  return hashes;
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

parentPort!.on('message', (wanted: readonly WantedRoot[]) => {
  void answer(wanted).then((message) => parentPort!.postMessage(message));
});
