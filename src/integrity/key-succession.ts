import {
  formatNote,
  NoteError,
  parseNote,
  signText,
  VerifierKey,
  verifierKey,
  verifyNote,
  ED25519,
  type SignedNote,
} from './signed-note.js';
import type { KeyObject } from 'node:crypto';

/**
 * How a ledger's key gives way to the next one: a note over `truetrail/key-succession/v1`, the origin, the new key and
 * the size from which it signs, a line each, signed by both.
 */
export interface KeySuccession {
  origin: string;
  successor: VerifierKey;
  /** the size of the first checkpoint that the new key alone signs, or more */
  fromSize: bigint;
}

const HEADING = 'truetrail/key-succession/v1';

/** The note, signed by the old and the new private key. */
export function signSuccession(origin: string, fromSize: bigint, oldKey: KeyObject, newKey: KeyObject): string {
  const text = `${HEADING}\n${origin}\n${verifierKey(origin, newKey).toString()}\n${fromSize}\n`;
  return formatNote({ text, signatures: [signText(text, origin, oldKey), signText(text, origin, newKey)] });
}

/** What a note says, whoever signed it. Throws NoteError for what is no succession at all. */
export function parseSuccession(note: string): KeySuccession {
  return parsed(parseNote(note));
}

function parsed({ text }: SignedNote): KeySuccession {
  const [heading, origin, key, size, end] = text.split('\n');
  if (heading !== HEADING || origin === undefined || key === undefined || !/^(0|[1-9][0-9]{0,18})$/.test(size ?? '')) {
    throw new NoteError(`a succession of keys is ${HEADING}, an origin, a key and a size, a line each`);
  }
  if (end !== '' || text.split('\n').length !== 5) throw new NoteError('a succession of keys has four lines');
  return { origin, successor: VerifierKey.parse(key), fromSize: BigInt(size!) };
}

/**
 * What a note says if it is a succession from `current`, signed by both; undefined if it is signed by neither `current`
 * nor as its text has it. Throws NoteError for what is no succession at all.
 */
export function readSuccession(note: string, current: VerifierKey): KeySuccession | undefined {
  const signed = parseNote(note);
  return successionFrom(signed, parsed(signed), current);
}

function successionFrom(
  signed: SignedNote,
  succession: KeySuccession,
  current: VerifierKey,
): KeySuccession | undefined {
  const { origin, successor } = succession;
  if (successor.name !== origin || current.name !== origin || successor.algorithm !== ED25519) return undefined;
  if (successor.toString() === current.toString()) return undefined; // how it came to be
  try {
    if (verifyNote(signed, [current]).length + verifyNote(signed, [successor]).length !== 2) return undefined;
  } catch {
    return undefined;
  }
  return succession;
}

/**
 * Notes of successions by the keys that sign them, each read and verified once: of a chain of so many notes each key would
 * else be held against all of them.
 */
class Successions {
  private readonly bySigner = new Map<string, { signed: SignedNote; succession: KeySuccession }[]>();
  private readonly known = new Map<string, readonly KeySuccession[]>();

  /** Throws NoteError for what is no succession at all. */
  constructor(notes: readonly string[]) {
    for (const note of notes) {
      const signed = parseNote(note);
      const read = { signed, succession: parsed(signed) };
      for (const signer of new Set(signed.signatures.map(signerOf))) {
        const others = this.bySigner.get(signer);
        if (others) others.push(read);
        else this.bySigner.set(signer, [read]);
      }
    }
  }

  /** Those from a key, no two alike. */
  from(key: VerifierKey): readonly KeySuccession[] {
    const name = key.toString();
    const known = this.known.get(name);
    if (known) return known;
    const found = new Map<string, KeySuccession>();
    for (const { signed, succession } of this.bySigner.get(signerOf(key)) ?? []) {
      const from = successionFrom(signed, succession, key);
      if (from) found.set(`${from.successor.toString()} ${from.fromSize}`, from);
    }
    const all = [...found.values()];
    this.known.set(name, all);
    return all;
  }
}

