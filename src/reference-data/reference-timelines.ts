import type pg from 'pg';
import { formatMicros, parseTimestamp } from '../integrity/timestamp.js';
import type { Attributes } from './kinds.js';
import { changesOf, idsHaving, type RecordedChange } from './reference-changes.sql.js';

/** An entry as it stood, and the change that says so. */
export interface ReferenceEntry {
  kind: string;
  id: string;
  /** of the change that holds */
  revision: string;
  attributes: Attributes;
}

/** Entries as they stood at one time. */
export interface ReferenceAt {
  find(kind: string, id: string): ReferenceEntry | undefined;
  /** all that have this value of an attribute then */
  findHaving(kind: string, attribute: string, value: string): readonly ReferenceEntry[];
  /** all values that an attribute of an entry has, or had, at any time */
  valuesEver(kind: string, id: string, attribute: string): readonly string[];
}

/** Changes that are kept before all are forgotten: some 50 MB. */
const MOST_KEPT = 50_000;

/**
 * All that was said of entries up to a revision, read as they are asked for: what was not read yet is noted as wanted, and
 * found once `readWanted` was called. So what is pure can ask without waiting, and be asked again.
 */
export class ReferenceTimelines {
  private readonly changes = new Map<string, readonly RecordedChange[]>();
  /** of entries that ever had a value, by kind, attribute and value */
  private readonly idsOfValues = new Map<string, readonly string[]>();
  private wanted = new Map<string, { kind: string; id: string }>();
  private wantedValues = new Map<string, { kind: string; attribute: string; value: string }>();
  private kept = 0;

  /** `read` gives a connection for a short read. */
  constructor(
    private readonly read: <T>(work: (client: pg.ClientBase) => Promise<T>) => Promise<T>,
    private readonly revision: bigint,
  ) {}

  /** As it stood at a time, RFC 3339, as fine as it likes. */
  at(time: string): ReferenceAt {
    const at = formatMicros(parseTimestamp(time).micros);
    const find = (kind: string, id: string) => this.find(kind, id, at);
    return {
      find,
      findHaving: (kind, attribute, value) => {
        const key = `${kind}\n${attribute}\n${value}`;
        const ids = this.idsOfValues.get(key);
        if (!ids) this.wantedValues.set(key, { kind, attribute, value });
        const found = (ids ?? []).flatMap((id) => find(kind, id) ?? []);
        return found.filter(({ attributes }) => attributes[attribute] === value);
      },
      valuesEver: (kind, id, attribute) => {
        const values = this.changesOf(kind, id).flatMap(({ attributes }) => attributes?.[attribute] ?? []);
        return [...new Set(values)];
      },
    };
  }

  /** Whether there ever was an entry, at whatever time. */
  wasEver(kind: string, id: string): boolean {
    return this.changesOf(kind, id).length > 0;
  }

  /** An entry as it stood at a time; of one that had ended by then as it stood last before. */
  atOrBefore(time: string, kind: string, id: string): ReferenceEntry | undefined {
    const at = formatMicros(parseTimestamp(time).micros);
    const now = this.find(kind, id, at);
    if (now) return now;
    const all = this.changesOf(kind, id);
    const turns = all.flatMap(({ valid_from: from, valid_to: to }) => [from, ...(to === null ? [] : [to])]);
    for (const turn of turns
      .filter((each) => each <= at)
      .sort()
      .reverse()) {
      // as it stood until then
      const held = all.findLast((each) => each.valid_from < turn && (each.valid_to ?? '~') >= turn);
      if (held?.attributes) return { kind, id, revision: held.revision, attributes: held.attributes };
    }
    return undefined;
  }

  /** Reads what was asked for and not there; whether there was anything. */
  async readWanted(): Promise<boolean> {
    const [wanted, values] = [[...this.wanted.values()], [...this.wantedValues]];
    if (wanted.length === 0 && values.length === 0) return false;
    this.wanted = new Map();
    this.wantedValues = new Map();
    await this.read(async (client) => {
      for (const kind of new Set(wanted.map((each) => each.kind))) {
        const ids = wanted.filter((each) => each.kind === kind).map(({ id }) => id);
        for (const id of ids) this.changes.set(`${kind}\n${id}`, []);
        for (const change of await changesOf(client, kind, this.revision, ids)) {
          const key = `${kind}\n${change.entry_id}`;
          this.changes.set(key, [...this.changes.get(key)!, change]);
        }
        this.kept += ids.length;
      }
      for (const [key, { kind, attribute, value }] of values) {
        this.idsOfValues.set(key, await idsHaving(client, kind, this.revision, { [attribute]: value }));
      }
      this.kept += values.length;
    });
    return true;
  }

  /** The entries of a kind of which such attributes were ever said. */
  idsHaving(kind: string, attributes: Attributes): Promise<readonly string[]> {
    return this.read((client) => idsHaving(client, kind, this.revision, attributes));
  }

  /** Lets go of what was read, once that is much; between two things that are asked again and again, not among them. */
  forgetIfMany(): void {
    if (this.kept < MOST_KEPT) return;
    this.changes.clear();
    this.idsOfValues.clear();
    this.kept = 0;
  }

  private changesOf(kind: string, id: string): readonly RecordedChange[] {
    const key = `${kind}\n${id}`;
    const changes = this.changes.get(key);
    if (!changes) this.wanted.set(key, { kind, id });
    return changes ?? [];
  }

  private find(kind: string, id: string, at: string): ReferenceEntry | undefined {
    const held = this.changesOf(kind, id).findLast((each) => each.valid_from <= at && (each.valid_to ?? '~') > at);
    return held?.attributes ? { kind, id, revision: held.revision, attributes: held.attributes } : undefined;
  }
}
