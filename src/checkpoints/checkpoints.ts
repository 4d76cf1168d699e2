import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import type { Ledgers } from '../events/ledgers.js';
import { Problem } from '../http/problem.js';
import { HASH_BYTES, leafHash } from '../integrity/event.js';
import { isConsistent, isIncluded } from '../integrity/merkle-proof.js';
import { ED25519, VerifierKey } from '../integrity/signed-note.js';
import {
  consistencyProof,
  hashesOf,
  subtreeHashes,
  inclusionProof,
  isTileOf,
  rootFromTiles,
  TILE_WIDTH,
  tileWidth,
  type ReadTiles,
  type Tile,
} from '../integrity/tiles.js';
import * as sql from './anchors.sql.js';
import { findTimestampsFrom } from './timestamps.sql.js';
import {
  readHashesAnywhere,
  sequencesOf,
  TileMissingError,
  tileReader,
  type ReadArchivedHashes,
} from './tree-tiles.js';
import { readArchivedTo, readEventHashes } from './tree.sql.js';
import { VerifiedTiles } from './verified-tiles.js';

/** A signed checkpoint of a ledger. */
export interface SignedCheckpoint {
  /** the round that signed it */
  anchor: bigint;
  size: bigint;
  rootHash: Buffer;
  /** with the ledger's signature, and the cosignatures of witnesses as far as they have come */
  note: string;
}

/** Where an event is in the tree of a checkpoint. */
export interface EventProof {
  sequence: bigint;
  checkpoint: SignedCheckpoint;
  /** the leaf's sibling first */
  hashes: Buffer[];
}

/** An authority's word on when an anchor was there. */
export interface AnchorTimestamp {
  anchor: bigint;
  /** the subject of the certificate that signed it */
  authority: string;
  /** a TimeStampResp over the anchor's SHA-256: see integrity/timestamp-reply.ts */
  reply: Buffer;
}

const RETRY_AFTER_SECONDS = 60;
/** Sequences and sizes are 64-bit integers with a sign. */
const MAX_SIZE = 9_223_372_036_854_775_807n;

/** 16 MiB at most, and the nodes over upper ones: these of 100 million events, and more than a thousand of level 0. */
const KEPT_TILES = 2_048;

/** What was signed of ledgers, and proofs against it. Every proof is recomputed up to the signed root before it is given. */
export class Checkpoints {
  private readonly verified = new VerifiedTiles(KEPT_TILES);

  constructor(
    private readonly pool: pg.Pool,
    private readonly archive: ArchivedEvents,
    private readonly ledgers: Ledgers,
  ) {}

  /** Bytes of the tiles that are kept in memory. */
  get keptTileBytes(): number {
    return this.verified.bytes;
  }

  /** The last one of a ledger. Throws ledger-not-found, not-yet-checkpointed. */
  async latest(ledger: string): Promise<SignedCheckpoint> {
    await this.ledgers.origin(ledger);
    const found = await sql.findLatestCheckpoint(this.pool, ledger);
    if (!found) throw notYet('Nothing of this ledger has been signed yet');
    return checkpointOf(found);
  }

  /** The first one of a ledger whose tree has at least `size` leaves. Throws ledger-not-found, not-yet-checkpointed. */
  async covering(ledger: string, size: bigint): Promise<SignedCheckpoint> {
    await this.ledgers.origin(ledger);
    const found = size <= MAX_SIZE ? await sql.findCheckpointOf(this.pool, ledger, size) : undefined;
    if (!found) throw notYet(`No checkpoint of at least ${size} events has been signed yet`);
    return checkpointOf(found);
  }

  /**
   * The last one of which the ledger has all events, which is what can be proven: the latest one, but after a restore that
   * lost what was signed. Throws ledger-not-found, not-yet-checkpointed, events-lost, damaged-record.
   */
  async held(ledger: string): Promise<SignedCheckpoint> {
    await this.ledgers.origin(ledger);
    const found = await sql.findHeldCheckpoint(this.pool, ledger);
    if (!found) throw await this.notCovered(ledger, 1n, 'Nothing of this ledger has been signed yet');
    return checkpointOf(found);
  }

