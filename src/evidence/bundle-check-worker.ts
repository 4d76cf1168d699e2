import { setPriority } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import { verifyBundle, type BundleReport } from '../integrity/evidence-verifier.js';
import { parseNote, VerifierKey } from '../integrity/signed-note.js';
import { serveTenants } from '../threads/tenancy.js';
import { FileAccess } from '../verify/file-access.js';
import { timestampCheck } from '../verify/timestamp-check.js';

/** A bundle to be verified, and all that whoever does it is told. */
export interface BundleCheckTask {
  id: number;
  /** path of the bundle */
  file: string;
  /** verifier keys, as auditors are given them */
  keys: readonly string[];
  /** of witnesses whose cosignatures must be right where they are there */
  witnesses: readonly string[];
  /** the checkpoint's note, to know which of them have cosigned */
  note: string;
  /** certificates in PEM; undefined: time stamps are not looked at */
  roots: string | undefined;
}

export interface BundleCheckAnswer {
  id: number;
  report?: BundleReport;
  error?: string;
}

/** Whoever posts events comes first: on Linux, and nowhere else, a priority is a thread's own. */
const NICENESS = 10;

if (process.platform === 'linux') setPriority(NICENESS);

/*
 * The outsider: verifies bundles as an auditor does who was given a file and public keys. It has no database and no store,
 * and what it imports has none either, which dependency-cruiser sees to.
 */
serveTenants((_settings: null, port: MessagePort) => {
  port.on('message', (task: BundleCheckTask) => {
    port.postMessage(answerTo(task));
  });
  return Promise.resolve(() => Promise.resolve());
});

function answerTo({ id, file, keys, witnesses, note, roots }: BundleCheckTask): BundleCheckAnswer {
  try {
    const bundle = new FileAccess(file);
    try {
      const { signatures } = parseNote(note);
      const verifyTimestamp = roots === undefined ? undefined : timestampCheck(roots);
      const report = verifyBundle(bundle, {
        keys: keys.map((key) => VerifierKey.parse(key)),
        witnesses: witnesses
          .map((key) => VerifierKey.parse(key))
          .filter((key) => signatures.some((signature) => key.isNamedBy(signature))),
        ...(verifyTimestamp === undefined ? {} : { verifyTimestamp }),
      });
      return { id, report };
    } finally {
      bundle.close();
    }
  } catch (error) {
    return { id, error: (error as Error).message };
  }
}
