import type pg from 'pg';
import { formatMicros, parseTimestamp } from '../integrity/timestamp.js';
import type { Attributes } from './kinds.js';
import { countChanges, lookUp } from './reference-changes.sql.js';

/** An entry to look up: by what an event calls it, as of the event's own time. */
export interface Named {
  kind: string;
  id: string;
  /** RFC 3339, as fine as it likes */
  validAt: string;
}

/** Looks up entries as they stood when something happened, by what was known up to a revision. Holds nothing of them. */
export class ReferenceLookup {
  private kinds: ReadonlySet<string> | undefined;

  /** `read` gives a connection for a short read. */
  constructor(
    private readonly read: <T>(work: (client: pg.ClientBase) => Promise<T>) => Promise<T>,
    private readonly revision: bigint,
  ) {}

  /** Of each its attributes; undefined where there is none, null where nothing of the kind is known at all. */
  async find(named: readonly Named[]): Promise<(Attributes | undefined | null)[]> {
    if (named.length === 0) return [];
    return this.read(async (client) => {
      this.kinds ??= new Set((await countChanges(client, this.revision)).keys());
      const { kinds } = this;
      const wanted = named.map((each) => ({
        ...each,
        validAt: formatMicros(parseTimestamp(each.validAt).micros),
      }));
      const found = await lookUp(client, wanted, this.revision);
      return found.map((attributes, i) => (kinds.has(wanted[i]!.kind) ? attributes : null));
    });
  }
}
