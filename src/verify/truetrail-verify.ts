#!/usr/bin/env node
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ANCHOR_PREFIX, anchorKey } from '../integrity/anchor.js';
import { verifyBundle, type VerifyTimestamp } from '../integrity/evidence-verifier.js';
import { NoteError, VerifierKey } from '../integrity/signed-note.js';
import { verifyArchiveFolder, type ArchiveOutcome } from './archive-folder.js';
import { ANCHOR_FILE } from './archive-names.js';
import { FileAccess } from './file-access.js';
import { rememberedNote, watchLedger, type WatchOutcome } from './ledger-monitor.js';
import { bundleReportText, findingLines, printable } from './report-text.js';
import { timestampCheck } from './timestamp-check.js';

/*
 * Checks evidence of a ledger without its keeper: no database, no package, and no network but for `ledger`. Imports
 * nothing but Node and integrity/.
 */

const HELP = `truetrail-verify BUNDLE.zip --key KEY [--witness KEY]... [--timestamp-roots FILE] [--anchors FOLDER] [--json]
        Verifies an evidence bundle, offline.
truetrail-verify archive FOLDER --key KEY... [--checkpoint FILE]... [--witness KEY]... [--timestamp-roots FILE] [--json]
        Verifies a copy of an archive (the folder that has anchors/ in it, as \`truetrail archive copy\` makes it of a
        store): the chain of anchors from the first to the last, every checkpoint, what witnesses and authorities say of
        them, and the objects of events beside them, whose events must lead to the roots that were signed. Files that no
        archive has are findings. A key that is given for one ledger is taken for the others of the same log as well.
        A copy whose last anchors were left out looks like one that was made earlier: --checkpoint tells them apart.
truetrail-verify ledger URL --key KEY --state FILE [--tiles] [--token-file FILE] [--json]
        Asks a running service for the checkpoint of a ledger (URL: https://host/v1/ledgers/NAME) and for the proof that
        it is an extension of the one that FILE remembers, and for the hashes of its last events; then remembers it. Run it
        again and again: it fails when the ledger has become shorter, was rewritten, shows two histories, or cannot give
        its last events. With --tiles it also reads the tiles and entries (event hashes) of what has come since, at the
        first look of all, two requests for 256 events, and recomputes them.

  --key      verifier key of the ledger, from somebody you trust: NAME+ID+BASE64, or @FILE with one a line. May be given
             several times. Keys that it was succeeded by are found from it
  --witness  verifier key of a witness that must have cosigned the checkpoint, in an archive one of every ledger; may be
             given several times
  --timestamp-roots
             certificates (PEM) of the time-stamp authorities that you trust; without it time stamps are not looked at
  --anchors  folder with anchors as the object store has them, got from somebody else than the bundle: a copy of the
             archive, or its anchors/. Nobody signs an anchor as a whole, so without it the numbers of a bundle's anchors,
             and what came before them, are what the bundle says
  --checkpoint
             a checkpoint of one of the archive's ledgers that was kept elsewhere from before the copy was made, and must stand
             in an anchor: as the service gave it, the file \`checkpoint\` of a bundle, or what \`ledger\` remembers (--state).
             May be given several times
  --token-file
             the API key of a service whose proofs are not public
  --json     the whole outcome as JSON on standard output

Ends with 0 for valid, 1 for invalid, 2 for undecided (nothing is wrong with what could be checked, but something could
not be), 3 when the command line is wrong.
`;

const EXIT = { valid: 0, invalid: 1, undecided: 2, usage: 3 } as const;

/** The command line is not one of those in HELP. */
class UsageError extends Error {}

interface Outcome {
  verdict: 'valid' | 'invalid' | 'undecided';
}

function summaryText({ verdict, summary, ...report }: WatchOutcome | ArchiveOutcome): string {
  return [verdict.toUpperCase(), ...summary, ...findingLines(report)].map(printable).join('\n');
}

