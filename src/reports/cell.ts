import { canonicalize, type JsonValue } from '../integrity/canonical-json.js';

/**
 * A value of an event as the text of a cell: strings exactly as they were sent, all else in its RFC 8785 form. Null for
 * what is not there, which null and the empty string are too.
 */
export function cellOf(value: JsonValue | undefined): string | null {
  if (value === undefined || value === null || value === '') return null;
  return typeof value === 'string' ? value : canonicalize(value);
}

/** A text of any length as it fits into a cell. */
export function shortened(text: string): string {
  const characters = [...text];
  return characters.length <= 60 ? text : `${characters.slice(0, 60).join('')}…`;
}
