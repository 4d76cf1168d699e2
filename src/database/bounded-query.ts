import pg from 'pg';

export interface Statement {
  /** a prepared statement of that name; without one it is parsed each time */
  name?: string;
  text: string;
  values: unknown[];
}

/** The rows of a statement as far as they were read. */
export interface BoundedRows<R> {
  rows: R[];
  /** as they came over the wire */
  bytes: number;
  /** the bound was reached first: there may be more rows */
  cut: boolean;
}

/** Rows of a read's first portion; the next are as many as should fit, by the rows so far, within these limits. */
const FIRST_PORTION_ROWS = 16;
const MIN_PORTION_ROWS = 8;
const MAX_PORTION_ROWS = 512;
/** So few rows come in one portion: to ask for a second costs a round trip. */
const SINGLE_PORTION_ROWS = 128;

/**
 * Runs a SELECT and leaves it once `maxBytes` have come, so that a page of the largest events fits into memory as a page
 * of small ones does. (A LIMIT cannot say that, and a window over sizes would read on to the end.) `maxRows` is the
 * statement's own LIMIT.
 */
export function queryBounded<R extends object>(
  client: pg.ClientBase,
  statement: Statement,
  maxRows: number,
  maxBytes: number,
): Promise<BoundedRows<R>> {
  const config = maxRows <= SINGLE_PORTION_ROWS ? statement : { ...statement, rows: FIRST_PORTION_ROWS };
  return new Promise((resolve, reject) => {
    const query: BoundedQuery = new BoundedQuery(config, maxBytes, (error, result) => {
      if (error) reject(error);
      else resolve({ rows: result!.rows as R[], bytes: query.bytes, cut: query.cut });
    });
    client.query(query);
  });
}

/** What the client of pg calls as messages arrive, and its types leave out. */
interface QueryInternals {
  rows?: number;
  handleDataRow(message: { length: number }): void;
  handlePortalSuspended(connection: { sync(): void }): void;
  handleError(error: Error, connection: { sync(): void }): void;
}

const PortalQuery = pg.Query as unknown as new (
  config: object,
  values: undefined,
  callback: (error: Error | null, result?: pg.QueryResult) => void,
) => pg.Query & QueryInternals;

/** pg's own query, which counts, and with `rows` asks for the next portion unless enough has come. */
class BoundedQuery extends PortalQuery {
  bytes = 0;
  private count = 0;
  cut = false;

  constructor(
    config: Statement & { rows?: number },
    private readonly maxBytes: number,
    callback: (error: Error | null, result?: pg.QueryResult) => void,
  ) {
    super(config, undefined, callback);
  }

  override handleDataRow(message: { length: number }): void {
    this.bytes += message.length;
    this.count += 1;
    super.handleDataRow(message);
  }

  override handlePortalSuspended(connection: { sync(): void }): void {
    this.cut = this.bytes >= this.maxBytes;
    if (this.cut) {
      connection.sync();
      return;
    }
    const fitting = Math.floor(((this.maxBytes - this.bytes) * this.count) / this.bytes);
    this.rows = Math.min(Math.max(fitting, MIN_PORTION_ROWS), MAX_PORTION_ROWS);
    super.handlePortalSuspended(connection);
  }

  override handleError(error: Error, connection: { sync(): void }): void {
    // After an error the server waits for the Sync, which a read in portions sends at its end only. (An error of the
    // connection itself has no severity, and nobody is left to send to.)
    if (this.rows !== undefined && 'severity' in error) connection.sync();
    super.handleError(error, connection);
  }
}
