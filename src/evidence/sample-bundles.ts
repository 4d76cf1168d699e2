import { randomBytes } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { readDeletedSpans } from '../archive/deleted-ranges.js';
import { makeWorkingFolder } from '../archive/working-folder.js';
import { Checkpoints } from '../checkpoints/checkpoints.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { Ledgers } from '../events/ledgers.js';
import { Problem, type ProblemSlug } from '../http/problem.js';
import type { SequenceRange } from '../integrity/evidence-claims.js';
import type { BundleReport, Finding } from '../integrity/evidence-verifier.js';
import { DamagedRowError } from '../integrity/stored-event.js';
import type { ReadTotals } from '../long-reads/long-read.js';
import { parsePolicy } from '../integrity/witness-policy.js';
import { BundleCheckThread } from './bundle-check-thread.js';
import { readArchivedTo } from './evidence.sql.js';
import { readEvidenceRequest } from './evidence-request.js';
import { Evidence } from './evidence.js';
import { sampleRanges, type SampleOf, type SampleRange } from './sample-ranges.js';
import { readTrustedKeys, type TrustedKeys } from './trusted-keys.js';

/** A finding of a ledger, in the words of the verifier of bundles. */
export interface SampleFinding extends Finding {
  ledger: string;
}

/** What could not be verified, and why. */
export interface UnreadSample {
  ledger: string;
  from_sequence: string;
  to_sequence: string;
  reason: string;
}

/** A sample, as far as the first look at it went. */
export interface SampleBundle {
  of: SampleOf;
  from_sequence: string;
  /** included */
  to_sequence: string;
  /** null where no bundle could be made */
  verdict: BundleReport['verdict'] | null;
  /** of the checkpoint; null where no bundle could be made */
  checkpoint_size: string | null;
}

export interface LedgerSamples {
  bundles: SampleBundle[];
  /** events whose proofs were verified */
  events: number;
  findings: SampleFinding[];
  unread: UnreadSample[];
}

/** Of a ledger that is yet to be looked at. */
export function noSamples(): LedgerSamples {
  return { bundles: [], events: 0, findings: [], unread: [] };
}

/** What the samples of one run have in common. To be closed. */
export interface SampleRun {
  thread: BundleCheckThread;
  folder: string;
  trusted: TrustedKeys;
  witnesses: readonly string[];
  roots: string | undefined;
  /** what comes of a sample that this replica has no room to read */
  whenBusy: WhenBusy;
}

/** Left unread, or reads-overloaded. */
export type WhenBusy = 'leave' | 'refuse';

/** What keeps a bundle from being made, and is no damage. */
const UNREADABLE: readonly ProblemSlug[] = [
  'archive-unavailable',
  'read-timeout',
  'reads-overloaded',
  'event-deleted', // since the range was chosen
  'not-yet-checkpointed',
  'database-unavailable',
];
/** Findings that change an event's leaf in the tree: the proof fails with them. */
const OF_LEAVES: readonly string[] = ['link', 'sequence'];
/** So many pieces of a sample are looked at apart from its damaged events. */
const MAX_PIECES = 16;

