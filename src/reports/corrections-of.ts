import { readDeletedSpans, spanAt } from '../archive/deleted-ranges.js';
import { correctionsInForce } from '../events/corrections.js';
import { grouped } from './grouped.js';
import type { EventPlace } from './event-place.js';
import { TRADE_MEMBERS, type LifeMembers, type OrderMembersRow } from './order-members.js';
import { readAhead } from './read-ahead.js';
import type { ReportRun } from './report.js';
import { versionsOf, type Versioned } from './versions.js';

/** An event as far as corrections need to know it. */
export interface CorrectableEvent {
  entity_type: string;
  entity_id: string;
  event_id: string;
  sequence: string;
  corrects: string | null;
}

/** An event that is corrected, as it was first recorded. */
export interface Original {
  event_id: string;
  sequence: string;
  /** who sent it; null where it was deleted */
  user_id: string | null;
  /** the system that sent it; null where it names none, or was deleted */
  source: string | null;
}

/** A correction, with what it says of an order, should its entity be one. */
export type Correction<Selected = OrderMembersRow> = CorrectableEvent & {
  action: string;
  corrects: string;
  user_id: string;
  source: string | null;
} & Selected;

/** What corrects what, among all events of some entities up to a run's `asOf`: FORMAT.md, "corrects". */
export interface Corrections<Selected = OrderMembersRow> {
  /** the correction whose content holds in place of this event's; undefined when nothing corrects it */
  inForce: (event: CorrectableEvent) => Correction<Selected> | undefined;
  /**
   * The event of which this one is a correction, along all corrections of corrections; undefined when it corrects
   * nothing, whatever it says.
   */
  original: (event: CorrectableEvent) => Original | undefined;
  /**
   * The contents that held, one after the other, of what an event tells of: from the event that corrects nothing to the
   * correction in force. Empty where nothing is corrected.
   */
  versions: (event: CorrectableEvent) => readonly EventPlace[];
}

type Entity = Pick<CorrectableEvent, 'entity_type' | 'entity_id'>;
type Known = Original;
type Selection<Selected extends object> = Pick<LifeMembers<string, Selected>, 'selected' | 'ofWhole'>;

/** Pages of events, each with the corrections of what it holds; the next page is read while one is worked on. */
export function withCorrectionsRead<E extends Entity, Selected extends object = OrderMembersRow>(
  run: ReportRun,
  pages: AsyncGenerator<E[]>,
  members?: Selection<Selected>,
): AsyncGenerator<{ page: E[]; corrections: Corrections<Selected> }> {
  return readAhead(
    (async function* () {
      for await (const page of pages) {
        yield { page, corrections: await readCorrections(run, page, members as Selection<Selected>) };
      }
    })(),
  );
}

/** Reads the corrections of the entities that the events are of, with what they say by `members`. */
export async function readCorrections(run: ReportRun, events: Iterable<Entity>): Promise<Corrections>;
export async function readCorrections<Selected extends object>(
  run: ReportRun,
  events: Iterable<Entity>,
  members: Selection<Selected>,
): Promise<Corrections<Selected>>;
export async function readCorrections(
  run: ReportRun,
  events: Iterable<Entity>,
  members: Selection<object> = TRADE_MEMBERS,
): Promise<Corrections<object>> {
  run.readRanges?.lookUp({ ...placeOf(run), of: 'corrections of what was read, and what they correct' });
  const entities = [...new Map([...events].map((event) => [keyOf(event), event])).values()];
  const online = await run.read(async (client, { archivedTo }) => {
    const { rows } = await client.query<Correction<object>>({
      text: `SELECT e.entity_type, e.entity_id, e.sequence, e.event_id, e.corrects, e.action, e.user_id, e.source,
                    ${members.selected}
               FROM unnest($2::text[], $3::text[]) AS wanted (entity_type, entity_id)
               JOIN audit_events AS e
                 ON e.ledger = $1 AND e.entity_type = wanted.entity_type AND e.entity_id = wanted.entity_id
               WHERE e.corrects IS NOT NULL AND e.sequence BETWEEN $4 AND $5`,
      values: [
        run.ledger,
        entities.map(({ entity_type }) => entity_type),
        entities.map(({ entity_id }) => entity_id),
        String(archivedTo + 1n),
        String(run.asOf),
      ],
    });
    return { rows, archivedTo };
  });
  const corrections = [...(await readArchivedCorrections(run, entities, online.archivedTo, members)), ...online.rows];
  const targets = await readTargets(run, corrections);

  if (corrections.length === 0) return NOTHING_CORRECTED;
  const correctionsOf = grouped(corrections, keyOf);
  const targetsOf = grouped<string, Known & Entity>(targets, keyOf);
  const byEntity = new Map(
    [...correctionsOf].map(([key, own]) => [key, correctionsOfOne(own, targetsOf.get(key) ?? [])]),
  );
  return {
    inForce: (event) => byEntity.get(keyOf(event))?.inForce(event),
    original: (event) => byEntity.get(keyOf(event))?.original(event),
    versions: (event) => byEntity.get(keyOf(event))?.versions(event) ?? [],
  };
}

const NOTHING_CORRECTED: Corrections<never> = {
  inForce: () => undefined,
  original: () => undefined,
  versions: () => [],
};

function placeOf({ ledger, asOf }: ReportRun) {
  return { ledger, asOf, period: undefined };
}

