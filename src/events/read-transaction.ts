import pg from 'pg';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { Problem } from '../http/problem.js';

/** Where a ledger stands at one moment. */
export interface LedgerExtent {
  /** events in it: what is read up to there is a complete prefix */
  size: bigint;
  /** events up to here have left the database, or are about to: they are read from the archive */
  archivedTo: bigint;
}

/**
 * Reads a page in one short transaction. `read` gets the connection and the ledger's extent. Throws ledger-not-found, and read-timeout when a statement takes longer than
 * `timeoutMs`. Fails at once when `gone` is aborted.
 *
 * - The parent is locked before any snapshot is taken (READ COMMITTED: each statement takes its own), so that no month
 *   can be dropped under the reader, who would see nothing of it and no error. ONLY: a drop locks the parent.
 * - Plans are made for the values at hand. Which index serves a search depends on how rare the values are: with 2
 *   million events in 16 months a user with four events took 1 ms where the generic plan took 890, a client with a third
 *   of all events 1 ms instead of 1,030. Planning costs 2 to 3 ms, less with bounds of recorded time.
 *
 * Both ride on the message that begins the transaction. A single statement that needs no such plan needs no transaction
 * either: it takes its locks when its plan is fetched, and its snapshot when it is executed.
 */
export async function readPage<T>(
  pool: pg.Pool,
  timeoutMs: number,
  ledger: string,
  read: (client: pg.ClientBase, extent: LedgerExtent) => Promise<T>,
  gone?: AbortSignal,
): Promise<T> {
  const client = await pool.connect();
  // cuts the connection under a statement; the server notices within client_connection_check_interval
  const leave = (): void => void (client as pg.PoolClient & { end(): Promise<void> }).end().catch(() => undefined);
  gone?.addEventListener('abort', leave, { once: true });
  try {
    gone?.throwIfAborted();
    // One message of several statements can have no parameters.
    const results = (await client.query(
      `BEGIN READ ONLY;
       LOCK TABLE ONLY audit_events IN ACCESS SHARE MODE;
       SET LOCAL plan_cache_mode = force_custom_plan;
       SET LOCAL statement_timeout = ${timeoutMs};
       SELECT size, archived_to FROM ledger_heads WHERE ledger = ${pg.escapeLiteral(ledger)}`,
    )) as unknown as pg.QueryResult<{ size: string; archived_to: string }>[];
    const head = results.at(-1)?.rows[0];
    if (!head) throw new Problem('ledger-not-found', 'There is no such ledger, or these credentials are not for it');
    const page = await read(client, { size: BigInt(head.size), archivedTo: BigInt(head.archived_to) });
    await client.query('COMMIT');
    client.release();
    return page;
  } catch (error) {
    client.release(true); // ends the transaction with the connection
    if (sqlState(error) !== SqlState.queryCanceled) throw error;
    throw new Problem('read-timeout', `A page was not found within ${timeoutMs} ms (READ_TIMEOUT)`, { cause: error });
  } finally {
    gone?.removeEventListener('abort', leave);
  }
}

/**
 * For the rest of the transaction: whoever asks for a page in the order of an index gets it by that index. What the
 * statistics do not know yet (a new ledger, a month that has just begun) is thought to be a few rows, and would be read to
 * its end and sorted, again for each page. Only where what is asked for is such an order: any other plan would suffer.
 */
export async function readInIndexOrder(client: pg.ClientBase): Promise<void> {
  await client.query('SET LOCAL enable_sort = off');
}
