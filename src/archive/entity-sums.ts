import { randomBytes } from 'node:crypto';
import { MultisetHash } from '../integrity/multiset-hash.js';
import { entityPlace } from './archive-format.js';

/** Of each ledger, by name, the keyed sum over an object's entries of entities, in hex. It stays in memory, for a run. */
export type KeyedSums = ReadonlyMap<string, string>;

/** A key for a run that compares indexes of entities with the events that they list. */
export function newListingKey(): string {
  return randomBytes(32).toString('hex');
}

/** Sums over entries of entities: the one that manifests have, and where there is a key, one that compares. */
export class EntitySums {
  private readonly plain = new MultisetHash();
  private readonly keyed: MultisetHash | undefined;

  constructor(listingKey?: string) {
    this.keyed = listingKey === undefined ? undefined : new MultisetHash(listingKey);
  }

  add(entityType: string, entityId: string, sequence: string, isCorrection: boolean): void {
    const place = entityPlace(entityType, entityId, sequence, isCorrection);
    this.plain.add(place);
    this.keyed?.add(place);
  }

  /** entities_hash of a manifest. */
  hash(): string {
    return this.plain.hex();
  }

  keyedSum(): string | undefined {
    return this.keyed?.hex();
  }
}
