import { queryBounded, type Statement } from '../database/bounded-query.js';
import { STREAM_PAGE_BYTES } from '../events/event-search.js';
import type { StoredRow } from '../integrity/stored-event.js';
import type { CorrectableEvent, Corrections } from './corrections-of.js';
import { grouped } from './grouped.js';
import { BEGIN, beginsAnother, newLife, takeSaying, type LifeSoFar, type StatedValue } from './life-so-far.js';
import type { LifeMembers } from './order-members.js';
import type { ReportRun } from './report.js';

/** What is known of an order at a place of its life. */
export type OrderValues<Name extends string> = ReadonlyMap<Name, StatedValue>;

/** Most orders have fewer events up to a fill: then one statement serves many orders of a page. */
const FIRST_READ_ROWS = 16;
const FIRST_READ_ORDERS = 200;
/** Of an order with more, and of how many such at once. */
const FURTHER_READ_ROWS = 1_000;
const FURTHER_READ_ORDERS = 8;
/** Whole rows of the archive that are in memory at once. */
const ARCHIVED_ROWS_AT_ONCE = 2_000;
/** Orders of which the walk is kept for the next page. */
const MAX_KEPT_WALKS = 2_000;

/** How far along an order's life we are. */
interface Walk<Name extends string> extends LifeSoFar<Name> {
  orderId: string;
  after: bigint;
  /** what copies alone say, and whether the last event was one */
  copied: Map<Name, StatedValue>;
  isAtCopy: boolean;
  /** the places before the create that were asked for since the walk was last gone on with */
  unbegun: { place: bigint; nanos: bigint }[];
  /** what the first create says, once it was met or looked for; nothing where there is none */
  begin: Begin<Name> | undefined;
  /** event time of the last event, in nanoseconds since 1970 */
  nanos: bigint;
}

/** What a create says, and its time in nanoseconds since 1970. */
interface Begin<Name extends string> {
  nanos: bigint;
  values: ReadonlyMap<Name, StatedValue>;
}

/** A part of an order's life that is asked for: what comes after a sequence, up to another one. */
interface Part {
  orderId: string;
  after: bigint;
  upTo: bigint;
}

/** What was read of a part. */
interface PartRead<Selected> {
  rows: readonly LifeEvent<Selected>[];
  /** there may be more, and whether that is since a page takes no more bytes */
  isUnfinished: boolean;
  isCut: boolean;
}

/** What is said first after a place of an order's life. */
interface Ahead<Name extends string> {
  from: bigint;
  /** where all was said or another order begins; END where neither came */
  until: bigint;
  values: Map<Name, StatedValue>;
  /** as far as it was gone through: by it a create is the order's own, also of another source, or another order's */
  life: LifeSoFar<Name>;
  /** the create that came after `from`, where none had come; its time in nanoseconds since 1970 */
  lateBegin: { place: bigint; nanos: bigint } | undefined;
}

const END = 2n ** 63n;

/** Places of one order that are asked for, ascending. */
interface Question<Name extends string> {
  walk: Walk<Name>;
  places: bigint[];
}

type LifeEvent<Selected> = CorrectableEvent & { action: string } & Selected;

/** As far as the clocks of two sources may be apart, by a second each (RTS 25). */
export const CLOCKS_APART_NANOS = 2_000_000_000n;

/**
 * What orders' own events say of them. Each order is walked along once, also where its fills are spread over many pages:
 * an order of 100,000 fills would otherwise be read a hundred times.
 *
 * - What was said of somebody or something ends where another one is named (subjects.ts).
 * - The id of an order that is over may be used again: with a later `create` nothing holds of the order before.
 * - What is recorded before its order's `create` takes what it lacks from that.
 * - A copy of what another source tells of (`drop_copy`) says nothing of the order but to copies.
 */
export class OrderLives<Name extends string, Selected extends object> {
  private readonly walks = new Map<string, Walk<Name>>();
  private readonly aheads = new Map<string, Ahead<Name>>();
  /** at the places that were asked for last, by answerKey */
  private readonly livesAt = new Map<string, LifeSoFar<Name>>();
  private statedAt: ReadonlyMap<string, ReadonlyMap<Name, string>> = new Map();

