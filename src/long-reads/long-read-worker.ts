import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import pg from 'pg';
import { makeArchiveReader, NoArchive } from '../archive/archive-reading.js';
import type { ArchivedEvents } from '../archive/archived-events.js';
import { Checkpoints } from '../checkpoints/checkpoints.js';
import { connectionOptions, keepFromCrashing } from '../database/connection.js';
import { EventSearch, SEARCH_SHARE } from '../events/event-search.js';
import { Ledgers } from '../events/ledgers.js';
import { OrderHistory } from '../events/order-history.js';
import { piecesOfBundle } from '../evidence/bundle-pieces.js';
import { errorAsData } from '../http/error-data.js';
import { linesOfPages } from '../http/ndjson.js';
import { piecesOfReport } from '../reports/report-pieces.js';
import type { FeedbackRead } from '../reporting/feedback-read.js';
import type { ReconciliationRead } from '../reporting/reconciliation-read.js';
import type { SentReportsRead } from '../reporting/sent-reports-read.js';
import type { SubmissionRead } from '../reporting/submission-read.js';
import { serveTenants } from '../threads/tenancy.js';
import type { LongRead, Piece, ReadTotals } from './long-read.js';
import type { LongReadAnswer, LongReadRequest, LongReadSettings } from './thread-messages.js';

/**
 * Writers come first, and yet somebody waits for this: a third of a processor that both want. (On Linux, and nowhere else,
 * a priority is a thread's own.)
 */
const NICENESS = 5;

const LEAST_WAIT_MS = 30_000;

if (process.platform === 'linux') setPriority(NICENESS);

interface Reading {
  pieces: AsyncGenerator<Piece, ReadTotals | void>;
  gone: AbortController;
}

/*
 * The thread for long reads: all that are under way take turns on its event loop, each by a page at a time on one of the
 * thread's connections.
 */
serveTenants(async (settings: LongReadSettings, port: MessagePort) => {
  const pool = connectedPool(settings);
  const piecesOf = await makeReads(pool, settings);
  const readings = new Map<number, Reading>();

  port.on('message', (request: LongReadRequest) => {
    const { id } = request;
    if ('read' in request) {
      const gone = new AbortController();
      readings.set(id, { pieces: piecesOf(request.read, gone.signal), gone });
      void makeOne(id);
    } else if ('more' in request) {
      void makeOne(id);
    } else {
      const reading = readings.get(id);
      readings.delete(id);
      reading?.gone.abort(new Error('nobody waits for it'));
      void reading?.pieces.return(undefined).catch(() => undefined);
    }
  });

  async function makeOne(id: number): Promise<void> {
    const reading = readings.get(id);
    if (!reading) return; // stopped, or at its end already
    const answer = (message: LongReadAnswer, transferred: ArrayBuffer[] = []): void => {
      if (readings.get(id) === reading) port.postMessage(message, transferred);
    };
    try {
      const next = await reading.pieces.next();
      if (next.done) {
        answer({ id, end: next.value ?? {} });
        readings.delete(id);
      } else {
        const { value } = next;
        // TextEncoder: with memory of its own, so that it can change threads
        const bytes = 'bytes' in value ? value.bytes : new TextEncoder().encode(value.text);
        answer({ id, bytes, asOf: value.asOf }, [bytes.buffer as ArrayBuffer]);
      }
    } catch (error) {
      answer({ id, error: errorAsData(error) });
      readings.delete(id);
    }
  }

  return () => pool.end();
});

function connectedPool({ url, connections, lockTimeoutMs, readTimeoutMs }: LongReadSettings): pg.Pool {
  const { options, ...connection } = connectionOptions({
    url,
    asService: true,
    applicationName: 'truetrail long reads',
    lockTimeoutMs,
  });
  const pool = new pg.Pool({
    ...connection,
    // a statement for which nobody waits any more ends within a second
    options: `${options} -c client_connection_check_interval=1000`,
    max: connections,
    // also how long a read may wait for its turn on a connection
    connectionTimeoutMillis: LEAST_WAIT_MS + 2 * readTimeoutMs,
  });
  keepFromCrashing(pool);
  pool.on('error', () => undefined); // an idle connection was lost; the next read makes a new one
  return pool;
}

type PiecesOf = (read: LongRead, gone: AbortSignal) => AsyncGenerator<Piece, ReadTotals | void>;

async function makeReads(pool: pg.Pool, settings: LongReadSettings): Promise<PiecesOf> {
  const timeoutMs = settings.readTimeoutMs;
  const ledgers = new Ledgers(pool);
  const archive: ArchivedEvents = (await makeArchiveReader(pool, settings.archive)) ?? new NoArchive();
  const search = new EventSearch(
    pool,
    // searches may have all of these connections: nothing quick waits for one
    { DATABASE_POOL_SIZE: Math.ceil(settings.connections / SEARCH_SHARE), READ_TIMEOUT: timeoutMs },
    ledgers,
    archive,
  );
  const checkpoints = new Checkpoints(pool, archive, ledgers);
  const histories = new OrderHistory(pool, ledgers, archive);

  /** Loaded when it is first needed: it brings a reader of XML. */
  async function* submissionOf(plan: SubmissionRead, gone: AbortSignal): AsyncGenerator<Piece, ReadTotals> {
    const { piecesOfSubmission } = await import('../reporting/submission-pieces.js');
    return yield* piecesOfSubmission(pool, archive, timeoutMs, plan, gone);
  }

  /** As submissionOf. */
  async function* sentReportsOf(plan: SentReportsRead, gone: AbortSignal): AsyncGenerator<Piece, ReadTotals> {
    const { piecesOfSentReports } = await import('../reporting/sent-reports.js');
    return yield* piecesOfSentReports(pool, archive, timeoutMs, plan, gone);
  }

  /** As submissionOf. */
  async function* feedbackOf(plan: FeedbackRead, gone: AbortSignal): AsyncGenerator<Piece, ReadTotals> {
    const { piecesOfFeedback } = await import('../reporting/feedback-pieces.js');
    return yield* piecesOfFeedback(pool, plan, gone);
  }

  /** As submissionOf. */
  async function* reconciliationOf(plan: ReconciliationRead, gone: AbortSignal): AsyncGenerator<Piece, ReadTotals> {
    const { piecesOfReconciliation } = await import('../reporting/reconciliation-pieces.js');
    return yield* piecesOfReconciliation(pool, archive, timeoutMs, plan, gone);
  }

  return (read, gone) => {
    switch (read.kind) {
      case 'search':
        return linesOfPages(search.pages(read.ledger, read.request, gone));
      case 'history':
        return linesOfPages(histories.pages(read.ledger, read.orderId, read.request));
      case 'evidence':
        return piecesOfBundle({ pool, timeoutMs, archive, search, checkpoints }, read.plan, gone);
      case 'submission':
        return submissionOf(read.plan, gone);
      case 'sent-reports':
        return sentReportsOf(read.plan, gone);
      case 'feedback':
        return feedbackOf(read.plan, gone);
      case 'reconciliation':
        return reconciliationOf(read.plan, gone);
      case 'report':
        return piecesOfReport(pool, archive, timeoutMs, read, gone);
    }
  };
}
