import { isUtf8 } from 'node:buffer';
import { canonicalize, canonicalWithPart, type JsonObject, type JsonValue } from './canonical-json.js';
import {
  CONTENT_MEMBERS,
  contentHash,
  ENVELOPE_MEMBERS,
  eventHash,
  FORMAT,
  isEventId,
  type Envelope,
} from './event.js';
import { contentFault, isCanonicalId, isCanonicalTime } from './content-form.js';
import {
  askedOfContents,
  kindOfAsked,
  type AskedKind,
  type BundleClaims,
  type SequenceRange,
} from './evidence-claims.js';
import type { EventRecord } from './stored-event.js';
import { parseTimestamp, TimestampError } from './timestamp.js';

/** What is wrong with a line of a bundle, or with a whole of them. */
export interface LineFinding {
  kind: 'content' | 'link' | 'sequence' | 'missing' | 'recorded_time' | 'asked';
  /** null where no event can be named */
  sequence: string | null;
  event_id: string | null;
  detail: string;
}

/** What was asked for cannot be read, so that nothing can be compared with it. */
export class AskedError extends Error {
  override readonly name = 'AskedError';
}

const ENVELOPE_LINE: ReadonlySet<string> = new Set([...ENVELOPE_MEMBERS, 'event_hash']);
const CONTENT_NAMES: ReadonlySet<string> = new Set(CONTENT_MEMBERS);
const EVENT_LINE: ReadonlySet<string> = new Set([...ENVELOPE_LINE, ...CONTENT_MEMBERS, 'salt']);
const MICROS = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$/;
const SEQUENCE = /^[1-9][0-9]{0,18}$/;
/** Printable ASCII without `"` and `\\`, so that SQL can write its JCS form. */
const PRINCIPAL = /^[ !#-[\]-~]+$/;
const SHA256 = /^[0-9a-f]{64}$/;
const SALT = /^[0-9a-f]{32}$/;

/** What stands in a bundle for an event: its flat object, or of that the envelope and the event hash. */
export function lineOf(record: EventRecord, withContent: boolean): JsonObject {
  const flat = record as unknown as JsonObject;
  return withContent ? flat : pick(flat, [...ENVELOPE_LINE]);
}

/**
 * The canonical form of a line, and that of the members that are a content's, put together from the same pieces: states
 * and metadata are most of both. Throws TypeError as canonicalize does.
 */
export function canonicalLine(line: JsonObject): { text: string; contentText: string } {
  const { text, part: contentText } = canonicalWithPart(line, (name) => CONTENT_NAMES.has(name));
  return { text, contentText };
}

/** What readJson refuses to nest deeper, by default. */
const MAX_DEPTH = 32;

/**
 * A line that is in canonical form, as all are that were made by writeBundle, read by the engine's own parser: of a bundle
 * of 50,000 events strict reading took a quarter of the verifier's time. Undefined for any other, and for one of which it
 * is not sure that readJson takes it: that is to be read by readJson, which says what is wrong with it.
 *
 * A text that is the canonical form of what it was parsed to has no member twice, no number that a double changes and no
 * half surrogate pair; what is left to look at are the name __proto__, NUL, and how deep it nests.
 */
export function readCanonicalLine(bytes: Buffer): { line: JsonObject; contentText: string } | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString();
  if (text.includes('__proto__') || text.includes('\\u0000') || mayNestDeeply(text)) return undefined;
  try {
    const line = JSON.parse(text) as JsonValue;
    if (!isObject(line)) return undefined;
    const canonical = canonicalLine(line);
    return canonical.text === text ? { line, contentText: canonical.contentText } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Whether there are so many brackets, in strings or not, that they might nest too deeply. */
function mayNestDeeply(text: string): boolean {
  let brackets = 0;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++brackets > MAX_DEPTH) return true;
    }
  }
  return false;
}

/**
 * Looks at the lines of a bundle one after the other: that each is as it was recorded, that neighbours are linked, that
 * nothing of the range is left out, and that all was asked for. Holds one line.
 */
export class BundleLineCheck {
  /** found so far */
  events = 0n;
  /** beside them */
  envelopes = 0n;
  private before: { sequence: bigint; recordedAt: string; eventHash: string } | undefined;
  /** of a range, the next sequence that must come */
  private expected: bigint;
  private readonly kind: AskedKind;
  private readonly asked: AskedFor;
  /** what the sequences asked for are, where a range is claimed of them */
  private bounds: SequenceRange = { from: 1n, to: 0n };
  /** neighbours of a range of recorded time that were seen */
  private readonly neighbours = new Set<bigint>();

