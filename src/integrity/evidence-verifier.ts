import { hash } from 'node:crypto';
import {
  anchoredNote,
  anchorHash,
  AnchorError,
  anchorKey,
  isAnchoredNote,
  parseAnchor,
  type Anchor,
} from './anchor.js';
import { canonicalize, type JsonObject } from './canonical-json.js';
import { parseCheckpoint, type Checkpoint } from './checkpoint.js';
import { HASH_BYTES, leafHash } from './event.js';
import {
  BUNDLE_FORMAT,
  BundleError,
  bundleFormat,
  FILES,
  MAX_FILE_BYTES,
  parseKeys,
  parseManifest,
  type BundleFile,
  type BundleManifest,
} from './evidence-bundle.js';
import { deletedText, openEnd, shownDeleted, type BundleTimestamp } from './evidence-claims.js';
import { AskedError, BundleLineCheck, readCanonicalLine, type LineFinding } from './evidence-lines.js';
import { EvidencePage, PAGE_VERSION } from './evidence-page.js';
import { ReachedKeys, signedByReached } from './key-succession.js';
import { MultiproofRoot } from './multiproof.js';
import {
  COSIGNATURE_ED25519,
  cosignatureTime,
  ED25519,
  NoteError,
  parseNote,
  type SignedNote,
  type VerifierKey,
} from './signed-note.js';
import { readJson, StrictJsonError } from './strict-json.js';
import { MAX_ENTRY_BYTES, ZipError, ZipReader, type RandomAccess, type ZipEntry } from './zip.js';

/** What is wrong, and of which event or file. */
export interface Finding {
  kind: FindingKind;
  sequence: string | null;
  event_id: string | null;
  detail: string;
}

export type FindingKind =
  | LineFinding['kind']
  | 'zip' // the container
  | 'file' // one of its files is unknown, absent, or not the one in the manifest
  | 'manifest'
  | 'proof' // events and hashes do not lead to the root
  | 'checkpoint'
  | 'key' // no signature by a key that was reached from the trusted one
  | 'anchor'
  | 'witness'
  | 'timestamp'
  | 'page'
  | 'archive';

export interface BundleReport {
  /** `undecided`: nothing is wrong with what could be checked, and something could not: `unchecked` says what */
  verdict: 'valid' | 'invalid' | 'undecided';
  findings: Finding[];
  findings_total: number;
  unchecked: string[];
  /** what the bundle says; null where it could not be read */
  bundle: {
    ledger: string;
    origin: string;
    as_of: string;
    asked: JsonObject;
    completeness: string;
    range: { from_sequence: string; to_sequence: string } | null;
    /** whether a complete range ends at as_of, and not where what was asked for does: a note says what that leaves out */
    is_open_ended: boolean;
    contents: boolean;
    /** what was deleted and might have been found, as the service says */
    deleted: JsonObject[];
    events: string;
    envelopes: string;
  } | null;
  checkpoint: { size: string; root_hash: string; signed_by: string[] } | null;
  anchor: { n: string; sha256: string } | null;
  witnesses: { name: string; time: string }[];
  /** of authorities: when an anchor was there that holds the checkpoint, or follows the one that does */
  timestamps: { anchor: string; time: string }[];
  /** what is in the bundle, and was not asked to be looked at */
  notes: string[];
}

/** What is wrong with a timestamp authority's reply over a digest, or when it says that it was made. */
export type VerifyTimestamp = (reply: Buffer, digest: Buffer) => { time: string } | { fault: string };

export interface VerifyBundleOptions {
  /** that the auditor trusts; those of other names are passed over */
  keys: readonly VerifierKey[];
  /** each must have cosigned the checkpoint */
  witnesses?: readonly VerifierKey[];
  /** without it timestamps are not looked at */
  verifyTimestamp?: VerifyTimestamp;
  /** the bytes of anchors as the object store has them, or a copy of it; undefined for one that is not there */
  storedAnchor?: ((number: bigint) => Buffer | undefined) | undefined;
}

