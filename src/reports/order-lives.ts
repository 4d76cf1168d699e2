import { queryBounded, type Statement } from '../database/bounded-query.js';
import { STREAM_PAGE_BYTES } from '../events/event-search.js';
import type { StoredRow } from '../integrity/stored-event.js';
import type { CorrectableEvent, Corrections } from './corrections-of.js';
import { grouped } from './grouped.js';
import type { LifeMembers } from './order-members.js';
import type { ReportRun } from './report.js';

/** A value along an order's life, and the sequence of the event that states it. */
export interface StatedValue {
  text: string;
  sequence: string;
}

/** What is known of an order at a place of its life. */
export type OrderValues<Name extends string> = ReadonlyMap<Name, StatedValue>;

/** Most orders have fewer events up to a fill: then one statement serves all orders of a page. */
const FIRST_READ_ROWS = 16;
/** Of an order with more, and of how many such at once. */
const FURTHER_READ_ROWS = 1_000;
const FURTHER_READ_ORDERS = 8;
/** Whole rows of the archive that are in memory at once. */
const ARCHIVED_ROWS_AT_ONCE = 2_000;
/** Orders of which the walk is kept for the next page. */
const MAX_KEPT_WALKS = 2_000;

/** How far along an order's life we are. */
interface Walk<Name extends string> {
  orderId: string;
  after: bigint;
  values: Map<Name, StatedValue>;
}

/** Places of one order that are asked for, ascending. */
interface Question<Name extends string> {
  walk: Walk<Name>;
  places: bigint[];
}

type LifeEvent<Selected> = CorrectableEvent & { action: string } & Selected;

/**
 * What orders' own events say of them. Each order is walked along once, also where its fills are spread over many pages:
 * an order of 100,000 fills would otherwise be read a hundred times.
 */
export class OrderLives<Name extends string, Selected extends object> {
  private readonly walks = new Map<string, Walk<Name>>();

  constructor(
    private readonly run: ReportRun,
    private readonly members: LifeMembers<Name, Selected>,
  ) {}

  /**
   * The latest value of each member at places of orders' lives, both in sequence: of what was recorded up to there,
   * corrected. The answers are in the order of the questions. Throws DamagedRowError.
   */
  async valuesAt(
    asked: readonly { orderId: string; place: bigint }[],
    corrections: Corrections<Selected>,
  ): Promise<OrderValues<Name>[]> {
    const answers = new Map<string, OrderValues<Name>>();
    const byOrder = grouped(asked, ({ orderId }) => orderId);
    let open = [...byOrder].map(([orderId, questions]): Question<Name> => {
      const places = [...new Set(questions.map(({ place }) => place))].sort((a, b) => (a < b ? -1 : 1));
      return { walk: this.walkTo(orderId, places[0]!), places };
    });
    for (let rows = FIRST_READ_ROWS; open.length > 0; rows = FURTHER_READ_ROWS) {
      const now = rows === FIRST_READ_ROWS ? open : open.slice(0, FURTHER_READ_ORDERS);
      const unfinished = await this.goOn(now, rows, corrections, answers);
      open = [...unfinished, ...open.slice(now.length)];
    }
    this.forgetOldest();
    return asked.map(({ orderId, place }) => answers.get(answerKey(orderId, place))!);
  }

  /** The walk of an order that has not gone past the place. */
  private walkTo(orderId: string, place: bigint): Walk<Name> {
    const kept = this.walks.get(orderId);
    const walk = kept && kept.after <= place ? kept : { orderId, after: 0n, values: new Map<Name, StatedValue>() };
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

  /** Reads up to `maxRows` events of each order; the questions that are not answered by then. */
  private async goOn(
    questions: Question<Name>[],
    maxRows: number,
    corrections: Corrections<Selected>,
    answers: Map<string, OrderValues<Name>>,
  ): Promise<Question<Name>[]> {
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
        questions.map(({ walk }) => walk.orderId),
        questions.map(({ walk }) => String(walk.after)),
        questions.map(({ places }) => String(places.at(-1))),
        maxRows,
        String(archivedTo),
      ],
    });
    const { rows, cut, archivedTo } = await this.run.read(async (client, extent) => ({
      ...(await queryBounded<LifeEvent<Selected> & { wanted: string }>(
        client,
        statement(extent.archivedTo),
        maxRows * questions.length,
        STREAM_PAGE_BYTES,
      )),
      archivedTo: extent.archivedTo,
    }));
    const archived = await this.archivedLives(questions, maxRows, archivedTo);
    const onlineOf = grouped(rows, ({ wanted }) => Number(wanted) - 1);
    const cutFrom = cut ? Number(rows.at(-1)!.wanted) - 1 : questions.length;
    return questions.filter((question, i) => {
      const before = archived[i] ?? [];
      // what comes after archived events comes once all of these are read
      const life = before.length === maxRows ? before : [...before, ...(onlineOf.get(i) ?? [])];
      for (const row of life) {
        answer(question, BigInt(row.sequence) - 1n, answers);
        this.take(question.walk, row, corrections);
      }
      if (i >= cutFrom || life.length >= maxRows) return true;
      answer(question, question.places.at(-1), answers);
      return false;
    });
  }

  /** The archived events of each question's order that are next, `maxRows` at most. */
  private async archivedLives(
    questions: readonly Question<Name>[],
    maxRows: number,
    archivedTo: bigint,
  ): Promise<LifeEvent<Selected>[][]> {
    const lives = questions.map(({ walk, places }) => {
      const last = places.at(-1)!;
      const upTo = last < archivedTo ? last : archivedTo;
      return { entityType: 'order', entityId: walk.orderId, after: walk.after, upTo };
    });
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

  /** Goes one event further. A corrected event says what its correction says, at its own place. */
  private take(walk: Walk<Name>, row: LifeEvent<Selected>, corrections: Corrections<Selected>): void {
    walk.after = BigInt(row.sequence);
    if (corrections.original(row)) return;
    const stated = corrections.inForce(row) ?? row;
    if (stated.action === 'void') return;
    for (const [name, text] of this.members.stated(stated)) {
      walk.values.set(name, { text, sequence: stated.sequence });
    }
  }
}

/** Answers the places up to one, at which nothing more is to come. */
function answer<Name extends string>(
  { walk, places }: Question<Name>,
  upTo: bigint | undefined,
  answers: Map<string, OrderValues<Name>>,
): void {
  while (places[0] !== undefined && upTo !== undefined && places[0] <= upTo) {
    answers.set(answerKey(walk.orderId, places.shift()!), new Map(walk.values));
  }
}

function answerKey(orderId: string, place: bigint): string {
  return `${place}\n${orderId}`;
}
