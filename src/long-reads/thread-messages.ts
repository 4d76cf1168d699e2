import type { ErrorAsData } from '../http/error-data.js';
import type { ArchiveReadSettings } from '../archive/archive-reading.js';
import type { LongRead, ReadTotals } from './long-read.js';

/** What the thread is made with. */
export interface LongReadSettings {
  url: string;
  connections: number;
  lockTimeoutMs: number;
  readTimeoutMs: number;
  archive: ArchiveReadSettings;
}

/** To the thread: begin a read, whose first piece is then made at once; make its next piece; forget it. */
export type LongReadRequest = { id: number } & ({ read: LongRead } | { more: true } | { stop: true });

/** From the thread. After `end` and `error` nothing more comes for that id. */
export type LongReadAnswer = { id: number } & (
  { bytes: Uint8Array; asOf: string } | { end: ReadTotals } | { error: ErrorAsData }
);
