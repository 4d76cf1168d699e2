import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { ANCHOR_PREFIX, anchorHash, AnchorError, anchorKey, parseAnchor, type Anchor } from '../integrity/anchor.js';
import { parseCheckpoint } from '../integrity/checkpoint.js';
import { parseSuccession, signedByReached } from '../integrity/key-succession.js';
import { NoteError, parseNote, VerifierKey } from '../integrity/signed-note.js';
import { canonicalize } from '../integrity/canonical-json.js';
import type { VerifyTimestamp } from '../integrity/evidence-verifier.js';
import { readJson, StrictJsonError } from '../integrity/strict-json.js';
import { verifyAttestations } from './archive-attestations.js';
import { LISTING_FILE, verifyListing } from './archive-listing.js';
import { ANCHOR_FILE, DESCRIPTION, EVENTS_FILE, MARKER_FILE } from './archive-names.js';
import { ArchiveReport, type AnchoredLedger, type ArchiveFinding, type WalkedAnchor } from './archive-report.js';

export interface ArchiveOutcome {
  verdict: 'valid' | 'invalid' | 'undecided';
  /** for people, a line each */
  summary: string[];
  findings: ArchiveFinding[];
  findings_total: number;
  unchecked: string[];
  anchors: string;
  ledgers: LedgerOutcome[];
  /** of a copy, the store that it says it was made of */
  copied_from: string | null;
}

export interface ArchiveTrust {
  /** each must have cosigned a checkpoint of every ledger */
  witnesses?: readonly VerifierKey[];
  /** without it time stamps are not looked at */
  verifyTimestamp?: VerifyTimestamp | undefined;
  /** signed checkpoints from elsewhere, each of which must stand in an anchor */
  kept?: readonly string[];
}

export interface LedgerOutcome {
  origin: string;
  /** of its last checkpoint */
  size: string;
  checkpoints: string;
  /** of the last checkpoint whose root the events of the objects lead to: past it nothing proves them */
  verified_to: string;
}

/** What a store that is a folder keeps beside its objects. */
const LOCK_FILE = /\.lock\.json(\.[0-9]+)?$/;
/** Whether these are as they should be, ./archive-attestations.ts says. */
const ATTESTATION = /^(timestamps|cosignatures)\//;
const MARKER_FORMAT = 'truetrail-store/1';

/**
 * Verifies a copy of an archive: the chain of anchors from the first on, with every checkpoint in it, what witnesses and
 * time-stamp authorities say of them, and the objects of events that lie beside them, whose events must lead to the roots
 * that were signed; of what belongs to no archive, each file is a finding. Throws the file system's errors.
 */
export async function verifyArchiveFolder(
  folder: string,
  keys: readonly VerifierKey[],
  { witnesses = [], verifyTimestamp, kept = [] }: ArchiveTrust = {},
): Promise<ArchiveOutcome> {
  const report = new ArchiveReport();
  const files = listFiles(folder);
  const copiedFrom = verifyListing(folder, files, report);
  const chain = verifyAnchors(folder, keys, report);
  const { ledgers, anchors, walked, last } = chain;
  for (const note of kept) verifyKept(note, chain, keys, report);
  verifyNames(folder, files, report);
  const attested = verifyAttestations(folder, files, walked, { witnesses, verifyTimestamp }, report);
  const verifiedTo = new Map<string, bigint>();
  if (files.some((name) => EVENTS_FILE.test(name))) {
    const verifyObjects = await objectVerifier();
    if (!verifyObjects)
      report.unchecked.push('the objects of events are not read: what reads Parquet is not installed');
    else for (const [origin, to] of await verifyObjects(folder, ledgers, report)) verifiedTo.set(origin, to);
  }
  const outcomes = [...ledgers.values()].map(({ origin, last, count }): LedgerOutcome => {
    const to = verifiedTo.get(origin) ?? 0n;
    if (to < last.size)
      report.unchecked.push(
        `${origin}: the events from ${to + 1n} to ${last.size} are not all in this folder, so that no root proves them`,
      );
    return { origin, size: String(last.size), checkpoints: String(count), verified_to: String(to) };
  });
  const { findings, total, unchecked } = report;
  return {
    verdict: total > 0 ? 'invalid' : unchecked.length > 0 ? 'undecided' : 'valid',
    summary: [
      ...(copiedFrom === undefined ? [] : [`copied from ${copiedFrom}`]),
      `anchors     ${anchors}`,
      ...outcomes.map(
        ({ origin, size, checkpoints, verified_to: to }) =>
          `ledger      ${origin}: size ${size}, ${checkpoints} checkpoints, events verified up to ${to}`,
      ),
      ...attested,
      ...unchecked.map((each) => `UNCHECKED   ${each}`),
      ...(last === undefined
        ? []
        : [
            `note        that nothing was signed after ${anchorKey(last)} is not shown: hold this copy against checkpoints that were kept elsewhere (--checkpoint)`,
          ]),
    ],
    findings,
    findings_total: total,
    unchecked,
    anchors: String(anchors),
    ledgers: outcomes,
    copied_from: copiedFrom ?? null,
  };
}