  constructor(
    private readonly run: ReportRun,
    private readonly members: LifeMembers<Name, Selected>,
  ) {}

  /** Goes on with what events state that were read for something else, by their sequences: they are not taken apart again. */
  rememberStated(statedAt: ReadonlyMap<string, ReadonlyMap<Name, string>>): void {
    this.statedAt = statedAt;
  }

  /**
   * The latest value of each member at places of orders' lives, in sequence: of what was recorded up to there, corrected.
   * The answers are in the order of the questions. Throws DamagedRowError.
   */
  async valuesAt(
    asked: readonly { orderId: string; place: bigint }[],
    corrections: Corrections<Selected>,
  ): Promise<OrderValues<Name>[]> {
    const { ledger, asOf, readRanges } = this.run;
    if (asked.length > 0)
      readRanges?.lookUp({ ledger, asOf, of: 'events of the orders of what was read', period: undefined });
    const answers = new Map<string, OrderValues<Name>>();
    this.livesAt.clear();
    const byOrder = grouped(asked, ({ orderId }) => orderId);
    const questions = [...byOrder].map(([orderId, own]): Question<Name> => {
      const places = [...new Set(own.map(({ place }) => place))].sort((a, b) => (a < b ? -1 : 1));
      return { walk: this.walkTo(orderId, places[0]!), places };
    });
    const partOf = ({ walk: { orderId, after }, places }: Question<Name>): Part => ({
      ...{ orderId, after, upTo: places.at(-1)! },
    });
    await this.readAlong(questions, partOf, (question, { rows, isUnfinished }) => {
      for (const row of rows) {
        this.answer(question, BigInt(row.sequence) - 1n, answers);
        this.take(question.walk, row, corrections);
      }
      if (!isUnfinished) this.answer(question, question.places.at(-1), answers);
      return isUnfinished;
    });
    await this.readLateBegins(byOrder.keys(), corrections, answers);
    this.forgetOldest();
    return asked.map(({ orderId, place }) => answers.get(answerKey(orderId, place))!);
  }

  /**
   * What is said first by names after places of orders' lives, of those that `valuesAt` was asked for last, up to the `create`
   * with which another order begins. Where none had come by the place one that comes is the order's unless it happened later
   * than the place, by `nanos` since 1970. The answers are in the order of the questions. Throws DamagedRowError.
   */
  async valuesAfter(
    asked: readonly { orderId: string; place: bigint; nanos: bigint }[],
    names: readonly Name[],
    corrections: Corrections<Selected>,
  ): Promise<OrderValues<Name>[]> {
    const firsts = new Map<string, Part & Ahead<Name>>();
    for (const { orderId, place } of asked.toSorted((a, b) => (a.place < b.place ? -1 : 1))) {
      const known = this.aheads.get(orderId);
      const isKnown = known && known.from <= place && place < known.until;
      if (isKnown || firsts.has(orderId)) continue;
      const part = { orderId, after: place, upTo: this.run.asOf };
      const life = this.livesAt.get(answerKey(orderId, place)) ?? newLife<Name>();
      firsts.set(orderId, { ...part, from: place, until: END, values: new Map(), life, lateBegin: undefined });
    }
    await this.readAlong(
      [...firsts.values()],
      (part) => part,
      (part, { rows, isUnfinished }) => {
        for (const row of rows) if (part.until === END) this.goAhead(part, row, names, corrections);
        part.after = BigInt(rows.at(-1)?.sequence ?? part.after);
        return isUnfinished && part.until === END;
      },
    );
    // of an order with several questions the first that was not known was read for those after it
    const answers: OrderValues<Name>[] = [];
    const again: number[] = [];
    for (const [i, { orderId, place, nanos }] of asked.entries()) {
      const ahead = [firsts.get(orderId), this.aheads.get(orderId)].find(
        (each) => each && each.from <= place && place < each.until,
      );
      if (!ahead) again.push(i);
      const { lateBegin } = ahead ?? {};
      const isOfAnother = lateBegin && place < lateBegin.place && lateBegin.nanos > nanos + CLOCKS_APART_NANOS;
      const end = isOfAnother ? lateBegin.place : END;
      const later = [...(ahead?.values ?? [])].filter(([, value]) => value.place > place && value.place < end);
      answers[i] = new Map(later);
    }
    for (const [orderId, { from, until, values, life, lateBegin }] of firsts) {
      this.aheads.delete(orderId);
      this.aheads.set(orderId, { from, until, values, life, lateBegin });
    }
    for (const orderId of this.aheads.keys()) {
      if (this.aheads.size <= MAX_KEPT_WALKS) break;
      this.aheads.delete(orderId);
    }
    if (again.length > 0) {
      const rest = await this.valuesAfter(
        again.map((i) => asked[i]!),
        names,
        corrections,
      );
      for (const [n, i] of again.entries()) answers[i] = rest[n]!;
    }
    return answers;
  }

