import { setImmediate as breathe } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { archiveReadSettings } from '../archive/archive-reading.js';
import { claimStore, OBJECT_STORE } from '../archive/archive-store.js';
import { retainUntil } from '../archive/lock-of-proofs.js';
import type { ObjectStore } from '../archive/object-store.js';
import { CONFIG, type Config } from '../config/config.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { AppendGate } from '../events/append-gate.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import type { Anchor } from '../integrity/anchor.js';
import { checkpointText, type Checkpoint } from '../integrity/checkpoint.js';
import { formatNote } from '../integrity/signed-note.js';
import { catalogueAnchor, takeUpAnchors } from './anchor-intake.js';
import { AnchorStore } from './anchor-store.js';
import * as sql from './anchors.sql.js';
import type { SignedLedger } from './anchors.sql.js';
import { KeyFile, SigningKeyError, type Signer } from './signer.js';
import { TreeThread } from './tree-thread.js';

export interface RoundRequest {
  signal: AbortSignal;
  log: Logger;
  /** also ledgers that were refused within the hour */
  retryAll?: boolean;
}

export interface RoundOutcome {
  /** the anchor that was written; null when there was nothing to sign */
  anchor: bigint | null;
  /** checkpoints in it */
  signed: number;
  /** anchors that the database did not know, and that were taken up from the store */
  takenUp: number;
  /** ledgers that were not signed, and why */
  refused: { ledger: string; reason: string; isOpen: boolean }[];
}

/** Every so many rounds all ledgers are signed, so that whoever reads this many anchors back knows the last of each. */
const WHOLE_ROUND = 1_000n;
/** When nothing moved, so often all the same: nobody can say later that nothing was signed because nobody was there. */
const IDLE_SECONDS = 86_400;
/** Somebody else writes anchors at the same time: not for long, as rounds take turns. */
const MAX_ATTEMPTS = 5;
const LOCK_TIMEOUT_MS = 10_000;
const IDLE_MS = 300_000;
const REFUSAL_MS = 3_600_000;
/** Checkpoints and notes of successions, of 763 bytes together: 38 MB, well within what is read back as one anchor. */
const MAX_NOTES_AN_ANCHOR = 100_000;
/** Signatures are made on the main thread, so many at a time. */
const SIGNED_AT_ONCE = 50;

/**
 * Signs what has moved: reads back what was recorded, recomputes the roots from it, writes one anchor for all ledgers to
 * the store, under a lock and only if there is none of its number, and catalogues it. Only then are its checkpoints
 * there for anybody to see, so there is none that is not anchored. A crash at any step leaves either nothing, or an
 * anchor in the store that the next round takes up.
 *
 * The store is what cannot be set back: a database that was restored from a backup finds anchors there that it does not
 * know, and signs nothing that contradicts them.
 */
