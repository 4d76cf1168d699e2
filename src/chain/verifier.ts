import { contentHash, eventHash } from '../integrity/event.js';
import { canonicalContentOf, DamagedRowError, envelopeOf, type StoredRow } from '../integrity/stored-event.js';
import { formatMicros } from '../integrity/timestamp.js';
import { FindingList, missingFinding, type FindingKind } from './findings.js';

/** A row as it is verified: where it stands matters as well as what it says. */
export interface TrailRow extends StoredRow<number> {
  /** object id of the table that it stands in; IN_ARCHIVE for a row that has left the database */
  tableOid: number;
}

const NO_HASH = Buffer.alloc(0);
/** No table has this object id. */
export const IN_ARCHIVE = 0;

/** When the events of a month were recorded: from `from` on and before `to`, microseconds since 1970. */
export interface MonthBounds {
  from: number;
  to: number;
}

/** What rows are held against. Sequences are safe integers. */
export interface RangeScope {
  /** The first and the last sequence that must be there. */
  from: number;
  to: number;
  /** The ledger's, which every envelope names. */
  origin: string;
  /** What the origin should be by its deployment's name: tried when hashes do not match, to say that it was changed. */
  usualOrigin: string | null;
  /** By object id of their tables. */
  months: ReadonlyMap<number, MonthBounds>;
  /** The head's floor, microseconds; null when the ledger has no head. */
  headRecordedAt: number | null;
  /** Whether it is told when there is no event before the first one; otherwise somebody else verifies that one. */
  needsPredecessor: boolean;
  /** event_hash of the event before the first one, where that was deleted and does not come as a row. */
  predecessorHash?: Buffer | undefined;
}

/** What became of a range: how many of its events were there, and what is wrong with them. */
export interface RangeResult {
  checked: number;
  findings: FindingList;
}

/** What a row's own columns give. */
interface Examination {
  /** null when no content can be rebuilt */
  contentHash: Buffer | null;
  contentFault: string | null;
  /** over the stored content_hash and previous_event_hash; null when no envelope can be built */
  eventHash: Buffer | null;
  envelopeFault: string | null;
  isContentRight: boolean;
  isHashRight: boolean;
}

/**
 * Verifies consecutive rows of a ledger: that each sequence is there once, that its content and envelope have the hashes
 * that they say, that each follows the one before, and when they were recorded. Takes no word of the service for it:
 * everything is computed again from the columns.
 *
 * Rows come in order of their sequence. The row before the range and the one after it come too where there are any: the
 * first link needs the one, and telling which of two neighbours was changed the other. Nothing is said about them.
 */
export class RangeVerifier {
  private readonly findings = new FindingList();
  private checked = 0;
  private expected: number;
  /** rows of one sequence that wait for the next one */
  private held: TrailRow[] = [];
  private before: { row: TrailRow; computedHash: Buffer | null } | undefined;
  /** recorded_at of the last event whose envelope is right */
  private floor = -Infinity;

  constructor(private readonly scope: RangeScope) {
    this.expected = scope.from;
  }

  take(row: TrailRow): void {
    if (this.held.length > 0 && this.held[0]!.sequence !== row.sequence) {
      this.judge(this.held, row);
      this.held = [];
    }
    this.held.push(row);
  }

  /** To be called once, after the last row. */
  finish(): RangeResult {
    if (this.held.length > 0) this.judge(this.held, undefined);
    this.missPredecessor();
    if (this.expected <= this.scope.to) this.miss(this.expected, this.scope.to);
    return { checked: this.checked, findings: this.findings };
  }

  private judge(rows: readonly TrailRow[], next: TrailRow | undefined): void {
    const sequence = Number(rows[0]!.sequence);
    if (sequence > this.scope.to) return;
    if (sequence >= this.scope.from) {
      this.missPredecessor();
      if (sequence > this.expected) {
        this.miss(this.expected, sequence - 1);
        this.before = undefined;
      }
      this.expected = sequence + 1;
      this.checked += 1;
    }
    let row = rows[0]!;
    let found = this.examine(row);
    if (rows.length > 1) [row, found] = this.tellApart(rows, sequence);
    if (sequence >= this.scope.from) {
      this.judgeHashes(row, found, next);
      this.judgeTime(row, found, next);
    }
    if (found.isHashRight) this.floor = row.recorded_at;
    this.before = { row, computedHash: found.eventHash };
  }