  /** Goes on until every name was stated, or another order begins. */
  private goAhead(
    ahead: Ahead<Name>,
    row: LifeEvent<Selected>,
    names: readonly Name[],
    corrections: Corrections<Selected>,
  ): void {
    if (corrections.original(row)) return;
    const stated = corrections.inForce(row) ?? row;
    if (stated.action === 'void') return;
    const own = this.statedIn(stated, row);
    if (this.members.isCopy(stated, own)) return;
    const saying = { action: stated.action, nanos: this.members.nanosOf(stated), own: validityOf(own) };
    if (beginsAnother(ahead.life, saying)) {
      ahead.until = BigInt(row.sequence);
      return;
    }
    if (stated.action === BEGIN && !ahead.life.isBegun) {
      ahead.lateBegin = { place: BigInt(row.sequence), nanos: saying.nanos };
    }
    takeSaying(ahead.life, saying, undefined);
    for (const name of names) {
      const value = own.get(name);
      if (value && !ahead.values.has(name)) ahead.values.set(name, value);
    }
    if (ahead.values.size === names.length) ahead.until = BigInt(row.sequence);
  }

  /** The walk of an order that has not gone past the place. */
  private walkTo(orderId: string, place: bigint): Walk<Name> {
    const kept = this.walks.get(orderId);
    const walk = kept && kept.after <= place ? kept : newWalk<Name>(orderId);
    this.walks.delete(orderId); // to the end of the line of those to be forgotten
    this.walks.set(orderId, walk);
    return walk;
  }

  private forgetOldest(): void {
    for (const orderId of this.walks.keys()) {
      if (this.walks.size <= MAX_KEPT_WALKS) return;
      this.walks.delete(orderId);
    }
  }

  /**
   * Reads along the parts of lives that `partOf` says are next, and hands out what comes: many lives at once as far as they
   * are short, then a few of the longer ones. `take`: whether it goes on with that life.
   */
  private async readAlong<Item>(
    items: readonly Item[],
    partOf: (item: Item) => Part,
    take: (item: Item, read: PartRead<Selected>) => boolean,
  ): Promise<void> {
    let fresh = [...items];
    let long: Item[] = [];
    const begin = (): { isFirst: boolean; now: Item[]; reads: Promise<PartRead<Selected>[]> } | undefined => {
      const isFirst = fresh.length > 0;
      const now = isFirst ? fresh.slice(0, FIRST_READ_ORDERS) : long.slice(0, FURTHER_READ_ORDERS);
      if (now.length === 0) return undefined;
      if (isFirst) fresh = fresh.slice(now.length);
      else long = long.slice(now.length);
      const reads = this.readParts(now.map(partOf), isFirst ? FIRST_READ_ROWS : FURTHER_READ_ROWS);
      reads.catch(() => undefined); // told when its turn comes
      return { isFirst, now, reads };
    };
    let next = begin();
    while (next) {
      const { isFirst, now, reads } = next;
      const found = await reads;
      next = begin(); // is read while these are taken
      for (const [i, item] of now.entries()) {
        if (!take(item, found[i]!)) continue;
        // what came after the bytes of a page need be no longer than others
        (isFirst && found[i]!.isCut ? fresh : long).push(item);
      }
      next ??= begin();
    }
  }