function signerOf({ name, keyId }: { name: string; keyId: Buffer }): string {
  return `${keyId.toString('hex')} ${name}`;
}

/** Of lists of notes that were read already, as a verifier asks for one list with several keys. */
const READ = new WeakMap<readonly string[], Successions>();

function successionsOf(notes: readonly string[]): Successions {
  const read = READ.get(notes) ?? new Successions(notes);
  READ.set(notes, read);
  return read;
}

/** A key and the sizes of the checkpoints that it may sign. */
export interface KeyTerm {
  key: VerifierKey;
  fromSize: bigint;
  /** included; undefined for the last key */
  toSize: bigint | undefined;
}

/**
 * The keys that can be reached from one that is trusted, by successions in whatever order, each with the sizes that it
 * signs. What leads nowhere from there is passed over. Throws NoteError when two keys succeed one: somebody has given the
 * old key away.
 */
export function followSuccessions(trusted: VerifierKey, notes: readonly string[]): KeyTerm[] {
  const terms: KeyTerm[] = [{ key: trusted, fromSize: 0n, toSize: undefined }];
  const met = new Set([trusted.toString()]);
  const successions = successionsOf(notes);
  for (;;) {
    const last = terms.at(-1)!;
    const next = successions.from(last.key);
    if (next.length > 1)
      throw new NoteError(`the key ${last.key.keyId.toString('hex')} of ${last.key.name} has two successors`);
    const [succession] = next;
    if (!succession) return terms;
    const successor = succession.successor.toString();
    if (met.has(successor)) throw new NoteError(`the keys of ${trusted.name} succeed each other in a circle`);
    met.add(successor);
    last.toSize = succession.fromSize;
    terms.push({ key: succession.successor, fromSize: succession.fromSize, toSize: undefined });
  }
}

/**
 * The keys, reached from those that are trusted, whose signatures a checkpoint of this size bears and may bear. Throws
 * NoteError when there is none, or one is wrong.
 */
export function signedByReached(
  note: SignedNote,
  size: bigint,
  trusted: readonly VerifierKey[],
  successions: readonly string[],
): VerifierKey[] {
  const terms = trusted.flatMap((key) => followSuccessions(key, successions));
  const isInTerm = ({ fromSize, toSize }: KeyTerm): boolean =>
    size >= fromSize && (toSize === undefined || size <= toSize);
  return verifyNote(
    note,
    terms.filter(isInTerm).map(({ key }) => key),
  );
}

/**
 * Keys of a log, whichever of its ledgers they sign: one key signs all of them at a time, and is called by the origin of
 * each. At first those that successions of one ledger lead to from the keys that are trusted for it.
 */
export class ReachedKeys {
  private readonly publicKeys = new Map<string, VerifierKey>();

  /** Notes that cannot be followed lead nowhere. */
  constructor(trusted: readonly VerifierKey[], successions: readonly string[]) {
    for (const key of trusted) {
      try {
        for (const term of followSuccessions(key, successions)) this.add(term.key);
      } catch (error) {
        if (!(error instanceof NoteError)) throw error;
        this.add(key);
      }
    }
  }

  /** Takes a succession of any ledger's keys, where it is from a key that is reached; passes over whatever else. */
  follow(note: string): void {
    try {
      const { origin } = parseSuccession(note);
      for (const key of [...this.publicKeys.values()]) {
        const succession = readSuccession(note, renamed(key, origin));
        if (succession) this.add(succession.successor);
      }
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
    }
  }

  /** Whether a note bears the signature of one of them under this origin, and no wrong one of theirs. */
  isSigned(note: SignedNote, origin: string): boolean {
    try {
      const keys = [...this.publicKeys.values()].map((key) => renamed(key, origin));
      return verifyNote(note, keys).length > 0;
    } catch (error) {
      if (error instanceof NoteError) return false;
      throw error;
    }
  }

  private add(key: VerifierKey): void {
    this.publicKeys.set(key.publicKey.toString('hex'), key);
  }
}

function renamed({ algorithm, publicKey }: VerifierKey, name: string): VerifierKey {
  return new VerifierKey(name, algorithm, publicKey);
}
