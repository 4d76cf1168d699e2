import { TERMS, type TermName } from '../vocabulary/order-vocabulary.js';
import type { Draft } from './draft.js';

/** What keeps a report back, and what may be wrong with it, as sentences with semicolons between; null for nothing. */
export function toldOf({ toMend, findings }: Pick<Draft, 'toMend' | 'findings'>): {
  toMend: string | null;
  hints: string | null;
} {
  const told = new Set(toMend.map(({ field }) => field));
  const errors = findings.filter(({ severity, fields }) => severity === 'error' && !told.has(fields[0]!));
  const found = (all: typeof findings): Told[] =>
    all.map(({ rule, fields, text, value }) => {
      const shown = value === undefined ? '' : ` (${value})`;
      return { field: fields[0]!, text: `field ${fields[0]}${shown}: ${text} [${rule}]` };
    });
  const mended = toMend.map(({ field, text }) => ({ field, text: `field ${field}: ${inItsMember(text)}` }));
  return {
    toMend: joined([...mended, ...found(errors)]),
    hints: joined(found(findings.filter(({ severity }) => severity === 'hint'))),
  };
}

/**
 * With `new_state` or `metadata` before the names that events must state: what stands in the other one is read by nobody.
 * These are the subject of a sentence with `must`.
 */
function inItsMember(text: string): string {
  return text.replace(/(?<=^|: )[^:]+?(?= must )/g, (subject) =>
    subject.replace(/^[a-z]+\b(?!_)|\b[a-z]+(?:_[a-z]+)+\b/g, (name) =>
      Object.hasOwn(TERMS, name) ? `${TERMS[name as TermName].in}.${name}` : name,
    ),
  );
}

/** What is told of a field. */
interface Told {
  field: number;
  text: string;
}

/** In the order of fields, each once. */
function joined(all: readonly Told[]): string | null {
  const texts = [...all].sort((a, b) => a.field - b.field).map(({ text }) => text);
  return texts.length === 0 ? null : [...new Set(texts)].join('; ');
}
