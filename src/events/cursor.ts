import { createHash } from 'node:crypto';
import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import { readJson, StrictJsonError, type JsonValue } from '../integrity/strict-json.js';

/** Where a walk over pages stands: all that is needed to go on, on any replica and after any deployment. */
export interface Cursor {
  kind: 'search' | 'history';
  ledger: string;
  /** the query's parameters, in canonical form */
  query: Readonly<Record<string, string>>;
  /** the ledger's size when the walk began; events after it never appear */
  as_of: string;
  /** the key of the last event given out */
  after: Readonly<Record<string, string>>;
}

/** A text that is no cursor of ours. `message` is the rule that it breaks. */
export class CursorError extends Error {
  override name = 'CursorError';
}

/** Goes up when the members change their meaning; a reader keeps reading the versions that it knows. */
const VERSION = 1;
const DIGEST_BYTES = 8;
const MEMBERS = ['after', 'as_of', 'kind', 'ledger', 'query', 'v'];

/**
 * base64url of 8 bytes of SHA-256 and the canonical JSON below it.
 *
 * The digest finds cursors that were cut, retyped or edited. It is no signature, and none is needed: a cursor grants
 * nothing. The ledger in the path and the caller's scope are checked for each page, and whoever makes a cursor of his own
 * gets what a query of his own would give.
 */
export function encodeCursor(cursor: Cursor): string {
  const text = canonicalize({ v: VERSION, ...cursor });
  return Buffer.concat([digestOf(text), Buffer.from(text)]).toString('base64url');
}

/** Throws CursorError. The texts inside are as they were encoded, but only as good as what encoded them. */
export function decodeCursor(encoded: string): Cursor {
  const bytes = Buffer.from(encoded, 'base64url');
  if (bytes.length <= DIGEST_BYTES || bytes.toString('base64url') !== encoded) throw damaged();
  const payload = bytes.subarray(DIGEST_BYTES);
  const text = payload.toString('utf8');
  if (!digestOf(text).equals(bytes.subarray(0, DIGEST_BYTES))) throw damaged();
  const value = read(payload);
  if (!isObject(value)) throw damaged();
  const { v, kind, ledger, query, as_of, after } = value;
  if (v !== VERSION) throw new CursorError('was made by another version of the service; ask again without it');
  if (
    canonicalize(value) !== text ||
    Object.keys(value).join() !== MEMBERS.join() || // in their canonical order by now
    (kind !== 'search' && kind !== 'history') ||
    typeof ledger !== 'string' ||
    typeof as_of !== 'string' ||
    !hasTextsOnly(query) ||
    !hasTextsOnly(after)
  ) {
    throw damaged();
  }
  return { kind, ledger, query, as_of, after };
}

function damaged(): CursorError {
  return new CursorError('must be a next_cursor exactly as it was given out');
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, DIGEST_BYTES);
}

function read(payload: Buffer): JsonValue {
  try {
    return readJson(payload);
  } catch (error) {
    if (error instanceof StrictJsonError) throw damaged();
    throw error;
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasTextsOnly(value: JsonValue | undefined): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((member) => typeof member === 'string');
}