/** After so many it is not looked at further: a small zip can hold a great many lines that are none. */
const MAX_FINDINGS = 1_000;
/** Files of lines, each of which ends with a newline. */
const LINES = /^(events\/|proof\/|archive\.ndjson$)/;
const ANCHOR_FILE = /^anchors\/[0-9]{12}\.json$/;

/**
 * Verifies a bundle offline. Whatever is in it, the outcome is a report; throws what the source throws when it cannot be
 * read. Holds a piece of the events and one of the proof in memory.
 */
export function verifyBundle(source: RandomAccess, options: VerifyBundleOptions): BundleReport {
  return new BundleVerification(source, options).run();
}

/** Nothing more can be checked; the finding is reported. */
class Stop extends Error {}

class BundleVerification {
  private readonly report: BundleReport = {
    verdict: 'valid',
    findings: [],
    findings_total: 0,
    unchecked: [],
    bundle: null,
    checkpoint: null,
    anchor: null,
    witnesses: [],
    timestamps: [],
    notes: [],
  };
  private zip!: ZipReader;
  private manifest!: BundleManifest;
  private entries = new Map<string, ZipEntry>();
  private listed = new Map<string, BundleFile>();

  constructor(
    private readonly source: RandomAccess,
    private readonly options: VerifyBundleOptions,
  ) {}

  run(): BundleReport {
    const { report } = this;
    try {
      this.checkAll();
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
    }
    report.verdict = report.findings_total > 0 ? 'invalid' : report.unchecked.length > 0 ? 'undecided' : 'valid';
    return report;
  }

  private checkAll(): void {
    this.openZip();
    if (!this.readManifest()) return;
    this.compareFiles();
    const papers = this.checkPapers();
    const page = new EvidencePage(this.manifest);
    const check = this.checkLines(papers?.checkpoint, page);
    if (!papers || !check) return;
    const { events, envelopes } = check;
    if (events !== this.manifest.events || envelopes !== this.manifest.envelopes) {
      this.find(
        'manifest',
        `it counts ${this.manifest.events} events and ${this.manifest.envelopes} envelopes beside them; there are ${events} and ${envelopes}`,
      );
    }
    this.checkPage(page, { ...papers, events, envelopes });
  }

  private openZip(): void {
    try {
      this.zip = ZipReader.open(this.source);
    } catch (error) {
      if (!(error instanceof ZipError)) throw error;
      this.stop('zip', error.message);
    }
    for (const entry of this.zip.entries) this.entries.set(entry.name, entry);
  }

  /** False for a bundle of another format, which is not for this verifier to judge. */
  private readManifest(): boolean {
    const last = this.zip.entries.at(-1);
    if (last?.name !== FILES.manifest || last.isDeflated) this.stop('manifest', 'the last file is no manifest');
    try {
      const bytes = ZipReader.unpack(last, this.zip.packed(last));
      const format = bundleFormat(bytes);
      if (format !== undefined && format !== BUNDLE_FORMAT && format.startsWith('truetrail-bundle/')) {
        this.report.unchecked.push(
          `the bundle is of the format ${JSON.stringify(format.slice(0, 50))}, which this verifier does not know`,
        );
        return false;
      }
      this.manifest = parseManifest(bytes);
    } catch (error) {
      if (error instanceof ZipError) this.stop('zip', error.message);
      if (error instanceof BundleError) this.stop('manifest', error.message);
      throw error;
    }
    const { ledger, origin, asOf, asked, completeness, range, contents, deleted, events, envelopes } = this.manifest;
    this.report.bundle = {
      ledger,
      origin,
      as_of: String(asOf),
      asked,
      completeness,
      range: range && { from_sequence: String(range.from), to_sequence: String(range.to) },
      is_open_ended: openEnd(this.manifest) !== undefined,
      contents,
      deleted: deleted.map(shownDeleted),
      events: String(events),
      envelopes: String(envelopes),
    };
    const open = openEnd(this.manifest);
    if (open !== undefined) this.report.notes.push(open);
    for (const each of deleted) {
      this.report.notes.push(
        `not there any more, and might have been found, as the service says: ${deletedText(each)}`,
      );
    }
    if (origin.slice(origin.lastIndexOf('/') + 1) !== ledger)
      this.find('manifest', 'its origin is not that of its ledger');
    return true;
  }

