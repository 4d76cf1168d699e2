import { escapePointer, Problem, type FieldError } from './problem.js';

/** Query parameters by name, each given once. */
export type Parameters = Readonly<Record<string, string>>;

/** What is wrong with a query parameter; `rest` completes the sentence that its name begins. */
export function queryError(name: string, rule: string, rest: string): FieldError {
  return { pointer: `/query/${escapePointer(name)}`, rule, detail: `${name} ${rest}` };
}

/** The problem with one or more parameters; its sentence is the first one's. */
export function invalidParameters(errors: readonly FieldError[]): Problem {
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new Problem('invalid-parameter', `${errors[0]!.detail}${more}`, { errors });
}
