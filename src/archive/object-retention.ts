import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import type { Logger } from 'pino';
import { connectionOptions } from '../database/connection.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { noteFinding, noteObject } from './archive-catalogue.sql.js';
import { claimStore, OBJECT_STORE } from './archive-store.js';
import * as sql from './object-retention.sql.js';
import type { KeptObjects, RemovableObject, ShortLock } from './object-retention.sql.js';
import { ObjectMissing, RetentionRefused, StoreUnavailable, type ObjectStore } from './object-store.js';

export interface RetentionRequest {
  requestedBy: string;
  signal: AbortSignal;
  log: Logger;
}

/** What became of objects that were to be removed. */
export interface Removals {
  removed: number;
  /** those that stay for now, and why */
  left: { object_key: string; reason: string }[];
}

/** What became of objects whose lock ends too early. */
export interface Extensions {
  extended: number;
  /** those whose lock could not be moved on, and why */
  short: { object_key: string; reason: string }[];
}

/** Of a run that removes early objects; the next hour goes on. */
const MOST_REMOVED = 1_000;
const LOCK_TIMEOUT_MS = 10_000;
/** Whoever makes a hold at this moment is waited for. */
const LOCK_ATTEMPTS = 20;
const LOCK_PAUSE_MS = 500;
/** Whoever asks for a hold or adds a policy is held up by it, and waits for 10 s at most. */
const REMOVAL_TIMEOUT_MS = 4_000;

/**
 * Keeps the objects of months locked for as long as the policies say, and removes what need not be kept.
 *
 * To remove an object: the database says whether it may be, in a transaction of its own, so that the intention is
 * durable; then says so once more, and holds back every new hold and policy while the store is asked, the removal is recorded
 * in the service's ledger, and the catalogue is told. Killed after the store has done it, the next run finds nothing
 * there, records that and tells the catalogue: a removal may be recorded twice, and is never recorded without having been.
 */
@Injectable()
export class ObjectRetention {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /** Moves locks on to what the policies in force say. What was done is in `outcome` also when this throws, as StoreUnavailable. */
  async extendLocks(request: RetentionRequest, outcome: Extensions = { extended: 0, short: [] }): Promise<Extensions> {
    const store = this.store?.within(request.signal);
    const short = store ? await sql.listShortLocks(this.pool) : [];
    if (!store || short.length === 0) return outcome;
    await this.claim(store);
    for (const object of short) {
      request.signal.throwIfAborted();
      try {
        await this.extend(store, object, request);
        outcome.extended += 1;
      } catch (error) {
        const isOfObject = error instanceof ObjectMissing || error instanceof RetentionRefused;
        if (!isOfObject) throw error;
        if (error instanceof ObjectMissing && object.removal_begun) continue; // it was removed, and that is yet to be noted
        // what is wrong with one holds up no other
        outcome.short.push({ object_key: object.object_key, reason: error.message });
        if (error instanceof ObjectMissing) await noteFinding(this.pool, object.number);
      }
    }
    request.log.info({ objects: outcome.extended }, 'locks were moved on, since a policy keeps records for longer');
    return outcome;
  }

  private async extend(store: ObjectStore, object: ShortLock, { requestedBy }: RetentionRequest): Promise<void> {
    const { number, object_key: key, version_id: versionId, removal_begun: _, ...kept } = object;
    const until = new Date(kept.retain_until);
    const { retainUntil } = await store.describe({ key, versionId });
    if (!retainUntil || retainUntil < until) await store.extendRetention({ key, versionId }, until);
    await this.serviceLedger.record({
      event_type: 'retention',
      entity_type: 'archive_object',
      entity_id: number,
      action: 'extend',
      user_id: requestedBy.slice(0, 255),
      new_state: { object_key: key, version_id: versionId, ...kept },
    });
    await noteObject(this.pool, number, retainUntil && retainUntil > until ? retainUntil : until, false);
  }

  /**
   * The objects of months that are to be read, and found right, before removeSuperseded relies on them; with a month
   * before removeEarlyOf does.
   */
  async toBeVerified(month: string | null): Promise<Set<string>> {
    return this.store ? sql.objectsThatSupersede(this.pool, month, MOST_REMOVED) : new Set();
  }

  /** Removes early objects whose lock is over and whose events the objects of months hold. Throws StoreUnavailable. */
  async removeSuperseded(request: RetentionRequest): Promise<Removals & KeptObjects> {
    const objects = this.store ? await sql.listSuperseded(this.pool, MOST_REMOVED) : [];
    const removals = await this.removeAll(objects, null, request);
    return { ...removals, ...(await sql.countKept(this.pool)) };
  }

  /** Removes what the archive has of a month whose deletion has begun. Throws StoreUnavailable. */
  async removeMonth(month: string, deletion: string, request: RetentionRequest): Promise<Removals> {
    const objects = this.store ? await sql.listObjectsOfMonth(this.pool, month) : [];
    return this.removeAll(objects, deletion, request);
  }

  /** Removes early objects with events of a month of which nothing else is left. Throws StoreUnavailable. */
  async removeEarlyOf(month: string, request: RetentionRequest): Promise<Removals> {
    const objects = this.store ? await sql.listEarlyOfMonth(this.pool, month) : [];
    return this.removeAll(objects, null, request);
  }