  /** The names in the zip, in the manifest, and those that there may be. */
  private compareFiles(): void {
    for (const file of this.manifest.files) this.listed.set(file.name, file);
    const { listed } = this;
    for (const [name, { isDeflated }] of this.entries) {
      if (name !== FILES.manifest && !isDeflated) this.find('zip', `${shown(name)} is not deflated`);
      if (name !== FILES.manifest && !listed.has(name)) this.find('file', `${shown(name)} is not in the manifest`);
    }
    for (const name of listed.keys()) if (!this.entries.has(name)) this.find('file', `${shown(name)} is not there`);
    const known = new Set<string>([FILES.checkpoint, FILES.keys, FILES.archive, FILES.page]);
    const count = (name: (number: number) => string): void => {
      for (let number = 1; listed.has(name(number)); number++) known.add(name(number));
    };
    count(FILES.events);
    count(FILES.proof);
    for (const anchor of this.anchorNumbers()) {
      known.add(FILES.anchor(anchor));
      count((number) => FILES.timestamp(anchor, number));
    }
    for (const name of listed.keys())
      if (!known.has(name)) this.find('file', `${shown(name)} is none of a bundle's files`);
    const order = this.manifest.files.map(({ name }) => name).filter((name) => this.entries.has(name));
    const inZip = [...this.entries.keys()].filter((name) => listed.has(name));
    if (order.join('\n') !== inZip.join('\n'))
      this.find('manifest', 'it lists the files in another order than the zip');
  }

  /** The numbers of the anchors that are there, from the one that holds the checkpoint on, as far as none is left out. */
  private anchorNumbers(): bigint[] {
    const names = [...this.entries.keys()].filter((name) => ANCHOR_FILE.test(name));
    const first = names
      .map((name) => BigInt(name.slice('anchors/'.length, -'.json'.length)))
      .sort((a, b) => Number(a - b))[0];
    const numbers: bigint[] = [];
    for (let number = first; number !== undefined && this.entries.has(FILES.anchor(number)); number += 1n) {
      numbers.push(number);
    }
    return numbers;
  }

  /** A file's content; undefined if it is not there or cannot be unpacked, which has been reported. */
  private read(name: string, maxBytes = MAX_ENTRY_BYTES): Buffer | undefined {
    const file = this.listed.get(name);
    const entry = this.entries.get(name);
    if (!file || !entry) {
      if (!file && !entry) this.find('file', `${shown(name)} is not there`);
      return undefined;
    }
    if (entry.bytes > maxBytes) {
      this.find('file', `${shown(name)} has ${entry.bytes} bytes; it has at most ${maxBytes}`);
      return undefined;
    }
    const packed = this.zip.packed(entry);
    let content: Buffer;
    try {
      content = ZipReader.unpack(entry, packed);
    } catch (error) {
      if (!(error instanceof ZipError)) throw error;
      this.find('file', error.message);
      return undefined;
    }
    if (
      BigInt(packed.length) !== file.packedBytes ||
      hash('sha256', packed, 'hex') !== file.packedSha256 ||
      BigInt(content.length) !== file.bytes ||
      hash('sha256', content, 'hex') !== file.sha256
    ) {
      this.find('file', `${shown(name)} is not the file of the manifest`);
    }
    if (LINES.test(name) && content.at(-1) !== 0x0a && content.length > 0) {
      this.find('file', `${shown(name)} does not end with the end of a line`);
    }
    return content;
  }

