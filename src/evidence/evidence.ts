import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Principal } from '../access/principal.js';
import { Anchors } from '../checkpoints/anchors.js';
import { Checkpoints, type SignedCheckpoint } from '../checkpoints/checkpoints.js';
import { POOL } from '../database/tokens.js';
import { BulkReads } from '../events/bulk-reads.js';
import { Ledgers } from '../events/ledgers.js';
import { Problem } from '../http/problem.js';
import { isAnchoredNote } from '../integrity/anchor.js';
import type { ReadTotals } from '../long-reads/long-read.js';
import { LongReads } from '../long-reads/long-reads.js';
import * as sql from './evidence.sql.js';
import type { EvidencePlan, EvidenceQuestion } from './evidence-plan.js';

/** From the one that holds the checkpoint to the one that was stamped: an hour of them, at one a minute, and then some. */
const MAX_ANCHORS = 200;
const MAX_ANCHOR_BYTES = 16 * 1024 * 1024;

/** A bundle of more events than one that is handed out as it is made may have. */
export class BundleTooLarge extends Error {}

/** Makes bundles of events with all that proves them. */
@Injectable()
export class Evidence {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly ledgers: Ledgers,
    private readonly checkpoints: Checkpoints,
    private readonly anchors: Anchors,
    private readonly longReads: LongReads,
    private readonly bulkReads: BulkReads,
  ) {}

  /**
   * Fixes a bundle to a checkpoint and to the ledger as it was at as_of. Throws ledger-not-found, event-not-found,
   * not-yet-checkpointed for what the last checkpoint does not cover, events-lost (damaged-record while the ledger is not
   * closed) for what it covers and is not there any more, invalid-body for what is yet to come, and archive-unavailable.
   */
  async prepare(ledger: string, question: EvidenceQuestion): Promise<EvidencePlan> {
    const origin = await this.ledgers.origin(ledger);
    const { size: latest } = await this.checkpoints.held(ledger);
    const asOf = question.asOf ?? latest;
    if (asOf > latest) await this.refuseLater(ledger, '/as_of', asOf);
    const { query } = question;
    const last = query?.parameters.to_sequence;
    if (question.kind === 'sequences' && last !== undefined && BigInt(last) > asOf) {
      if (question.asOf !== undefined) throw wrongBody('/to_sequence', `must be no more than as_of, ${asOf}`);
      await this.refuseLater(ledger, '/to_sequence', BigInt(last));
    }
    if (question.kind === 'sequences' && query!.fromSequence > asOf + 1n) {
      if (question.asOf !== undefined) throw wrongBody('/from_sequence', `must be no more than as_of, ${asOf}`);
      await this.refuseLater(ledger, '/from_sequence', query!.fromSequence);
    }
    if (question.kind === 'order' && question.asOf === undefined) {
      await this.requireWholeOrder(ledger, query!.parameters.entity_id!, asOf);
    }
    const endsByItself = question.kind === 'ids' || (question.kind === 'sequences' && last !== undefined);
    if (question.asOf === undefined && !endsByItself) await this.checkpoints.requireAllSigned(ledger);
    const sequences = await this.sequencesOf(ledger, question, asOf);
    const checkpoint = await this.checkpoints.covering(ledger, asOf);
    return {
      ...question,
      ledger,
      origin,
      asOf,
      sequences,
      isUnlimited: false,
      isUnchecked: false,
      checkpoint: checkpoint.note,
      keys: (await this.checkpoints.keys(ledger)).map(String),
      successions: (await this.checkpoints.successions(ledger)).map(({ note }) => note),
      ...(await this.anchorsAndTimestamps(checkpoint)),
    };
  }

  /**
   * The anchor of a checkpoint, the timestamps that date it, and the anchors up to the one that each is over; of a
   * timestamp that would need too many of them there is none.
   */
  private async anchorsAndTimestamps(
    checkpoint: SignedCheckpoint,
  ): Promise<Pick<EvidencePlan, 'anchors' | 'timestamps'>> {
    const anchors = [await this.anchorOf(checkpoint)];
    const timestamps: EvidencePlan['timestamps'][number][] = [];
    const found = await this.checkpoints.timestampsFrom(checkpoint.anchor);
    let bytes = anchors[0]!.length;
    for (const { anchor, reply } of found.sort((a, b) => Number(a.anchor - b.anchor))) {
      while (
        checkpoint.anchor + BigInt(anchors.length) <= anchor &&
        anchors.length < MAX_ANCHORS &&
        bytes < MAX_ANCHOR_BYTES
      ) {
        const next = await this.anchors.stored(checkpoint.anchor + BigInt(anchors.length));
        anchors.push(next.bytes);
        bytes += next.bytes.length;
      }
      if (anchor >= checkpoint.anchor + BigInt(anchors.length)) break;
      timestamps.push({ anchor, reply });
    }
    const last = timestamps.at(-1)?.anchor ?? checkpoint.anchor;
    return { anchors: anchors.slice(0, Number(last - checkpoint.anchor) + 1), timestamps };
  }

  /**
   * The bundle in pieces, to be handed out as it is made. The first comes once the reading is on record: event type
   * `read`, action `evidence`. Throws BundleTooLarge before it for one of more than MAX_DIRECT_EVENTS.
   */
  async *direct(plan: EvidencePlan, caller: Principal, gone: AbortSignal): AsyncGenerator<Uint8Array> {
    const { ledger, asked, contents, envelopes } = plan;
    const { isTooLarge } = yield* this.longReads.pieces({ kind: 'evidence', plan }, gone, (asOf) =>
      this.bulkReads.record({ ledger, action: 'evidence', parameters: { asked, contents, envelopes }, asOf }, caller),
    );
    if (isTooLarge) throw new BundleTooLarge();
  }

  /** The bundle in pieces, however large it is, for whoever keeps record of it. */
  whole(plan: EvidencePlan, signal: AbortSignal): AsyncGenerator<Uint8Array, ReadTotals> {
    const read = { kind: 'evidence', plan: { ...plan, isUnlimited: true } } as const;
    return this.longReads.pieces(read, signal, () => Promise.resolve());
  }

  /** The bundle in pieces with whatever is wrong with its events in it, for whoever verifies it and hands it to nobody. */
  unchecked(plan: EvidencePlan, signal: AbortSignal): AsyncGenerator<Uint8Array, ReadTotals> {
    return this.whole({ ...plan, isUnchecked: true }, signal);
  }

  private async sequencesOf(ledger: string, { ids, asOf: asked }: EvidenceQuestion, asOf: bigint): Promise<string[]> {
    if (ids.length === 0) return [];
    const found = await sql.findSequences(this.pool, ledger, ids);
    const unknown = ids.filter((id) => !found.has(id) || (asked !== undefined && found.get(id)! > asOf));
    if (unknown.length > 0) {
      const errors = unknown.map((id) => {
        const detail = `there is no event ${id}${asked === undefined ? '' : ` at as_of ${asOf}`}`;
        return { pointer: '/event_ids', rule: 'event-id', detail };
      });
      throw new Problem('event-not-found', `The ledger holds no event ${unknown[0]}`, { errors });
    }
    const sequences = [...found.values()].sort((a, b) => Number(a - b));
    const last = sequences.at(-1)!;
    if (last > asOf) {
      const pending = `Event ${last} is recorded, and no checkpoint that covers it is signed yet`;
      throw await this.checkpoints.notCovered(ledger, last, pending);
    }
    return sequences.map(String);
  }

  /** A bundle of an order would leave out, without a word, what was recorded of it since the last checkpoint. */
  private async requireWholeOrder(ledger: string, orderId: string, asOf: bigint): Promise<void> {
    const last = await sql.findLastOfOrder(this.pool, ledger, orderId, asOf);
    if (last === undefined) return;
    const pending =
      `The order has event ${last}, which is recorded, and no checkpoint that covers it is signed yet; ` +
      `with as_of ${asOf} the bundle is of what was recorded before`;
    throw await this.checkpoints.notCovered(ledger, last, pending);
  }

  /** What is recorded will be signed; what is not recorded yet is a mistake. */
  private async refuseLater(ledger: string, pointer: string, sequence: bigint): Promise<never> {
    const { size } = await this.ledgers.state(ledger);
    if (sequence > BigInt(size)) throw wrongBody(pointer, `must be no more than the ledger's size, ${size}`);
    const pending = `No checkpoint of at least ${sequence} events has been signed yet`;
    throw await this.checkpoints.notCovered(ledger, sequence, pending);
  }

  /** The bytes of the anchor in the store, which must be the one of the checkpoint. */
  private async anchorOf({ anchor: number, note }: SignedCheckpoint): Promise<Buffer> {
    const { anchor, bytes } = await this.anchors.stored(number);
    if (anchor.checkpoints.some((each) => isAnchoredNote(note, each.note))) return bytes;
    throw new Problem('archive-damaged', `The archive has no anchor ${number} that holds the checkpoint`);
  }
}

function wrongBody(pointer: string, rest: string): Problem {
  const detail = `${pointer.slice(1)} ${rest}`;
  return new Problem('invalid-body', detail, { errors: [{ pointer, rule: 'range', detail }] });
}