  /** Once, when nothing of the range has been judged yet. */
  private missPredecessor(): void {
    const { from, needsPredecessor, predecessorHash } = this.scope;
    if (
      predecessorHash === undefined &&
      this.expected === from &&
      this.before === undefined &&
      from > 1 &&
      needsPredecessor &&
      this.findings.total === 0
    )
      this.miss(from - 1, from - 1);
  }

  private miss(from: number, through: number): void {
    this.findings.add(missingFinding(BigInt(from), BigInt(through)));
  }

  private add(kind: FindingKind, row: TrailRow, detail: string): void {
    this.findings.add({ kind, sequence: row.sequence, event_id: row.event_id, detail });
  }

  /** Of several rows of one sequence the one that fits best; each other one is a finding. */
  private tellApart(rows: readonly TrailRow[], sequence: number): [TrailRow, Examination] {
    const candidates = rows.map((row) => {
      const found = this.examine(row);
      const fits = [found.isContentRight, found.isHashRight, this.follows(row)].filter(Boolean).length;
      return { row, found, fits };
    });
    const best = candidates.reduce((a, b) => (b.fits > a.fits ? b : a));
    if (sequence >= this.scope.from) {
      for (const { row } of candidates) {
        if (row !== best.row) this.add('sequence', row, `stands at a sequence that is event ${best.row.event_id}'s`);
      }
    }
    return [best.row, best.found];
  }

  private examine(row: TrailRow): Examination {
    let content: Buffer | null = null;
    let contentFault: string | null = null;
    try {
      content = contentHash(row.salt, canonicalContentOf(row).text);
    } catch (error) {
      contentFault = faultOf(error);
    }
    let event: Buffer | null = null;
    let envelopeFault: string | null = null;
    try {
      event = eventHash(envelopeOf(row, this.scope.origin));
    } catch (error) {
      envelopeFault = faultOf(error);
    }
    return {
      contentHash: content,
      contentFault,
      eventHash: event,
      envelopeFault,
      isContentRight: content !== null && content.equals(row.content_hash),
      isHashRight: event !== null && event.equals(row.event_hash),
    };
  }

  /** Whether a row names the one before it. True where that is not known. */
  private follows(row: TrailRow): boolean {
    const previous = row.previous_event_hash;
    if (row.sequence === '1') return previous === null;
    if (this.before === undefined) {
      const { from, predecessorHash } = this.scope;
      return (
        predecessorHash === undefined || Number(row.sequence) !== from || predecessorHash.equals(previous ?? NO_HASH)
      );
    }
    if (previous === null) return false;
    // Where the event before has lost its own event_hash, the right one is as good: that damage is told once, there.
    return previous.equals(this.before.row.event_hash) || (this.before.computedHash?.equals(previous) ?? false);
  }

  private judgeHashes(row: TrailRow, found: Examination, next: TrailRow | undefined): void {
    if (found.isContentRight && found.isHashRight) {
      if (!this.follows(row)) this.add('link', row, 'previous_event_hash is not the event_hash of the event before');
      return;
    }
    const changed = found.isHashRight ? undefined : this.changedColumn(row, found, next);
    if (changed?.column === 'content_hash') {
      this.add('content', row, changed.detail);
      if (!this.follows(row)) this.add('link', row, 'previous_event_hash is not the event_hash of the event before');
      return;
    }
    if (!found.isContentRight) {
      this.add(
        'content',
        row,
        found.contentFault ?? 'the content and its salt do not have the content_hash that is stored',
      );
    }
    if (changed) this.add('link', row, changed.detail);
    else if (!found.isHashRight) {
      const detail = found.envelopeFault ?? 'the envelope does not have the event_hash that is stored';
      this.add('link', row, this.follows(row) ? detail : `${detail}, and does not follow the event before`);
    } else if (!this.follows(row)) {
      this.add('link', row, 'previous_event_hash is not the event_hash of the event before');
    }
  }

