import { randomFillSync } from 'node:crypto';
import { canonicalContent, contentHash, SALT_BYTES, type CanonicalContent } from '../integrity/event.js';
import { Problem } from '../http/problem.js';
import { MAX_EVENT_BYTES, type ReadEvent } from './event-reader.js';

/** An event that is ready to be appended: all that does not depend on the ledger's head is computed. */
export interface PreparedEvent extends ReadEvent {
  canonical: CanonicalContent;
  salt: Buffer;
  contentHash: Buffer;
  /** the principal, as `recorded_by` says it */
  recordedBy: string;
}

/**
 * Gives an event its salt and content hash. Throws invalid-event for one whose canonical content is past the limit
 * (`pointer` is where it stands in the request).
 */
export function prepareEvent(event: ReadEvent, recordedBy: string, pointer = ''): PreparedEvent {
  const canonical = canonicalContent(event.content);
  if (canonical.text.length > MAX_EVENT_BYTES || Buffer.byteLength(canonical.text) > MAX_EVENT_BYTES) {
    const detail = `the event's canonical content must not be larger than ${MAX_EVENT_BYTES} bytes`;
    throw new Problem('invalid-event', detail, { errors: [{ pointer, rule: 'event-size', detail }] });
  }
  const salt = newSalt();
  const { content, timestamp } = event;
  // spread, each would have a hidden class of its own (V8 11), which stays until a full garbage collection
  return { content, timestamp, canonical, salt, contentHash: contentHash(salt, canonical.text), recordedBy };
}

const pool = Buffer.alloc(SALT_BYTES * 1024);
let used = pool.length;

/** 16 bytes of the CSPRNG, each used once; drawn 1,024 salts at a time, since a call costs more than its bytes. */
function newSalt(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const salt = Buffer.from(pool.subarray(used, used + SALT_BYTES));
  pool.fill(0, used, used + SALT_BYTES);
  used += SALT_BYTES;
  return salt;
}
