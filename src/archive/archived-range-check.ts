import { contentHash, eventHash, leafHash, type CanonicalContent } from '../integrity/event.js';
import { MerkleTree } from '../integrity/merkle-tree.js';
import { canonicalContentOf, DamagedRowError, envelopeOf, type StoredRow } from '../integrity/stored-event.js';
import { formatMicros } from '../integrity/timestamp.js';
import { ArchiveObjectError, type ArchivedRange } from './archive-format.js';
import { EntitySums } from './entity-sums.js';
import { ContentsTally, type RecordContents } from './record-contents.js';

/** Where a range begins, and what it follows. */
export interface RangeStart {
  ledger: string;
  origin: string;
  fromSequence: bigint;
  /** null at sequence 1 */
  previousEventHash: Buffer | null;
}

/**
 * Recomputes the rows of a range, one after the other, on their way into an object and out of it: contents, links,
 * sequences, times. Nothing that it was given is taken for true but the start.
 */
export class ArchivedRangeCheck {
  private readonly tree = new MerkleTree();
  private readonly entities: EntitySums;
  private readonly tally: ContentsTally;
  private expected: bigint;
  private previous: Buffer | null;
  private timestamps: [least: number, greatest: number] = [Infinity, -Infinity];
  private recorded: [least: number, greatest: number] = [Infinity, -Infinity];

  /** `listingKey`: for the keyed sum of its entities, if that is wanted. */
  constructor(
    private readonly start: RangeStart,
    listingKey?: string,
  ) {
    this.entities = new EntitySums(listingKey);
    this.tally = new ContentsTally(start.ledger);
    this.expected = start.fromSequence;
    this.previous = start.previousEventHash;
  }

  get previousEventHash(): Buffer | null {
    return this.previous;
  }

  get nextSequence(): bigint {
    return this.expected;
  }

  /** The row's canonical content. Throws ArchiveObjectError for the first row that is not as it was recorded. */
  take(row: StoredRow<number>): CanonicalContent {
    const { ledger, origin } = this.start;
    const at = { ledger, sequence: String(this.expected) };
    if (row.sequence !== at.sequence) {
      throw new ArchiveObjectError(`event ${this.expected} of ${ledger} is missing before ${row.sequence}`, at);
    }
    let canonical: CanonicalContent;
    let computed: Buffer;
    try {
      canonical = canonicalContentOf(row);
      if (!contentHash(row.salt, canonical.text).equals(row.content_hash)) {
        throw new DamagedRowError(row.sequence, 'content_hash', 'is not that of the content');
      }
      computed = eventHash({
        ...envelopeOf(row, origin),
        previous_event_hash: this.previous === null ? null : this.previous.toString('hex'),
      });
    } catch (error) {
      const { name, message } = error as Error;
      if (name !== 'DamagedRowError' && name !== 'RangeError') throw error;
      throw new ArchiveObjectError(`event ${row.sequence} of ${ledger}: ${message}`, at, { cause: error });
    }
    if (!computed.equals(row.event_hash)) {
      throw new ArchiveObjectError(`event ${row.sequence} of ${ledger} does not follow the one before it`, at);
    }
    if (row.recorded_at < this.recorded[1]) {
      throw new ArchiveObjectError(`event ${row.sequence} of ${ledger} was recorded before the one before it`, at);
    }
    this.timestamps = widened(this.timestamps, row.timestamp);
    this.recorded = widened(this.recorded, row.recorded_at);
    this.tree.append(leafHash(computed));
    this.entities.add(row.entity_type, row.entity_id, row.sequence, row.corrects !== null);
    this.tally.take(row);
    this.previous = computed;
    this.expected += 1n;
    return canonical;
  }

  /** What was taken, by what record classes are made of. */
  contents(): RecordContents[] {
    return this.tally.list();
  }

  /** Of the entities of what was taken; undefined without a key. */
  keyedSum(): string | undefined {
    return this.entities.keyedSum();
  }

  /** What was taken. Throws ArchiveObjectError when that was nothing. */
  finish(): ArchivedRange {
    const { ledger, origin, fromSequence, previousEventHash } = this.start;
    if (this.tree.size === 0) throw new ArchiveObjectError(`there is no event of ${ledger}`);
    return {
      ledger,
      origin,
      from_sequence: String(fromSequence),
      to_sequence: String(this.expected - 1n),
      least_timestamp: formatMicros(this.timestamps[0]),
      greatest_timestamp: formatMicros(this.timestamps[1]),
      least_recorded_at: formatMicros(this.recorded[0]),
      greatest_recorded_at: formatMicros(this.recorded[1]),
      previous_event_hash: previousEventHash === null ? null : previousEventHash.toString('hex'),
      last_event_hash: this.previous!.toString('hex'),
      entities_hash: this.entities.hash(),
      merkle_root: this.tree.root().toString('hex'),
    };
  }
}

function widened([least, greatest]: [number, number], value: number): [number, number] {
  return [Math.min(least, value), Math.max(greatest, value)];
}
