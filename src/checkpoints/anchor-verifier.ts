import { randomInt } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { claimStore, OBJECT_STORE } from '../archive/archive-store.js';
import type { ObjectStore } from '../archive/object-store.js';
import { POOL } from '../database/tokens.js';
import { AnchorError, anchorKey } from '../integrity/anchor.js';
import { NoteError } from '../integrity/signed-note.js';
import { AnchorStore, isAnchorUpTo, READ_AT_ONCE, type StoredAnchor } from './anchor-store.js';
import * as sql from './anchors.sql.js';
import { keysOf, verifyAnchor } from './anchor-intake.js';

/** What is wrong with an anchor, or with the database's word on it. */
export type AnchorFindingKind =
  /** the version that counts is not there */
  | 'anchor-missing'
  /** it is no anchor, does not follow the one before, or is not signed by the key that it should be */
  | 'anchor-invalid'
  /** it is not locked, or not for as long as it must be */
  | 'anchor-unlocked'
  /** later versions or a delete marker stand before it */
  | 'anchor-hidden'
  /** below the anchors' names is what is none */
  | 'anchor-unknown'
  /** the database says otherwise than the anchor */
  | 'catalogue';

export interface AnchorFinding {
  kind: AnchorFindingKind;
  object_key: string;
  detail: string;
}

export interface AnchorVerificationOutcome {
  /** that the database knows */
  anchors: bigint;
  /** of them read back and verified */
  read: number;
  findings: AnchorFinding[];
}

/** What a verification begins with. */
export function noAnchors(): AnchorVerificationOutcome {
  return { anchors: 0n, read: 0, findings: [] };
}

/** Of those that were read in an earlier run. */
const SAMPLED = 100n;
const MAX_FINDINGS = 1_000;

/**
 * Level 2 of verification, the part that the database cannot hide: each anchor in the store is read back, with its lock,
 * its signatures, the one before it, and what the database says of it.
 */
@Injectable()
export class AnchorVerifier {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
  ) {}

  /** Ties store and database to each other first, if nobody has yet; then as `readBack`. */
  async run(after: bigint, signal: AbortSignal, outcome = noAnchors()): Promise<AnchorVerificationOutcome> {
    const store = this.store?.within(signal);
    if (store) await claimStore(store, this.pool);
    return this.readBack(after, signal, outcome);
  }

  /**
   * Those after `after`, and a sample of the others; `after` 0 reads them all. Writes nothing. What is found goes into
   * `outcome`, where it is also when this throws: StoreUnavailable, the database's errors.
   */
  async readBack(after: bigint, signal: AbortSignal, outcome = noAnchors()): Promise<AnchorVerificationOutcome> {
    const store = this.store?.within(signal);
    if (!store) return outcome;
    const anchors = new AnchorStore(store);
    outcome.anchors = (await sql.readLastAnchor(this.pool))?.number ?? 0n;
    for (const numbers of inChunks(sampledNumbers(after, outcome.anchors), READ_AT_ONCE)) {
      signal.throwIfAborted();
      if (outcome.findings.length >= MAX_FINDINGS) break;
      // the store is waited for, and the database is one that others wait for
      const read = await Promise.allSettled(numbers.map((number) => anchors.read(number)));
      for (const [i, number] of numbers.entries()) {
        outcome.findings.push(...(await this.verify(number, read[i]!)));
        outcome.read += 1;
      }
    }
    // rounds have gone on meanwhile: what is there is looked at first, and then how many anchors there are by now
    const strangers = await anchors.strangers(outcome.anchors);
    const last = (await sql.readLastAnchor(this.pool))?.number ?? 0n;
    // one that was being written when they were listed is the next one
    for (const key of strangers.filter((each) => !isAnchorUpTo(each, last + 1n))) {
      outcome.findings.push({ kind: 'anchor-unknown', object_key: key, detail: 'it is no anchor that was catalogued' });
    }
    return outcome;
  }

  private async verify(number: bigint, read: PromiseSettledResult<StoredAnchor | undefined>): Promise<AnchorFinding[]> {
    const findings: AnchorFinding[] = [];
    const say = (kind: AnchorFindingKind, detail: string): void =>
      void findings.push({ kind, object_key: anchorKey(number), detail });
    const known = await sql.findAnchor(this.pool, number);
    if (!known) {
      say('catalogue', 'the database does not know it, although it knows later ones');
      return findings;
    }
    if (read.status === 'rejected') {
      if (!(read.reason instanceof AnchorError)) throw read.reason;
      say('anchor-invalid', read.reason.message);
      return findings;
    }
    const stored = read.value;
    if (!stored) {
      say('anchor-missing', 'it is not in the store');
      return findings;
    }
    const { anchor, intruders } = stored;
    const { keysBefore } = known;
    if (!stored.sha256.equals(known.sha256)) say('catalogue', 'the database knows other bytes of it');
    if (stored.versionId !== known.versionId) say('catalogue', `the database knows version ${known.versionId} of it`);
    if (intruders.length > 0) say('anchor-hidden', `there are later versions: ${intruders.join(', ')}`);
    if (!stored.isCompliance || !stored.retainUntil || stored.retainUntil.getTime() <= Date.now()) {
      say('anchor-unlocked', `it is locked until ${stored.retainUntil?.toISOString() ?? 'never'}`);
    }
    const before = number > 1n ? await sql.findAnchor(this.pool, number - 1n) : undefined;
    const follows =
      number === 1n ? anchor.previous === null : anchor.previous?.equals(before?.sha256 ?? Buffer.alloc(0));
    if (anchor.number !== number || !follows) say('anchor-invalid', 'it does not follow the anchor before it');
    try {
      const { checkpoints } = verifyAnchor(anchor, keysBefore.length > 0 ? keysBefore : keysOf(stored));
      for (const { origin, note } of checkpoints) {
        const row = known.checkpoints.get(origin);
        if (!row) say('catalogue', `the database lacks its checkpoint of ${origin}`);
        else if (row.note !== note) say('catalogue', `the database knows another checkpoint of ${origin}`);
        known.checkpoints.delete(origin);
      }
      for (const origin of known.checkpoints.keys()) {
        say('catalogue', `the database has a checkpoint of ${origin} that is not in it`);
      }
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
      say('anchor-invalid', error.message);
    }
    return findings;
  }
}

function* inChunks<T>(all: Iterable<T>, size: number): Generator<T[]> {
  let chunk: T[] = [];
  for (const each of all) {
    chunk.push(each);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

/** Those after `after`, the first one and a sample of the others; `after` 0: all from 1 on. */
export function* sampledNumbers(after: bigint, last: bigint): Generator<bigint> {
  // the first one says with which key all began
  if (after >= 1n) yield 1n;
  const sampled = new Set<bigint>();
  for (let i = 0n; i < SAMPLED && after > 1n; i++) sampled.add(2n + BigInt(randomInt(Number(after - 1n))));
  yield* sampled;
  for (let number = after + 1n; number <= last; number++) yield number;
}