  private checkPapers(): Papers | undefined {
    const note = this.read(FILES.checkpoint);
    const anchors = this.readAnchors();
    const keysFile = this.read(FILES.keys, MAX_FILE_BYTES.keys);
    const archiveFile = this.read(FILES.archive);
    const timestamps = this.readTimestamps();
    const keys = keysFile && this.parse('key', FILES.keys, () => parseKeys(keysFile));
    const archive = archiveFile && this.readArchive(archiveFile);
    const signed = note && this.parse('checkpoint', FILES.checkpoint, () => parseNote(note));
    const checkpoint = signed && this.parse('checkpoint', FILES.checkpoint, () => parseCheckpoint(signed.text));
    if (checkpoint) {
      if (checkpoint.origin !== this.manifest.origin) this.find('checkpoint', `it is of ${checkpoint.origin}`);
      if (this.manifest.asOf > checkpoint.size) this.find('checkpoint', `it ends at ${checkpoint.size}, before as_of`);
      const isWhole = this.manifest.completeness === 'complete-range' && openEnd(this.manifest) === undefined;
      if (this.manifest.asOf < checkpoint.size && !isWhole) {
        this.report.notes.push(
          `as_of is ${this.manifest.asOf}: of the ledger's ${checkpoint.size} events those after it were not looked at, whether or not they are what was asked for`,
        );
      }
      this.report.checkpoint = {
        size: String(checkpoint.size),
        root_hash: checkpoint.rootHash.toString('hex'),
        signed_by: [],
      };
      const successions = keys?.successions ?? [];
      this.checkSignature(signed, checkpoint, successions);
      this.checkWitnesses(signed);
      if (anchors) {
        this.checkAnchor(anchors[0]!, note.toString(), checkpoint, successions);
        this.checkLaterAnchors(anchors, checkpoint, successions);
        this.checkOthers(anchors, checkpoint.origin, successions);
      }
    }
    if (anchors) this.compareWithStore(anchors);
    if (anchors) this.checkTimestamps(timestamps, anchors);
    if (!checkpoint || !anchors || !keys || !archive) return undefined;
    const anchorFiles = anchors.map(({ bytes }) => bytes);
    return { checkpoint, note: note.toString(), anchors: anchorFiles, timestamps, ...keys, archive };
  }

  /** The anchor of the checkpoint and those after it, each naming the one before; undefined if one is none. */
  private readAnchors(): ReadAnchor[] | undefined {
    const anchors: ReadAnchor[] = [];
    const numbers = this.anchorNumbers();
    if (numbers.length === 0) this.find('file', 'there is no anchor');
    for (const number of numbers) {
      const name = FILES.anchor(number);
      const bytes = this.read(name);
      const anchor = bytes && this.parse('anchor', name, () => parseAnchor(bytes));
      if (!anchor) return undefined;
      if (anchor.number !== number) this.find('anchor', `${name} says that it is ${anchor.number}`);
      const before = anchors.at(-1);
      if (before && !anchor.previous?.equals(before.hash)) {
        this.find('anchor', `${name} follows another anchor than the one before it`);
      }
      anchors.push({ anchor, bytes, hash: anchorHash(bytes) });
    }
    return anchors.length === 0 ? undefined : anchors;
  }

  private readTimestamps(): BundleTimestamp[] {
    return this.anchorNumbers().flatMap((anchor) => {
      const replies: BundleTimestamp[] = [];
      for (let number = 1; this.entries.has(FILES.timestamp(anchor, number)); number++) {
        const reply = this.read(FILES.timestamp(anchor, number));
        if (reply) replies.push({ anchor, reply });
      }
      return replies;
    });
  }

  /** Signed by the key that may sign this size, reached from one that the auditor trusts. */
  private checkSignature(note: SignedNote, { origin, size }: Checkpoint, successions: readonly string[]): void {
    const trusted = this.trustedKeys(origin);
    if (this.options.keys.length === 0) {
      this.report.unchecked.push('no key is given, so the signature of the checkpoint is not checked');
      return;
    }
    if (trusted.length === 0) {
      this.find('key', `none of the keys given is for ${origin}`);
      return;
    }
    try {
      const signers = signedByReached(note, size, trusted, successions);
      this.report.checkpoint!.signed_by = signers.map(String);
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
      this.find('key', `the checkpoint is not signed with a key reached from the one given: ${error.message}`);
    }
  }

  private trustedKeys(origin: string): VerifierKey[] {
    return this.options.keys.filter((key) => key.name === origin && key.algorithm === ED25519);
  }