  /**
   * The proof of an event in the last checkpoint of which the ledger has all events. Throws ledger-not-found,
   * event-not-found, not-yet-checkpointed, events-lost, damaged-record.
   */
  async proofOf(ledger: string, eventId: string): Promise<EventProof> {
    await this.ledgers.origin(ledger);
    const found = await sql.findEventInCheckpoint(this.pool, ledger, eventId);
    if (!found) throw new Problem('event-not-found', 'The ledger holds no event with this id');
    const sequence = BigInt(found.sequence);
    if (!found.checkpoint || BigInt(found.checkpoint.size) < sequence) {
      const pending = `The event is recorded, at sequence ${sequence}, and no checkpoint that covers it is signed yet`;
      throw await this.notCovered(ledger, sequence, pending);
    }
    const checkpoint = checkpointOf(found.checkpoint);
    const { size, rootHash } = checkpoint;
    const index = sequence - 1n;
    const { read, keep, isKept } = this.verified.over(ledger, this.tilesOf(ledger));
    const own = index / BigInt(TILE_WIDTH);
    // a tile that is read now is made of the row as it is now
    const row = isKept({ level: 0, index: own, width: tileWidth(0, own, size) })
      ? this.leafNow(ledger, sequence)
      : undefined;
    const [hashes, leaf] = await Promise.all([inclusionProof(index, size, read), row]);
    const [expected] = await subtreeHashes([{ start: index, end: sequence }], size, read);
    const isAsSigned = isIncluded(expected!, index, size, hashes, rootHash) && (leaf?.equals(expected!) ?? true);
    if (!isAsSigned) throw unlikeSigned(ledger);
    keep();
    return { sequence, checkpoint, hashes };
  }

  /**
   * The hashes that prove the tree of `from` leaves the beginning of that of `to`, both at most that of the last
   * checkpoint. Throws ledger-not-found, not-yet-checkpointed, events-lost, damaged-record.
   */
  async consistency(ledger: string, from: bigint, to: bigint): Promise<Buffer[]> {
    const { size, rootHash } = await this.held(ledger);
    if (to > size) throw await this.notCovered(ledger, to, `The last checkpoint is of ${size} events`);
    const { read } = this.verified.over(ledger, this.tilesOf(ledger));
    const [hashes, fromRoot, toRoot] = [
      await consistencyProof(from, to, read),
      await rootFromTiles(from, read),
      await rootFromTiles(to, read),
    ];
    const isSigned = isConsistent(to, toRoot, size, rootHash, await consistencyProof(to, size, read));
    if (!isSigned || !isConsistent(from, fromRoot, to, toRoot, hashes)) throw unlikeSigned(ledger);
    return hashes;
  }

  /**
   * A tile of the tree of the last checkpoint. Throws ledger-not-found, tile-not-found, not-yet-checkpointed, events-lost,
   * damaged-record.
   */
  async tile(ledger: string, tile: Tile): Promise<Buffer> {
    const hashes = await this.signedTile(ledger, tile);
    return hashes.subarray(0, tile.width * HASH_BYTES);
  }

  /** The event hashes that a tile of level 0 is made of, 32 bytes each. Throws as `tile` does. */
  async entries(ledger: string, tile: Tile): Promise<Buffer[]> {
    const signed = await this.signedTile(ledger, tile);
    const range = sequencesOf(tile);
    const [hashes] = await readHashesAnywhere(this.pool, ledger, this.archivedHashes, [range]);
    const leaves = signed.subarray(0, tile.width * HASH_BYTES);
    if (!hashes || !Buffer.concat(hashes.map(leafHash)).equals(leaves)) throw unlikeSigned(ledger);
    return hashes;
  }

  /** Why no checkpoint that is held covers an event: a later round will sign it, or one did, and events are missing. */
  async notCovered(ledger: string, sequence: bigint, pending: string): Promise<Problem> {
    const [latest, held] = await Promise.all([
      sql.findLatestCheckpoint(this.pool, ledger),
      sql.findHeldCheckpoint(this.pool, ledger),
    ]);
    if (!latest || BigInt(latest.size) < sequence) return notYet(pending);
    return this.missingTail(ledger, BigInt(held?.size ?? 0), BigInt(latest.size));
  }

  /**
   * Throws damaged-record where more was signed than the ledger has, unless it was closed as it is: what is read up to its
   * end would leave that out without a word.
   */
  async requireAllSigned(ledger: string): Promise<void> {
    const latest = await sql.findLatestCheckpoint(this.pool, ledger);
    const held = await sql.findHeldCheckpoint(this.pool, ledger); // later, so that a round meanwhile is in it
    const [signed, provable] = [BigInt(latest?.size ?? 0), BigInt(held?.size ?? 0)];
    if (signed <= provable || (await this.ledgers.state(ledger)).state === 'closed') return;
    throw await this.missingTail(ledger, provable, signed);
  }

