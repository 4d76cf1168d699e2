import { FORMAT, contentHash, type Receipt } from '../integrity/event.js';
import { isDefiniteFailure } from '../database/sqlstate.js';
import type { AppendGroup, AppendOutcome, StoredEnvelope } from './appender.sql.js';
import type { PreparedEvent } from './prepared-event.js';

export interface Appended {
  receipt: Receipt;
  /** it was there before this request */
  repeated: boolean;
}

/** An event whose id stands for another content in the ledger. */
export interface Conflict {
  /** of the event in its request */
  index: number;
  event: PreparedEvent;
  sequence: string;
}

/** An event whose id stands for one that was deleted: whether it is the same nobody can say any more. */
export interface DeletedRepeat {
  /** of the event in its request */
  index: number;
  event: PreparedEvent;
  /** which one it was, when and why it was deleted */
  detail: string;
}

/** Ids of a request are taken: by other contents, by deleted events, or some by each. */
export class ConflictError extends Error {
  override name = 'ConflictError';
  constructor(
    readonly conflicts: readonly Conflict[],
    readonly deleted: readonly DeletedRepeat[],
  ) {
    super('an event id stands for another content, or for a deleted event');
  }
}

/** What the queue needs of the world; the appender gives it the database. */
export interface AppendBackend {
  /** Calls the append function once. Any error that is not a definite failure of the statement leaves its outcome open. */
  append(group: AppendGroup): Promise<AppendOutcome>;
  /**
   * Decides what an error before or by the statement means: try again (after a pause of its own), or an error for the
   * callers. `unsure`: an attempt may have committed, so only the database can say more. Never rejects.
   */
  onFailure(error: unknown, attempt: number, unsure: boolean): Promise<'again' | Error>;
  /**
   * The envelopes of events that have left the database, by sequence, or of one that was deleted what is known of that:
   * all of them. Rejects with archive-unavailable, and with internal-error for an event that is in neither place.
   */
  readArchived(ledger: string, sequences: readonly string[]): Promise<ArchivedRepeats>;
  observeGroup(events: number, requests: number, seconds: number): void;
}

export interface ArchivedRepeats {
  envelopes: ReadonlyMap<string, ArchivedEnvelope>;
  deleted: ReadonlyMap<string, string>;
}

export type ArchivedEnvelope = Omit<StoredEnvelope, 'index' | 'sequence'>;

/** An event of a request of which at least one id is known; `repeat` is what is recorded under its own. */
interface KnownEvent {
  /** in its request */
  index: number;
  event: PreparedEvent;
  repeat: StoredEnvelope | undefined;
}

interface Request {
  events: readonly PreparedEvent[];
  /** results by index, filled as they become known */
  results: (Appended | undefined)[];
  /** indexes of the events that are still to be appended */
  open: number[];
  bytes: number;
  /** an attempt at this request may have committed without our hearing of it */
  unsure: boolean;
  resolve(results: Appended[]): void;
  reject(error: Error): void;
}

/**
 * What one call of the append function takes at most, beyond the first request: past some hundred events a commit's
 * fixed cost no longer shows, and a single event should not wait behind more than a few milliseconds of others' work.
 */
const MAX_GROUP_EVENTS = 500;

/**
 * The appends of one ledger in one replica, in order of arrival: whatever waits while a call is under way shares the
 * next call, its commit and its fsync. The head's row lock in the database is what orders replicas.
 */
export class AppendQueue {
  private waiting: Request[] = [];
  private running = false;
  private waitingEvents = 0;
  private waitingBytes = 0;

  constructor(
    private readonly ledger: string,
    private readonly origin: string,
    private readonly maxAheadMs: number,
    private readonly backend: AppendBackend,
  ) {}

  /** Events that wait or are under way. */
  get depth(): number {
    return this.waitingEvents;
  }

  get bytes(): number {
    return this.waitingBytes;
  }

