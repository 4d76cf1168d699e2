import { Problem, type FieldError, type ProblemSlug } from '../http/problem.js';
import { DamagedRowError } from '../integrity/stored-event.js';
import type { LongRead } from './long-read.js';

/** What the thread is made with. */
export interface LongReadSettings {
  url: string;
  connections: number;
  lockTimeoutMs: number;
  readTimeoutMs: number;
}

/** To the thread: begin a read, whose first piece is then made at once; make its next piece; forget it. */
export type LongReadRequest = { id: number } & ({ read: LongRead } | { more: true } | { stop: true });

/** From the thread. After `end` and `error` nothing more comes for that id. */
export type LongReadAnswer = { id: number } & (
  { bytes: Uint8Array; asOf: string } | { end: true } | { error: ErrorAsData }
);

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
