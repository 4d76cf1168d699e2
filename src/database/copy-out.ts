import type pg from 'pg';

/** "PGCOPY\n\xff\r\n\0", flags and the length of an extension area that no server has used yet. */
const HEADER_BYTES = 19;
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');

/**
 * Runs a text of SQL that holds one `COPY ... TO STDOUT (FORMAT binary)`, other statements before and after it at will,
 * and calls `onTuple` for each row with its bytes: the number of fields (int16), then each as its length (int32, -1 for
 * NULL) and value. The bytes are valid during the call alone.
 *
 * Rows are handled as they arrive, in the socket's own turn, so that nothing piles up however many there are: what is not
 * handled yet waits at the server. Measured, for an event of 25 columns: 9.3 µs of processor time as a row of a SELECT,
 * Node's and PostgreSQL's together, and 5.0 this way.
 *
 * Rejects with what `onTuple` threw (the rest of the rows is read and dropped then) or with the server's error, after
 * which the connection may be in a failed transaction.
 */
export function copyOut(client: pg.ClientBase, text: string, onTuple: (tuple: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(
      new CopyOut(text, onTuple, (error) =>
        error === undefined ? resolve() : reject(error),
      ) as unknown as pg.Submittable,
    );
  });
}

/** What pg calls for the messages that come while this statement is the connection's. */
class CopyOut {
  private atStart = true;
  private failure: Error | undefined;

  constructor(
    private readonly text: string,
    private readonly onTuple: (tuple: Buffer) => void,
    /** pg calls it, too, when the connection is lost */
    readonly callback: (error?: Error) => void,
  ) {}

  submit(connection: { query(text: string): void }): void {
    connection.query(this.text);
  }

  /** The server puts a row a message, the first one behind the header, and the trailer by itself. */
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    if (this.failure !== undefined) return;
    try {
      let tuple = chunk;
      if (this.atStart) {
        if (!chunk.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new Error('this is no binary COPY');
        tuple = chunk.subarray(HEADER_BYTES);
        this.atStart = false;
      }
      const isTrailer = tuple.length === 2 && tuple.readInt16BE(0) === -1;
      if (tuple.length > 0 && !isTrailer) this.onTuple(tuple);
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback(this.failure);
  }

  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
  handleCopyInResponse(connection: { sendCopyFail(message: string): void }): void {
    connection.sendCopyFail('nothing is to be copied in');
  }
}