  /** A restore has lost what was signed, and nothing has brought it back; once the ledger is closed nothing ever will. */
  private async missingTail(ledger: string, provable: bigint, signed: bigint): Promise<Problem> {
    const { state } = await this.ledgers.state(ledger);
    return new Problem(
      state === 'closed' ? 'events-lost' : 'damaged-record',
      `${signed} events of ${ledger} were signed, and not all of them are there any more: proofs are given of the first ${provable}`,
    );
  }

  /** The keys that have signed the ledger, the current one first. Throws ledger-not-found. */
  async keys(ledger: string): Promise<VerifierKey[]> {
    const origin = await this.ledgers.origin(ledger);
    const keys = await sql.readSigningKeys(this.pool);
    return keys.reverse().map((key) => new VerifierKey(origin, ED25519, key));
  }

  /** How the ledger's keys gave way to each other, in order. Throws ledger-not-found. */
  async successions(ledger: string): Promise<{ anchor: string; note: string }[]> {
    await this.ledgers.origin(ledger);
    return sql.listSuccessions(this.pool, ledger);
  }

  /**
   * Time stamps that date an anchor, and so all that was signed until then: of each authority the first one over it or
   * a later one, which names it by the chain of anchors.
   */
  async timestampsFrom(anchor: bigint): Promise<AnchorTimestamp[]> {
    return (await findTimestampsFrom(this.pool, anchor)).map((stored) => ({
      anchor: BigInt(stored.anchor),
      authority: stored.authority,
      reply: stored.reply,
    }));
  }

  /** Reads the tiles of a ledger's tree. */
  tilesOf(ledger: string): ReadTiles {
    const read = tileReader(this.pool, ledger, this.archivedHashes);
    return async (tiles) => {
      try {
        return await read(tiles);
      } catch (error) {
        if (!(error instanceof TileMissingError)) throw error;
        throw new Problem('damaged-record', `${error.message}: no proof is given`, { cause: error });
      }
    };
  }

  /**
   * The leaf of an event as its row says now, beside that of a tile that was kept; undefined for one that has left the
   * database as it should. Throws damaged-record.
   */
  private async leafNow(ledger: string, sequence: bigint): Promise<Buffer | undefined> {
    const [found] = await readEventHashes(this.pool, [{ ledger, from: sequence, to: sequence }]);
    const [eventHash] = found!;
    if (eventHash) return leafHash(eventHash);
    const archivedTo = (await readArchivedTo(this.pool, [ledger])).get(ledger) ?? 0n;
    if (sequence > archivedTo) throw unlikeSigned(ledger);
    return undefined;
  }

  /**
   * A tile as wide as it is in the tree of the last checkpoint, recomputed up to its root: whoever reads tiles keeps them
   * for ever. Throws as `tile` does.
   */
  private async signedTile(ledger: string, { level, index, width }: Tile): Promise<Buffer> {
    const { size, rootHash } = await this.held(ledger);
    const whole = { level, index, width: tileWidth(level, index, size) };
    if (whole.width >= width) {
      const { read, keep } = this.verified.over(ledger, this.tilesOf(ledger));
      if (!(await isTileOf(whole, size, rootHash, read))) throw unlikeSigned(ledger);
      keep();
      const [hashes] = await read([whole]);
      return hashes!;
    }
    const latest = await this.latest(ledger);
    if (tileWidth(level, index, latest.size) >= width) throw await this.missingTail(ledger, size, latest.size);
    throw new Problem('tile-not-found', `The tree of the last checkpoint, of ${latest.size} events, has no such tile`);
  }

  private readonly archivedHashes: ReadArchivedHashes = async (ledger, from, to) => {
    return hashesOf(await this.archive.hashes(ledger, from, to));
  };
}

function checkpointOf(stored: sql.StoredCheckpoint): SignedCheckpoint {
  const { anchor, size, root_hash: rootHash, note, cosignatures } = stored;
  return { anchor: BigInt(anchor), size: BigInt(size), rootHash, note: note + cosignatures };
}

function notYet(detail: string): Problem {
  return new Problem('not-yet-checkpointed', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
}

/** Whoever changed a tile, or an event, gets no proof out of it. */
function unlikeSigned(ledger: string): Problem {
  return new Problem('damaged-record', `The events of ${ledger} are not those that were signed: no proof is given`);
}
