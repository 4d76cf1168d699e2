import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import type { Principal } from '../access/principal.js';
import { ObjectRetention } from '../archive/object-retention.js';
import { StoreUnavailable } from '../archive/object-store.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import { isEventId } from '../integrity/event.js';
import { MonthDeletionJob } from './month-deletions.job.js';
import { recordDeletionAct } from './deletion-record.js';
import * as sql from './month-deletions.sql.js';
import {
  DELETION_STATES,
  type DeletionAct,
  type DeletionCandidate,
  type DeletionState,
  type MonthDeletion,
} from './month-deletions.sql.js';
import { inOneAct } from '../database/one-act.js';

export { DELETION_STATES, type DeletionCandidate, type DeletionState, type MonthDeletion };

/**
 * Deletions of months at the end of their retention: asked for by one principal, approved by another, and carried out by
 * a job. The database's functions see to the rules themselves; every act is recorded before it takes effect.
 */
@Injectable()
export class MonthDeletions {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    private readonly serviceLedger: ServiceLedger,
    private readonly objects: ObjectRetention,
    private readonly job: MonthDeletionJob,
  ) {}

  /** Months that may be deleted, and those that only a legal hold keeps. */
  candidates(): Promise<DeletionCandidate[]> {
    return sql.listCandidates(this.pool);
  }

  /** The latest ones first. */
  list(filter: { state?: string | undefined; before?: string | undefined }, limit: number): Promise<MonthDeletion[]> {
    const { state = null, before = null } = filter;
    return sql.listDeletions(this.pool, { state, before }, limit);
  }

  /** Throws deletion-not-found. */
  async find(id: string): Promise<MonthDeletion> {
    const deletion = isEventId(id) ? await sql.findDeletion(this.pool, id) : undefined;
    if (!deletion) throw new Problem('deletion-not-found', 'There is no deletion with this id');
    return deletion;
  }

  /** Asks for the deletion of a month. Throws month-must-be-kept, deletion-state-conflict. */
  async request(caller: Principal, month: string, reason: string): Promise<MonthDeletion> {
    const id = uuidv7();
    await this.act('request', id, caller, (client) =>
      sql.requestDeletion(client, { id, month, reason, principal: caller.id }),
    );
    return this.find(id);
  }

  /** Agrees to a deletion. Throws deletion-not-found, other-principal-needed, deletion-state-conflict, month-must-be-kept. */
  approve(caller: Principal, id: string, reason: string | undefined): Promise<MonthDeletion> {
    return this.actOn(caller, id, 'approve', reason);
  }

  /**
   * Ends a deletion of which nothing was removed yet, also one whose removal has begun. Throws deletion-not-found,
   * deletion-state-conflict, archive-unavailable.
   */
  reject(caller: Principal, id: string, reason: string): Promise<MonthDeletion> {
    return this.actOn(caller, id, 'reject', reason);
  }

  /** A removal whose answer was lost may have been done: the store says, while nobody else can remove anything. */
  private async requireWhole(client: pg.Client, id: string): Promise<void> {
    const { month, acts } = (await sql.findDeletion(client, id))!;
    if (!acts.some(({ act }) => act === 'begin')) return;
    const missing = await this.objects.missingOf(month);
    if (missing === undefined) return;
    throw new Problem('deletion-state-conflict', `The removal has begun, and ${missing} is gone already`);
  }

  private async actOn(
    caller: Principal,
    given: string,
    act: DeletionAct,
    reason: string | undefined,
  ): Promise<MonthDeletion> {
    const { id } = await this.find(given);
    await this.act(act, id, caller, async (client) => {
      await sql.actOnDeletion(client, id, act, caller.id, reason ?? null);
      if (act === 'reject') await this.requireWhole(client, id);
    });
    if (act === 'approve') await this.job.wake();
    return this.find(id);
  }

  private async act(
    act: 'request' | DeletionAct,
    id: string,
    caller: Principal,
    work: (client: pg.Client) => Promise<void>,
  ): Promise<void> {
    try {
      await inOneAct(this.url, 'truetrail retention', async (client) => {
        await work(client);
        await recordDeletionAct(this.serviceLedger, act, (await sql.findDeletion(client, id))!, caller.id);
      });
    } catch (error) {
      throw problemOf(error);
    }
  }
}

/** What the database's refusal means; any other error as it is. */
function problemOf(cause: unknown): unknown {
  if (cause instanceof StoreUnavailable) {
    return new Problem('archive-unavailable', 'The archive’s object store does not answer', { cause });
  }
  const detail = (cause as Error).message;
  const code = sqlState(cause);
  if (code === SqlState.mustBeKept) return new Problem('month-must-be-kept', detail, { cause });
  if (code === SqlState.deletionStateForbids) return new Problem('deletion-state-conflict', detail, { cause });
  if (code === SqlState.otherPrincipalNeeded) {
    const why =
      'These credentials, ones that made them, or ones that they made, asked for the deletion: somebody else has to approve it';
    return new Problem('other-principal-needed', why, { cause });
  }
  if (code === SqlState.noSuchDeletion) {
    return new Problem('deletion-not-found', 'There is no deletion with this id', { cause });
  }
  return cause;
}
