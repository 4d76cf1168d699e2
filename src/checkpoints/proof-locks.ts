import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { claimStore, OBJECT_STORE } from '../archive/archive-store.js';
import { yearsAfter, type ProofRetention } from '../archive/lock-of-proofs.js';
import { ObjectMissing, RetentionRefused, type ObjectStore } from '../archive/object-store.js';
import { POOL } from '../database/tokens.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { readLastAnchor } from './anchors.sql.js';
import * as sql from './proof-locks.sql.js';
import type { ProofObject } from './proof-locks.sql.js';

/** A pass over all that proves, and how far it has come: JSON, for it is kept as the outcome of the last run. */
export interface LockPass {
  /** each is locked for so long from when it was written */
  years: number;
  /** and until then in any case, while there is a legal hold; RFC 3339, null without one */
  held_until: string | null;
  /** everything up to this anchor was looked at */
  through: string;
  /** there is nothing more to be done until policies or holds change */
  complete: boolean;
}

export interface PassStep extends LockPass {
  /** objects that the store was asked about */
  looked_at: number;
  extended: number;
  /** those whose lock could not be moved on, and why */
  short: { object_key: string; reason: string }[];
  /** whether it goes on at once */
  is_more: boolean;
}

/** What a step begins with. */
export function beginStep(pass: LockPass): PassStep {
  return { ...pass, looked_at: 0, extended: 0, short: [], is_more: false };
}

export interface StepRequest {
  /** anchors that are looked at, at most */
  anchors: number;
  requestedBy: string;
  signal: AbortSignal;
  log: Logger;
}

/** Anchors whose objects are in memory at once. */
const PAGE_ANCHORS = 200n;
/** Requests to the store under way at once: they wait for it more than they compute. */
const PARALLEL = 8;
/** What was written is locked from a little before the store took it: no policy is longer by less than a year. */
const SLACK_MS = 86_400_000;

/**
 * The pass to go on with: the last one, or a new one from the first anchor on, where there is none, where a policy keeps
 * records for longer than those that it went by, and where there is a hold and what it locks until is less than a year away.
 */
export function nextPass(last: LockPass | undefined, wanted: ProofRetention): LockPass {
  const isShort = last !== undefined && wanted.years > last.years;
  const isHoldShort = wanted.is_held && (last?.held_until ?? '') < wanted.in_a_year;
  if (last && !isShort && !isHoldShort) return last;
  return {
    years: wanted.years,
    held_until: wanted.is_held ? wanted.in_two_years : null,
    through: '0',
    complete: false,
  };
}

/**
 * Moves on the locks of anchors, time stamps and cosignatures that are there, when a policy comes that is longer than those
 * by which they were locked, and while there is a legal hold. A hold keeps all of them: an anchor is worth something with
 * those before it alone. Each pass asks the store about every object; killed anywhere, the step is done again, which then
 * finds them locked.
 */
@Injectable()
export class ProofLocks {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /** A step of a pass. Throws StoreUnavailable; what was done by then stays, and is in `done`. */
  async step(pass: LockPass, wanted: ProofRetention, request: StepRequest, done = beginStep(pass)): Promise<PassStep> {
    const store = this.store?.within(request.signal);
    if (!store || pass.complete) return done;
    await claimStore(store, this.pool);
    const last = (await readLastAnchor(this.pool))?.number ?? 0n;
    const from = BigInt(pass.through);
    const to = min(last, from + BigInt(request.anchors));
    for (let after = from; after < to; after += PAGE_ANCHORS) {
      request.signal.throwIfAborted();
      await this.lockPage(store, after, min(to, after + PAGE_ANCHORS), done, request);
    }
    done.is_more = to < last;
    done.complete = to >= last && !wanted.is_new;
    // what was being written as the policy came is looked at once more, an hour later
    const isOver = to >= last && wanted.is_new && wanted.since !== null;
    done.through = String(isOver ? min(to, await sql.findAnchorBefore(this.pool, wanted.since!)) : to);
    return done;
  }

  private async lockPage(
    store: ObjectStore,
    after: bigint,
    to: bigint,
    done: PassStep,
    { requestedBy, log }: StepRequest,
  ): Promise<void> {
    const objects = await sql.listProofObjects(this.pool, after, to);
    const wanted = (await inParallel(objects, (object) => this.wantedLock(store, object, done))).filter(
      (each) => each !== undefined,
    );
    done.looked_at += objects.length;
    if (wanted.length === 0) return;
    // durable before the first lock is moved on: a step that is killed and done again may record it twice
    await this.serviceLedger.record({
      event_type: 'retention',
      entity_type: 'proofs',
      entity_id: `${after + 1n}-${to}`,
      action: 'extend',
      user_id: requestedBy.slice(0, 255),
      new_state: {
        years: done.years,
        held_until: done.held_until,
        objects: wanted.length,
        first: wanted[0]!.object_key,
        last: wanted.at(-1)!.object_key,
      },
    });
    await inParallel(wanted, (object) =>
      this.unlessOfObject(object, done, async () => {
        const { object_key: key, version_id: versionId, until } = object;
        await store.extendRetention({ key, versionId }, until);
        done.extended += 1;
      }),
    );
    log.info({ objects: wanted.length, through: String(to) }, 'locks of what proves were moved on');
  }

  /** Until when an object is to be locked; undefined where it is for so long, or cannot be. */
  private wantedLock(
    store: ObjectStore,
    object: ProofObject,
    done: PassStep,
  ): Promise<(ProofObject & { until: Date }) | undefined> {
    return this.unlessOfObject(object, done, async () => {
      const { object_key: key, version_id: versionId } = object;
      const { retainUntil, writtenAt } = await store.describe({ key, versionId });
      const ends = yearsAfter(writtenAt, done.years);
      const heldUntil = new Date(done.held_until ?? 0);
      const until = heldUntil > ends ? heldUntil : ends;
      const isLocked = retainUntil !== null && retainUntil.getTime() >= until.getTime() - SLACK_MS;
      return isLocked ? undefined : { ...object, until };
    });
  }

  /** What is wrong with one object holds up no other. */
  private async unlessOfObject<T>(
    { object_key }: ProofObject,
    { short }: PassStep,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ObjectMissing) && !(error instanceof RetentionRefused)) throw error;
      short.push({ object_key, reason: error.message });
      return undefined;
    }
  }
}

/** The results in order, some at a time. */
async function inParallel<T, R>(all: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < all.length; at += PARALLEL) {
    results.push(...(await Promise.all(all.slice(at, at + PARALLEL).map(work))));
  }
  return results;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