  /** Throws AskedError. */
  constructor(
    private readonly claims: BundleClaims,
    private readonly report: (finding: LineFinding) => void,
  ) {
    this.kind = kindOfAsked(claims.asked)!;
    this.asked = new AskedFor(claims.asked, this.kind);
    this.expected = claims.range?.from ?? 0n;
    this.checkClaims();
  }

  /**
   * The event hash that the line's envelope gives, whatever else is wrong with the line; undefined if it has no envelope
   * whose place in the ledger could be told. `contentText` is that of canonicalLine, for whoever has it already.
   */
  take(line: JsonObject, contentText?: string): Buffer | undefined {
    const at = (kind: LineFinding['kind'], detail: string): void => this.report({ kind, ...nameOf(line), detail });
    if (!isEnvelope(line)) {
      at('link', 'it has no envelope of a record');
      return undefined;
    }
    const sequence = BigInt(line.sequence);
    if (this.before && sequence <= this.before.sequence) {
      at('sequence', `it comes after sequence ${this.before.sequence}`);
      return undefined;
    }
    if (line.origin !== this.claims.origin) at('link', 'it is of another ledger');
    if (sequence > this.claims.asOf) at('sequence', `it is past as_of, ${this.claims.asOf}`);
    if (this.claims.deleted.some(({ from, to }) => from <= sequence && sequence <= to)) {
      at('asked', 'it is among those that are said to have been deleted');
    }
    const hash = eventHash(line);
    const hex = hash.toString('hex');
    if (hex !== line.event_hash) at('link', 'its envelope has another hash than its event_hash');
    this.checkLink(line, sequence, at);
    const isFull = Object.hasOwn(line, 'salt');
    const isFound = this.place(line, sequence, isFull, at);
    if (isFull) checkContent(line, contentText, at);
    else if (!Object.keys(line).every((name) => ENVELOPE_LINE.has(name))) {
      at('content', 'it has members that are neither its envelope nor a whole content');
    }
    if (isFound) {
      this.events += 1n;
      const objection = this.asked.objectionTo(line, isFull);
      if (objection !== undefined) at('asked', objection);
    } else this.envelopes += 1n;
    this.before = { sequence, recordedAt: line.recorded_at, eventHash: hex };
    return hash;
  }

  /** After the last line. */
  end(): void {
    const { range } = this.claims;
    if (range && this.expected <= range.to) this.missing(this.expected, range.to);
    for (const id of this.asked.unseenIds()) {
      this.report({ kind: 'missing', sequence: null, event_id: id, detail: 'it was asked for and is not there' });
    }
    if (!range) return;
    const { recorded_from: recordedFrom, recorded_to: recordedTo } = this.asked.filters;
    const mustHave = (sequence: bigint): void => {
      if (!this.neighbours.has(sequence)) this.missing(sequence, sequence);
    };
    if (recordedFrom !== undefined && range.from > this.bounds.from) mustHave(range.from - 1n);
    if (recordedTo !== undefined && range.to < this.bounds.to) mustHave(range.to + 1n);
  }

  /**
   * The names of what was asked for that cannot be seen of the events without contents that were found; none if nothing
   * was found.
   */
  unseen(): readonly string[] {
    return this.claims.contents || this.events === 0n ? [] : askedOfContents(this.claims.asked);
  }

  private checkClaims(): void {
    const { asked, asOf, completeness, range, deleted } = this.claims;
    const wrong = (detail: string): void => this.report({ kind: 'asked', sequence: null, event_id: null, detail });
    const isRange = this.kind === 'sequences' || this.kind === 'recorded';
    if (isRange !== (completeness === 'complete-range')) {
      wrong('ranges of sequences and of recorded time are complete, and nothing else is');
    }
    if (deleted.length > 0 && completeness !== 'as-found') wrong('of a range nothing may have been deleted');
    const isInOrder = ({ from, to }: SequenceRange, at: number): boolean =>
      from > (deleted[at - 1]?.to ?? 0n) && from <= to && to <= asOf;
    if (!deleted.every(isInOrder)) wrong('what was deleted is no ranges up to as_of, one after the other');
    const unreadable = this.asked.unreadable();
    if (unreadable !== undefined)
      throw new AskedError(`what was asked for says nothing that can be read by ${unreadable}`);
    if (!range) return;
    if (range.from < 1n || range.to < range.from - 1n || range.to > asOf) wrong('its range is none up to as_of');
    if (this.kind === 'sequences') {
      const { from_sequence: from = '1', to_sequence: to = String(asOf) } = asked;
      if (from !== String(range.from) || to !== String(range.to)) wrong('its range is not the one asked for');
      this.bounds = range;
      return;
    }
    this.bounds = this.asked.bounds(asOf);
    const { recorded_from: recordedFrom, recorded_to: recordedTo } = this.asked.filters;
    const isBefore = recordedFrom === undefined ? range.from !== this.bounds.from : range.from < this.bounds.from;
    const isAfter = recordedTo === undefined ? range.to !== this.bounds.to : range.to > this.bounds.to;
    if (isBefore) wrong('its range does not begin where what was asked for does');
    if (isAfter) wrong('its range does not end where what was asked for does');
  }

