import { isLei } from '../identifiers/lei.js';
import { FILLS, type FactName } from '../reports/regimes/regime.js';
import { tradeTimeOf } from '../reports/trade-time.js';
import { type HeldContent, type HeldFill, ENDS, nanosOf } from './held-content.js';
import type { Stated } from './trace.js';

/** That an order is transmitted no more, or otherwise, since when, and what held before. */
interface TransmissionChange extends Stated {
  since: string;
  /** whether the order ended, or was refused: what was executed at that instant was before */
  isEnd: boolean;
  /** `since` in nanoseconds since 1970 */
  sinceNanos: bigint;
  before: Stated | undefined;
  /** to whom it was transmitted before */
  receiver: Stated | undefined;
  /** the same of all that say the same, also of what held before: an order may have had many changes, each of them corrected */
  meaning: number;
  /** the same of what is one statement, or one change by the same event */
  identity: number;
}

/** How an order was transmitted to what was executed at some time, and to whom; `receiver` only where that changed since. */
export interface TransmissionThen {
  transmission: Stated | undefined;
  receiver: Stated | undefined;
}

/** Numbers for texts, the same for the same. */
export class Numbered {
  private readonly numbers = new Map<string, number>();

  of(...parts: readonly unknown[]): number {
    const text = JSON.stringify(parts);
    const known = this.numbers.get(text) ?? this.numbers.size;
    this.numbers.set(text, known);
    return known;
  }
}

/** How an order that was transmitted is after it was cancelled, refused or ran out: nobody has said. */
export const ENDED = 'ended';

/** How it is transmitted to another firm that it goes to now: nobody has said. */
export const UNSAID = 'unsaid';

/** Whether an event says, or ends, how its order was transmitted, or may by what was known before. */
export function maySayTransmission({ stated }: HeldContent): boolean {
  if (!stated) return false;
  const { content, facts } = stated;
  if (FILLS.includes(content.action)) return false;
  return facts.has('transmission') || ENDS.includes(content.action) || facts.has('order_receiver');
}

/**
 * How the order is transmitted after an event: as it says; not, where it goes to a venue now, or somebody else who is no firm
 * by an LEI; to another firm, or again to one after an end, nobody has said how, nor of what was transmitted and then cancelled,
 * refused or ran out; otherwise as before.
 */
export function transmissionAfter(
  { row: { sequence }, stated }: HeldContent,
  known: TransmissionThen | undefined,
  changes: Numbered,
): Stated | TransmissionChange | undefined {
  const before = known?.transmission;
  if (!stated) return before;
  const { content, facts } = stated;
  const { action, event_id, timestamp: since } = content;
  if (FILLS.includes(action)) return before;
  const said = facts.get('transmission');
  const receiver = facts.get('order_receiver');
  const isToAnother = known?.receiver !== undefined && receiver !== undefined && receiver.text !== known.receiver.text;
  const isNone = !before || before.text === 'none';
  const toChange = (stated: Stated, isEnd = false): TransmissionChange => changed(stated, since, isEnd, known, changes);
  if (said) {
    if (isToAnother || (before && said.text !== before.text)) return toChange(said);
    // what is first said of it, and what is said again, is so whenever it was executed; but for what was so since a change
    return changeIn(before) ?? said;
  }
  const isEnd = ENDS.includes(action);
  const isSentAnew =
    receiver !== undefined && isLei(receiver.text) && (isToAnother || changeIn(before)?.isEnd === true);
  if (!isEnd && isSentAnew) return toChange({ text: UNSAID, name: 'transmission', event_id, sequence });
  if (!isEnd && !isToAnother) return before;
  // it had ended by then, or never was; whoever received it without a word of how has it no more
  const isUnsaid = before === undefined && known?.receiver !== undefined;
  if (isNone && !isUnsaid && !(changeIn(before) && changeIn(before)!.sinceNanos > nanosOf(since))) return before;
  const wasSent = before ? !isNone : known?.receiver !== undefined && isLei(known.receiver.text);
  const isUndecided = isEnd && !isToAnother && wasSent;
  const text = isUndecided ? ENDED : 'none';
  return toChange({ text, name: 'transmission', event_id, sequence }, isEnd);
}

function changed(
  stated: Stated,
  since: string,
  isEnd: boolean,
  known: TransmissionThen | undefined,
  changes: Numbered,
): TransmissionChange {
  const [before, receiver] = [known?.transmission, known?.receiver];
  const earlier = changeIn(before);
  return {
    ...{ ...stated, since, isEnd, sinceNanos: nanosOf(since), before, receiver },
    meaning: changes.of(stated.text, since, isEnd, receiver?.text, before?.text, earlier?.meaning),
    identity: changes.of(
      stated.sequence,
      stated.text,
      since,
      isEnd,
      receiver?.sequence,
      before?.sequence,
      earlier?.identity,
    ),
  };
}

/** To an execution: as it says itself, or as it was at its time. What changed later counts for later executions. */
export function transmissionTo(
  { stated: { content, facts } }: HeldFill,
  stated: Stated | TransmissionChange | undefined,
): TransmissionThen {
  const own = facts.get('transmission');
  if (own) return { transmission: own, receiver: undefined };
  const time = nanosOf(tradeTimeOf(content).time);
  let then: TransmissionThen = { transmission: stated, receiver: undefined };
  let change = changeIn(stated);
  while (change && isLater(change, time)) {
    then = { transmission: change.before, receiver: change.receiver };
    change = changeIn(change.before);
  }
  return then;
}

function isLater(change: TransmissionChange | undefined, nanos: bigint): boolean {
  return change !== undefined && (change.isEnd ? change.sinceNanos >= nanos : change.sinceNanos > nanos);
}

/** Whether an execution says that it was sent to somebody else than the order, and not how: then nobody has said how. */
export function wentToAnother({ stated: { facts } }: HeldFill, receiver: Stated | undefined): boolean {
  const own = facts.get('order_receiver');
  return !facts.has('transmission') && own !== undefined && receiver !== undefined && own.text !== receiver.text;
}

/** How the order was transmitted to an execution, by what is known of the order. */
export function transmissionOf(
  fill: HeldFill,
  order: ReadonlyMap<FactName, Stated | undefined> | undefined,
): string | undefined {
  const { transmission, receiver } = transmissionTo(fill, order?.get('transmission'));
  return wentToAnother(fill, receiver ?? order?.get('order_receiver')) ? undefined : transmission?.text;
}

export function changeIn(stated: Stated | TransmissionChange | undefined): TransmissionChange | undefined {
  return stated && 'since' in stated ? stated : undefined;
}

/** Whether both are one statement, or one change by the same event. */
export function areOne(a: Stated | undefined, b: Stated | undefined): boolean {
  return a === b || (changeIn(a) !== undefined && changeIn(a)?.identity === changeIn(b)?.identity);
}