/** Makes bundles of samples of ledgers and has them verified as whoever is handed one does: level 4. */
@Injectable()
export class SampleBundles {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly ledgers: Ledgers,
    private readonly checkpoints: Checkpoints,
    private readonly evidence: Evidence,
  ) {}

  /** Throws an Error for the operator when files of keys, witnesses or roots cannot be used. */
  async begin(whenBusy: WhenBusy): Promise<SampleRun> {
    const { WITNESSES: policy, TIMESTAMP_CA_FILE: roots } = this.config;
    const trusted = await readTrustedKeys(this.config);
    const witnesses = policy === undefined ? [] : parsePolicy(await readFile(policy, 'utf8')).witnesses;
    return {
      whenBusy,
      trusted,
      witnesses: witnesses.map(({ key }) => key.toString()),
      roots: roots === undefined ? undefined : await readFile(roots, 'utf8'),
      folder: await makeWorkingFolder('evidence'),
      thread: new BundleCheckThread(),
    };
  }

  async end({ thread, folder }: SampleRun): Promise<void> {
    await thread.close();
    await rm(folder, { recursive: true, force: true });
  }

  /**
   * Verifies a range of a ledger, or else samples of it: its last events, some from anywhere, and some that only the
   * archive has. Up to the last checkpoint of which the ledger has all events; that there is a later one is a finding. Of
   * a ledger without events nothing is made. `outcome` gets what is found as it is found, so that what ends this before
   * its time takes nothing of it away. Throws ledger-not-found, invalid-body for a range past the ledger's size, reads-overloaded where that is wanted, the database's errors, and the signal's reason.
   */
  async verify(
    run: SampleRun,
    ledger: string,
    outcome: LedgerSamples,
    signal: AbortSignal,
    asked?: SequenceRange,
  ): Promise<void> {
    const samples = new LedgerRun(run, this.evidence, ledger, await this.ledgers.origin(ledger), outcome, signal);
    const { size: recorded } = await this.ledgers.state(ledger);
    const size = await this.signedSize(ledger, BigInt(recorded), samples, asked);
    if (size === undefined) return;
    for (const range of await this.ranges(ledger, size, asked)) {
      signal.throwIfAborted();
      await samples.verify(range);
    }
  }

  /** Up to where there are proofs; undefined where there is nothing to prove, or nothing that proves it. */
  private async signedSize(
    ledger: string,
    recorded: bigint,
    samples: LedgerRun,
    asked?: SequenceRange,
  ): Promise<bigint | undefined> {
    try {
      const [latest, held] = [await this.checkpoints.latest(ledger), await this.checkpoints.held(ledger)];
      if (held.size < latest.size) {
        samples.find({
          ...{ kind: 'missing', sequence: null, event_id: null },
          detail: `${latest.size} events were signed, and not all of them are there any more: bundles are made of the first ${held.size}`,
        });
      }
      return held.size;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.slug === 'damaged-record' || error.slug === 'events-lost') {
        samples.find({ kind: 'missing', sequence: null, event_id: null, detail: error.message });
        return undefined;
      }
      if (error.slug !== 'not-yet-checkpointed') throw error;
      if (asked && asked.to > recorded) throw pastSize(recorded);
      if (recorded > 0n) samples.leave(asked ?? { from: 1n, to: recorded }, error.message);
      return undefined;
    }
  }

  private async ranges(ledger: string, size: bigint, asked?: SequenceRange): Promise<SampleRange[]> {
    if (asked) return [{ of: 'asked', ...asked }];
    const [deleted, archivedTo] = [await readDeletedSpans(this.pool, ledger), await readArchivedTo(this.pool, ledger)];
    return sampleRanges({ size, archivedTo, deleted }, BigInt(this.config.EVIDENCE_VERIFICATION_EVENTS), drawBelow);
  }
}

/** The samples of one ledger. */
class LedgerRun {
  private readonly known = new Set<string>();

  constructor(
    private readonly run: SampleRun,
    private readonly evidence: Evidence,
    private readonly ledger: string,
    private readonly origin: string,
    private readonly outcome: LedgerSamples,
    private readonly signal: AbortSignal,
  ) {}

  /** What was found in one sample already is not told again. */
  find({ kind, sequence, event_id, detail }: Finding): void {
    const finding: SampleFinding = { ledger: this.ledger, kind, sequence, event_id, detail };
    const name = JSON.stringify(finding);
    if (this.known.has(name)) return;
    this.known.add(name);
    this.outcome.findings.push(finding);
  }

  leave({ from, to }: SequenceRange, reason: string): void {
    this.outcome.unread.push({ ledger: this.ledger, from_sequence: String(from), to_sequence: String(to), reason });
  }

  /**
   * Verifies a sample; and where single events are damaged, what lies between them as well, so that what is known of one
   * hides nothing of the others.
   */
  async verify(sample: SampleRange): Promise<void> {
    const pieces: SequenceRange[] = [sample];
    for (let looked = 0; looked < MAX_PIECES; looked++) {
      const piece = pieces.shift();
      if (!piece) return;
      this.signal.throwIfAborted();
      const looks = await this.look(piece);
      if (looked === 0) {
        const { verdict = null, checkpoint = null } = looks.report ?? {};
        this.outcome.bundles.push({
          of: sample.of,
          ...{ from_sequence: String(sample.from), to_sequence: String(sample.to) },
          ...{ verdict, checkpoint_size: checkpoint?.size ?? null },
        });
      }
      pieces.push(...between(piece, looks.apart));
    }
    const left = { from: pieces[0]?.from ?? 0n, to: pieces.at(-1)?.to ?? 0n };
    if (pieces.length > 0) this.leave(left, `more than ${MAX_PIECES} pieces of it have damaged events between them`);
  }

