/** An event, as far as corrections are concerned. */
export interface Correctable {
  /** decimal */
  sequence: string;
  event_id: string;
  /** event_id of the event that it means to correct */
  corrects?: string | null | undefined;
}

/**
 * Finds the correction in force of an event: the event_id of the correction with the highest sequence, of which again
 * the correction is followed, and so on to the last; null when nothing corrects it (FORMAT.md, "corrects"). A correction
 * that voids counts like any other, and can itself be corrected.
 *
 * `events` are all events of one entity that have `corrects`, up to one sequence, in any order; others may be among them.
 * So a reference to another entity's event or to an unknown one finds nothing, a reference to a later one is passed
 * over, and so is one to an event that lies on a circle of references.
 */
export function correctionsInForce(events: Iterable<Correctable>): (event: Correctable) => string | null {
  const corrections = [...events]
    .filter((event) => typeof event.corrects === 'string')
    .map(({ sequence, event_id, corrects }) => ({ sequence: BigInt(sequence), id: event_id, target: corrects! }))
    .sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
  const circular = idsOnCircles(new Map(corrections.map(({ id, target }) => [id, target])));

  /** by corrected event: its last correction */
  const last = new Map<string, { sequence: bigint; id: string }>();
  for (const { sequence, id, target } of corrections) if (!circular.has(target)) last.set(target, { sequence, id });
  const correctionOf = (id: string, sequence: bigint): string | null => {
    const correction = last.get(id);
    return correction && correction.sequence > sequence ? correction.id : null;
  };

  // From the last to the first, so that of each correction's own correction the end is known already.
  const end = new Map<string, string>();
  for (const { sequence, id } of corrections.reverse()) {
    const next = correctionOf(id, sequence);
    end.set(id, next === null ? id : end.get(next)!);
  }
  return ({ event_id, sequence }) => {
    const correction = correctionOf(event_id, BigInt(sequence));
    return correction === null ? null : end.get(correction)!;
  };
}

/** The ids from which the references lead back to themselves. */
export function idsOnCircles(targets: ReadonlyMap<string, string>): Set<string> {
  const walkOf = new Map<string, number>();
  const circular = new Set<string>();
  let walk = 0;
  for (const start of targets.keys()) {
    walk += 1;
    let id: string | undefined = start;
    for (; id !== undefined && !walkOf.has(id); id = targets.get(id)) walkOf.set(id, walk);
    if (id === undefined || walkOf.get(id) !== walk) continue; // ended, or led to where an earlier walk had been
    for (; !circular.has(id); id = targets.get(id)!) circular.add(id);
  }
  return circular;
}
