import { DamagedRowError } from '../integrity/stored-event.js';
import { Problem, type FieldError, type ProblemSlug } from './problem.js';

/** An error between threads, where it would lose its class and most of its members. */
export type ErrorAsData =
  | { kind: 'problem'; slug: ProblemSlug; detail: string; errors?: readonly FieldError[]; retryAfterSeconds?: number }
  | { kind: 'damaged-row'; sequence: string; column: string; detail: string }
  | { kind: 'other'; message: string; stack?: string; code?: string };

export function errorAsData(error: unknown): ErrorAsData {
  if (error instanceof Problem) {
    const { slug, message: detail, errors, retryAfterSeconds } = error;
    return {
      kind: 'problem',
      slug,
      detail,
      ...(errors === undefined ? {} : { errors }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    };
  }
  if (error instanceof DamagedRowError) {
    const { sequence, column, detail } = error;
    return { kind: 'damaged-row', sequence, column, detail };
  }
  const { message, stack, code } = error as Error & { code?: unknown };
  return {
    kind: 'other',
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(typeof code === 'string' ? { code } : {}),
  };
}

/** The error again; of the database's, the SQLSTATE is still on it. */
export function errorOfData(data: ErrorAsData): Error {
  switch (data.kind) {
    case 'problem':
      return new Problem(data.slug, data.detail, data);
    case 'damaged-row':
      return new DamagedRowError(data.sequence, data.column, data.detail);
    case 'other': {
      const { message, stack, code } = data;
      return Object.assign(
        new Error(message),
        stack === undefined ? {} : { stack },
        code === undefined ? {} : { code },
      );
    }
  }
}
