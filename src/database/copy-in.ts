import type { Duplex } from 'node:stream';
import type pg from 'pg';
import { BinaryValues } from './binary-values.js';

/** "PGCOPY\n\xff\r\n\0", flags, and the length of an extension area, of which there is none. */
const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const TRAILER = -1;
const COPY_DATA = 0x64;

/** Writes rows as `COPY ... FROM STDIN (FORMAT binary)` takes them: `row()`, and then a value for each column. */
export class CopyRows extends BinaryValues {
  /** `expectedBytes`: of all rows together, about; memory that is not written to costs nothing. */
  constructor(
    private readonly columns: number,
    expectedBytes = 4_096,
  ) {
    super(HEADER.length, expectedBytes);
    HEADER.copy(this.buffer);
  }

  row(): void {
    this.grow(2);
    this.end = this.buffer.writeInt16BE(this.columns, this.end);
  }

  /** All of it, in memory that is nobody else's. Nothing is to be written any more. */
  finished(): Uint8Array<ArrayBuffer> {
    this.grow(2);
    this.end = this.buffer.writeInt16BE(TRAILER, this.end);
    return this.buffer.subarray(0, this.end);
  }
}

/**
 * Runs one `COPY ... FROM STDIN (FORMAT binary)` with rows as CopyRows makes them, under 1 GB. Their bytes are not to be
 * changed before it is done. Rejects with the server's error, after which the connection may be in a failed transaction.
 */
export function copyIn(client: pg.ClientBase, text: string, rows: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(
      new CopyIn(text, rows, (error) => (error === undefined ? resolve() : reject(error))) as unknown as pg.Submittable,
    );
  });
}

/** What pg's connection has, and its types leave out. */
interface Connection {
  query(text: string): void;
  endCopyFrom(): void;
  stream: Duplex;
}

/** What pg calls for the messages that come while this statement is the connection's. */
class CopyIn {
  constructor(
    private readonly text: string,
    private readonly rows: Uint8Array,
    /** pg calls it, too, when the connection is lost */
    readonly callback: (error?: Error) => void,
  ) {}

  submit(connection: Connection): void {
    connection.query(this.text);
  }

  /** One message, and not by sendCopyFromChunk, which copies it. A server that has refused a row drops what is left. */
  handleCopyInResponse(connection: Connection): void {
    const { stream } = connection;
    const header = Buffer.alloc(5);
    header[0] = COPY_DATA;
    header.writeInt32BE(4 + this.rows.length, 1);
    stream.cork();
    stream.write(header);
    stream.write(this.rows);
    connection.endCopyFrom();
    stream.uncork();
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback();
  }

  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
}
