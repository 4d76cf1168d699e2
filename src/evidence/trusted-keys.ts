import { readFile } from 'node:fs/promises';
import type { Config } from '../config/config.js';
import { KeyFile } from '../checkpoints/signer.js';
import { ED25519, VerifierKey } from '../integrity/signed-note.js';

/** Gives the verifier keys of a ledger, by its origin, by which its checkpoints are verified; none where none is known. */
export type TrustedKeys = (origin: string) => VerifierKey[];

/**
 * Those of EVIDENCE_KEYS_FILE, as auditors were given them, or else of the keys in SIGNING_KEY_FILE: never of the database,
 * which whoever could rewrite the ledgers could change as well. One key signs all ledgers of a log under their origins.
 * Throws an Error for the operator.
 */
export async function readTrustedKeys(
  config: Pick<Config, 'EVIDENCE_KEYS_FILE' | 'SIGNING_KEY_FILE'>,
): Promise<TrustedKeys> {
  const { EVIDENCE_KEYS_FILE: path } = config;
  if (path === undefined) {
    const file = await KeyFile.read(config.SIGNING_KEY_FILE!);
    const keys = file ? [file.publicKey, ...file.predecessors] : [];
    return (origin) => keys.map((key) => new VerifierKey(origin, ED25519, key));
  }
  const given = await readGivenKeys(path);
  return (origin) =>
    given
      .filter(({ name, algorithm }) => logOf(name) === logOf(origin) && algorithm === ED25519)
      .map(({ publicKey }) => new VerifierKey(origin, ED25519, publicKey));
}

async function readGivenKeys(path: string): Promise<VerifierKey[]> {
  try {
    const lines = (await readFile(path, 'utf8')).split('\n').map((line) => line.trim());
    return lines.filter((line) => line !== '').map((line) => VerifierKey.parse(line));
  } catch (cause) {
    throw new Error(`The file of EVIDENCE_KEYS_FILE cannot be used: ${(cause as Error).message}`, { cause });
  }
}

/** What the origins of its ledgers begin with, up to their names. */
function logOf(origin: string): string {
  return origin.slice(0, origin.lastIndexOf('/') + 1);
}