@Injectable()
export class SigningRound implements OnModuleDestroy {
  /** kept for the next round, which mostly follows soon */
  private thread: TreeThread | undefined;
  private idle: NodeJS.Timeout | undefined;
  /** ledgers that are not signed at the moment, with the reason that was recorded */
  private readonly refusals = new Map<string, { reason: string; at: number }>();

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
    private readonly serviceLedger: ServiceLedger,
    private readonly gate: AppendGate,
  ) {}

  async onModuleDestroy(): Promise<void> {
    clearTimeout(this.idle);
    await this.endThread();
  }

  /** Throws SigningRefused, SigningKeyError, StoreUnavailable; nothing is signed then. */
  async run({ signal, log, retryAll = false }: RoundRequest): Promise<RoundOutcome> {
    const store = this.store?.within(signal);
    if (!store) return { anchor: null, signed: 0, takenUp: 0, refused: [] };
    await claimStore(store, this.pool);
    clearTimeout(this.idle);
    try {
      if (retryAll) for (const refusal of this.refusals.values()) refusal.at = -Infinity;
      return await this.sign(new AnchorStore(store), signal, log);
    } catch (error) {
      await this.endThread(); // whatever is under way on it
      throw error;
    } finally {
      this.idle = setTimeout(() => void this.endThread(), IDLE_MS).unref();
    }
  }

  private async sign(anchors: AnchorStore, signal: AbortSignal, log: Logger): Promise<RoundOutcome> {
    const outcome: RoundOutcome = { anchor: null, signed: 0, takenUp: 0, refused: [] };
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      const { anchors: takenUp, intruders, foreign } = await takeUpAnchors(this.pool, anchors, log);
      outcome.takenUp += takenUp;
      if (foreign) throw foreign; // the number is taken, and cannot be left out
      for (const reason of intruders) await this.refuse('anchors', reason, log);
      const signer = await this.signer();
      const last = await sql.readLastAnchor(this.pool);
      const number = (last?.number ?? 0n) + 1n;
      const keys = await sql.readSigningKeys(this.pool);
      if (keys.slice(0, -1).some((key) => key.equals(signer.publicKey))) {
        throw new SigningKeyError(
          `${this.config.SIGNING_KEY_FILE} begins with a key that has given way to another one: a key that was rotated ` +
            'away never signs again. Put the last one first',
        );
      }
      const line = lineOf(signer, keys);
      const ledgers = await sql.readSignedLedgers(this.pool);
      const isWhole =
        number % WHOLE_ROUND === 0n ||
        takenUp > 0 || // what others have signed is held against the events at once
        line.length > keys.length ||
        (last?.ageSeconds ?? 0) > IDLE_SECONDS;
      const hasMoved = ({ size, signed }: SignedLedger): boolean =>
        signed?.size !== size || signed.keyNumber < line.length; // it was refused when the key changed
      const moved = ledgers.filter((each) => (isWhole || hasMoved(each)) && !isEnded(each));
      const signable = asMany(await this.extensions(moved, { signer, line }, outcome, log), line);
      signal.throwIfAborted();
      if (signable.length === 0) return outcome;
      const anchor: Anchor = {
        number,
        previous: last?.sha256 ?? null,
        ...(await signAll(signer, line, signable)),
      };
      const written = await anchors.write(anchor, signer.publicKey, await retainUntil(this.pool, this.config));
      if (written) {
        const intruder = await catalogueAnchor(this.pool, anchors, written, keys.length > 0 ? keys : line);
        if (intruder !== undefined) await this.refuse('anchors', intruder, log);
        outcome.anchor = number;
        outcome.signed = signable.length;
        return outcome;
      }
      if (attempt === MAX_ATTEMPTS) throw new Error(`other anchors were written ${MAX_ATTEMPTS} times meanwhile`);
      log.warn({ anchor: String(number) }, 'another anchor of this number was there before: the round begins anew');
    }
  }

  /** The key that signs: made at the first round, and never instead of one that has signed already. */
  private async signer(): Promise<Signer> {
    const path = this.config.SIGNING_KEY_FILE!;
    const keys = await sql.readSigningKeys(this.pool);
    const signer = keys.length === 0 ? await KeyFile.readOrMake(path) : await KeyFile.read(path);
    if (!signer) {
      throw new SigningKeyError(
        `checkpoints are signed, but this replica has no signing key: there is no file ${path}. Give every replica the ` +
          'same SIGNING_KEY_FILE',
      );
    }
    return signer;
  }

  /** The ledgers whose events lead from what was signed last to what they are now, with that. */
  private async extensions(
    ledgers: readonly SignedLedger[],
    keys: { signer: Signer; line: readonly Buffer[] },
    outcome: RoundOutcome,
    log: Logger,
  ): Promise<Signable[]> {
    const firstKey = firstToSucceed(keys.signer, keys.line);
    const isReached = ({ signed }: SignedLedger): boolean => signed === null || signed.keyNumber >= firstKey;
    const wanted = ledgers.filter(
      (each) =>
        (each.signed === null || each.signed.size <= each.size) && isReached(each) && !this.wasRefused(each.ledger),
    );
    const roots = wanted.length === 0 ? [] : await this.startedThread().findRoots(wanted);
    const found = new Map(wanted.map((each, at) => [each.ledger, roots[at]!]));
    const signable: Signable[] = [];
    for (const each of ledgers) {
      const { ledger, origin, size, signed } = each;
      const isBehind = signed !== null && signed.size > size;
      const root = found.get(ledger) ?? {
        fault: isBehind
          ? `it ends at ${size}, and was signed at ${signed.size}`
          : isReached(each)
            ? this.refusals.get(ledger)!.reason
            : `the key that signed it last (${signed!.keyNumber} of ${keys.line.length}) is no longer in SIGNING_KEY_FILE, ` +
              'so no note can lead from it to the present one. Put it back, after the others',
      };
      if ('fault' in root) {
        outcome.refused.push({ ledger, reason: root.fault, isOpen: each.isOpen });
        await this.refuse(ledger, root.fault, log, isBehind || !isReached(each));
        continue;
      }
      this.refusals.delete(ledger);
      const checkpoint = { origin, size, rootHash: root.rootHash };
      const keyNumber = signed?.keyNumber ?? firstKey;
      signable.push({ ledger, origin, sizeBefore: signed?.size ?? 0n, checkpoint, keyNumber });
    }
    return signable;
  }

  /** Tells once of what is not signed, and keeps it in mind until it is. */
  private async refuse(ledger: string, reason: string, log: Logger, isLookedAtAgain = false): Promise<void> {
    if (this.refusals.get(ledger)?.reason !== reason) {
      log.error({ ledger, reason, alarm: 'checkpoint-refused' }, 'a ledger is not signed');
      this.gate.doubt(); // it may be behind: nothing is appended before that is known
      try {
        await this.serviceLedger.record({
          event_type: 'checkpoint',
          entity_type: 'ledger',
          entity_id: ledger,
          action: 'refuse',
          user_id: 'service',
          new_state: { reason },
        });
      } catch (error) {
        // the others are signed all the same; the next round tells again
        if (!(error instanceof Problem && error.slug === 'ledger-behind-its-anchor')) throw error;
        log.error({ err: error }, 'that a ledger is not signed could not be recorded');
        return;
      }
    } else if (this.wasRefused(ledger)) return;
    // one that is easily looked at is in each round: it may have been recovered
    this.refusals.set(ledger, { reason, at: isLookedAtAgain ? -Infinity : Date.now() });
  }

  /** Within the hour: its tree was made anew from all its events, which takes long, and did not help. */
  private wasRefused(ledger: string): boolean {
    const refusal = this.refusals.get(ledger);
    return refusal !== undefined && Date.now() - refusal.at < REFUSAL_MS;
  }

  private startedThread(): TreeThread {
    this.thread ??= new TreeThread({
      url: this.url,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      archive: archiveReadSettings(this.config),
    });
    return this.thread;
  }

  private async endThread(): Promise<void> {
    const { thread } = this;
    this.thread = undefined;
    await thread?.close();
  }
}