/** All files below the folder, relative to it, with slashes, in the order of their names, but the listing of a copy. */
function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => name !== LISTING_FILE)
    .sort();
}

/** That each file is one that an archive has; anchors are seen to where they are walked. */
function verifyNames(folder: string, files: readonly string[], report: ArchiveReport): void {
  for (const name of files) {
    if (name === MARKER_FILE) verifyMarker(folder, report);
    else if (name.startsWith(ANCHOR_PREFIX) || EVENTS_FILE.test(name) || ATTESTATION.test(name)) continue;
    else if (DESCRIPTION.test(name))
      continue; // as it was written or not, ./archive-objects.ts says
    else if (!LOCK_FILE.test(name)) report.find('file', `${name} is no file of an archive`);
  }
}

/** It says whose store this is, which nothing here depends on. */
function verifyMarker(folder: string, report: ArchiveReport): void {
  try {
    const text = readFileSync(join(folder, MARKER_FILE), 'utf8');
    const value = readJson(text.trimEnd());
    const isMarker =
      typeof value === 'object' && value !== null && !Array.isArray(value) && value.format === MARKER_FORMAT;
    if (!isMarker || `${canonicalize(value)}\n` !== text) report.find('file', `${MARKER_FILE} is not one of a store`);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    report.find('file', `${MARKER_FILE}: ${error.message}`);
  }
}