  /** The report on a bundle of a range, and the sequences apart from which the range is to be looked at again. */
  private async look(range: SequenceRange): Promise<{ report?: BundleReport; apart: bigint[] }> {
    const { run, ledger, origin, signal } = this;
    const file = join(run.folder, `${ledger}.zip`);
    // what is read of the store until the bundle is begun, and then
    let ofStore: Finding['kind'] = 'anchor';
    try {
      const body = { from_sequence: String(range.from), to_sequence: String(range.to) };
      const plan = await this.evidence.prepare(ledger, readEvidenceRequest(ledger, body));
      ofStore = 'archive';
      const { unproven } = await writePieces(this.evidence.unchecked(plan, signal), file);
      const report = await run.thread.verify({
        ...{ file, note: plan.checkpoint, roots: run.roots, witnesses: run.witnesses },
        keys: run.trusted(origin).map(String),
      });
      return { report, apart: this.take(range, report, unproven) };
    } catch (error) {
      signal.throwIfAborted();
      return { apart: this.takeFailure(range, error, ofStore) };
    } finally {
      await rm(file, { force: true });
    }
  }

  private take(
    range: SequenceRange,
    { findings, unchecked, bundle }: BundleReport,
    unproven: string | undefined,
  ): bigint[] {
    const ofProof = findings.filter(({ kind }) => kind === 'proof');
    const others = findings.filter(({ kind }) => kind !== 'proof');
    for (const finding of others) this.find(finding);
    const ofLeaves = others.flatMap(({ kind, sequence }) =>
      sequence !== null && OF_LEAVES.includes(kind) ? [BigInt(sequence)] : [],
    );
    // with another leaf no proof leads to the root: whether that is all is seen of what lies between
    const isExplained = ofProof.length > 0 && ofLeaves.length > 0;
    if (unproven !== undefined) {
      // the hash of an event that is not there is nowhere
      const isMissing = others.some(({ kind }) => kind === 'missing');
      if (!isMissing) this.find({ kind: 'proof', sequence: null, event_id: null, detail: unproven });
    } else if (!isExplained) {
      for (const finding of ofProof) {
        this.find({ ...finding, detail: `events ${range.from} to ${range.to}: ${finding.detail}` });
      }
    }
    for (const reason of unchecked) this.leave(range, reason);
    this.outcome.events += Number(bundle?.events ?? 0);
    return isExplained && unproven === undefined ? ofLeaves : [];
  }

  /** Of a bundle that could not be made. Throws what is no damage of the ledger, and nothing that could not be read. */
  private takeFailure(range: SequenceRange, error: unknown, ofStore: Finding['kind']): bigint[] {
    if (error instanceof DamagedRowError) {
      const { sequence, column, detail } = error;
      const kind = column === 'sequence' ? 'missing' : 'content';
      this.find({ kind, sequence, event_id: null, detail: `${column}: ${detail}` });
      if (BigInt(sequence) >= range.from && BigInt(sequence) <= range.to) return [BigInt(sequence)];
      this.leave(range, `event ${sequence}, which is not of it, could not be read`);
      return [];
    }
    if (error instanceof Problem && (error.slug === 'damaged-record' || error.slug === 'archive-damaged')) {
      const kind = error.slug === 'damaged-record' ? 'proof' : ofStore;
      this.find({ kind, sequence: null, event_id: null, detail: error.message });
      return [];
    }
    if (!(error instanceof Problem) || !UNREADABLE.includes(error.slug)) throw error;
    if (error.slug === 'reads-overloaded' && this.run.whenBusy === 'refuse') throw error;
    this.leave(range, error.message);
    return [];
  }
}

/** Writes a file; what is known of the pieces at their end. */
async function writePieces(pieces: AsyncGenerator<Uint8Array, ReadTotals>, path: string): Promise<ReadTotals> {
  const file = await open(path, 'w');
  try {
    for (;;) {
      const next = await pieces.next();
      if (next.done) return next.value;
      await file.writeFile(next.value);
    }
  } finally {
    await file.close();
    await pieces.return({});
  }
}

/** As for any bundle of events that are yet to come. */
function pastSize(size: bigint): Problem {
  const detail = `to_sequence must be no more than the ledger's size, ${size}`;
  return new Problem('invalid-body', detail, { errors: [{ pointer: '/to_sequence', rule: 'range', detail }] });
}

/** What is left of a range without some of its sequences, which need not be in order. */
function between(range: SequenceRange, apart: readonly bigint[]): SequenceRange[] {
  if (apart.length === 0) return [];
  const pieces: SequenceRange[] = [];
  let from = range.from;
  for (const sequence of [...new Set(apart), range.to + 1n].sort((a, b) => (a < b ? -1 : 1))) {
    if (sequence < range.from || sequence > range.to + 1n) continue;
    if (from < sequence) pieces.push({ from, to: sequence - 1n });
    from = sequence + 1n;
  }
  return pieces;
}

/** 128 random bits: what they favour of 2^63 nobody can see. */
function drawBelow(below: bigint): bigint {
  return BigInt(`0x${randomBytes(16).toString('hex')}`) % below;
}
