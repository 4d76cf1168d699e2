import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import type { LedgerExtent } from '../events/read-transaction.js';
import { grouped } from '../reports/grouped.js';
import { unpackPiece } from '../integrity/zip.js';
import type { RecordPlace } from '../transaction-reports/transaction-report-file.js';
import * as sql from './reporting-book.sql.js';
import type { StoredPart } from './reporting-book.sql.js';
import { BLOCK_BYTES } from './submission-read.js';

/** Parts that are read at once: a megabyte at most. */
const PARTS_AT_ONCE = 16;
/** Pieces of files that are kept unpacked: records that are looked up one after the other stand beside each other. */
const PIECES_KEPT = 16;

/** Reads within a short transaction of a ledger. */
export type ReadOfLedger = <T>(
  ledger: string,
  work: (client: pg.ClientBase, extent: LedgerExtent) => Promise<T>,
) => Promise<T>;

/**
 * Files of transaction reports as they were sent: in the ledger `_reporting`, or in the archive where its events have left
 * the database.
 */
export class SentFiles {
  private readonly pieces = new Map<string, Buffer>();

  constructor(
    private readonly read: ReadOfLedger,
    private readonly archive: ArchivedEvents,
    /** a database whose tables follow the ledger, read without a lock */
    private readonly database: pg.Pool,
  ) {}

  /**
   * The zip of a submission, in parts. Throws event-deleted once its retention is over, archive-unavailable, and Error where it is not
   * the one that was sent: the last part never goes out then.
   */
  async *zip(maker: string, sha256: string, gone: AbortSignal): AsyncGenerator<Uint8Array> {
    const digest = createHash('sha256');
    let last: Buffer | undefined;
    for (let after = 0; ;) {
      gone.throwIfAborted();
      const parts = await sql.partsAfter(this.database, maker, after, PARTS_AT_ONCE);
      if (parts.length === 0) break;
      for (const bytes of await this.bytesOf(parts)) {
        if (last) yield last;
        digest.update(bytes);
        last = bytes;
      }
      after = parts.at(-1)!.part;
    }
    if (!last || digest.digest('hex') !== sha256) throw new Error(`the files of ${maker} are not those that were sent`);
    yield last;
  }

  /**
   * A record as it stands in its file. Throws event-deleted once its retention is over, archive-unavailable, and Error where
   * it is not the one that was sent.
   */
  async record(
    { maker, messageId, digest }: { maker: string; messageId: string; digest: string },
    place: RecordPlace,
  ): Promise<Buffer> {
    const parts = await sql.partsWithin(this.database, maker, messageId, place);
    const pieces: Buffer[] = [];
    for (const part of parts) {
      pieces.push(await this.pieceOf(maker, part));
    }
    const from = place.from - (parts[0]?.content?.from ?? 0);
    const record = Buffer.concat(pieces).subarray(from, from + place.bytes);
    if (createHash('sha256').update(record).digest('hex') !== digest) {
      throw new Error(`a record of the file ${messageId} is not the one that was sent`);
    }
    return record;
  }

  private async pieceOf(maker: string, part: StoredPart): Promise<Buffer> {
    const name = `${maker} ${part.part}`;
    const known = this.pieces.get(name);
    if (known) return known;
    const [packed] = (await this.bytesOf([part])) as [Buffer];
    const piece = unpackPiece(packed, BLOCK_BYTES);
    this.pieces.set(name, piece);
    if (this.pieces.size > PIECES_KEPT) this.pieces.delete(this.pieces.keys().next().value!);
    return piece;
  }

  /** In the same order. */
  private async bytesOf(parts: readonly StoredPart[]): Promise<Buffer[]> {
    const found = new Map<string, Buffer>();
    for (const [ledger, some] of grouped(parts, (part) => part.ledger)) {
      for (const [sequence, bytes] of await this.rawOf(
        ledger,
        some.map(({ sequence }) => sequence),
      )) {
        found.set(`${ledger} ${sequence}`, bytes);
      }
    }
    return parts.map(({ ledger, sequence, part }) => {
      const bytes = found.get(`${ledger} ${sequence}`);
      if (!bytes) throw new Error(`part ${part} of a file that was sent is not in event ${sequence} of ${ledger}`);
      return bytes;
    });
  }

  private async rawOf(ledger: string, sequences: readonly string[]): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    const archived = await this.read(ledger, async (client, { archivedTo }) => {
      const here = sequences.filter((sequence) => BigInt(sequence) > archivedTo);
      for (const [sequence, bytes] of await sql.rawOfEvents(client, ledger, here)) found.set(sequence, bytes);
      return sequences.filter((sequence) => BigInt(sequence) <= archivedTo);
    });
    if (archived.length === 0) return found;
    for (const row of await this.archive.at(ledger, archived)) found.set(row.sequence, row.raw_data!);
    return found;
  }
}