  private checkWitnesses(note: SignedNote): void {
    const others = note.signatures.filter(
      (signature) =>
        signature.name !== this.manifest.origin && !this.options.witnesses?.some((key) => key.isNamedBy(signature)),
    );
    for (const { name } of others) this.report.notes.push(`the cosignature of ${name} is not looked at`);
    for (const witness of this.options.witnesses ?? []) {
      const own = note.signatures.filter((signature) => witness.isNamedBy(signature));
      if (own.length === 0) this.find('witness', `${witness.name} has not cosigned`);
      else if (!own.every((signature) => witness.verifies(note.text, signature))) {
        this.find('witness', `a cosignature of ${witness.name} is not right`);
      } else if (witness.algorithm === COSIGNATURE_ED25519) {
        for (const each of own) this.report.witnesses.push({ name: witness.name, time: String(cosignatureTime(each)) });
      }
    }
  }

  /**
   * That the anchor holds this very note, signed by the ledger; witnesses sign later, below it. A note that says less than
   * the checkpoint does, or that nobody signed, would date nothing, though its anchor were stamped.
   */
  private checkAnchor(
    { anchor, hash: sha256 }: ReadAnchor,
    note: string,
    { origin, size }: Checkpoint,
    successions: readonly string[],
  ): void {
    this.report.anchor = { n: String(anchor.number), sha256: sha256.toString('hex') };
    try {
      const anchored = anchoredNote(anchor, origin);
      if (!isAnchoredNote(note, anchored)) throw new AnchorError('it holds another checkpoint of the ledger');
      const trusted = this.trustedKeys(origin);
      if (trusted.length > 0) signedByReached(parseNote(anchored), size, trusted, successions);
    } catch (error) {
      if (error instanceof AnchorError) this.find('anchor', error.message);
      else if (error instanceof NoteError) {
        this.find(
          'anchor',
          `the checkpoint in it is not signed with a key reached from the one given: ${error.message}`,
        );
      } else throw error;
    }
  }

  /**
   * That what the anchors say of this ledger goes on from its checkpoint: none takes anything back, each is signed by the
   * key that may, and successions of its keys are in keys.json.
   */
  private checkLaterAnchors(
    anchors: readonly ReadAnchor[],
    checkpoint: Checkpoint,
    successions: readonly string[],
  ): void {
    const { origin } = checkpoint;
    const trusted = this.trustedKeys(origin);
    let before: Checkpoint | undefined;
    for (const { anchor } of anchors) {
      const wrong = (detail: string): void => this.find('anchor', `${FILES.anchor(anchor.number)}: ${detail}`);
      for (const note of anchor.successions) {
        const isOurs = parseNote(note).text.split('\n')[1] === origin;
        if (isOurs && !successions.includes(note)) wrong('a succession of keys in it is not in keys.json');
      }
      for (const { note, sizeBefore } of anchor.checkpoints) {
        const signed = parseNote(note);
        const own = parseCheckpoint(signed.text);
        if (sizeBefore > own.size) wrong(`its checkpoint of ${own.origin} says that the ledger had more events before`);
        if (own.origin !== origin) continue;
        if (before) {
          const isSame = own.size === before.size && !own.rootHash.equals(before.rootHash);
          if (sizeBefore !== before.size || own.size < before.size || isSame)
            wrong('its checkpoint of the ledger does not go on from the one before');
          try {
            if (trusted.length > 0) signedByReached(signed, own.size, trusted, successions);
          } catch (error) {
            if (!(error instanceof NoteError)) throw error;
            wrong(`its checkpoint of the ledger is not signed with a key reached from the one given: ${error.message}`);
          }
        }
        before = own;
      }
    }
  }

  /**
   * One key signs all ledgers of a service at a time, each under its origin: so what anchors say of others is signed with a
   * key that is reached, by successions of whichever ledger. That it is the newest of theirs, or that none is left out,
   * nobody but the store vouches for.
   */
  private checkOthers(anchors: readonly ReadAnchor[], origin: string, successions: readonly string[]): void {
    const trusted = this.trustedKeys(origin);
    if (trusted.length === 0) return;
    const reached = new ReachedKeys(trusted, successions);
    for (const { anchor } of anchors) {
      for (const note of anchor.successions) reached.follow(note);
      for (const { note } of anchor.checkpoints) {
        const signed = parseNote(note);
        const other = parseCheckpoint(signed.text).origin;
        if (other === origin || reached.isSigned(signed, other)) continue;
        this.find(
          'anchor',
          `${FILES.anchor(anchor.number)}: its checkpoint of ${other} is not signed with a key reached from the one given`,
        );
      }
    }
  }