/** Whether a ledger was closed without the events that were signed last: there is nothing more to sign. */
function isEnded({ isOpen, size, signed }: SignedLedger): boolean {
  return !isOpen && signed !== null && signed.size > size;
}

interface Signable {
  ledger: string;
  origin: string;
  sizeBefore: bigint;
  checkpoint: Checkpoint;
  /** the key that signed it last, from 1; of one that was never signed the first from which notes can lead here */
  keyNumber: number;
}

/** As many as fit with their notes; the next round takes the rest, as an anchor is read as a whole. */
function asMany(ledgers: readonly Signable[], line: readonly Buffer[]): Signable[] {
  let notes = 0;
  return ledgers.filter(({ keyNumber }) => (notes += 1 + line.length - keyNumber) <= MAX_NOTES_AN_ANCHOR);
}

/**
 * The checkpoints, signed, and of each ledger that a key before has signed last, or could have, the notes that lead from
 * that key to this one: whoever was given any of the keys reaches the present one.
 */
async function signAll(
  signer: Signer,
  line: readonly Buffer[],
  ledgers: readonly Signable[],
): Promise<Pick<Anchor, 'checkpoints' | 'successions'>> {
  const [checkpoints, successions]: [Anchor['checkpoints'], string[]] = [[], []];
  for (const [at, { origin, sizeBefore, checkpoint, keyNumber }] of ledgers.entries()) {
    const text = checkpointText(checkpoint);
    checkpoints.push({ sizeBefore, note: formatNote({ text, signatures: [signer.sign(text, origin)] }) });
    for (let key = keyNumber; key < line.length; key++) {
      successions.push(signer.succeed(line[key - 1]!, line[key]!, origin, checkpoint.size));
    }
    if (at % SIGNED_AT_ONCE === SIGNED_AT_ONCE - 1) await breathe();
  }
  return { checkpoints, successions };
}

/** The number, from 1, of the first key of the line from which the signer can make notes up to its own key. */
function firstToSucceed({ publicKey, predecessors }: Signer, line: readonly Buffer[]): number {
  const isThere = (key: Buffer): boolean => [publicKey, ...predecessors].some((own) => own.equals(key));
  return line.findLastIndex((key) => !isThere(key)) + 2;
}

/** The keys that have signed and the signer's, which is the last of them or succeeds it. Throws SigningKeyError. */
function lineOf(signer: Signer, keys: readonly Buffer[]): readonly Buffer[] {
  const last = keys.at(-1);
  if (last?.equals(signer.publicKey)) return keys;
  if (!last || signer.predecessors.some((key) => key.equals(last))) return [...keys, signer.publicKey];
  throw new SigningKeyError(
    'another key has signed so far, and this replica’s key cannot succeed it: nothing is signed here. Give every replica ' +
      'the same SIGNING_KEY_FILE; to change keys use `truetrail signing-key rotate`, which keeps the old one in the file',
  );
}