  /**
   * Which one column of an envelope was changed, where that can be found by putting back what it probably was: the
   * neighbours' value, or the hash that the row's own content has.
   */
  private changedColumn(
    row: TrailRow,
    found: Examination,
    next: TrailRow | undefined,
  ): { column: string; detail: string } | undefined {
    const isNext = next !== undefined && Number(next.sequence) === Number(row.sequence) + 1;
    if (isNext && found.eventHash !== null && next.previous_event_hash?.equals(found.eventHash)) {
      return { column: 'event_hash', detail: 'event_hash was changed: the next event has the one that it should be' };
    }
    const before = this.before?.row;
    const guesses: [column: string, repaired: Partial<TrailRow>, origin?: string][] = [];
    if (found.contentHash) guesses.push(['content_hash', { content_hash: found.contentHash }]);
    if (before) guesses.push(['previous_event_hash', { previous_event_hash: before.event_hash }]);
    if (row.sequence === '1') guesses.push(['previous_event_hash', { previous_event_hash: null }]);
    for (const neighbour of [before, next]) {
      if (!neighbour) continue;
      guesses.push(['recorded_at', { recorded_at: neighbour.recorded_at }]);
      guesses.push(['recorded_by', { recorded_by: neighbour.recorded_by }]);
    }
    if (this.scope.usualOrigin !== null) guesses.push(["the ledger's origin", {}, this.scope.usualOrigin]);
    for (const [column, repaired, origin = this.scope.origin] of guesses) {
      const was = this.hashOf({ ...row, ...repaired }, origin);
      if (was?.equals(row.event_hash)) return { column, detail: `${column} was changed${wasOf(repaired)}` };
    }
    return undefined;
  }

  private hashOf(row: TrailRow, origin: string): Buffer | null {
    try {
      return eventHash(envelopeOf(row, origin));
    } catch (error) {
      faultOf(error); // throws on what is no damage
      return null;
    }
  }

  private judgeTime(row: TrailRow, found: Examination, next: TrailRow | undefined): void {
    const at = row.recorded_at;
    const month = this.scope.months.get(row.tableOid);
    if (at < this.floor) {
      this.add(
        'recorded_time',
        row,
        `recorded_at ${shown(at)} lies before that of an earlier event, ${shown(this.floor)}`,
      );
    } else if (!found.isHashRight && next !== undefined && at > next.recorded_at) {
      // whose time is wrong shows in whose envelope is wrong
      this.add('recorded_time', row, `recorded_at ${shown(at)} lies after that of the next event`);
    }
    if (row.tableOid === IN_ARCHIVE) {
      // its object was made of one month, and says between which times
    } else if (month === undefined) this.add('recorded_time', row, 'stands in a table that is no month of the trail');
    else if (!(at >= month.from && at < month.to)) {
      this.add('recorded_time', row, `recorded_at ${shown(at)} lies outside the month in which the event stands`);
    }
    if (this.scope.headRecordedAt !== null && at > this.scope.headRecordedAt) {
      this.add('recorded_time', row, `recorded_at ${shown(at)} lies after that of the ledger's head`);
    }
  }
}

/** The damage that an error of the core stands for; throws any other error on. */
function faultOf(error: unknown): string {
  if (error instanceof DamagedRowError) return `${error.column} ${error.detail}`;
  if (error instanceof RangeError) return error.message; // a salt of another length
  throw error;
}

/** What a column was before, where the event_hash has proved it. */
function wasOf(repaired: Partial<TrailRow>): string {
  if (repaired.recorded_at !== undefined) return `: it was ${shown(repaired.recorded_at)}`;
  if (repaired.recorded_by !== undefined) return `: it was ${repaired.recorded_by}`;
  return '';
}

function shown(micros: number): string {
  try {
    return formatMicros(micros);
  } catch {
    return 'out of range';
  }
}
