import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { MAX_RAW_BYTES } from '../integrity/event.js';
import { MAX_LISTED_ERRORS, Problem } from '../http/problem.js';
import { ConflictError, type Appended } from './append-queue.js';
import { Appender } from './appender.js';
import type { ReadEvent } from './event-reader.js';
import { isOwnLedger } from './ledgers.js';
import { prepareEvent, type PreparedEvent } from './prepared-event.js';
import { ServiceLedger, type ServiceEvent } from './service-ledger.js';

/** Takes valid events into a ledger on a caller's behalf. */
@Injectable()
export class EventIntake {
  constructor(
    private readonly appender: Appender,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /** Throws forbidden for the service's own ledgers. */
  assertPostable(ledger: string): void {
    if (isOwnLedger(ledger)) throw new Problem('forbidden', "Nobody posts to the service's own ledgers");
  }

  hasRoom(ledger: string): boolean {
    return this.appender.hasRoom(ledger);
  }

  /** Records one event; durable once resolved. Throws event-id-conflict, event-deleted and whatever `Appender.append` throws. */
  async recordEvent(ledger: string, event: ReadEvent, caller: Principal): Promise<Appended> {
    const [appended] = await this.append(ledger, [prepareEvent(event, caller.id)], caller, () => '/event_id');
    return appended!;
  }

  /**
   * Records a batch, all or nothing; the results in the order of its events. The same id twice with the same content
   * is one event and the same receipt twice; with other content a conflict.
   */
  async recordBatch(ledger: string, events: readonly ReadEvent[], caller: Principal): Promise<Appended[]> {
    const first = new Map<string, { event: PreparedEvent; at: number }>();
    const unique: PreparedEvent[] = [];
    const positions: number[] = []; // of each unique event, in the batch
    const twins: { event: PreparedEvent; at: number }[] = [];
    const indexes = events.map((event, i) => {
      const known = first.get(event.content.event_id);
      const prepared = prepareEvent(event, caller.id, `/events/${i}`);
      if (known !== undefined) {
        if (prepared.canonical.text !== known.event.canonical.text) twins.push({ event: prepared, at: i });
        return known.at;
      }
      first.set(event.content.event_id, { event: prepared, at: unique.length });
      positions.push(i);
      return unique.push(prepared) - 1;
    });
    if (twins.length > 0) {
      await this.refuse(
        ledger,
        twins.map(({ event, at }) => ({ event, pointer: `/events/${at}/event_id` })),
        caller,
      );
    }
    const appended = await this.append(ledger, unique, caller, (i) => `/events/${positions[i]}/event_id`);
    return indexes.map((i) => appended[i]!);
  }

  private async append(
    ledger: string,
    events: readonly PreparedEvent[],
    caller: Principal,
    pointer: (index: number) => string,
  ): Promise<Appended[]> {
    try {
      return await this.appender.append(ledger, events);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return this.refuse(
        ledger,
        error.conflicts.map(({ event, index }) => ({ event, pointer: pointer(index) })),
        caller,
        error.deleted.map(({ event, index, detail }) => ({ event, pointer: pointer(index), detail })),
      );
    }
  }

  /**
   * Keeps refused contents, then throws event-id-conflict, or event-deleted when all that is known stands for deleted
   * events. If they cannot be kept, 503: a conflict is not forgotten.
   */
  private async refuse(
    ledger: string,
    conflicts: readonly { event: PreparedEvent; pointer: string }[],
    caller: Principal,
    deleted: readonly { event: PreparedEvent; pointer: string; detail: string }[] = [],
  ): Promise<never> {
    try {
      if (conflicts.length > 0) {
        await this.serviceLedger.record(...conflicts.map(({ event }) => conflictEvent(ledger, event, caller)));
      }
    } catch (cause) {
      throw new Problem(
        'database-unavailable',
        'The event id stands for another content, and that could not be recorded; try again',
        { cause },
      );
    }
    const errors = [
      ...conflicts.map(({ event, pointer }) => ({
        pointer,
        rule: 'conflict',
        detail: `${event.content.event_id} stands for another content`,
      })),
      ...deleted.map(({ event, pointer, detail }) => ({
        pointer,
        rule: 'deleted',
        detail: `${event.content.event_id} stands for a deleted event: ${detail}`,
      })),
    ];
    const listed = { errors: errors.slice(0, MAX_LISTED_ERRORS), errorsTotal: errors.length };
    if (conflicts.length > 0) {
      throw new Problem(
        'event-id-conflict',
        'An event id stands for another content; nothing of this request was recorded',
        listed,
      );
    }
    throw new Problem(
      'event-deleted',
      `An event id stands for a deleted event, ${deleted[0]!.detail}; nothing of this request was recorded`,
      listed,
    );
  }
}

/** One event for a refused content: itself if it fits into `raw`, and its digest always. */
function conflictEvent(ledger: string, { content, canonical }: PreparedEvent, caller: Principal): ServiceEvent {
  const bytes = Buffer.from(canonical.text);
  return {
    event_type: 'event_conflict',
    entity_type: 'event',
    entity_id: content.event_id,
    action: 'refuse',
    user_id: caller.id,
    new_state: { ledger, event_id: content.event_id, content_sha256: createHash('sha256').update(bytes).digest('hex') },
    ...(bytes.length <= MAX_RAW_BYTES
      ? { raw: { media_type: 'application/json', data: bytes.toString('base64') } }
      : {}),
  };
}
