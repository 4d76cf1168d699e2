import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  COSIGNATURE_PREFIX,
  cosignatureObjectKey,
  CosignatureObjectError,
  parseCosignatureObject,
  type StoredCosignature,
} from '../integrity/cosignature-object.js';
import type { VerifyTimestamp } from '../integrity/evidence-verifier.js';
import { COSIGNATURE_ED25519, NoteError, parseSignature, VerifierKey } from '../integrity/signed-note.js';
import { TIMESTAMP_PREFIX } from '../integrity/timestamp-reply.js';
import type { ArchiveReport, WalkedAnchor } from './archive-report.js';

const TIMESTAMP_FILE = /^timestamps\/([0-9]{12})-([0-9a-f]{16})\.tsr$/;

/** What is said, by others, of what was signed. For people, a line each. */
export function verifyAttestations(
  folder: string,
  files: readonly string[],
  anchors: ReadonlyMap<bigint, WalkedAnchor>,
  trust: { witnesses: readonly VerifierKey[]; verifyTimestamp: VerifyTimestamp | undefined },
  report: ArchiveReport,
): string[] {
  return [
    ...verifyTimestamps(folder, files, anchors, trust.verifyTimestamp, report),
    ...verifyCosignatures(folder, files, anchors, trust.witnesses, report),
  ];
}

function verifyTimestamps(
  folder: string,
  files: readonly string[],
  anchors: ReadonlyMap<bigint, WalkedAnchor>,
  verify: VerifyTimestamp | undefined,
  report: ArchiveReport,
): string[] {
  let count = 0;
  let last: { anchor: bigint; time: string } | undefined;
  for (const name of files.filter((each) => each.startsWith(TIMESTAMP_PREFIX))) {
    const [, number, digits] = TIMESTAMP_FILE.exec(name) ?? [];
    const bytes = readFileSync(join(folder, name));
    if (number === undefined || hash('sha256', bytes).slice(0, 16) !== digits) {
      report.find('timestamp', `${name}: its name is not that of its bytes`);
      continue;
    }
    const anchor = anchors.get(BigInt(number));
    if (!anchor) {
      report.find('timestamp', `${name}: there is no anchor ${BigInt(number)}`);
      continue;
    }
    count += 1;
    if (!verify) continue;
    const outcome = verify(bytes, anchor.hash);
    if ('fault' in outcome) report.find('timestamp', `${name}: ${outcome.fault}`);
    else if (!last || anchor.number > last.anchor) last = { anchor: anchor.number, time: outcome.time };
  }
  if (count === 0) return [];
  if (!verify) return [`NOT LOOKED AT  ${count} time stamps: --timestamp-roots says whose count`];
  return [`timestamps  ${count}${last ? `, the last at ${last.time} over anchor ${last.anchor}` : ''}`];
}

function verifyCosignatures(
  folder: string,
  files: readonly string[],
  anchors: ReadonlyMap<bigint, WalkedAnchor>,
  witnesses: readonly VerifierKey[],
  report: ArchiveReport,
): string[] {
  let count = 0;
  /** by witness, and the ledger's origin: the size of the last checkpoint that it cosigned */
  const seen = new Map<string, Map<string, bigint>>();
  for (const name of files.filter((each) => each.startsWith(COSIGNATURE_PREFIX))) {
    for (const cosignature of readCosignatures(folder, name, report)) {
      count += 1;
      const checkpoint = anchors.get(cosignature.anchor)?.checkpoints.get(cosignature.origin);
      if (!checkpoint) {
        report.find('witness', `${name}: anchor ${cosignature.anchor} holds no checkpoint of ${cosignature.origin}`);
        continue;
      }
      const key = rightKey(cosignature, checkpoint.text);
      if (!key) {
        report.find(
          'witness',
          `${name}: a cosignature of ${cosignature.origin}, anchor ${cosignature.anchor}, is not right`,
        );
        continue;
      }
      const sizes = seen.get(key) ?? new Map<string, bigint>();
      seen.set(key, sizes);
      const before = sizes.get(cosignature.origin) ?? -1n;
      if (checkpoint.size > before) sizes.set(cosignature.origin, checkpoint.size);
    }
  }
  const origins = new Set([...anchors.values()].flatMap(({ checkpoints }) => [...checkpoints.keys()]));
  const told = witnesses.flatMap((witness) => {
    const sizes = seen.get(witness.toString()) ?? new Map<string, bigint>();
    return [...origins].map((origin) => {
      const size = sizes.get(origin);
      if (size === undefined) report.find('witness', `${witness.name} has cosigned no checkpoint of ${origin}`);
      return `witness     ${witness.name}: ${origin}${size === undefined ? ', none' : ` up to size ${size}`}`;
    });
  });
  const isLeft = count > 0 && witnesses.length === 0;
  return [
    ...told,
    ...(isLeft
      ? [`NOT TRUSTED    ${count} cosignatures are right by the keys that they name: --witness says whose count`]
      : []),
  ];
}

function readCosignatures(folder: string, name: string, report: ArchiveReport): StoredCosignature[] {
  const bytes = readFileSync(join(folder, name));
  try {
    const cosignatures = parseCosignatureObject(bytes);
    if (cosignatureObjectKey(cosignatures, bytes) === name) return cosignatures;
    report.find('witness', `${name}: its name is not that of its bytes`);
  } catch (error) {
    if (!(error instanceof CosignatureObjectError)) throw error;
    report.find('witness', `${name}: ${error.message}`);
  }
  return [];
}

/** The key by which a cosignature is right of a checkpoint's text; undefined for one that is not. */
function rightKey({ witnessKey, line }: StoredCosignature, text: string): string | undefined {
  try {
    const key = VerifierKey.parse(witnessKey);
    const signature = parseSignature(line.replace(/\n$/, ''));
    const isRight = key.algorithm === COSIGNATURE_ED25519 && key.isNamedBy(signature) && key.verifies(text, signature);
    return isRight ? key.toString() : undefined;
  } catch (error) {
    if (error instanceof NoteError) return undefined;
    throw error;
  }
}
