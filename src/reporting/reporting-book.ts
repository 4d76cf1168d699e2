import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { ARCHIVED_EVENTS, type ArchivedEvents } from '../archive/archived-events.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { readPage } from '../events/read-transaction.js';
import { readStoredRows } from '../events/stored-events.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { recordedAt } from '../reports/recorded-at.js';
import {
  actEvent,
  factOf,
  type Act,
  type ActKind,
  type ReportingFact,
  type SubmissionSummary,
} from './reporting-events.js';
import { OvertakenError, ReportingLedger } from './reporting-ledger.js';
import * as sql from './reporting-book.sql.js';
import type { RecordedAct, SentRecord } from './reporting-book.sql.js';
import { insertRunOfAct } from './submission-runs.sql.js';

/** Events that are taken in at once. */
const PAGE_ROWS = 500;
const PAGE_BYTES = 4 * 1024 * 1024;

/** So often in a row another act may come in between the last look and one's own. */
const MOST_RACES = 10;

/** Whether the acts after one are about what was decided by it. */
export type IsAbout = (after: number) => Promise<boolean>;

/** What the ledger `_reporting` says, as tables in which it can be looked up. They follow the ledger, and no one else. */
@Injectable()
export class ReportingBook {
  private readonly timeoutMs: number;

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(ARCHIVED_EVENTS) private readonly archive: ArchivedEvents,
    private readonly ledger: ReportingLedger,
  ) {
    this.timeoutMs = config.READ_TIMEOUT;
  }

  /** Takes in all that was recorded until now. The number of the last act. */
  async catchUp(): Promise<number> {
    for (const ledger of await this.ledger.line()) {
      while (await this.takePage(ledger));
    }
    return sql.lastAct(this.pool);
  }

  /**
   * Makes an act the next one after `upToAct`: the one by which it was decided. What its maker recorded before counts
   * from now on. Throws OvertakenError where another one came first; where `isAbout` is given, only where those that came
   * since are about what was decided, and else records the act after them.
   */
  async record(act: Omit<Act, 'act'>, upToAct: number, at: string, isAbout?: IsAbout): Promise<RecordedAct> {
    for (let [after, races] = [upToAct, 1]; ; races++) {
      const last = await this.catchUp();
      if (last !== after && (!isAbout || (await isAbout(after)))) throw new OvertakenError('another act came first');
      after = last;
      try {
        await this.ledger.append([actEvent({ ...act, act: last + 1 }, at)]);
        break;
      } catch (error) {
        const isRaced = error instanceof OvertakenError && !error.isClosed;
        if (!isRaced || !isAbout || races >= MOST_RACES) throw error;
      }
    }
    await this.catchUp();
    return (await this.find(act.kind, act.subject))!;
  }

  /** Whether an act after one is about what a submission decided by that one. */
  isAbout(decided: sql.Decided, after: number): Promise<boolean> {
    return sql.actsAreAbout(this.pool, decided, after);
  }

  /** The last one of a subject. */
  find(kind: ActKind, subject: string): Promise<RecordedAct | undefined> {
    return sql.findAct(this.pool, kind, subject);
  }

  /** The latest ones first. */
  list(kind: ActKind, limit: number): Promise<RecordedAct[]> {
    return sql.listActs(this.pool, kind, limit);
  }

  /** What an act sent under a reference, as it stood then. */
  async sentBy(
    { act, maker }: RecordedAct,
    executingEntity: string,
    reference: string,
  ): Promise<SentRecord | undefined> {
    const all = await sql.sentRecords(this.pool, { executingEntity, references: [reference] }, act);
    return all.find((each) => each.maker === maker);
  }

  /** The number of the last file that a sender sent to a receiver; 0 before the first. */
  lastFileNumber(by: { sender: string; receiver: string }): Promise<number> {
    return sql.lastFileNumber(this.pool, by);
  }

  /** Whether anything was ever sent for a firm. */
  async hasSentFor(executingEntity: string): Promise<boolean> {
    await this.catchUp();
    return sql.hasSentFor(this.pool, executingEntity);
  }

  /** Those of some message ids that files have that were sent. */
  sentMessages(messageIds: readonly string[]): Promise<Set<string>> {
    return sql.sentMessages(this.pool, messageIds);
  }

  /** False when there is nothing more. Of two replicas at it the second one finds that the first took it in. */
  private async takePage(ledger: string): Promise<boolean> {
    const after = await sql.readProgress(this.pool, ledger);
    const rows = await this.rowsAfter(ledger, BigInt(after));
    const last = rows.at(-1);
    if (!last) return false;
    const facts = rows.map((row): [StoredRow, ReportingFact | undefined] => [row, factOf(contentOf(row))]);
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      if ((await sql.lockProgress(client, ledger)) === after) {
        await takeFacts(client, ledger, facts);
        await sql.moveProgress(client, ledger, last.sequence);
      }
      await client.query('COMMIT');
      client.release();
    } catch (error) {
      client.release(true); // ends the transaction with the connection
      throw error;
    }
    return true;
  }

  /** From the archive where they have left the database. */
  private async rowsAfter(ledger: string, after: bigint): Promise<StoredRow[]> {
    const { rows, archivedTo, size } = await readPage(this.pool, this.timeoutMs, ledger, async (client, extent) => ({
      ...extent,
      rows: after < extent.archivedTo ? [] : await readStoredRows(client, ledger, after + 1n, extent.size, PAGE_ROWS),
    }));
    if (after >= archivedTo) return rows;
    const archived = await this.archive.search({
      ...{ ledger, upTo: archivedTo, after: undefined, maxRows: PAGE_ROWS, maxBytes: PAGE_BYTES },
      query: {
        ...{ equal: [], metadata: [], from: undefined, to: undefined, recordedFrom: undefined, recordedTo: undefined },
        ...{ fromSequence: after + 1n, toSequence: archivedTo, sort: 'sequence', order: 'asc' },
      },
    });
    if (archived.rows.length > 0 || size === archivedTo) return archived.rows;
    // what is left of the archived part was deleted
    return readPage(this.pool, this.timeoutMs, ledger, (client) =>
      readStoredRows(client, ledger, archivedTo + 1n, size, PAGE_ROWS),
    );
  }
}