  private checkLink(line: EnvelopeLine, sequence: bigint, at: (kind: LineFinding['kind'], detail: string) => void) {
    const { before } = this;
    if ((sequence === 1n) !== (line.previous_event_hash === null)) {
      at('link', 'the first event of a ledger, and no other, names none before it');
    } else if (before?.sequence === sequence - 1n && line.previous_event_hash !== before.eventHash) {
      at('link', 'it names another event before it than the one that is there');
    }
    if (before && line.recorded_at < before.recordedAt) at('recorded_time', 'it is recorded before the one before it');
  }

  /** Whether a line is one that was asked for; says so where it is none that belongs here. */
  private place(
    line: EnvelopeLine,
    sequence: bigint,
    isFull: boolean,
    at: (kind: LineFinding['kind'], detail: string) => void,
  ): boolean {
    const { completeness, contents, range } = this.claims;
    if (range && (sequence < range.from || sequence > range.to)) {
      this.takeNeighbour(line, sequence, isFull, at);
      return false;
    }
    if (range) {
      if (sequence > this.expected) this.missing(this.expected, sequence - 1n);
      this.expected = sequence + 1n;
    }
    if (completeness === 'as-found-in-range') return isFull;
    if (isFull !== contents) at('content', contents ? 'its content is not there' : 'its content is there');
    return true;
  }

  private takeNeighbour(
    line: EnvelopeLine,
    sequence: bigint,
    isFull: boolean,
    at: (kind: LineFinding['kind'], detail: string) => void,
  ): void {
    const { recorded_from: recordedFrom, recorded_to: recordedTo } = this.asked.filters;
    const range = this.claims.range!;
    const [isBefore, isAfter] = [sequence === range.from - 1n, sequence === range.to + 1n];
    if ((recordedFrom ?? recordedTo) === undefined || isFull || !(isBefore || isAfter)) {
      at('asked', 'it is out of the range');
      return;
    }
    const isEarlier = isBefore && compareTimes(line.recorded_at, recordedFrom) < 0;
    const isLater = isAfter && compareTimes(line.recorded_at, recordedTo) >= 0;
    if (isEarlier || isLater) this.neighbours.add(sequence);
    else at('missing', 'it is recorded within the time asked for, and its content is left out');
  }

  private missing(from: bigint, to: bigint): void {
    const detail = from === to ? 'it is left out' : `the events up to ${to} are left out`;
    this.report({ kind: 'missing', sequence: String(from), event_id: null, detail });
  }
}

type EnvelopeLine = JsonObject & Envelope & { event_hash: string };

/** An envelope whose members have the form that they always have. */
function isEnvelope(line: JsonObject): line is EnvelopeLine {
  const { sequence, event_id: id, recorded_at: recordedAt, recorded_by: by, origin } = line;
  const { content_hash: content, previous_event_hash: previous, event_hash: event, format } = line;
  const isHash = (value: JsonValue | undefined): boolean => typeof value === 'string' && SHA256.test(value);
  return (
    format === FORMAT &&
    typeof origin === 'string' &&
    typeof sequence === 'string' &&
    SEQUENCE.test(sequence) &&
    isCanonicalId(id) &&
    isCanonicalTime(recordedAt) &&
    MICROS.test(recordedAt) &&
    typeof by === 'string' &&
    PRINCIPAL.test(by) &&
    isHash(content) &&
    isHash(event) &&
    (previous === null || isHash(previous))
  );
}

function checkContent(
  line: JsonObject,
  contentText: string | undefined,
  at: (kind: LineFinding['kind'], detail: string) => void,
): void {
  const unknown = Object.keys(line).find((name) => !EVENT_LINE.has(name));
  if (unknown !== undefined)
    at('content', `it has a member ${JSON.stringify(unknown.slice(0, 50))} that no hash holds`);
  const fault = contentFault(line);
  if (fault !== undefined) at('content', fault);
  const { salt } = line;
  if (typeof salt !== 'string' || !SALT.test(salt)) {
    at('content', 'it has no salt of 16 bytes in hex');
    return;
  }
  const text = contentText ?? canonicalize(pick(line, CONTENT_MEMBERS));
  if (contentHash(Buffer.from(salt, 'hex'), text).toString('hex') !== line.content_hash) {
    at('content', 'its content has another hash than its content_hash');
  }
}

