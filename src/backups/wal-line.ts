import { walFileName } from './backup-names.js';

/** Where a timeline began: in a segment of another one, which goes up to there. */
export interface TimelineStart {
  timeline: number;
  parent: number;
  segment: number;
}

/** Segments from one to another, both included, that are all missing. */
export interface WalGap {
  timeline: number;
  from: number;
  to: number;
}

/**
 * A history file of PostgreSQL, `00000003.history`: a line for each timeline before this one, with the position at which it
 * was left. Returns the last of them; undefined where there is none. Throws an Error for a line that cannot be read.
 */
export function readTimelineHistory(text: string): { parent: number; position: string } | undefined {
  const lines = text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
  const last = lines.at(-1);
  if (last === undefined) return undefined;
  const [, parent, position] = /^(\d+)\s+([0-9A-F]+\/[0-9A-F]+)(\s|$)/i.exec(last) ?? [];
  if (parent === undefined || position === undefined) throw new Error(`the line ${last} is none of a history`);
  return { parent: Number(parent), position };
}

/**
 * What a recovery from a base backup to the end of any timeline would lack: gaps in the middle, at the beginning and
 * where one timeline goes on from another. `segments` has those that are there of each timeline, ascending; `begin` is
 * the first one that the oldest backup needs. Segments before that are nobody's need.
 */
export function findWalGaps(
  segments: ReadonlyMap<number, readonly number[]>,
  begin: { timeline: number; segment: number },
  starts: readonly TimelineStart[],
): WalGap[] {
  const gaps: WalGap[] = [];
  const startOf = new Map(starts.map((start) => [start.timeline, start]));
  const wanted = new Map<number, { from: number; to: number }>();
  const want = (timeline: number, from: number, to: number): void => {
    const there = wanted.get(timeline);
    wanted.set(timeline, { from: Math.min(from, there?.from ?? from), to: Math.max(to, there?.to ?? to) });
  };
  for (const [timeline, own] of segments) {
    const last = own.at(-1);
    if (last === undefined) continue;
    if (timeline === begin.timeline) {
      if (last >= begin.segment) want(timeline, begin.segment, last);
      continue;
    }
    const start = startOf.get(timeline);
    if (!start) {
      // without its history nothing leads to it; what is there of it must be whole in itself
      if (timeline > begin.timeline) want(timeline, own[0]!, last);
      continue;
    }
    if (start.segment < begin.segment) continue; // left before the oldest backup began
    want(timeline, start.segment, last);
    // the segment in which it was left is a part of the new timeline
    const before = start.segment - 1;
    const first = start.parent === begin.timeline ? begin.segment : startOf.get(start.parent)?.segment;
    if (first !== undefined && before >= first) want(start.parent, first, before);
  }
  for (const [timeline, { from, to }] of [...wanted].sort(([a], [b]) => a - b)) {
    let next = from;
    for (const segment of segments.get(timeline) ?? []) {
      if (segment < next) continue;
      if (segment > to) break;
      if (segment > next) gaps.push({ timeline, from: next, to: segment - 1 });
      next = segment + 1;
    }
    if (next <= to) gaps.push({ timeline, from: next, to });
  }
  return gaps;
}

export function describeGap({ timeline, from, to }: WalGap, segmentBytes: number): string {
  const [first, last] = [from, to].map((segment) => walFileName(timeline, segment, segmentBytes));
  return first === last ? `${first} is missing` : `${first} to ${last} are missing, ${to - from + 1} segments`;
}
