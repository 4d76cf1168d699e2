import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { BoundedRows } from '../database/bounded-query.js';
import { CONFIG, type Config } from '../config/config.js';
import { DATABASE_URL } from '../database/tokens.js';
import { errorOfData } from '../http/error-data.js';
import { Problem } from '../http/problem.js';
import type { StoredRow } from '../integrity/stored-event.js';
import { Thread } from '../threads/thread.js';
import { archiveReadSettings } from './archive-reading.js';
import type { ArchiveReadAnswer, ArchiveReadRequest, ArchiveReadWorkerSettings } from './archive-read-worker.js';
import type { ArchivedEvents, ArchivedSearch, AuditedEvent, EntityLife } from './archived-events.js';

const LOCK_TIMEOUT_MS = 10_000;
/** Pages that are being looked for at once: past it callers are asked to come again. */
const MOST_READS = 32;
const RETRY_AFTER_SECONDS = 5;
const MAX_HEAP_MB = 512;

/**
 * The archived events for requests that are answered at once, read on a thread of their own: to decode a row group takes
 * longer than to record an event. The thread is made when it is first needed.
 */
@Injectable()
export class ArchivedReads implements ArchivedEvents, OnModuleDestroy {
  private current: Thread<ArchiveReadRequest, ArchiveReadAnswer> | undefined;
  private readonly calls = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  private lastId = 0;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(DATABASE_URL) private readonly url: string,
  ) {}

  async at(ledger: string, sequences: readonly string[]): Promise<StoredRow[]> {
    return ((await this.call('at', ledger, sequences)) as StoredRow[]).map(rowOfMessage);
  }

  async hashes(ledger: string, from: bigint, to: bigint): Promise<Buffer> {
    return bufferOf((await this.call('hashes', ledger, from, to)) as Uint8Array);
  }

  async search(search: ArchivedSearch): Promise<BoundedRows<StoredRow>> {
    const found = (await this.call('search', search)) as BoundedRows<StoredRow>;
    return { ...found, rows: found.rows.map(rowOfMessage) };
  }

  async lives(ledger: string, lives: readonly EntityLife[], limit: number): Promise<StoredRow[][]> {
    const found = (await this.call('lives', ledger, lives, limit)) as StoredRow[][];
    return found.map((rows) => rows.map(rowOfMessage));
  }

  async audit(ledger: string, sequences: readonly string[]): Promise<AuditedEvent[]> {
    return (await this.call('audit', ledger, sequences)) as AuditedEvent[];
  }

  async onModuleDestroy(): Promise<void> {
    const thread = this.current;
    this.current = undefined;
    if (this.calls.size > 0) await thread?.end();
    else thread?.giveBack();
  }

  private call(method: keyof ArchivedEvents, ...parameters: unknown[]): Promise<unknown> {
    if (this.calls.size >= MOST_READS) {
      throw new Problem('reads-overloaded', `This replica has ${MOST_READS} reads of the archive under way`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    const thread = this.thread();
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.calls.set(id, { resolve, reject });
      thread.postMessage({ id, method, parameters });
    }).finally(() => this.calls.delete(id));
  }

  private thread(): Thread<ArchiveReadRequest, ArchiveReadAnswer> {
    if (this.current) return this.current;
    const settings: ArchiveReadWorkerSettings = {
      url: this.url,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      archive: archiveReadSettings(this.config),
    };
    const thread = new Thread<ArchiveReadRequest, ArchiveReadAnswer>(
      settings,
      { file: 'archive/archive-read-worker.js', name: 'archive reads', maxHeapMb: MAX_HEAP_MB },
      {
        onMessage: ({ id, result, error }) => {
          if (error) this.calls.get(id)?.reject(errorOfData(error));
          else this.calls.get(id)?.resolve(result);
        },
        onEnd: (cause) => {
          if (this.current === thread) this.current = undefined; // the next read gets a new one
          const problem = new Problem('reads-overloaded', 'The thread for reads of the archive has ended: ask again', {
            cause,
            retryAfterSeconds: RETRY_AFTER_SECONDS,
          });
          for (const { reject } of this.calls.values()) reject(problem);
        },
      },
    );
    this.current = thread;
    return thread;
  }
}

/** A Buffer comes out of a message as a bare array. */
function rowOfMessage(row: StoredRow): StoredRow {
  return {
    ...row,
    raw_data: row.raw_data && bufferOf(row.raw_data),
    salt: bufferOf(row.salt),
    content_hash: bufferOf(row.content_hash),
    previous_event_hash: row.previous_event_hash && bufferOf(row.previous_event_hash),
    event_hash: bufferOf(row.event_hash),
  };
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
