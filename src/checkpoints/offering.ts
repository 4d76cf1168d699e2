import { cosignatureTime, formatSignature, parseNote, VerifierKey } from '../integrity/signed-note.js';
import { requestCosignature, WitnessError, type WitnessFailure } from '../witnesses/witness-client.js';
import type { UncosignedCheckpoint } from './cosignatures.sql.js';

/** A witness as a message between threads has it. */
export interface AskedWitness {
  /** verifier key */
  key: string;
  url: string;
}

/** What became of a checkpoint that was offered. */
export type Offered = { ledger: string; anchor: string } & (
  | { /** with its newline */ line: string; /** POSIX seconds */ cosignedAt: bigint }
  | { failure: WitnessFailure; reason: string }
);

/** The hashes that prove the first `from` leaves of a ledger's tree the beginning of that of `to`. */
export type Prove = (ledger: string, from: bigint, to: bigint) => Promise<readonly Buffer[]>;

/** Asked of one witness at once. */
const AT_ONCE = 8;
/** So many answers that did not come, one after the other, and it is the witness and not the ledger: it is left. */
const MAX_SILENCES = 3;
/** Who says so is not there, or has no time: for one ledger as for the next. */
const OF_THE_WITNESS: readonly WitnessFailure[] = ['no-answer', 'busy', 'failed'];

/** Offers checkpoints to a witness, until it does not answer any more; what was not offered is not in the answer. */
export async function offerAll(
  witness: AskedWitness,
  checkpoints: readonly UncosignedCheckpoint[],
  prove: Prove,
  signal: AbortSignal,
): Promise<Offered[]> {
  const address = { key: VerifierKey.parse(witness.key), url: witness.url };
  const waiting = checkpoints.values();
  const offered: Offered[] = [];
  let silences = 0;
  const lane = async (): Promise<void> => {
    for (const { ledger, anchor, note, ...sizes } of waiting) {
      if (silences >= MAX_SILENCES) return;
      const size = BigInt(sizes.size);
      const offer = {
        text: parseNote(note).text,
        note,
        size,
        sizeBefore: BigInt(sizes.size_before),
        prove: (from: bigint) =>
          prove(ledger, from, size).catch((cause: unknown) => {
            // a ledger whose tree is damaged must not keep the others from their witnesses
            throw new WitnessError('no-proof', `there is no proof from ${from}: ${(cause as Error).message}`, {
              cause,
            });
          }),
      };
      try {
        const cosignature = await requestCosignature(address, offer, { signal });
        const cosignedAt = cosignatureTime(cosignature);
        offered.push({ ledger, anchor, line: formatSignature(cosignature), cosignedAt });
        silences = 0;
      } catch (error) {
        if (!(error instanceof WitnessError)) throw error;
        const { failure, message } = error;
        offered.push({ ledger, anchor, failure, reason: message });
        silences = OF_THE_WITNESS.includes(failure) ? silences + 1 : 0;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return offered;
}
