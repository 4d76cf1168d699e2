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
  // from the event to the correction in force, along corrections of corrections
  const path = [event.event_id];
  const places = new Map([[event.event_id, 0]]);
  for (const correction of corrections) {
    const place = places.get(correction.corrects!);
    if (place === undefined) continue; // of one that another took the place of
    for (const id of path.splice(place + 1)) places.delete(id);
    places.set(correction.event_id, path.push(correction.event_id) - 1);
    versions.push(correction);
  }
  return versions;
}

/** Of all corrections that lead to an event those that never held: of a correction that another had taken the place of. */
export function outdatedCorrections<T extends Versioned>(corrections: readonly T[], versions: readonly T[]): T[] {
  const held = new Set(versions);
  return corrections.filter((correction) => !held.has(correction));
}