  /** Nobody signs an anchor as a whole: that these are the ones that were written, the store alone can tell. */
  private compareWithStore(anchors: readonly ReadAnchor[]): void {
    const { storedAnchor } = this.options;
    if (!storedAnchor) {
      this.report.notes.push(
        'its anchors are not compared with those of the object store: their numbers, and what comes before them, are what the bundle says',
      );
      return;
    }
    for (const { anchor, bytes } of anchors) {
      const stored = storedAnchor(anchor.number);
      if (stored === undefined) {
        this.report.unchecked.push(
          `${anchorKey(anchor.number)} is not among the anchors given, so that it is not seen whether it was ever written so`,
        );
      } else if (!stored.equals(bytes)) {
        this.find('anchor', `${FILES.anchor(anchor.number)} is another than ${anchorKey(anchor.number)} of the store`);
      }
    }
  }

  private checkTimestamps(timestamps: readonly BundleTimestamp[], anchors: readonly ReadAnchor[]): void {
    const { verifyTimestamp } = this.options;
    if (!verifyTimestamp) {
      if (timestamps.length > 0)
        this.report.notes.push(`${timestamps.length} timestamps of authorities are not looked at`);
      return;
    }
    for (const { anchor: number, reply } of timestamps) {
      const stamped = anchors.find(({ anchor }) => anchor.number === number);
      if (!stamped) continue; // which has been reported of the anchor
      const outcome = verifyTimestamp(reply, stamped.hash);
      if ('time' in outcome) this.report.timestamps.push({ anchor: String(number), time: outcome.time });
      else this.find('timestamp', `a timestamp of anchor ${number}: ${outcome.fault}`);
    }
  }

  /** The entries are the word of the service; that they are of this ledger and are entries at all is seen. */
  private readArchive(file: Buffer): JsonObject[] {
    const entries: JsonObject[] = [];
    let at = 0;
    for (const line of linesOf(file)) {
      at += 1;
      const entry = this.readLine('archive', `${FILES.archive}, line ${at}`, line);
      if (!entry) continue;
      if (entry.ledger !== this.manifest.ledger) this.find('archive', `line ${at} is of another ledger`);
      entries.push(entry);
    }
    return entries;
  }

  /** All lines of the events, and that they lead to the checkpoint's root. */
  private checkLines(checkpoint: Checkpoint | undefined, page: EvidencePage): BundleLineCheck | undefined {
    let check: BundleLineCheck;
    try {
      check = new BundleLineCheck(this.manifest, (finding) => this.add(finding));
    } catch (error) {
      if (!(error instanceof AskedError)) throw error;
      this.find('asked', error.message);
      return undefined;
    }
    const proof = this.hashes();
    let isBroken = !checkpoint;
    const tree = new MultiproofRoot(checkpoint?.size ?? 0n, () => {
      const next = proof.next();
      if (next.done) throw new RangeError('the proof has too few hashes');
      return next.value;
    });
    const attempt = (step: () => void): void => {
      if (isBroken) return;
      try {
        step();
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        isBroken = true;
        this.find('proof', error.message);
      }
    };
    for (let number = 1; this.entries.has(FILES.events(number)); number++) {
      const piece = this.read(FILES.events(number), MAX_FILE_BYTES.events);
      if (!piece) isBroken = true;
      let at = 0;
      for (const bytes of piece ? linesOf(piece) : []) {
        at += 1;
        const canonical = readCanonicalLine(bytes);
        const line = canonical?.line ?? this.readLine('content', `${FILES.events(number)}, line ${at}`, bytes);
        const eventHash = line && check.take(line, canonical?.contentText);
        if (!eventHash) isBroken = true;
        else attempt(() => tree.append(BigInt(line.sequence as string) - 1n, leafHash(eventHash)));
        if (line) page.take(line);
      }
    }
    check.end();
    const unseen = check.unseen();
    if (unseen.length > 0) {
      this.report.unchecked.push(
        `without contents it cannot be seen that the events are those that were asked for: ${shown(unseen.join(', '))}`,
      );
    }
    attempt(() => {
      const root = tree.root();
      if (!proof.next().done) throw new RangeError('the proof has hashes left over');
      if (!root.equals(checkpoint!.rootHash))
        throw new RangeError('events and hashes lead to another root than the checkpoint’s');
    });
    if (isBroken && this.report.findings_total === 0) this.find('proof', 'it could not be followed');
    return check;
  }