  /**
   * Gives what the create says to places before it of orders that had not begun by then: sources write side by side, and a
   * venue's fill may be recorded before the order is.
   */
  private async readLateBegins(
    orderIds: Iterable<string>,
    corrections: Corrections<Selected>,
    answers: Map<string, OrderValues<Name>>,
  ): Promise<void> {
    const unbegun = [...orderIds].map((orderId) => this.walks.get(orderId)!).filter((walk) => walk.unbegun.length > 0);
    const beginless = unbegun
      .filter(({ begin }) => !begin)
      .map((walk) => ({ walk, orderId: walk.orderId, after: walk.after, upTo: this.run.asOf }));
    await this.readAlong(
      beginless,
      (part) => part,
      (part, { rows, isUnfinished }) => {
        const begin = this.beginIn(rows, corrections);
        part.after = BigInt(rows.at(-1)?.sequence ?? part.after);
        if (!begin && isUnfinished) return true;
        part.walk.begin = begin ?? { nanos: part.walk.nanos, values: new Map() };
        return false;
      },
    );
    for (const { orderId, begin, unbegun: places } of unbegun) {
      for (const { place, nanos } of places.splice(0)) {
        if (begin!.nanos > nanos + CLOCKS_APART_NANOS) continue; // of another order, by its id
        const known = answers.get(answerKey(orderId, place))!;
        const ended = new Set(this.members.ended?.(known, begin!.values));
        const taken = [...begin!.values].filter(([name]) => !known.has(name) && !ended.has(name));
        answers.set(answerKey(orderId, place), new Map([...known, ...taken]));
      }
    }
  }

  /** What the first create says; undefined where there is none. */
  private beginIn(rows: readonly LifeEvent<Selected>[], corrections: Corrections<Selected>): Begin<Name> | undefined {
    for (const row of rows) {
      if (corrections.original(row)) continue;
      const stated = corrections.inForce(row) ?? row;
      if (stated.action !== BEGIN) continue;
      const own = this.statedIn(stated, row);
      if (!this.members.isCopy(stated, own)) return { nanos: this.members.nanosOf(stated), values: own };
    }
    return undefined;
  }

  /** Up to `maxRows` events of each part of a life, those of the archive first; and whether there are more. */
  private async readParts(parts: readonly Part[], maxRows: number): Promise<PartRead<Selected>[]> {
    const statement = (archivedTo: bigint): Statement => ({
      text: `SELECT wanted.i AS wanted, life.*
               FROM unnest($2::text[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS wanted (entity_id, after, upto, i)
               CROSS JOIN LATERAL (
                 SELECT e.entity_type, e.entity_id, e.sequence, e.event_id, e.corrects, e.action, ${this.members.selected}
                   FROM audit_events AS e
                   WHERE e.ledger = $1 AND e.entity_type = 'order' AND e.entity_id = wanted.entity_id
                     AND e.sequence > greatest(wanted.after, $6) AND e.sequence <= wanted.upto
                   ORDER BY e.sequence LIMIT $5
               ) AS life
               ORDER BY wanted.i, life.sequence`,
      values: [
        this.run.ledger,
        parts.map(({ orderId }) => orderId),
        parts.map(({ after }) => String(after)),
        parts.map(({ upTo }) => String(upTo)),
        maxRows,
        String(archivedTo),
      ],
    });
    const { rows, cut, archivedTo } = await this.run.read(async (client, extent) => ({
      ...(await queryBounded<LifeEvent<Selected> & { wanted: string }>(
        client,
        statement(extent.archivedTo),
        maxRows * parts.length,
        STREAM_PAGE_BYTES,
      )),
      archivedTo: extent.archivedTo,
    }));
    const archived = await this.archivedLives(parts, maxRows, archivedTo);
    const onlineOf = grouped(rows, ({ wanted }) => Number(wanted) - 1);
    const cutFrom = cut ? Number(rows.at(-1)!.wanted) - 1 : parts.length;
    return parts.map((_, i) => {
      const before = archived[i] ?? [];
      // what comes after archived events comes once all of these are read
      const life = before.length === maxRows ? before : [...before, ...(onlineOf.get(i) ?? [])];
      const isCut = i >= cutFrom;
      return { rows: life, isUnfinished: isCut || life.length >= maxRows, isCut };
    });
  }

