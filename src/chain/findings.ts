import type { JsonObject } from '../integrity/strict-json.js';

/** Kinds of damage, in the words of the API. */
export const FINDING_KINDS = [
  'content', // what an event says is not what its content_hash stands for, or no event could say it
  'link', // an envelope is not what its event_hash stands for, or does not follow the event before
  'sequence', // an event stands twice, or where the ledger has no place for it
  'recorded_time', // recorded_at falls along the ledger, or lies outside its month or past the head
  'missing', // there is no such event
  'checkpoint', // the events are not those that were signed
  'tile', // a hash of the stored tree is not that of the events: proofs that take it are not given
  'key', // event_keys does not have exactly this key for an event
  'index', // an index does not have exactly the entry that it should have of a row: reads by it leave that out
  'schema', // a table, function, trigger, constraint or right is not as the migrations made it
] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];

/** One place that is damaged. `sequence` and `event_id` are null where the damage is not one event's. */
export interface Finding {
  kind: FindingKind;
  /** decimal */
  sequence: string | null;
  event_id: string | null;
  detail: string;
}

/** A finding as runs keep it: a gap knows how far it goes, so that the next piece can be found to continue it. */
export interface RecordedFinding extends Finding {
  /** the last sequence of a gap */
  through?: string;
}

/** A finding without what only runs need. */
export function shownFinding({ kind, sequence, event_id, detail }: Finding): JsonObject & Finding {
  return { kind, sequence, event_id, detail };
}

/** The most that a run lists; all of them are counted. */
export const MAX_LISTED_FINDINGS = 1_000;

/** A gap is one finding, however long it is. Both ends are missing. */
export function missingFinding(from: bigint, through: bigint): RecordedFinding {
  const detail = from === through ? `there is no event ${from}` : `there are no events from ${from} to ${through}`;
  return { kind: 'missing', sequence: String(from), event_id: null, detail, through: String(through) };
}

/** Findings in the order in which they are added: the first ones listed, all counted. */
export class FindingList {
  readonly listed: RecordedFinding[];
  total: number;

  constructor(listed: readonly RecordedFinding[] = [], total = listed.length) {
    this.listed = [...listed];
    this.total = total;
  }

  /** A gap that goes on where the last finding ended stays one finding. */
  add(finding: RecordedFinding): void {
    const last = this.listed.at(-1);
    if (this.total === this.listed.length && last !== undefined && continues(last, finding)) {
      this.listed[this.listed.length - 1] = missingFinding(BigInt(last.sequence!), BigInt(finding.through!));
      return;
    }
    this.total += 1;
    if (this.listed.length < MAX_LISTED_FINDINGS) this.listed.push(finding);
  }

  /** Adds another list that continues this one. */
  append(next: { readonly listed: readonly RecordedFinding[]; readonly total: number }): void {
    for (const finding of next.listed) this.add(finding);
    this.total += next.total - next.listed.length;
  }

  /** By kind, of those that are listed. */
  countByKind(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { kind } of this.listed) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }
}

function continues(gap: RecordedFinding, next: RecordedFinding): boolean {
  return gap.through !== undefined && next.through !== undefined && BigInt(next.sequence!) === BigInt(gap.through) + 1n;
}

/** By sequence, those of no sequence first; one of no sequence and two of one stay in the order in which they came. */
export function inOrderOfSequence(findings: readonly RecordedFinding[]): RecordedFinding[] {
  const place = (finding: Finding): bigint => (finding.sequence === null ? -(1n << 63n) : BigInt(finding.sequence));
  return [...findings].sort((a, b) => {
    const [x, y] = [place(a), place(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  });
}