async function run(args: string[]): Promise<number> {
  if (args.length === 0 || args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP);
    return args.length === 0 ? EXIT.usage : 0;
  }
  const { values, positionals } = read(args);
  const keys = values.key.flatMap(readKeys);
  const tell = <T extends Outcome>(outcome: T, text: (outcome: T) => string): number => {
    process.stdout.write(`${values.json ? JSON.stringify(outcome, null, 2) : text(outcome)}\n`);
    return EXIT[outcome.verdict];
  };
  const roots = values['timestamp-roots'];
  const witnesses = values.witness.flatMap(readKeys);
  const verifyTimestamp = roots === undefined ? undefined : timestampsAgainst(roots);
  const [command = '', subject] = positionals;
  if (command === 'archive' && subject !== undefined) {
    need(positionals.length === 2 && keys.length > 0, 'archive needs one folder and --key');
    need(
      isFolder(subject) && isFolder(join(subject, 'anchors')),
      `${subject} is no archive: a folder with anchors/ in it`,
    );
    const kept = values.checkpoint.map(readCheckpoint);
    return tell(await verifyArchiveFolder(subject, keys, { witnesses, verifyTimestamp, kept }), summaryText);
  }
  if (command === 'ledger' && subject !== undefined) {
    const { state, 'token-file': tokenFile } = values;
    need(positionals.length === 2 && keys.length > 0, 'ledger needs one URL and --key');
    if (state === undefined) throw new UsageError('ledger needs --state, the file in which it remembers what it saw');
    const token = tokenFile === undefined ? undefined : readText(tokenFile).trim();
    return tell(await watchLedger({ url: subject, keys, stateFile: state, token, tiles: values.tiles }), summaryText);
  }
  need(positionals.length === 1, 'one bundle is verified at a time');
  need(
    !isFolder(command),
    `${command} is a folder: a bundle is one zip file, and an archive is verified by \`archive ${command}\``,
  );
  const file = named(command, () => new FileAccess(command));
  try {
    const storedAnchor = values.anchors === undefined ? undefined : anchorsIn(values.anchors);
    const options = { keys, witnesses, storedAnchor, ...(verifyTimestamp === undefined ? {} : { verifyTimestamp }) };
    return tell(verifyBundle(file, options), bundleReportText);
  } finally {
    file.close();
  }
}

function read(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        key: { type: 'string', multiple: true, default: [] },
        witness: { type: 'string', multiple: true, default: [] },
        state: { type: 'string' },
        checkpoint: { type: 'string', multiple: true, default: [] },
        'timestamp-roots': { type: 'string' },
        anchors: { type: 'string' },
        'token-file': { type: 'string' },
        tiles: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
      strict: true,
    });
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

/** Checks time stamps against the certificates of a PEM file. Throws UsageError when it holds none. */
function timestampsAgainst(file: string): VerifyTimestamp {
  const check = timestampCheck(readText(file));
  if (!check) throw new UsageError(`${file} holds no certificate in PEM`);
  return check;
}

/** Reads anchors of a folder that has them, or has anchors/ with them. Throws UsageError when there is none. */
function anchorsIn(folder: string): (number: bigint) => Buffer | undefined {
  const path = isFolder(join(folder, ANCHOR_PREFIX)) ? join(folder, ANCHOR_PREFIX) : folder;
  need(
    isFolder(path) && readdirSync(path).some((name) => ANCHOR_FILE.test(name)),
    `${folder} has no anchors: files of twelve digits, or a folder anchors/ of them`,
  );
  return (number) => {
    const file = join(path, anchorKey(number).slice(ANCHOR_PREFIX.length));
    return existsSync(file) ? named(file, () => readFileSync(file)) : undefined;
  };
}

function readKeys(text: string): VerifierKey[] {
  const lines = (text.startsWith('@') ? readText(text.slice(1)) : text).split('\n');
  try {
    return lines
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .map((line) => VerifierKey.parse(line));
  } catch (error) {
    if (error instanceof NoteError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** A signed checkpoint: the file itself, or the one in a file that `ledger` remembers by. */
function readCheckpoint(file: string): string {
  return rememberedNote(named(file, () => readFileSync(file))) ?? readText(file);
}

function readText(file: string): string {
  return named(file, () => readFileSync(file, 'utf8'));
}

/** Opens what the command line names. Throws UsageError, with its name, where the file system refuses. */
function named<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    throw new UsageError(`${path}: ${code === 'ENOENT' ? 'there is no such file' : message}`, { cause });
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function need(isMet: boolean, what: string): void {
  if (!isMet) throw new UsageError(what);
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(`${printable((error as Error).message)}\n`);
  if (isUsage) process.stderr.write('truetrail-verify --help says how it is used.\n');
  process.exitCode = isUsage ? EXIT.usage : EXIT.undecided;
}