/** What reads Parquet, which nothing else here needs: it takes packages, and is absent where the verifier stands alone. */
async function objectVerifier(): Promise<typeof import('./archive-objects.js').verifyObjects | undefined> {
  try {
    return (await import('./archive-objects.js')).verifyObjects;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

interface WalkedAnchors {
  ledgers: Map<string, AnchoredLedger>;
  anchors: number;
  walked: Map<bigint, WalkedAnchor>;
  /** number of the last one that is there */
  last: bigint | undefined;
  /** of keys, by origin */
  successions: Map<string, string[]>;
}

/** The anchors from 1 on, as far as they go on without a gap. */
function verifyAnchors(folder: string, keys: readonly VerifierKey[], report: ArchiveReport): WalkedAnchors {
  const ledgers = new Map<string, AnchoredLedger>();
  const names = listAnchors(folder, report);
  const successions = new Map<string, string[]>();
  const walked = new Map<bigint, WalkedAnchor>();
  let previous: Buffer | null = null;
  let expected = 1n;
  for (const name of names) {
    for (; BigInt(name) > expected; expected += 1n) {
      report.find('missing', `${anchorKey(expected)} is not there`);
      previous = null;
    }
    const bytes = readFileSync(join(folder, ANCHOR_PREFIX, name));
    const anchor = readAnchor(bytes, expected, previous, report);
    previous = anchorHash(bytes);
    expected += 1n;
    if (!anchor) continue;
    walked.set(anchor.number, { number: anchor.number, hash: previous, checkpoints: checkpointsOf(anchor) });
    for (const note of anchor.successions) {
      const origin = successionOrigin(note);
      if (origin === undefined) report.find('anchor', `${anchorKey(anchor.number)}: a succession in it is none`);
      else successions.set(origin, [...(successions.get(origin) ?? []), note]);
    }
    for (const { note, sizeBefore } of anchor.checkpoints) {
      verifyCheckpoint({ note, sizeBefore, where: anchorKey(anchor.number), keys, successions }, ledgers, report);
    }
  }
  return { ledgers, anchors: names.length, walked, last: names.length === 0 ? undefined : expected - 1n, successions };
}

function checkpointsOf({ checkpoints }: Anchor): WalkedAnchor['checkpoints'] {
  return new Map(
    checkpoints.map(({ note }) => {
      const { text } = parseNote(note);
      const { origin, size } = parseCheckpoint(text);
      return [origin, { text, size }];
    }),
  );
}

function listAnchors(folder: string, report: ArchiveReport): string[] {
  const names: string[] = [];
  for (const name of readdirSync(join(folder, ANCHOR_PREFIX)).sort()) {
    if (ANCHOR_FILE.test(name)) names.push(name);
    else if (!LOCK_FILE.test(name)) report.find('anchor', `${ANCHOR_PREFIX}${name} is no anchor's name`);
  }
  if (names.length === 0) report.find('missing', 'there are no anchors');
  return names;
}

function readAnchor(bytes: Buffer, number: bigint, previous: Buffer | null, report: ArchiveReport): Anchor | undefined {
  const wrong = (detail: string): void => report.find('anchor', `${anchorKey(number)}: ${detail}`);
  try {
    const anchor = parseAnchor(bytes);
    if (anchor.number !== number) wrong(`it says that it is ${anchor.number}`);
    if (previous !== null && !anchor.previous?.equals(previous))
      wrong('it follows another anchor than the one before it');
    return anchor;
  } catch (error) {
    if (!(error instanceof AnchorError)) throw error;
    wrong(error.message);
    return undefined;
  }
}

function verifyCheckpoint(
  anchored: {
    note: string;
    sizeBefore: bigint;
    where: string;
    keys: readonly VerifierKey[];
    /** by origin */
    successions: ReadonlyMap<string, readonly string[]>;
  },
  ledgers: Map<string, AnchoredLedger>,
  report: ArchiveReport,
): void {
  const { note, sizeBefore, where, keys, successions } = anchored;
  try {
    const signed = parseNote(note);
    const checkpoint = parseCheckpoint(signed.text);
    const { origin, size, rootHash } = checkpoint;
    const wrong = (kind: ArchiveFinding['kind'], detail: string): void =>
      report.find(kind, `${where}, ${origin}: ${detail}`);
    const trusted = keysFor(origin, keys);
    if (trusted.length === 0) wrong('key', 'none of the keys given is for this ledger');
    else {
      try {
        signedByReached(signed, size, trusted, successions.get(origin) ?? []);
      } catch (error) {
        if (!(error instanceof NoteError)) throw error;
        wrong('key', `it is not signed with a key reached from the one given: ${error.message}`);
      }
    }
    const before = ledgers.get(origin);
    if (sizeBefore !== (before?.last.size ?? 0n)) {
      wrong('checkpoint', `it says that the ledger had ${sizeBefore} events before; it had ${before?.last.size ?? 0n}`);
    }
    if (before && size < before.last.size)
      wrong('checkpoint', `the ledger had ${before.last.size} events and has ${size}`);
    if (before && size === before.last.size && !rootHash.equals(before.last.rootHash)) {
      wrong('checkpoint', `there are two checkpoints of ${size} events with different roots`);
    }
    const ledger = before ?? { origin, last: checkpoint, roots: new Map<bigint, Buffer>(), count: 0 };
    ledger.last = checkpoint;
    ledger.count += 1;
    if (!ledger.roots.has(size)) ledger.roots.set(size, rootHash);
    ledgers.set(origin, ledger);
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    report.find('checkpoint', `${where}: ${error.message}`);
  }
}

/**
 * That a checkpoint which somebody outside has kept stands in an anchor: none is given out that does not, so where it is
 * missing anchors were cut off, or are those of another history. One that the ledger has not signed says nothing of it.
 */
function verifyKept(
  note: string,
  { ledgers, successions }: WalkedAnchors,
  keys: readonly VerifierKey[],
  report: ArchiveReport,
): void {
  try {
    const signed = parseNote(note);
    const { origin, size, rootHash } = parseCheckpoint(signed.text);
    signedByReached(signed, size, keysFor(origin, keys), successions.get(origin) ?? []);
    const wrong = (kind: ArchiveFinding['kind'], detail: string): void =>
      report.find(kind, `${origin}: the checkpoint of ${size} events that was kept ${detail}`);
    const ledger = ledgers.get(origin);
    const root = ledger?.roots.get(size);
    if (!ledger) wrong('missing', 'is in no anchor: there is none of this ledger');
    else if (!root) wrong('missing', `is in no anchor: they end at ${ledger.last.size}`);
    else if (!root.equals(rootHash)) wrong('checkpoint', 'has another root than that of the anchors');
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    report.unchecked.push(`a checkpoint that was kept is none that these keys have signed: ${error.message}`);
  }
}

/** Whose keys a note is of; undefined for what is no succession. */
function successionOrigin(note: string): string | undefined {
  try {
    return parseSuccession(note).origin;
  } catch (error) {
    if (error instanceof NoteError) return undefined;
    throw error;
  }
}

/**
 * One key signs all ledgers of a log under their origins, which differ in the part past the last slash: who trusts it for
 * one of them need not be given the same key by the others' names.
 */
function keysFor(origin: string, keys: readonly VerifierKey[]): VerifierKey[] {
  const log = (name: string): string => name.slice(0, name.lastIndexOf('/') + 1);
  return keys
    .filter(({ name }) => log(name) === log(origin))
    .map(({ algorithm, publicKey }) => new VerifierKey(origin, algorithm, publicKey));
}