function pick(from: JsonObject, names: readonly string[]): JsonObject {
  const picked: JsonObject = {};
  for (const name of names) if (Object.hasOwn(from, name)) picked[name] = from[name]!;
  return picked;
}

function nameOf(line: JsonObject): { sequence: string | null; event_id: string | null } {
  const { sequence, event_id: id } = line;
  return {
    sequence: typeof sequence === 'string' && SEQUENCE.test(sequence) ? sequence : null,
    event_id: isEventId(id) ? id : null,
  };
}

/** What events were asked for, as far as an event itself can tell. */
class AskedFor {
  private readonly ids: Set<string> | undefined;
  /** by the names that a search gives them; the events must meet all of them */
  readonly filters: JsonObject;
  private readonly isUnreadable: boolean;

  constructor(asked: JsonObject, kind: AskedKind) {
    this.isUnreadable =
      (kind === 'ids' && !Array.isArray(asked.event_ids)) || (kind === 'search' && !isObject(asked.search));
    if (kind === 'ids') this.ids = new Set(Array.isArray(asked.event_ids) ? asked.event_ids.map(String) : []);
    this.filters =
      kind === 'order'
        ? { entity_type: 'order', entity_id: asked.order_id! }
        : kind === 'search' && isObject(asked.search)
          ? asked.search
          : kind === 'time' || kind === 'recorded'
            ? asked
            : {};
  }

  /** Why an event is none that was asked for; undefined if it is, or if its envelope alone cannot tell. */
  objectionTo(line: JsonObject, isFull: boolean): string | undefined {
    if (this.ids && !this.ids.delete(line.event_id as string)) return 'nobody asked for it';
    for (const [name, wanted] of Object.entries(this.filters)) {
      if (!this.isMet(name, wanted, line, isFull)) return `nobody asked for it: it is of another ${name}`;
    }
    return undefined;
  }

  /** The name of a part of what was asked that says nothing. */
  unreadable(): string | undefined {
    if (this.isUnreadable) return this.ids ? 'event_ids' : 'search';
    const [name] =
      Object.entries(this.filters).find(([name, wanted]) => {
        if (typeof wanted !== 'string') return true;
        if (/^(recorded_)?(from|to)$/.test(name)) return Number.isNaN(compareTimes(wanted, wanted));
        return /^(from|to)_sequence$/.test(name) && !SEQUENCE.test(wanted);
      }) ?? [];
    return name;
  }

  /** The sequences up to as_of among which to look, whenever they were recorded. */
  bounds(asOf: bigint): SequenceRange {
    const { from_sequence: from = '1', to_sequence: to = String(asOf) } = this.filters;
    const last = BigInt(to as string) < asOf ? BigInt(to as string) : asOf;
    const first = BigInt(from as string);
    return { from: first <= last ? first : last + 1n, to: last };
  }

  unseenIds(): readonly string[] {
    return this.ids ? [...this.ids] : [];
  }

  private isMet(name: string, wanted: JsonValue, line: JsonObject, isFull: boolean): boolean {
    if (name === 'recorded_from') return compareTimes(line.recorded_at, wanted) >= 0;
    if (name === 'recorded_to') return compareTimes(line.recorded_at, wanted) < 0;
    if (name === 'from_sequence') return BigInt(line.sequence as string) >= BigInt(wanted as string);
    if (name === 'to_sequence') return BigInt(line.sequence as string) <= BigInt(wanted as string);
    if (name === 'sort' || name === 'order' || !isFull) return true; // which unseen() tells of
    if (name === 'from') return compareTimes(line.timestamp, wanted) >= 0;
    if (name === 'to') return compareTimes(line.timestamp, wanted) < 0;
    if (!name.startsWith('metadata.')) return Object.hasOwn(line, name) && line[name] === wanted;
    const key = name.slice('metadata.'.length);
    const { metadata } = line;
    if (!isObject(metadata) || !Object.hasOwn(metadata, key) || typeof wanted !== 'string') return false;
    const value = metadata[key]!;
    return value === wanted || ((typeof value !== 'object' || value === null) && canonicalize(value) === wanted);
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Of two times of events; NaN, with which nothing compares, where one is none. */
function compareTimes(a: JsonValue | undefined, b: JsonValue | undefined): number {
  if (typeof a !== 'string' || typeof b !== 'string') return NaN;
  try {
    const [x, y] = [parseTimestamp(a), parseTimestamp(b)];
    return x.micros - y.micros || x.nanos - y.nanos;
  } catch (error) {
    if (error instanceof TimestampError) return NaN;
    throw error;
  }
}
