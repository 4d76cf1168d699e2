/**
 * What anybody can do with an event's content and its receipt, with nothing of the service: compute both hashes again,
 * and see that receipts hold together as a chain. The format is Truetrail's "truetrail/1".
 */
import { createHash } from 'node:crypto';

const ENVELOPE = [
  'content_hash',
  'event_id',
  'format',
  'origin',
  'previous_event_hash',
  'recorded_at',
  'recorded_by',
  'sequence',
];

/** The canonical form of RFC 8785. @param {any} value @returns {string} */
export function canonicalJson(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value); // prints numbers and strings as JCS does
  const members = Object.keys(value).sort(); // by UTF-16 code units
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`).join(',')}}`;
}

/** @param {(string | Buffer)[]} parts */
function sha256(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/**
 * Both hashes, from the content that was sent and the receipt's salt and envelope.
 * @param {object} content all ten members that every content has, the timestamp in UTC
 * @param {Record<string, any>} receipt
 */
export function recompute(content, receipt) {
  const envelope = Object.fromEntries(ENVELOPE.map((name) => [name, receipt[name]]));
  return {
    contentHash: sha256(Buffer.from(receipt.salt, 'hex'), canonicalJson(content)),
    eventHash: sha256(canonicalJson(envelope)),
  };
}

/** @param {{event_id: string}} content @param {Record<string, any>} receipt */
export function isRight(content, receipt) {
  const { contentHash, eventHash } = recompute(content, receipt);
  const isItsOwn = receipt.event_id === content.event_id && receipt.format === 'truetrail/1';
  return isItsOwn && contentHash === receipt.content_hash && eventHash === receipt.event_hash;
}

/**
 * How many receipts are right, and of neighbours in the ledger, how many hold the hash of the one before.
 * @param {{event_id: string}[]} contents
 * @param {Record<string, any>[]} receipts in the same order
 */
export function recomputeAll(contents, receipts) {
  const hashes = new Map(receipts.map((receipt) => [BigInt(receipt.sequence), receipt.event_hash]));
  let right = 0;
  let links = 0;
  let rightLinks = 0;
  receipts.forEach((receipt, index) => {
    if (isRight(/** @type {{event_id: string}} */ (contents[index]), receipt)) right += 1;
    const before = hashes.get(BigInt(receipt.sequence) - 1n);
    if (before === undefined) return;
    links += 1;
    if (receipt.previous_event_hash === before) rightLinks += 1;
  });
  return { right, links, rightLinks };
}
