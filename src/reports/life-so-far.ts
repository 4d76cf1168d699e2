/** A value along an order's life, and the sequence of the event that states it. */
export interface StatedValue {
  text: string;
  sequence: string;
  /** the sequence of the event whose content it is, as first recorded: a correction holds from there on */
  place: bigint;
}

/** What an order's own events say of it, as far as they were taken. Times are in nanoseconds since 1970. */
export interface LifeSoFar<Name extends string> {
  values: Map<Name, StatedValue>;
  /** whether there was a create, and when the last one was */
  isBegun: boolean;
  lastBegin: bigint;
  /** when the order was over, as far as it was */
  end: bigint | undefined;
}

/** With this an order begins. */
export const BEGIN = 'create';
const ENDS: readonly string[] = ['fill', 'cancel', 'expire', 'reject'];
/** Values of `validity` with which an order does not outlive its day, UTC. */
export const OF_A_DAY: readonly string[] = ['day', 'immediate_or_cancel', 'fill_or_kill'];
export const NANOS_A_DAY = 86_400_000_000_000n;

/** What an event says, which holds and is no copy. */
export interface Saying<Name extends string> {
  action: string;
  nanos: bigint;
  own: ReadonlyMap<Name, StatedValue>;
}

export function newLife<Name extends string>(): LifeSoFar<Name> {
  return { values: new Map(), isBegun: false, lastBegin: 0n, end: undefined };
}

/** Whether another order of the same id begins with an event. */
export function beginsAnother<Name extends string>(
  { isBegun, end, lastBegin, values }: LifeSoFar<Name>,
  { action, nanos }: Pick<Saying<Name>, 'action' | 'nanos'>,
): boolean {
  if (action !== BEGIN || !isBegun) return false;
  if (end !== undefined) return nanos >= end;
  // it was good for a day, and nobody says that it is over
  const isOfDay = OF_A_DAY.includes(values.get('validity' as Name)?.text ?? '');
  return isOfDay && nanos / NANOS_A_DAY > lastBegin / NANOS_A_DAY;
}

/**
 * Goes one event further. `ended`: by what names nothing holds any more after what the event states. With another order of
 * the same id nothing holds of the one before.
 */
export function takeSaying<Name extends string>(
  life: LifeSoFar<Name>,
  saying: Saying<Name>,
  ended: ((own: Saying<Name>['own'], known: Saying<Name>['own']) => readonly Name[]) | undefined,
): void {
  const { action, nanos, own } = saying;
  if (action === BEGIN) {
    if (beginsAnother(life, saying)) {
      life.values.clear();
      life.end = undefined;
    }
    life.lastBegin = nanos;
    life.isBegun = true;
  }
  if (ENDS.includes(action)) life.end = nanos;
  for (const name of ended?.(own, life.values) ?? []) life.values.delete(name);
  for (const [name, value] of own) life.values.set(name, value);
}
