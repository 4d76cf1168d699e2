import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { EVERY_LEDGER, type Principal } from '../access/principal.js';
import { OBJECT_STORE } from '../archive/archive-store.js';
import { ObjectMissing, StoreUnavailable, type ObjectStore, type ObjectVersion } from '../archive/object-store.js';
import { POOL } from '../database/tokens.js';
import { Problem } from '../http/problem.js';
import { AnchorError } from '../integrity/anchor.js';
import { AnchorStore, type StoredAnchor } from './anchor-store.js';
import * as sql from './anchors-read.sql.js';

/** Until when an object is locked, as the store says now. */
export interface ObjectLock {
  /** null when nothing locks it */
  retainUntil: Date | null;
  /** whether nobody at all can shorten that */
  isCompliance: boolean;
}

export type AnchorWithLock = sql.ListedAnchor & ObjectLock;
export type TimestampWithLock = sql.AnchorTimestampRow & ObjectLock;

const RETRY_AFTER_SECONDS = 60;

/** What was anchored, for those who audit: of each caller's ledgers and of no other. */
@Injectable()
export class Anchors {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
  ) {}

  /** Anchors from a number downwards that hold a checkpoint of the caller's ledgers. */
  list(caller: Principal, from: bigint, limit: number): Promise<sql.ListedAnchor[]> {
    return sql.listAnchors(this.pool, ledgersOf(caller), from, limit);
  }

  /** Throws anchor-not-found, archive-unavailable, archive-damaged. */
  async find(caller: Principal, number: bigint): Promise<AnchorWithLock> {
    const anchor = await this.visible(caller, number);
    return { ...anchor, ...(await this.lockOf(anchor)) };
  }

  /** The anchor's checkpoints of the caller's ledgers after a ledger, by ledger. Throws anchor-not-found. */
  async checkpoints(caller: Principal, number: bigint, after: string, limit: number): Promise<sql.AnchoredRow[]> {
    await this.visible(caller, number);
    return sql.listAnchoredCheckpoints(this.pool, ledgersOf(caller), number, after, limit);
  }

  successions(caller: Principal, number: bigint): Promise<sql.AnchorSuccession[]> {
    return sql.listAnchorSuccessions(this.pool, ledgersOf(caller), number);
  }

  /**
   * The time stamps that date an anchor: those over it, and of an authority that has not stamped it its first one over a
   * later anchor. Throws anchor-not-found, archive-unavailable, archive-damaged.
   */
  async timestamps(caller: Principal, number: bigint): Promise<TimestampWithLock[]> {
    await this.visible(caller, number);
    const rows = await sql.listTimestampsOf(this.pool, number);
    return Promise.all(rows.map(async (row) => ({ ...row, ...(await this.lockOf(row)) })));
  }

  /**
   * The TimeStampResp of a time stamp over an anchor: it names no ledger, so it is for whoever has its digest. Throws
   * timestamp-not-found.
   */
  async reply(number: bigint, sha256: Buffer): Promise<Buffer> {
    const reply = await sql.findTimestampReply(this.pool, number, sha256);
    if (!reply) throw new Problem('timestamp-not-found', `No time stamp over anchor ${number} has this digest`);
    return reply;
  }

  /** An anchor as the store has it, with the bytes that were catalogued. Throws as `find` does. */
  async content(caller: Principal, number: bigint): Promise<StoredAnchor> {
    const { sha256 } = await this.visible(caller, number);
    const stored = await this.stored(number);
    if (stored.sha256.equals(sha256)) return stored;
    throw new Problem('archive-damaged', `Anchor ${number} of the archive is not the one that was written`);
  }

  /** An anchor as it stands in the store, whoever asks. Throws archive-unavailable, archive-damaged. */
  async stored(number: bigint): Promise<StoredAnchor> {
    const store = this.storeOrThrow();
    try {
      const stored = await new AnchorStore(store).read(number);
      if (stored) return stored;
      throw new Problem('archive-damaged', `The archive has no anchor ${number}`);
    } catch (cause) {
      if (cause instanceof AnchorError) {
        throw new Problem('archive-damaged', `Anchor ${number} of the archive is none`, { cause });
      }
      throw unavailable(cause);
    }
  }

  private async visible(caller: Principal, number: bigint): Promise<sql.ListedAnchor> {
    const anchor = await sql.findListedAnchor(this.pool, ledgersOf(caller), number);
    if (anchor) return anchor;
    throw new Problem('anchor-not-found', `There is no anchor ${number} that holds a checkpoint of your ledgers`);
  }

  private async lockOf({
    object_key: key,
    version_id: versionId,
  }: {
    object_key: string;
    version_id: string;
  }): Promise<ObjectLock> {
    const version: ObjectVersion = { key, versionId };
    try {
      const { retainUntil, isCompliance } = await this.storeOrThrow().describe(version);
      return { retainUntil, isCompliance };
    } catch (cause) {
      if (cause instanceof ObjectMissing) {
        throw new Problem('archive-damaged', `The archive has no ${key} of version ${versionId}`, { cause });
      }
      throw unavailable(cause);
    }
  }

  private storeOrThrow(): ObjectStore {
    if (this.store) return this.store;
    throw new Problem(
      'archive-unavailable',
      'This replica is given no archive (ARCHIVE_URL is off), which has the anchor',
    );
  }
}

/** The error itself, unless it says that the store does not answer. */
function unavailable(cause: unknown): unknown {
  if (!(cause instanceof StoreUnavailable)) return cause;
  return new Problem('archive-unavailable', 'The archive, which has the anchor, does not answer', {
    cause,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

function ledgersOf({ ledgers }: Principal): sql.LedgerNames {
  return ledgers.has(EVERY_LEDGER) ? null : [...ledgers];
}
