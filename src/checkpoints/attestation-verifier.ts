import { hash, type X509Certificate } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { claimStore, OBJECT_STORE } from '../archive/archive-store.js';
import { ObjectMissing, type ListedVersion, type ObjectStore, type ObjectVersion } from '../archive/object-store.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { readRootsFile } from '../witnesses/timestamp-authority.js';
import { sampledNumbers } from './anchor-verifier.js';
import { readLastAnchor } from './anchors.sql.js';
import {
  ATTESTATION_PREFIXES,
  AttestationError,
  cosignaturesIn,
  takeUpAttestations,
  verifiedCosignature,
  verifiedTimestamp,
} from './attestation-intake.js';
import * as sql from './attestations.sql.js';

/** What is wrong with a time stamp or a cosignature, or with an object that holds them. */
export type AttestationFindingKind =
  /** the version that counts is not in the store */
  | 'attestation-missing'
  /** it does not verify, or its bytes are others */
  | 'attestation-invalid'
  /** it is not locked */
  | 'attestation-unlocked'
  /** later versions of other bytes, or a delete marker, stand before it */
  | 'attestation-hidden'
  /** it is below the names of attestations, and none */
  | 'attestation-unknown'
  /** the database says otherwise */
  | 'catalogue';

export interface AttestationFinding {
  kind: AttestationFindingKind;
  /** of an object; for a cosignature its ledger, anchor and witness */
  subject: string;
  detail: string;
}

export interface AttestationVerificationOutcome {
  /** up to this anchor */
  anchors: bigint;
  /** verified again */
  timestamps: number;
  cosignatures: number;
  /** objects of cosignatures that were read back */
  objects: number;
  /** that the database did not know: time stamps and cosignatures */
  taken_up: number;
  /** time stamps that cannot be verified here, as TIMESTAMP_CA_FILE is not given */
  unverifiable: number;
  findings: AttestationFinding[];
}

/** What a verification begins with. */
export function noAttestations(): AttestationVerificationOutcome {
  return { anchors: 0n, timestamps: 0, cosignatures: 0, objects: 0, taken_up: 0, unverifiable: 0, findings: [] };
}

const MAX_FINDINGS = 1_000;
/** Anchors whose attestations are in memory at once. */
const AT_ONCE = 50;
/** Of the objects of cosignatures, when not all are read: those of a day, and some others. */
const SAMPLED_OBJECTS = { last: 24, others: 20 };

/**
 * Verifies again what others have said: time stamps, by their bytes in the store and the roots that are trusted, and
 * cosignatures, by the key of their witness over the checkpoint that is kept.
 */
@Injectable()
export class AttestationVerifier {
  private readonly roots: readonly X509Certificate[];

  constructor(
    @Inject(CONFIG) { TIMESTAMP_CA_FILE: rootsFile }: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
  ) {
    this.roots = rootsFile === undefined ? [] : readRootsFile(rootsFile);
  }

  /**
   * Of the anchors after `after`, and of a sample of the others; `after` 0 verifies all. Whether every object is there,
   * and nothing put before it, is looked at for all of them in any case. What is found goes into `outcome`, where it is
   * also when this throws: StoreUnavailable, the database's errors.
   */
  async run(after: bigint, signal: AbortSignal, outcome = noAttestations()): Promise<AttestationVerificationOutcome> {
    const store = this.store?.within(signal);
    if (!store) return outcome;
    await claimStore(store, this.pool);
    outcome.anchors = (await readLastAnchor(this.pool))?.number ?? 0n;
    const { timestamps, cosignatures, refused, unverifiable } = await takeUpAttestations(this.pool, store, this.roots);
    outcome.taken_up = timestamps + cosignatures;
    outcome.unverifiable = unverifiable;
    for (const { key, reason } of refused) say(outcome, 'attestation-unknown', key, reason);
    await this.compareVersions(store, outcome);
    let anchors: bigint[] = [];
    for (const number of sampledNumbers(after, outcome.anchors)) {
      anchors.push(number);
      if (anchors.length < AT_ONCE) continue;
      await this.verifyAnchors(store, anchors, outcome, signal);
      anchors = [];
    }
    await this.verifyAnchors(store, anchors, outcome, signal);
    for (const object of await sql.listCosignatureObjects(this.pool, after === 0n ? null : SAMPLED_OBJECTS)) {
      signal.throwIfAborted();
      await this.verifyObject(store, object, outcome);
    }
    return outcome;
  }

  /** Every object that is catalogued is there, in the version that is, and nothing stands before it. */
  private async compareVersions(store: ObjectStore, outcome: AttestationVerificationOutcome): Promise<void> {
    const missing = await sql.listCataloguedAttestations(this.pool);
    for (const prefix of ATTESTATION_PREFIXES) {
      let oldest: ListedVersion | undefined;
      for await (const version of store.list(prefix)) {
        const { key, versionId, isDeleteMarker } = version;
        if (oldest?.key !== key) {
          oldest = version;
          const known = missing.get(key);
          missing.delete(key);
          if (known !== undefined && (isDeleteMarker || known !== versionId)) {
            say(outcome, 'catalogue', key, `the database knows version ${known} of it, and the oldest is ${versionId}`);
          }
        } else if (isDeleteMarker || !(await isSame(store, oldest, version))) {
          say(outcome, 'attestation-hidden', key, `there is a later version: ${versionId}`);
        }
      }
    }
    for (const [key, versionId] of missing) {
      say(outcome, 'attestation-missing', key, `version ${versionId} of it is not in the store`);
    }
  }