  /**
   * Why the store would not let go of what the archive has of a month; undefined when it would. To be asked before a
   * deletion begins: the database's clock may run ahead, and no month is half deleted for years.
   */
  async reasonToStay(month: string, { signal }: Pick<RetentionRequest, 'signal'>): Promise<string | undefined> {
    const store = this.store?.within(signal);
    if (!store) return 'there is no archive here (ARCHIVE_URL is off)';
    await this.claim(store);
    for (const { object_key: key, version_id: versionId } of await sql.listObjectsOfMonth(this.pool, month)) {
      signal.throwIfAborted();
      try {
        const { retainUntil, legalHold } = await store.describe({ key, versionId });
        if (legalHold) return `the store has a legal hold on ${key}`;
        if (retainUntil && retainUntil.getTime() > Date.now()) {
          return `the store has ${key} locked until ${retainUntil.toISOString()}`;
        }
      } catch (error) {
        if (!(error instanceof ObjectMissing)) throw error; // nothing is left to be removed
      }
    }
    return undefined;
  }

  /** The key of an object of a month that is not in the store; undefined when all are. Throws StoreUnavailable. */
  async missingOf(month: string): Promise<string | undefined> {
    const { store } = this;
    if (!store) throw new StoreUnavailable('there is no archive here (ARCHIVE_URL is off)');
    await this.claim(store);
    for (const object of await sql.listObjectsOfMonth(this.pool, month)) {
      if (await isMissing(store, object)) return object.object_key;
    }
    return undefined;
  }

  private async removeAll(
    objects: readonly RemovableObject[],
    deletion: string | null,
    request: RetentionRequest,
  ): Promise<Removals> {
    const outcome: Removals = { removed: 0, left: [] };
    const store = this.store?.within(request.signal);
    if (!store || objects.length === 0) return outcome;
    await this.claim(store);
    const client = new pg.Client(
      connectionOptions({
        url: this.url,
        asService: true,
        applicationName: 'truetrail removal',
        lockTimeoutMs: LOCK_TIMEOUT_MS,
      }),
    );
    client.on('error', () => undefined); // the query that meets it fails
    await client.connect();
    try {
      for (const object of objects) {
        request.signal.throwIfAborted();
        try {
          await this.remove(client, store, object, deletion, request);
          outcome.removed += 1;
        } catch (error) {
          await client.query('ROLLBACK');
          const mayStay = error instanceof RetentionRefused || error instanceof RemovalTimeout;
          if (!mayStay && !REASONS_TO_STAY.has(sqlState(error) ?? '')) throw error;
          outcome.left.push({ object_key: object.object_key, reason: (error as Error).message });
        }
      }
      return outcome;
    } finally {
      await client.end().catch(() => undefined); // without a commit nothing is noted
    }
  }

  private async remove(
    client: pg.Client,
    store: ObjectStore,
    object: RemovableObject,
    deletion: string | null,
    request: RetentionRequest,
  ): Promise<void> {
    try {
      await this.whenUnlocked(() => sql.beginRemoval(client, object.number, deletion), request.signal);
      await client.query('BEGIN');
      if (!(await sql.beginRemoval(client, object.number, deletion))) {
        await client.query('ROLLBACK');
        return; // somebody else has done it
      }
    } catch (error) {
      // what was begun before a hold came up may be gone already: then that is a fact
      const isGone = (await sql.isRemovalBegun(this.pool, object.number)) && (await isMissing(store, object));
      if (!isGone) throw error;
      await client.query('ROLLBACK');
      await client.query('BEGIN');
    }
    try {
      await this.removeInTime(object, request.signal);
    } catch (error) {
      if (!(error instanceof ObjectMissing)) throw error; // gone before
    }
    await this.record(object, deletion, request);
    await sql.finishRemoval(client, object.number);
    await client.query('COMMIT');
    request.log.info({ object: object.object_key, deletion }, 'an object of the archive was removed');
  }

  /** Has the store remove an object while holds and policies wait for it. Throws RemovalTimeout: whether it was done is open. */
  private async removeInTime({ object_key: key, version_id: versionId }: RemovableObject, signal: AbortSignal) {
    const tooLate = AbortSignal.timeout(REMOVAL_TIMEOUT_MS);
    const store = this.store!.within(AbortSignal.any([signal, tooLate]));
    try {
      await store.remove({ key, versionId });
    } catch (error) {
      if (!tooLate.aborted || signal.aborted) throw error;
      throw new RemovalTimeout(`the store has not removed ${key} within ${REMOVAL_TIMEOUT_MS / 1000} s`, {
        cause: error,
      });
    }
  }

  private async record(
    { kind, ...object }: RemovableObject,
    deletion: string | null,
    { requestedBy }: RetentionRequest,
  ): Promise<void> {
    await this.serviceLedger.record({
      event_type: 'retention',
      entity_type: 'archive_object',
      entity_id: object.number,
      action: 'remove',
      user_id: requestedBy.slice(0, 255),
      new_state: { kind, deletion, ...object, ranges: object.ranges.map((range) => ({ ...range })) },
      metadata: { reason: deletion === null ? 'superseded by objects of months' : 'end of retention' },
    });
  }

  private async claim(store: ObjectStore): Promise<void> {
    await claimStore(store, this.pool);
  }

  private async whenUnlocked<T>(step: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await step();
      } catch (error) {
        if (sqlState(error) !== SqlState.lockNotAvailable || attempt === LOCK_ATTEMPTS) throw error;
        await pause(LOCK_PAUSE_MS, undefined, { signal });
      }
    }
  }
}

class RemovalTimeout extends Error {
  override name = 'RemovalTimeout';
}

const REASONS_TO_STAY: ReadonlySet<string> = new Set([
  SqlState.mustBeKept,
  SqlState.monthUnverified,
  SqlState.lockNotAvailable,
]);

async function isMissing(store: ObjectStore, { object_key: key, version_id: versionId }: RemovableObject) {
  try {
    await store.describe({ key, versionId });
    return false;
  } catch (error) {
    if (error instanceof ObjectMissing) return true;
    throw error;
  }
}
