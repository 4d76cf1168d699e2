import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import type { ArchiveReadSettings } from '../archive/archive-reading.js';
import { connectionOptions } from '../database/connection.js';
import { consistencyProof } from '../integrity/tiles.js';
import { serveTenants } from '../threads/tenancy.js';
import type { UncosignedCheckpoint } from './cosignatures.sql.js';
import { offerAll, type AskedWitness, type Offered } from './offering.js';
import { archivedHashesOf, quietPool } from './thread-reading.js';
import { tileReader } from './tree-tiles.js';

export interface WitnessWorkerSettings {
  url: string;
  lockTimeoutMs: number;
  archive: ArchiveReadSettings;
}

export interface WitnessWorkerTask {
  id: number;
  witness: AskedWitness;
  checkpoints: readonly UncosignedCheckpoint[];
}

export interface WitnessWorkerAnswer {
  id: number;
  offered?: Offered[];
  error?: string;
}

/** Whoever posts events comes first: on Linux, and nowhere else, a priority is a thread's own. */
const NICENESS = 10;
/** Proofs that are read at once, over all witnesses. */
const CONNECTIONS = 2;

if (process.platform === 'linux') setPriority(NICENESS);
/** The thread is ended when it is to stop. */
const never = new AbortController().signal;

serveTenants((settings: WitnessWorkerSettings, port: MessagePort) => {
  const options = connectionOptions({ ...settings, asService: true, applicationName: 'truetrail witnesses' });
  const pool = quietPool(options, CONNECTIONS);
  const archivedHashes = archivedHashesOf(pool, settings.archive);

  function prove(ledger: string, from: bigint, to: bigint): Promise<Buffer[]> {
    return consistencyProof(from, to, tileReader(pool, ledger, archivedHashes));
  }

  port.on('message', ({ id, witness, checkpoints }: WitnessWorkerTask) => {
    void offerAll(witness, checkpoints, prove, never).then(
      (offered) => port.postMessage({ id, offered } satisfies WitnessWorkerAnswer),
      (error: Error) => port.postMessage({ id, error: error.message } satisfies WitnessWorkerAnswer),
    );
  });
  return Promise.resolve(() => pool.end());
});
