import type { StoredRow } from '../integrity/stored-event.js';
import { formatMicros } from '../integrity/timestamp.js';

/** Events of one ledger that no retention policy tells apart: how many, and recorded when. */
export interface RecordContents {
  ledger: string;
  /** null with event_type: of more kinds than are told apart */
  entity_type: string | null;
  event_type: string | null;
  /** decimal */
  events: string;
  least_recorded_at: string;
  greatest_recorded_at: string;
}

/** Of one ledger in one object. A few are usual; a submitter who makes one up for each event gets no row for each. */
const MOST_KINDS = 1_000;

interface Tally {
  entityType: string | null;
  eventType: string | null;
  events: number;
  least: number;
  greatest: number;
}

/** Counts what goes by, in the order of recorded time, by what record classes are made of. */
export class ContentsTally {
  private kinds = new Map<string, Tally>();
  private isBeyond = false;

  constructor(private readonly ledger: string) {}

  take({ entity_type, event_type, recorded_at }: StoredRow<number>): void {
    // no text of an event has a control character
    const key = this.isBeyond ? '' : `${entity_type}\n${event_type}`;
    const known = this.kinds.get(key);
    if (known) {
      known.events += 1;
      known.greatest = recorded_at;
      return;
    }
    this.kinds.set(key, {
      entityType: entity_type,
      eventType: event_type,
      events: 1,
      least: recorded_at,
      greatest: recorded_at,
    });
    if (this.kinds.size > MOST_KINDS) this.takeTogether();
  }

  private takeTogether(): void {
    const all = [...this.kinds.values()];
    const together = {
      entityType: null,
      eventType: null,
      events: all.reduce((sum, { events }) => sum + events, 0),
      least: Math.min(...all.map(({ least }) => least)),
      greatest: Math.max(...all.map(({ greatest }) => greatest)),
    };
    this.kinds = new Map([['', together]]);
    this.isBeyond = true;
  }

  list(): RecordContents[] {
    return [...this.kinds.values()].map(({ entityType, eventType, events, least, greatest }) => ({
      ledger: this.ledger,
      entity_type: entityType,
      event_type: eventType,
      events: String(events),
      least_recorded_at: formatMicros(least),
      greatest_recorded_at: formatMicros(greatest),
    }));
  }
}