  /** The archived events of each part that are next, `maxRows` at most. */
  private async archivedLives(
    parts: readonly Part[],
    maxRows: number,
    archivedTo: bigint,
  ): Promise<LifeEvent<Selected>[][]> {
    const lives = parts.map(({ orderId, after, upTo }) => ({
      ...{ entityType: 'order', entityId: orderId, after, upTo: upTo < archivedTo ? upTo : archivedTo },
    }));
    if (lives.every(({ after, upTo }) => after >= upTo)) return [];
    const found: LifeEvent<Selected>[][] = [];
    // few at once: of each row no more than its members is kept
    const atOnce = Math.max(1, Math.floor(ARCHIVED_ROWS_AT_ONCE / maxRows));
    for (let i = 0; i < lives.length; i += atOnce) {
      const part = await this.run.archive.lives(this.run.ledger, lives.slice(i, i + atOnce), maxRows);
      found.push(...part.map((rows) => rows.map((row) => this.ofWhole(row))));
    }
    return found;
  }

  /** What is needed of a whole row. */
  private ofWhole(row: StoredRow): LifeEvent<Selected> {
    const { entity_type, entity_id, sequence, event_id, corrects, action } = row;
    return { entity_type, entity_id, sequence, event_id, corrects, action, ...this.members.ofWhole(row) };
  }

  /** Answers the places up to one, at which nothing more is to come. */
  private answer(
    { walk, places }: Question<Name>,
    upTo: bigint | undefined,
    answers: Map<string, OrderValues<Name>>,
  ): void {
    while (places[0] !== undefined && upTo !== undefined && places[0] <= upTo) {
      const place = places.shift()!;
      const key = answerKey(walk.orderId, place);
      if (!walk.isBegun) walk.unbegun.push({ place, nanos: walk.nanos });
      const isOfCopy = walk.isAtCopy && place === walk.after;
      const values = new Map(isOfCopy ? walk.copied : walk.values);
      if (isOfCopy) for (const [name, value] of walk.values) values.set(name, value);
      answers.set(key, values);
      const { isBegun, lastBegin, end } = walk;
      this.livesAt.set(key, { isBegun, lastBegin, end, values: validityOf(walk.values) });
    }
  }

  /** Goes one event further. A corrected event says what its correction says, at its own place. */
  private take(walk: Walk<Name>, row: LifeEvent<Selected>, corrections: Corrections<Selected>): void {
    walk.after = BigInt(row.sequence);
    walk.nanos = this.members.nanosOf(row);
    walk.isAtCopy = false;
    if (corrections.original(row)) return;
    const stated = corrections.inForce(row) ?? row;
    if (stated.action === 'void') return;
    const own = this.statedIn(stated, row);
    if (this.members.isCopy(stated, own)) {
      walk.isAtCopy = true;
      for (const [name, value] of own) walk.copied.set(name, value);
      return;
    }
    const saying = { action: stated.action, nanos: this.members.nanosOf(stated), own };
    if (beginsAnother(walk, saying)) walk.copied.clear();
    if (stated.action === BEGIN && !walk.isBegun) walk.begin = { nanos: saying.nanos, values: own };
    takeSaying(walk, saying, this.members.ended);
  }

  /** What holds in place of an event, itself or a correction. */
  private statedIn(stated: LifeEvent<Selected>, row: LifeEvent<Selected>): Map<Name, StatedValue> {
    const { sequence } = stated;
    const place = BigInt(row.sequence);
    const own = new Map<Name, StatedValue>();
    for (const [name, text] of this.statedAt.get(sequence) ?? this.members.stated(stated)) {
      own.set(name, { text, sequence, place });
    }
    return own;
  }
}

function newWalk<Name extends string>(orderId: string): Walk<Name> {
  return {
    ...newLife<Name>(),
    ...{ orderId, after: 0n, copied: new Map<Name, StatedValue>(), isAtCopy: false },
    ...{ unbegun: [], begin: undefined, nanos: 0n },
  };
}

/** By what a life goes on or another begins, beside its events' actions and times. */
function validityOf<Name extends string>(values: ReadonlyMap<Name, StatedValue>): Map<Name, StatedValue> {
  const name = 'validity' as Name;
  const value = values.get(name);
  return new Map(value ? [[name, value]] : []);
}

function answerKey(orderId: string, place: bigint): string {
  return `${place}\n${orderId}`;
}
