import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { cellOf, shortened } from './cell.js';
import { changesBetween } from './content-changes.js';
import { eventsAt } from './events-at.js';
import type { EventPlace } from './event-place.js';
import { recordedAt } from './recorded-at.js';
import type { Column, ReportRun } from './report.js';

/** Corrections of one event that a cell tells of, the last ones; that there were more is told. */
const MOST_TOLD = 20;
/**
 * Characters of what they changed, in a cell: a spreadsheet takes 32,767 in all, and a page of a report is in memory. Past
 * them the earliest ones are told of without.
 */
const MOST_CHARACTERS = 16_000;
/** Of a reason; of the correction in force it stands whole in a column of its own. */
const MOST_OF_REASON = 400;

export const CORRECTIONS = {
  name: 'corrections',
  description:
    'JSON list of its corrections that held, one after the other: what each comes after, who sent it, when it was recorded, its reason, and what it changed, each member as {"from", "to"}',
} as const satisfies Column;

/** In a report whose rows show an event as its correction says: what was corrected, by whom, when and why. */
export const CORRECTION_COLUMNS = [
  { name: 'correction_user_id', description: 'who corrected it: user_id of the correction in force' },
  { name: 'correction_reason', description: 'why: metadata.reason of the correction in force' },
  CORRECTIONS,
] as const satisfies readonly Column[];

export type CorrectionCells = Record<(typeof CORRECTION_COLUMNS)[number]['name'], string | null>;

export const NO_CORRECTION_CELLS: CorrectionCells = Object.freeze({
  correction_user_id: null,
  correction_reason: null,
  corrections: null,
});

/** The contents of an event that held, as far as a cell tells of them. */
export interface LastVersions {
  /** the corrections after the content that the first of them took the place of; empty where nothing is corrected */
  places: readonly EventPlace[];
  /** corrections before them */
  leftOut: number;
}

/** Of an event that nothing corrects. */
export const NO_VERSIONS: LastVersions = Object.freeze({ places: [], leftOut: 0 });

/** Of all contents that held of an event, one after the other, from itself on. */
export function lastVersions(versions: readonly EventPlace[]): LastVersions {
  if (versions.length < 2) return NO_VERSIONS;
  const leftOut = Math.max(0, versions.length - 1 - MOST_TOLD);
  return { places: versions.slice(leftOut).map(({ event_id, sequence }) => ({ event_id, sequence })), leftOut };
}

/**
 * Each item with the cells that tell how its event was corrected. Reads no more than a page of events at once. Throws
 * DamagedRowError.
 */
export async function* withCorrections<T>(
  run: ReportRun,
  items: readonly T[],
  versionsOf: (item: T) => LastVersions,
): AsyncGenerator<readonly [T, CorrectionCells]> {
  const told = items.map(versionsOf);
  const rows = eventsAt(
    run,
    told.flatMap(({ places }) => places.map(({ sequence }) => sequence)),
  );
  for (const [i, item] of items.entries()) {
    const { places, leftOut } = told[i]!;
    const cells = new CellsInMaking(leftOut);
    for (const place of places) cells.add(place, (await rows.next()).value as StoredRow | undefined);
    yield [item, cells.cells()] as const;
  }
}

/** The same of one event. */
export async function correctionCells(run: ReportRun, versions: LastVersions): Promise<CorrectionCells> {
  for await (const [, cells] of withCorrections(run, [versions], (it) => it)) return cells;
  return NO_CORRECTION_CELLS;
}

class CellsInMaking {
  private before: { place: EventPlace; row: StoredRow | undefined } | undefined;
  private readonly told: JsonObject[] = [];
  private characters = 0;
  /** those whose changes stand in the cell, the earliest first */
  private readonly shown: { correction: JsonObject; characters: number }[] = [];

  constructor(leftOut: number) {
    if (leftOut > 0) this.told.push({ left_out: String(leftOut) });
  }

  /** `row`: undefined where it was deleted at the end of its retention. */
  add(place: EventPlace, row: StoredRow | undefined): void {
    const { before } = this;
    this.before = { place, row };
    if (!before) return;
    const correction: JsonObject = {
      event_id: place.event_id,
      sequence: place.sequence,
      after_event_id: before.place.event_id,
      after_sequence: before.place.sequence,
    };
    if (row) this.tell(correction, row, before.row);
    else correction.deleted = true;
    this.told.push(correction);
  }

  cells(): CorrectionCells {
    if (!this.before || this.told.length === 0) return NO_CORRECTION_CELLS;
    const { row } = this.before;
    return {
      correction_user_id: row?.user_id ?? null,
      correction_reason: row ? cellOf(contentOf(row).metadata.reason) : null,
      corrections: canonicalize(this.told),
    };
  }

  private tell(correction: JsonObject, row: StoredRow, before: StoredRow | undefined): void {
    const content = contentOf(row);
    const reason = cellOf(content.metadata.reason);
    Object.assign(correction, { user_id: row.user_id, recorded_at: recordedAt(row) });
    correction.reason = reason !== null && reason.length > MOST_OF_REASON ? shortened(reason) : reason;
    if (!before) {
      leaveOut(correction, 'what it corrects was deleted');
      return;
    }
    const changes = changesBetween(contentOf(before), content);
    const characters = canonicalize(changes).length;
    correction.changes = changes;
    this.characters += characters;
    this.shown.push({ correction, characters });
    while (this.characters > MOST_CHARACTERS) {
      const earliest = this.shown.shift()!;
      this.characters -= earliest.characters;
      const members = Object.keys(earliest.correction.changes as JsonObject).length;
      leaveOut(earliest.correction, `too long for a cell: ${members} members, which order-reconstruction shows`);
    }
  }
}

function leaveOut(correction: JsonObject, why: string): void {
  correction.changes = null;
  correction.changes_left_out = why;
}
