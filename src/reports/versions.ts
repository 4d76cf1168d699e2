/** An event or a correction, as far as versions go. */
export interface Versioned {
  event_id: string;
  corrects: string | null;
}

/**
 * The contents that held of an event, one after the other, the event itself first: `corrections` are those that lead to
 * it, none on a circle, in the order in which they were recorded. After each of them the content that holds is the one
 * that `correctionsInForce` finds.
 */
export function versionsOf<T extends Versioned>(event: T, corrections: readonly T[]): T[] {
  const versions = [event];
  const last = new Map<string, T>();
  for (const correction of corrections) {
    last.set(correction.corrects!, correction);
    let held = event;
    for (let next = last.get(held.event_id); next; next = last.get(held.event_id)) held = next;
    if (held !== versions.at(-1)) versions.push(held);
  }
  return versions;
}