async function readArchivedCorrections(
  { ledger, asOf, archive }: ReportRun,
  entities: readonly Entity[],
  archivedTo: bigint,
  members: Selection<object>,
): Promise<Correction<object>[]> {
  const upTo = archivedTo < asOf ? archivedTo : asOf;
  if (upTo === 0n) return [];
  const lives = entities.map(({ entity_type: entityType, entity_id: entityId }) => ({
    ...{ entityType, entityId, after: 0n, upTo },
    correctionsAlone: true,
  }));
  const found = await archive.lives(ledger, lives, Infinity);
  return found.flat().map((row) => {
    const { entity_type, entity_id, sequence, event_id, action, user_id, source } = row;
    const correction = { entity_type, entity_id, sequence, event_id, corrects: row.corrects!, action, user_id, source };
    return { ...correction, ...members.ofWhole(row) };
  });
}

/** The events that corrections name and that are none themselves. */
async function readTargets(run: ReportRun, corrections: readonly Correction<object>[]): Promise<(Known & Entity)[]> {
  const known = new Set(corrections.map(({ event_id }) => event_id));
  const ids = [...new Set(corrections.map(({ corrects }) => corrects))].filter((id) => !known.has(id));
  if (ids.length === 0) return [];
  const { rows, deleted } = await run.read(async (client, { archivedTo }) => {
    const { rows: found } = await client.query<Known & { entity_type: string | null; entity_id: string | null }>({
      text: `SELECT k.event_id, k.sequence, e.entity_type, e.entity_id, e.user_id, e.source
               FROM event_keys AS k
               LEFT JOIN LATERAL (
                 SELECT entity_type, entity_id, user_id, source FROM audit_events
                   WHERE ledger = $1 AND sequence = k.sequence AND sequence > $4 LIMIT 1
               ) AS e ON true
               WHERE k.ledger = $1 AND k.event_id = ANY ($2::uuid[]) AND k.sequence <= $3`,
      values: [run.ledger, ids, String(run.asOf), String(archivedTo)],
    });
    return {
      rows: found.filter((row) => row.entity_type !== null || BigInt(row.sequence) <= archivedTo),
      deleted: archivedTo === 0n ? [] : await readDeletedSpans(client, run.ledger),
    };
  });
  const isDeleted = ({ sequence }: Known): boolean => spanAt(deleted, BigInt(sequence)) !== undefined;
  const archived = rows.filter((row) => row.entity_type === null && !isDeleted(row)).map(({ sequence }) => sequence);
  // of what is deleted nobody can see the entity any more: it is taken to be the one whose correction names it
  const targetsGone = rows.filter(isDeleted).flatMap(({ event_id, sequence }) =>
    corrections
      .filter(({ corrects }) => corrects === event_id)
      .map(({ entity_type, entity_id }) => ({
        event_id,
        sequence,
        entity_type,
        entity_id,
        user_id: null,
        source: null,
      })),
  );
  const isOnline = (row: (typeof rows)[number]): row is Known & Entity => row.entity_type !== null;
  const online = [...rows.filter(isOnline), ...targetsGone];
  return archived.length === 0 ? online : [...online, ...(await run.archive.at(run.ledger, archived))];
}

/** Whether an event's content is one that holds: nothing corrects it, and what it corrects has no later correction. */
export function holds(event: CorrectableEvent, corrections: Corrections<object>): boolean {
  if (corrections.inForce(event)) return false;
  const original = corrections.original(event);
  return !original || corrections.inForce({ ...event, ...original })?.event_id === event.event_id;
}

/** `targets` are those events of the entity that are corrected and correct nothing themselves. */
function correctionsOfOne(corrections: readonly Correction<object>[], targets: readonly Known[]): Corrections<object> {
  const idInForce = correctionsInForce(corrections);
  const correctionById = new Map(corrections.map((correction) => [correction.event_id, correction]));
  const known = new Map<string, Known>([...targets.map((each) => [each.event_id, each] as const), ...correctionById]);

  const originals = new Map<string, Known>();
  const correctionsOf = new Map<string, Correction<object>[]>();
  for (const correction of corrections.toSorted((a, b) => (BigInt(a.sequence) < BigInt(b.sequence) ? -1 : 1))) {
    const target = known.get(correction.corrects);
    if (!target || BigInt(target.sequence) >= BigInt(correction.sequence)) continue;
    // An earlier event that something means to correct and nothing does: it lies on a circle.
    if (idInForce(target) === null) continue;
    const original = originals.get(target.event_id) ?? target;
    originals.set(correction.event_id, original);
    const own = correctionsOf.get(original.event_id);
    if (own) own.push(correction);
    else correctionsOf.set(original.event_id, [correction]);
  }
  return {
    inForce: (event) => {
      const id = idInForce(event);
      return id === null ? undefined : correctionById.get(id);
    },
    original: ({ event_id }) => originals.get(event_id),
    versions: (event) => {
      const { event_id, sequence } = originals.get(event.event_id) ?? event;
      const own = correctionsOf.get(event_id);
      return own ? versionsOf<Versioned & EventPlace>({ event_id, sequence, corrects: null }, own) : [];
    },
  };
}

/** No text of an event has a control character. */
function keyOf({ entity_type, entity_id }: Entity): string {
  return `${entity_type}\n${entity_id}`;
}
