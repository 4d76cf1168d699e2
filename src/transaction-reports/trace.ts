import type { ReferenceEntry } from '../reference-data/reference-timelines.js';
import type { Rts22CodeList } from './rts22-codes.js';

/** What an event states, and which event it is. */
export interface Stated {
  text: string;
  /** of the vocabulary, or where it stands within one: `allocations/0/price` */
  name: string;
  event_id: string;
  sequence: string;
  /** where it was said of another place than that of the execution: which one */
  namedAt?: string;
  /** where it was said of a client whom the order names otherwise since, and who may be another one: by which name */
  saidOf?: string;
}

/** What a value was made of. */
export type Source =
  | { event_id: string; sequence: string; name: string }
  | { kind: string; id: string; revision: string }
  | { parameter: string }
  /** nothing says otherwise: where the field stands that has this value then */
  | { default: string };

/** How a field came to its value: the rule, in words that stay the same, what it was made of, and by which codes. */
export interface LineageEntry {
  field: number;
  rule: string;
  sources: readonly Source[];
  codes?: Rts22CodeList;
}

/** What is to be mended before a report can be sent. */
export interface ToMend {
  field: number;
  rule: string;
  text: string;
}

export function fromEvent({ event_id, sequence, name }: Stated): Source {
  return { event_id, sequence, name };
}

export function fromEntry({ kind, id, revision }: ReferenceEntry): Source {
  return { kind, id, revision };
}

/** That a field has the value that stands for nothing being said. */
export function byDefault(field: number): Source {
  return { default: `Delegated Regulation (EU) 2017/590, Annex I, Table 2, field ${field}` };
}

/** Takes down, while a report is derived, where its values come from and what is wrong. */
export class Trace {
  readonly lineage: LineageEntry[] = [];
  readonly toMend: ToMend[] = [];

  say(fields: readonly number[], rule: string, sources: readonly Source[], codes?: Rts22CodeList): void {
    for (const field of fields) this.lineage.push({ field, rule, sources, ...(codes ? { codes } : {}) });
  }

  mend(field: number, rule: string, text: string): void {
    this.toMend.push({ field, rule, text });
  }
}