  private async verifyAnchors(
    store: ObjectStore,
    anchors: readonly bigint[],
    outcome: AttestationVerificationOutcome,
    signal: AbortSignal,
  ): Promise<void> {
    if (anchors.length === 0 || outcome.findings.length >= MAX_FINDINGS) return;
    for (const timestamp of await sql.readTimestampsOver(this.pool, anchors)) {
      signal.throwIfAborted();
      await this.verifyTimestamp(store, timestamp, outcome);
    }
    for (const { ledger, anchor, witness_key: witnessKey, line, note, ...kept } of await sql.readCosignaturesOf(
      this.pool,
      anchors,
    )) {
      signal.throwIfAborted();
      const subject = `${ledger}, anchor ${anchor}, ${witnessKey}`;
      outcome.cosignatures += 1;
      try {
        const time = verifiedCosignature(witnessKey, line, note);
        if (String(time) !== kept.cosigned_seconds) say(outcome, 'catalogue', subject, 'its time is another one');
      } catch (error) {
        if (!(error instanceof AttestationError)) throw error;
        say(outcome, 'attestation-invalid', subject, error.message);
      }
    }
  }

  private async verifyTimestamp(
    store: ObjectStore,
    timestamp: sql.KeptTimestamp,
    outcome: AttestationVerificationOutcome,
  ): Promise<void> {
    const { object_key: key, version_id: versionId, reply, anchor_sha256: imprint } = timestamp;
    outcome.timestamps += 1;
    const stored = await readLocked(store, { key, versionId }, outcome);
    if (stored && !stored.equals(reply)) say(outcome, 'attestation-invalid', key, 'the store has other bytes of it');
    if (this.roots.length === 0) {
      outcome.unverifiable += 1;
      return;
    }
    try {
      const { genTime, authority } = verifiedTimestamp(reply, imprint, this.roots);
      if (genTime !== timestamp.stamped_at || authority !== timestamp.authority) {
        say(outcome, 'catalogue', key, `it is of ${genTime} by ${authority}, and the database says otherwise`);
      }
    } catch (error) {
      if (!(error instanceof AttestationError)) throw error;
      say(outcome, 'attestation-invalid', key, error.message);
    }
  }

  /** That what an object holds is what the database has. */
  private async verifyObject(
    store: ObjectStore,
    { object_key: key, version_id: versionId, sha256 }: { object_key: string; version_id: string; sha256: Buffer },
    outcome: AttestationVerificationOutcome,
  ): Promise<void> {
    outcome.objects += 1;
    const bytes = await readLocked(store, { key, versionId }, outcome);
    if (!bytes) return;
    try {
      if (!hash('sha256', bytes, 'buffer').equals(sha256))
        throw new AttestationError('the store has other bytes of it');
      const cosignatures = cosignaturesIn(key, bytes);
      const lines = await sql.findLines(this.pool, cosignatures);
      const others = cosignatures.filter(({ line }, at) => line !== lines[at]);
      for (const { origin, anchor, witnessKey } of others.slice(0, MAX_FINDINGS)) {
        say(
          outcome,
          'catalogue',
          key,
          `the database lacks its cosignature of ${origin}, anchor ${anchor}, by ${witnessKey}`,
        );
      }
    } catch (error) {
      if (!(error instanceof AttestationError)) throw error;
      say(outcome, 'attestation-invalid', key, error.message);
    }
  }
}

function say(
  { findings }: AttestationVerificationOutcome,
  kind: AttestationFindingKind,
  subject: string,
  detail: string,
): void {
  findings.push({ kind, subject, detail });
}

/** The bytes of a version, whose lock is looked at; undefined when it is not there, which is said elsewhere. */
async function readLocked(
  store: ObjectStore,
  version: ObjectVersion,
  outcome: AttestationVerificationOutcome,
): Promise<Buffer | undefined> {
  try {
    const { retainUntil, isCompliance, bytes } = await store.describe(version);
    if (!isCompliance || !retainUntil || retainUntil.getTime() <= Date.now()) {
      say(outcome, 'attestation-unlocked', version.key, `it is locked until ${retainUntil?.toISOString() ?? 'never'}`);
    }
    return await store.readRange(version, 0, bytes);
  } catch (error) {
    if (error instanceof ObjectMissing) return undefined;
    throw error;
  }
}

async function isSame(store: ObjectStore, a: ListedVersion, b: ListedVersion): Promise<boolean> {
  if (a.bytes !== b.bytes) return false;
  return (await store.readRange(a, 0, a.bytes)).equals(await store.readRange(b, 0, b.bytes));
}