  /**
   * Appends the events of one request, all or nothing; ids must differ. Resolves once they are durable, in order.
   * Rejects with ConflictError when an id stands for another content or for a deleted event, and then nothing of the
   * request is recorded.
   */
  append(events: readonly PreparedEvent[]): Promise<Appended[]> {
    return new Promise((resolve, reject) => {
      const bytes = events.reduce((sum, event) => sum + event.canonical.text.length, 0);
      this.waitingEvents += events.length;
      this.waitingBytes += bytes;
      const settle = (): void => {
        this.waitingEvents -= events.length;
        this.waitingBytes -= bytes;
      };
      this.waiting.push({
        events,
        results: new Array<Appended | undefined>(events.length),
        open: events.map((_, i) => i),
        bytes,
        unsure: false,
        resolve: (results) => {
          settle();
          resolve(results);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    // one turn of the event loop, so that what arrived together goes together
    await new Promise(setImmediate);
    let answered: (() => void) | undefined;
    while (this.waiting.length > 0) {
      const group = this.takeGroup();
      const appending = this.appendGroup(group);
      answered?.(); // the callers of the group before hear of it while the database works on this one
      answered = await appending;
      if (this.waiting.length === 0) {
        answered();
        answered = undefined;
      }
    }
    this.running = false;
  }

  /** The first requests that wait, without two of the same id: the later one goes with the next group, as a repeat. */
  private takeGroup(): Request[] {
    const group: Request[] = [];
    const later: Request[] = [];
    const ids = new Set<string>();
    let events = 0;
    let taken = 0;
    for (const request of this.waiting) {
      if (group.length > 0 && events + request.open.length > MAX_GROUP_EVENTS) break;
      taken += 1;
      if (request.open.some((i) => ids.has(request.events[i]!.content.event_id))) {
        later.push(request);
        continue;
      }
      for (const i of request.open) ids.add(request.events[i]!.content.event_id);
      events += request.open.length;
      group.push(request);
    }
    this.waiting = taken === this.waiting.length ? later : [...later, ...this.waiting.slice(taken)];
    return group;
  }

  /** Appends a group, however long it takes to know the outcome; never rejects. The result answers its callers. */
  private async appendGroup(group: Request[]): Promise<() => void> {
    const events: PreparedEvent[] = [];
    const requests: number[] = [];
    group.forEach((request, r) => {
      for (const i of request.open) {
        events.push(request.events[i]!);
        requests.push(r);
      }
    });
    const startedAt = performance.now();
    for (let attempt = 1; ; attempt++) {
      try {
        const outcome = await this.backend.append({
          ledger: this.ledger,
          maxAheadMs: this.maxAheadMs,
          events,
          requests,
        });
        this.backend.observeGroup(events.length, group.length, (performance.now() - startedAt) / 1000);
        return () => this.settle(group, events, requests, outcome);
      } catch (error) {
        const definite = isDefiniteFailure(error);
        // From here on nothing but the function itself can say what became of these events: its lock waits for the old
        // transaction, and what that committed comes back as repeats with our own salts.
        if (!definite && !(error instanceof NotSent)) for (const request of group) request.unsure = true;
        const decision = await this.backend.onFailure(
          error,
          attempt,
          group.some((request) => request.unsure),
        );
        if (decision === 'again') continue;
        if (group.length > 1 && definite) {
          // One request's data must not fail the others'.
          const answers: (() => void)[] = [];
          for (const request of group) answers.push(await this.appendGroup([request]));
          return () => answers.forEach((answer) => answer());
        }
        return () => group.forEach((request) => request.reject(decision));
      }
    }
  }

  private settle(group: Request[], events: PreparedEvent[], requests: number[], outcome: AppendOutcome): void {
    const repeats = new Map(outcome.repeats.map((repeat) => [repeat.index, repeat]));
    const skipped = new Set(outcome.repeats.map((repeat) => requests[repeat.index]!));
    let sequence = outcome.firstSequence ?? 0n;
    let previous = outcome.previousEventHash?.toString('hex') ?? null;
    let hashes = 0;
    let at = 0;
    group.forEach((request, r) => {
      const known: KnownEvent[] = [];
      for (const i of request.open) {
        const event = events[at]!;
        const repeat = repeats.get(at);
        at += 1;
        if (skipped.has(r)) {
          known.push({ index: i, event, repeat });
          continue;
        }
        const eventHash = outcome.eventHashes.toString('hex', hashes, hashes + 32);
        request.results[i] = {
          receipt: this.receipt(event, String(sequence), outcome.recordedAt, previous, eventHash),
          repeated: false,
        };
        previous = eventHash;
        hashes += 32;
        sequence += 1n;
      }
      if (!skipped.has(r)) request.resolve(request.results as Appended[]);
      else if (known.some(({ repeat }) => repeat?.salt === null)) void this.settleArchived(request, known);
      else this.settleKnown(request, known);
    });
  }

  /** A request that holds known ids: a conflict, or what is not known of it is appended after all. */
  private settleKnown(
    request: Request,
    events: readonly KnownEvent[],
    deletions: ReadonlyMap<string, string> = new Map(),
  ): void {
    const conflicts: Conflict[] = [];
    const deleted: DeletedRepeat[] = [];
    const stillOpen: number[] = [];
    for (const { index, event, repeat } of events) {
      const deletion = repeat && deletions.get(repeat.sequence);
      if (repeat === undefined) stillOpen.push(index);
      else if (deletion !== undefined) deleted.push({ index, event, detail: deletion });
      else if (!this.isSameContent(event, repeat)) conflicts.push({ index, event, sequence: repeat.sequence });
      else {
        const ours = request.unsure && repeat.salt === event.salt.toString('hex');
        request.results[index] = { receipt: this.storedReceipt(event, repeat), repeated: !ours };
      }
    }
    if (conflicts.length + deleted.length > 0) request.reject(new ConflictError(conflicts, deleted));
    else if (stillOpen.length > 0) {
      request.open = stillOpen;
      this.waiting.unshift(request);
      if (!this.running) void this.run();
    } else request.resolve(request.results as Appended[]);
  }

  /** The same where the first of a known id has left the database. Nobody else waits for the archive. Never rejects. */
  private async settleArchived(request: Request, events: readonly KnownEvent[]): Promise<void> {
    try {
      const sequences = events.flatMap(({ repeat }) => (repeat?.salt === null ? [repeat.sequence] : []));
      const { envelopes, deleted } = await this.backend.readArchived(this.ledger, sequences);
      const found = events.map((event): KnownEvent => {
        const envelope = event.repeat && envelopes.get(event.repeat.sequence);
        return envelope ? { ...event, repeat: { ...event.repeat, ...envelope } as StoredEnvelope } : event;
      });
      this.settleKnown(request, found, deleted);
    } catch (error) {
      request.reject(error as Error);
    }
  }

  private isSameContent(event: PreparedEvent, stored: StoredEnvelope): boolean {
    return contentHash(Buffer.from(stored.salt!, 'hex'), event.canonical.text).toString('hex') === stored.content_hash;
  }

  private receipt(
    event: PreparedEvent,
    sequence: string,
    recordedAt: string,
    previous: string | null,
    eventHash: string,
  ): Receipt {
    return {
      format: FORMAT,
      origin: this.origin,
      sequence,
      event_id: event.content.event_id,
      recorded_at: recordedAt,
      recorded_by: event.recordedBy,
      content_hash: event.contentHash.toString('hex'),
      previous_event_hash: previous,
      salt: event.salt.toString('hex'),
      event_hash: eventHash,
    };
  }

  private storedReceipt(event: PreparedEvent, stored: StoredEnvelope): Receipt {
    return {
      format: FORMAT,
      origin: this.origin,
      sequence: stored.sequence,
      event_id: event.content.event_id,
      recorded_at: stored.recorded_at!,
      recorded_by: stored.recorded_by!,
      content_hash: stored.content_hash!,
      previous_event_hash: stored.previous_event_hash,
      salt: stored.salt!,
      event_hash: stored.event_hash!,
    };
  }
}

/** The statement never left: no connection could be had. Nothing is recorded by this attempt. */
export class NotSent extends Error {
  override name = 'NotSent';
}
