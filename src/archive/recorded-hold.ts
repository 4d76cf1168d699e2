import type { JsonObject } from '../integrity/strict-json.js';

/** What acts on holds are recorded as: their event type and entity type. */
export const HOLD_RECORD = 'legal_hold';

/** The state that a hold must be in for an act to be taken; without one, the act that makes it. */
const TAKEN_IN: Readonly<Record<string, string>> = {
  approve: 'requested',
  reject: 'requested',
  request_release: 'active',
  approve_release: 'release-requested',
  reject_release: 'release-requested',
};
const OVER: ReadonlySet<string> = new Set(['rejected', 'released']);

/** A legal hold as the acts on record leave it. Times are RFC 3339 with microseconds, UTC. */
export interface RecordedHold {
  id: string;
  state: string;
  ledgers: string[];
  entity_type: string | null;
  entity_id: string | null;
  user_id: string | null;
  event_type: string | null;
  /** recorded time, included; null for no beginning */
  recorded_from: string | null;
  /** not included; null for no end */
  recorded_to: string | null;
  reason: string;
  requested_by: string;
  requested_at: string;
  /** in their order */
  acts: HoldActOnRecord[];
}

export interface HoldActOnRecord {
  act: string;
  /** of the hold after it */
  state: string;
  principal: string;
  reason: string | null;
  acted_at: string;
}

/**
 * A hold after one more act, `state` being what the act's record says of the hold.
 *
 * An act is on record before it takes effect: one whose transaction was lost after that is on record and never came about,
 * which shows when the next act could not have been taken after it. Such acts are left out. Of the last act nothing shows
 * it: it counts as taken. The record of an act that was given up may also land after that of a later act, whose time is
 * later, since acts are taken one at a time: it is left out as well.
 */
export function afterAct(
  before: RecordedHold | undefined,
  id: string,
  state: JsonObject,
  act: HoldActOnRecord,
): RecordedHold {
  const acts = [...(before?.acts ?? [])];
  if (before && acts.length > 0 && act.acted_at < acts.at(-1)!.acted_at) return before;
  while (acts.length > 0 && acts.at(-1)!.state !== TAKEN_IN[act.act]) acts.pop();
  return { ...(state as unknown as Omit<RecordedHold, 'id' | 'acts'>), id, acts: [...acts, act] };
}

/** Whether a hold still stops drops and deletions; one that was asked for does, too. */
export function isInForce({ state }: RecordedHold): boolean {
  return !OVER.has(state);
}

/** Who asked for what waits for a second principal; null when nothing does. */
export function askedBy({ state, acts }: RecordedHold): string | null {
  return state === 'requested' || state === 'release-requested' ? acts.at(-1)!.principal : null;
}

/** Whether a hold in force keeps what was recorded from `from` on and before `to` (RFC 3339 with microseconds, UTC) in any of some ledgers. */
export function keeps(hold: RecordedHold, ledgers: ReadonlySet<string>, from: string, to: string): boolean {
  return (
    isInForce(hold) &&
    hold.ledgers.some((ledger) => ledgers.has(ledger)) &&
    (hold.recorded_from === null || hold.recorded_from < to) &&
    (hold.recorded_to === null || hold.recorded_to > from)
  );
}
