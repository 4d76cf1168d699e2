import { hash } from 'node:crypto';
import { canonicalize, type JsonValue } from './canonical-json.js';
import { parseCheckpoint } from './checkpoint.js';
import { NoteError, parseNote } from './signed-note.js';
import { readJson, StrictJsonError } from './strict-json.js';

/**
 * One signing round as it stands in the object store, `anchors/<number>`: the checkpoints of all ledgers that it signed,
 * chained to the round before. It is made once for each number, so there is one history.
 */
export interface Anchor {
  /** from 1, without a gap */
  number: bigint;
  /** SHA-256 of the anchor before, 32 bytes; null for the first and no other */
  previous: Buffer | null;
  /** sorted by origin */
  checkpoints: AnchoredCheckpoint[];
  /** notes of key-succession.ts */
  successions: string[];
}

export interface AnchoredCheckpoint {
  /** of the ledger's checkpoint before; 0 for its first */
  sizeBefore: bigint;
  /** C2SP checkpoint, signed */
  note: string;
}

export const ANCHOR_FORMAT = 'truetrail-anchor/1';
/** The key of an anchor in its store, and what all of them begin with. */
export const ANCHOR_PREFIX = 'anchors/';

/** What is no anchor; `message` is a sentence that says why. */
export class AnchorError extends Error {
  override readonly name = 'AnchorError';
}

/** `anchors/` and twelve digits. */
export function anchorKey(number: bigint): string {
  return ANCHOR_PREFIX + String(number).padStart(12, '0');
}

/** The bytes that are stored: the JCS of it. */
export function anchorBytes({ number, previous, checkpoints, successions }: Anchor): Buffer {
  return Buffer.from(
    canonicalize({
      format: ANCHOR_FORMAT,
      n: String(number),
      previous: previous === null ? null : previous.toString('hex'),
      checkpoints: checkpoints.map(({ sizeBefore, note }) => ({
        size_before: String(sizeBefore),
        note,
      })),
      successions,
    }),
  );
}

/** SHA-256 of the stored bytes: what the next one names. */
export function anchorHash(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer');
}

/**
 * Reads an anchor's bytes, which must be exactly those that anchorBytes would make, of notes that can be read: what cannot
 * commits to nothing. One checkpoint a ledger, sorted by origin. Verifies no signature. Throws AnchorError.
 */
export function parseAnchor(bytes: Buffer): Anchor {
  let value: JsonValue;
  try {
    value = readJson(bytes);
  } catch (error) {
    if (error instanceof StrictJsonError) throw new AnchorError(`it is no JSON: ${error.message}`);
    throw error;
  }
  const anchor = readAnchor(value);
  if (!anchorBytes(anchor).equals(bytes)) throw new AnchorError('it is not in canonical form');
  let before = '';
  for (const { note } of anchor.checkpoints) {
    const { origin } = parseCheckpoint(parseNote(note).text);
    if (origin <= before) throw new AnchorError('its checkpoints are not sorted by origin, each there once');
    before = origin;
  }
  return anchor;
}

/**
 * Of an anchor the note of a ledger's checkpoint. Throws AnchorError unless it holds exactly one.
 */
export function anchoredNote({ checkpoints }: Anchor, origin: string): string {
  const own = checkpoints.filter(({ note }) => parseCheckpoint(parseNote(note).text).origin === origin);
  if (own.length !== 1) throw new AnchorError(`it holds ${own.length} checkpoints of the ledger`);
  return own[0]!.note;
}

/**
 * Whether a note is the one that was anchored: it says the same, and what was added are signatures after those that were
 * anchored, as witnesses add them. Throws NoteError for what is no note.
 */
export function isAnchoredNote(note: string, anchored: string): boolean {
  return parseNote(note).text === parseNote(anchored).text && note.startsWith(anchored);
}

function readAnchor(value: JsonValue): Anchor {
  const { format, n, previous, checkpoints, successions } = members(value, 5);
  if (format !== ANCHOR_FORMAT) throw new AnchorError(`its format is not ${ANCHOR_FORMAT}`);
  if (!isDecimal(n) || n === '0') throw new AnchorError('its n is no decimal number from 1');
  if (n === '1' ? previous !== null : typeof previous !== 'string' || !/^[0-9a-f]{64}$/.test(previous)) {
    throw new AnchorError('its previous is no SHA-256, or null past the first');
  }
  if (!Array.isArray(checkpoints) || !Array.isArray(successions)) throw new AnchorError('it has no checkpoints');
  return {
    number: BigInt(n),
    previous: typeof previous === 'string' ? Buffer.from(previous, 'hex') : null,
    checkpoints: checkpoints.map((each) => {
      const { size_before: sizeBefore, note } = members(each, 2);
      if (typeof note !== 'string') throw new AnchorError('a checkpoint has no note');
      if (!isDecimal(sizeBefore)) throw new AnchorError('a size_before is no decimal number');
      readable('checkpoint', () => parseCheckpoint(parseNote(note).text));
      return { sizeBefore: BigInt(sizeBefore), note };
    }),
    successions: successions.map((note) => {
      if (typeof note !== 'string') throw new AnchorError('a succession is no note');
      readable('succession', () => parseNote(note));
      return note;
    }),
  };
}

function readable(what: string, read: () => unknown): void {
  try {
    read();
  } catch (cause) {
    if (!(cause instanceof NoteError)) throw cause;
    throw new AnchorError(`a ${what} in it cannot be read: ${cause.message}`, { cause });
  }
}

function members(value: JsonValue, count: number): Record<string, JsonValue | undefined> {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || Object.keys(value).length !== count) {
    throw new AnchorError(`where an object of ${count} members should be is something else`);
  }
  return value;
}

function isDecimal(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && /^(0|[1-9][0-9]{0,18})$/.test(value);
}