/** In their order: what belongs to an act is there before it. */
async function takeFacts(
  client: pg.ClientBase,
  ledger: string,
  facts: readonly [StoredRow, ReportingFact | undefined][],
): Promise<void> {
  let written: Extract<ReportingFact, { is: 'written' }>[] = [];
  let advised: Extract<ReportingFact, { is: 'advised' }>[] = [];
  let notes: Extract<ReportingFact, { is: 'noted' }>[] = [];
  let parts: { maker: string; part: sql.StoredPart }[] = [];
  const flush = async (): Promise<void> => {
    if (notes.length > 0) await sql.insertNotes(client, notes);
    if (parts.length > 0) await sql.insertParts(client, parts);
    if (written.length > 0) await sql.insertWritten(client, written);
    if (advised.length > 0) await sql.insertAdvised(client, advised);
    [written, advised, notes, parts] = [[], [], [], []];
  };
  for (const [row, fact] of facts) {
    if (fact?.is === 'written') written.push(fact);
    if (fact?.is === 'advised') advised.push(fact);
    if (fact?.is === 'noted') notes.push(fact);
    if (fact?.is === 'part') {
      parts.push({ maker: fact.maker, part: { ...fact.part, ledger, sequence: row.sequence } });
    }
    if (fact?.is !== 'act') continue;
    await flush();
    await sql.insertAct(client, fact, { ledger, sequence: row.sequence, recordedAt: recordedAt(row) });
    if (fact.kind === 'submission') await keepRun(client, fact, contentOf(row).timestamp);
  }
  await flush();
}

async function keepRun(
  client: pg.ClientBase,
  { subject: id, principal, summary }: Act,
  createdAt: string,
): Promise<void> {
  const {
    ledger,
    executing_entity: executingEntity,
    parameters,
    as_of: asOf,
    files,
    zip,
    sender = null,
    receiver = null,
  } = summary as SubmissionSummary;
  const records = files.reduce((sum, file) => sum + Number(file.new) + Number(file.cancelled), 0);
  await insertRunOfAct(client, {
    ...{ id, ledger, executingEntity, parameters, asOf: BigInt(asOf), madeBy: 'not known any more' },
    ...{ sender, receiver, requestedBy: principal, createdAt, records, bytes: Number(zip.bytes), sha256: zip.sha256 },
  });
}
