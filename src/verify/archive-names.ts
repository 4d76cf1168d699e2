import { ANCHOR_PREFIX } from '../integrity/anchor.js';

/** It says whose store this is. */
export const MARKER_FILE = 'store.json';
/** The name of an anchor, below its prefix. */
export const ANCHOR_FILE = /^[0-9]{12}$/;
/** Objects of events, their digests and their indexes. */
export const EVENTS_FILE =
  /^(early|month|entities)\/[0-9]{12}-[0-9a-f]{16}\.parquet$|^digests\/[0-9]{12}-[0-9a-f]{16}\.digests$/;
/** What describes the formats. */
export const DESCRIPTION = /^format\/truetrail-archive-[0-9]+-[0-9a-f]{16}\.md$/;
const ATTESTATION = /^timestamps\/[0-9]{12}-[0-9a-f]{16}\.tsr$|^cosignatures\/[0-9]{12}-[0-9a-f]{16}\.json$/;

/**
 * Whether an archive has objects of this name, relative to it. Such a name stays inside the folder that it is copied to,
 * and none is that of a folder of others.
 */
export function isArchiveName(name: string): boolean {
  if (name.startsWith(ANCHOR_PREFIX)) return ANCHOR_FILE.test(name.slice(ANCHOR_PREFIX.length));
  return name === MARKER_FILE || [EVENTS_FILE, DESCRIPTION, ATTESTATION].some((pattern) => pattern.test(name));
}