  private *hashes(): Generator<Buffer> {
    let count = 0n;
    for (let number = 1; this.entries.has(FILES.proof(number)); number++) {
      for (const line of linesOf(this.read(FILES.proof(number), MAX_FILE_BYTES.proof) ?? Buffer.alloc(0))) {
        const text = line.toString('latin1');
        if (!/^[0-9a-f]{64}$/.test(text)) throw new RangeError('a line of the proof is no hash');
        count += 1n;
        yield Buffer.from(text, 'hex').subarray(0, HASH_BYTES);
      }
    }
    if (count !== this.manifest.hashes)
      this.find('manifest', `it counts ${this.manifest.hashes} hashes; there are ${count}`);
  }

  private checkPage(page: EvidencePage, facts: Papers & { events: bigint; envelopes: bigint }): void {
    const file = this.read(FILES.page)?.toString();
    if (file === undefined) return;
    if (!file.includes(`<meta name="generator" content="${PAGE_VERSION}">`)) {
      this.report.unchecked.push(
        `${FILES.page} was made by another version of the service, and is not compared with the rest`,
      );
    } else if (file !== page.render({ ...facts, checkpoint: facts.note })) {
      this.find('page', `${FILES.page} says something else than the rest`);
    }
  }

  private readLine(kind: FindingKind, where: string, line: Buffer): JsonObject | undefined {
    try {
      const value = readJson(line);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        this.find(kind, `${where}: it is no object`);
        return undefined;
      }
      // another text of the same object would be another file with the same proof
      if (!Buffer.from(canonicalize(value)).equals(line)) this.find(kind, `${where}: it is not in canonical form`);
      return value;
    } catch (error) {
      if (!(error instanceof StrictJsonError)) throw error;
      this.find(kind, `${where}: ${error.message}`);
    }
    return undefined;
  }

  private parse<T>(kind: FindingKind, name: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      const isKnown = error instanceof NoteError || error instanceof AnchorError || error instanceof BundleError;
      if (!isKnown) throw error;
      this.find(kind, `${name}: ${error.message}`);
      return undefined;
    }
  }

  private stop(kind: FindingKind, detail: string): never {
    this.find(kind, detail);
    throw new Stop();
  }

  private find(kind: FindingKind, detail: string): void {
    this.add({ kind, sequence: null, event_id: null, detail });
  }

  private add(finding: Finding): void {
    this.report.findings.push(finding);
    this.report.findings_total += 1;
    if (this.report.findings_total < MAX_FINDINGS) return;
    this.report.notes.push(`after ${MAX_FINDINGS} findings it is not looked at further`);
    throw new Stop();
  }
}

interface ReadAnchor {
  anchor: Anchor;
  bytes: Buffer;
  /** SHA-256 */
  hash: Buffer;
}

interface Papers {
  checkpoint: Checkpoint;
  note: string;
  anchors: readonly Buffer[];
  timestamps: readonly BundleTimestamp[];
  keys: readonly string[];
  successions: readonly string[];
  archive: readonly JsonObject[];
}

/** Without their newlines; what follows the last newline is a line as well. */
function* linesOf(file: Buffer): Generator<Buffer> {
  for (let at = 0; at < file.length;) {
    const end = file.indexOf(0x0a, at);
    yield file.subarray(at, end < 0 ? file.length : end);
    at = end < 0 ? file.length : end + 1;
  }
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}
