import type { StoredRow } from '../integrity/stored-event.js';
import { type HeldContent, isExecution, type ToldBefore } from './held-content.js';
import { combined, type Timeline } from './timeline.js';

/**
 * By which events executions of an order are told, by their ids, as they were known at any sequence: what is taken back
 * tells of none from then on. A copy tells of none; what states `drop_copy` false is no copy of what is told before it.
 */
export class ToldExecutions {
  private readonly told = new Map<string, Timeline<ToldBefore | undefined>>();

  /** The contents of an event, after those that were added before: with each from when another one tells of the same. */
  add(contents: readonly HeldContent[], { event_id: eventId }: StoredRow): readonly HeldContent[] {
    const ids = new Set(contents.flatMap((held) => idOf(held) ?? []));
    let marked = contents;
    for (const id of ids) {
      const before = this.told.get(id) ?? [];
      marked = toldOnceMore(marked, before, (held) => idOf(held) === id);
      const own = timelineOf(contents);
      this.told.set(
        id,
        combined(before, own, (told, held) => told ?? (held && idOf(held) === id ? { eventId } : undefined)),
      );
    }
    return marked;
  }

  /** Another order has the id of the order from now on. */
  beginAnew(): void {
    this.told.clear();
  }
}

/** Contents with what tells of the same before them, wherever that changes; of one that states `drop_copy` it is of no account. */
export function toldOnceMore(
  contents: readonly HeldContent[],
  before: Timeline<ToldBefore | undefined>,
  isOfIt: (held: HeldContent) => boolean = () => true,
): readonly HeldContent[] {
  if (before.every(({ value }) => value === undefined)) return contents;
  const steps = combined(timelineOf(contents), before, (held, toldBefore) =>
    held && toldBefore && !held.toldBefore && isOfIt(held) && !saysWhetherItIsACopy(held)
      ? { ...held, toldBefore }
      : held,
  );
  return steps.flatMap(({ by, value }) => {
    if (!value) return [];
    return [by.from > value.from ? { ...value, from: by.from, cause: by.cause ?? by.row } : value];
  });
}

function timelineOf(contents: readonly HeldContent[]): Timeline<HeldContent> {
  return contents.map((held) => ({ by: held, value: held }));
}

/** The id by which it tells of an execution. */
function idOf(held: HeldContent): string | undefined {
  if (!isExecution(held) || held.stated.facts.get('drop_copy')?.text === 'true') return undefined;
  return held.stated.facts.get('execution_id')?.text;
}

function saysWhetherItIsACopy({ stated }: HeldContent): boolean {
  return stated?.facts.has('drop_copy') === true;
}
