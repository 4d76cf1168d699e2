import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { claimStore, OBJECT_STORE } from '../archive/archive-store.js';
import { ObjectMissing, type ObjectStore } from '../archive/object-store.js';
import { POOL } from '../database/tokens.js';
import * as sql from './object-holds.sql.js';
import type { OpenObject } from './object-holds.sql.js';
import { RecordedHolds, type ContradictedHold } from './recorded-holds.js';
import { RequestsOnRecord } from './requests-on-record.js';

/** Objects that the database is asked for at once. */
const PAGE_OBJECTS = 500;
/** Requests to the store under way at once: they wait for it more than they compute. */
const PARALLEL = 8;
/** The store is asked once a day whether it still holds what it should: S3 lets a hold be taken off by whoever has the right to. */
const RECHECK_S = 86_400;
/** Of objects that are missing, in the error of a run. */
const NAMED_OBJECTS = 10;

export interface ObjectHoldsRequest {
  /** ask the store about every object, however lately it was asked */
  recheckAll: boolean;
  signal: AbortSignal;
  log: Logger;
}

export interface ObjectHoldsOutcome {
  /** objects that the store holds from now on */
  held: number;
  /** that it does not hold any more */
  freed: number;
  /** that it was asked about again and still holds */
  confirmed: number;
  /** that it had been made to let go of past us, and holds again */
  restored: number;
}

/** What a run begins with. */
export function noObjects(): ObjectHoldsOutcome {
  return { held: 0, freed: 0, confirmed: 0, restored: 0 };
}

/**
 * Keeps the store's own legal hold on every archive object that a hold touches, and on no other that we have set it on.
 *
 * The database knows what the store was asked: a row is there before the store is asked to hold an object, and until it
 * has said that it does not any more. Whatever a run that is killed leaves behind, the next one finds: an object that
 * may be held without need, or may not be held yet. Everything is asked for again until the store has confirmed it.
 */
@Injectable()
export class ObjectHolds {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
    private readonly recorded: RecordedHolds,
    private readonly requests: RequestsOnRecord,
  ) {}

  /**
   * Throws StoreUnavailable at the first object that the store does not answer for, and an Error after the last one when
   * objects that should be held are not there at all, or when the database has a hold otherwise than the acts on record
   * leave it, or these cannot be read: nothing is freed then. What was done by then stays, and is in `outcome`.
   */
  async run({ recheckAll, signal, log }: ObjectHoldsRequest, outcome = noObjects()): Promise<ObjectHoldsOutcome> {
    const store = this.store?.within(signal);
    if (!store) return outcome;
    await claimStore(store, this.pool);
    // whatever comes of it, what is to be held is held first
    const compared = await this.contradicted(log).catch((error: unknown) => ({ error }));
    const mayFree = Array.isArray(compared) && compared.length === 0;
    const missing: OpenObject[] = [];
    for (let after = '0'; ;) {
      const open = await sql.listOpenObjects(this.pool, after, recheckAll ? 0 : RECHECK_S, PAGE_OBJECTS);
      if (open.length === 0) break;
      const page = mayFree ? open : open.filter(({ wanted }) => wanted);
      const begun = page.filter(({ wanted }) => wanted).map(({ number }) => number);
      await sql.noteObjects(this.pool, begun, 'begun');
      for (let i = 0; i < page.length; i += PARALLEL) {
        signal.throwIfAborted();
        missing.push(...(await this.bringAbout(store, page.slice(i, i + PARALLEL), outcome, log)));
      }
      after = open.at(-1)!.number;
    }
    if (!Array.isArray(compared)) throw compared.error;
    if (!mayFree) throw changedPastService(compared, log);
    if (missing.length > 0) {
      const keys = missing.slice(0, NAMED_OBJECTS).map(({ object_key: key }) => key);
      log.error({ objects: keys, alarm: 'legal-hold-missing' }, 'objects under a legal hold are not in the store');
      throw new Error(`${missing.length} objects under a legal hold are not in the store: ${keys.join(', ')}`);
    }
    return outcome;
  }

  /** Those that are not as they should be, also where they are again: nothing is freed in a run that has met one. */
  private async contradicted(log: Logger): Promise<ContradictedHold[]> {
    const contradicted: ContradictedHold[] = [];
    for (const { id, how, request } of await this.recorded.contradicted()) {
      const fate = request && (await this.requests.putBack(id, request));
      if (fate === 'there') continue;
      if (fate === 'put back') log.warn({ hold: id }, 'a legal hold was asked for and is not there: it is put back');
      contradicted.push({ id, how: fate === 'put back' ? `${how}; it is put back as it was asked for` : how });
    }
    return contradicted;
  }

  /** Those that should be held and are not there. Notes what the store has done for the others before it throws. */
  private async bringAbout(
    store: ObjectStore,
    objects: readonly OpenObject[],
    outcome: ObjectHoldsOutcome,
    log: Logger,
  ): Promise<OpenObject[]> {
    const results = await Promise.allSettled(objects.map((object) => this.tell(store, object, log)));
    const done = (...what: Told[]): string[] =>
      objects.flatMap(({ number }, i) => {
        const result = results[i]!;
        return result.status === 'fulfilled' && what.includes(result.value) ? [number] : [];
      });
    await sql.noteObjects(this.pool, done('held', 'confirmed', 'restored'), 'held');
    await sql.noteObjects(this.pool, done('freed'), 'freed');
    for (const told of ['held', 'freed', 'confirmed', 'restored'] as const) outcome[told] += done(told).length;
    const missing: OpenObject[] = [];
    results.forEach((result, i) => {
      if (result.status === 'fulfilled') return;
      if (!(result.reason instanceof ObjectMissing)) throw result.reason;
      missing.push(objects[i]!);
    });
    return missing;
  }

  /** Throws ObjectMissing for an object that should be held, StoreUnavailable. */
  private async tell(store: ObjectStore, object: OpenObject, log: Logger): Promise<Told> {
    const { object_key: key, version_id: versionId, wanted, confirmed } = object;
    const version = { key, versionId };
    if (!wanted) {
      try {
        await store.setLegalHold(version, false);
      } catch (error) {
        if (!(error instanceof ObjectMissing)) throw error; // nothing is left to be freed
      }
      return 'freed';
    }
    if (confirmed) {
      if ((await store.describe(version)).legalHold) return 'confirmed';
      log.error({ object: key, alarm: 'legal-hold-lifted' }, 'somebody has lifted the legal hold of an object');
    }
    await store.setLegalHold(version, true);
    if (!(await store.describe(version)).legalHold) {
      throw new Error(`${store.location}${key} is not held although the store has taken its legal hold`);
    }
    return confirmed ? 'restored' : 'held';
  }
}

type Told = keyof ObjectHoldsOutcome;

/** The error of a run that found holds otherwise than the acts on record left them. */
function changedPastService(holds: readonly ContradictedHold[], log: Logger): Error {
  log.error({ holds, alarm: 'legal-hold-changed' }, 'legal holds are not as the acts on record left them');
  const { id, how } = holds[0]!;
  return new Error(
    `${holds.length} legal holds are not as the acts on record left them, the first ${id}: ${how}. ` +
      'Somebody changed that past the service; nothing is freed in the store until it is as it was.',
  );
}
