import type { Checkpoint } from '../integrity/checkpoint.js';

export interface ArchiveFinding {
  kind:
    | 'anchor'
    | 'checkpoint'
    | 'key'
    | 'object'
    | 'tree'
    | 'missing'
    | 'timestamp'
    | 'witness'
    | 'file' // one that no archive has, or that is not the one of the listing
    | 'hidden'; // by something that stands over it in the store
  detail: string;
}

/** An anchor as others speak of it. */
export interface WalkedAnchor {
  number: bigint;
  /** SHA-256 of its bytes */
  hash: Buffer;
  /** by origin */
  checkpoints: Map<string, { text: string; size: bigint }>;
}

/** A ledger's checkpoints in the order of the anchors. */
export interface AnchoredLedger {
  origin: string;
  last: Checkpoint;
  /** root hashes by size */
  roots: Map<bigint, Buffer>;
  count: number;
}

const MAX_FINDINGS = 1_000;

/** What was found, and what could not be looked at. */
export class ArchiveReport {
  readonly findings: ArchiveFinding[] = [];
  readonly unchecked: string[] = [];
  total = 0;

  find(kind: ArchiveFinding['kind'], detail: string): void {
    this.total += 1;
    if (this.findings.length < MAX_FINDINGS) this.findings.push({ kind, detail });
  }
}
