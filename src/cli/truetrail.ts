import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { describeConfig, readConfig } from '../config/config.js';
import { Problem, type FieldError } from '../http/problem.js';
import { adviceOn } from '../operation/advice.js';
import { withoutCredentials } from '../operation/logger.js';

const HELP = `truetrail COMMAND

  keys create --name NAME --scopes SCOPE,... --ledgers LEDGER,... [--expires TIME]
        Makes an API key and writes it to standard output, this once.
        --scopes   e.g. events:write,events:read; or all
        --ledgers  slugs, or '*' for every ledger
        --expires  RFC 3339, e.g. 2027-01-01T00:00:00Z; never without it
  keys list [--json]
        Lists the keys, oldest first, revoked and expired ones among them.
  keys revoke ID
        Revokes a key for good. Replicas that run notice within 5 seconds.
  reference-data import KIND FILE [--dry-run]
        Records the changes of a CSV file, all or none: legal-entity, branch, trader, algorithm, client,
        representative, venue, membership or instrument. Every mistake is named by its line and column. See
        docs/reference-data.md.
        --dry-run  says what would be recorded, and records nothing
  reference-data list KIND [--valid-at TIME] [--as-of REVISION] [--json]
        Lists the entries that are there.
        --valid-at  at that day (YYYY-MM-DD, its beginning in UTC) or time; now without it
        --as-of     as it was known then: a revision, or a day or time before which it was recorded; now without it
  jobs list [--json]
        Lists the jobs, each with its last run.
  jobs run JOB [--no-wait] [--json]
        Has a replica run a job now, after the run that is in progress, if there is one; waits until it has ended, and shows
        what it came to. Ends with 1 when the run failed, or no replica takes it up within a minute.
        --no-wait  asks for it, and ends
  signing-key create
        Makes the key that signs checkpoints, in SIGNING_KEY_FILE, for replicas that are given it as a secret.
  signing-key show [--ledger ORIGIN]
        Prints its public key in base64; with the origin of a ledger, the verifier key that auditors are given.
  signing-key rotate
        Puts a new key before the one in SIGNING_KEY_FILE. The next round signs with it, and says so by a note of both.
  rebuild [--accept-longer-locks] [--json]
        Makes an empty database the one that the archive at ARCHIVE_URL is of, legal holds included, and verifies it. What
        was not archived yet is lost, and so are API keys: make these again before the service starts. Of each ledger it
        says what was signed and is not in the archive: \`recover\` is next for those; and what is there and was not signed.
        --accept-longer-locks  objects that are locked for longer than the recorded policies say were locked by hand;
                               without it they are taken for a lost policy, and end the rebuild
  recover [--from-receipts FILE] [--signed-only] [--close LEDGER]... [--json]
        After a restore: brings back what the ledgers lack of what was signed of them, _service first, from the archive at
        ARCHIVE_URL, and the legal holds whose acts are there; names what it could not see of these. The service may run
        meanwhile. See docs/recovery.md.
        --from-receipts  takes what submitters still hold as well: NDJSON, {"content": ..., "receipt": ...} a line
        --signed-only    leaves what the archive holds past the last checkpoint: nothing shows who made it
        --close          closes a ledger that still lacks something for good, and opens its successor LEDGER-2
  verify [LEDGER]... [--json]
        Reads every event of these ledgers, of all without a name, recomputes it with its links and keys, and holds it
        against what was signed; reads back every anchor that the object store has, and takes up those that the database
        lacks. After a restore it is for before the service starts, see docs/recovery.md; it may run beside one. Ends as
        truetrail-verify does: with 0 when all of it is valid, 1 when something is not, 2 when it is undecided (nothing is
        wrong with what could be read, but something could not be: database or store are away, or nothing says whose the
        store at ARCHIVE_URL is), 3 when the command was not understood or names a ledger that is not there.
  archive create-bucket [S3-URL] [--days DAYS] [--kms-key KEY] [--complete]
        Makes the bucket of S3-URL (s3://bucket/prefix; else that of ARCHIVE_URL) as the archive wants it: with Object
        Lock, default retention, encryption, no public access, lifecycle rules and a policy. Region and credentials come
        from the AWS_* variables. A bucket that is there is looked at, and not changed.
        --days      default retention, of what comes without a date of its own; 60 without it
        --kms-key   encrypt by SSE-KMS with this key; else ARCHIVE_KMS_KEY, else SSE-S3
        --complete  add what a bucket that is there lacks; what it has otherwise is told and left
  archive copy [S3-URL] FOLDER
        Copies an archive (S3-URL, or else ARCHIVE_URL) into a folder, for \`truetrail-verify archive FOLDER\`: of each key
        the oldest version, which counts; what else stands there is listed in listing.ndjson. It lists and reads alone.
        Keys that no archive has are listed and not copied. Broken off and begun again, it goes on; a copy that is
        finished is left as it is, and another one takes a new folder.
  migrate
        Brings the database's schema up to date and ends.
  config
        Shows every setting and where it comes from, without secrets; ends with 1, naming all mistakes, if it is not usable.
  help
        Shows this.

By npm: npm run truetrail -- COMMAND (with --silent after run, standard output is the command's alone).

Settings come from the environment as for the service (docs/configuration.md). The commands go to the database themselves:
to DATABASE_URL, or else to the embedded one in DATA_DIR, whether the service runs or not. What they do to keys and
reference data is recorded in the ledger _service.

They end with 0 when it is done, 1 when it failed, 2 when the command was not understood; \`verify\` as it says above.
`;

const EXIT = { failed: 1, usage: 2 };
/** Of truetrail-verify, and of what gives a verdict here. */
const VERDICT_EXIT = { invalid: 1, failed: 2, undecided: 2, usage: 3 };

/** The command line is not one of those in HELP. */
class UsageError extends Error {}

/** What was verified is not valid. */
class VerdictError extends Error {
  constructor(
    readonly verdict: 'invalid' | 'undecided',
    message: string,
  ) {
    super(message);
  }
}

const say = (line: string): boolean => process.stderr.write(`${line}\n`);
const print = (text: string): boolean => process.stdout.write(`${text}\n`);

// `truetrail … | head`: what nobody reads any more must not end a command half-way
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const COMMANDS: Record<string, (args: string[]) => Promise<void> | void> = {
  'keys create': createKey,
  'keys list': listKeys,
  'keys revoke': revokeKey,
  'reference-data import': importReferenceData,
  'reference-data list': listReferenceData,
  'jobs list': listJobs,
  'jobs run': runJobNow,
  'archive create-bucket': createBucket,
  'archive copy': copyStore,
  'signing-key create': (args) => signingKey(args, 'create'),
  'signing-key show': (args) => signingKey(args, 'show'),
  'signing-key rotate': (args) => signingKey(args, 'rotate'),
  migrate: async (args) => {
    read(args, {});
    const config = readConfig(process.env);
    const { migrateDatabase, openDatabase } = await import('./open-database.js');
    const database = await openDatabase(config, say);
    try {
      await migrateDatabase(config, database, say);
    } finally {
      await database.close();
    }
    say('The schema is up to date.');
  },
  rebuild: async (args) => {
    const { values } = read(args, { json: { type: 'boolean' }, 'accept-longer-locks': { type: 'boolean' } });
    const { rebuildFromArchive } = await import('./rebuild.js');
    const acceptLongerLocks = values['accept-longer-locks'] === true;
    const ledgers = await rebuildFromArchive(readConfig(process.env), say, { acceptLongerLocks });
    if (values.json) print(JSON.stringify(ledgers, null, 2));
    else {
      for (const { ledger, size, recorded_at, verdict, missing, unsigned } of ledgers) {
        const last = recorded_at === null ? '' : `, the last recorded at ${recorded_at}`;
        const lacks = missing
          ? `; lacks events ${missing.from_sequence} to ${missing.to_sequence}, which were signed and are in no object`
          : '';
        const more = unsigned
          ? `; no checkpoint was signed of events ${unsigned.from_sequence} to ${unsigned.to_sequence}`
          : '';
        print(`${ledger}: ${size} events${last}; ${verdict}${lacks}${more}`);
      }
    }
    const unsigned = ledgers.filter((each) => each.unsigned).map(({ ledger }) => ledger);
    if (unsigned.length > 0) {
      say(
        `${unsigned.join(', ')}: of the last events no checkpoint was signed. They are what was recorded after the last round of ` +
          'signing, or what somebody has put into the store who may write there: look at them, as docs/recovery.md says, step 3.',
      );
    }
    const short = ledgers.filter(({ missing }) => missing).map(({ ledger }) => ledger);
    if (short.length > 0) {
      say(
        `${short.join(', ')}: what is missing there was signed after the last export. Nothing can be recorded in such a ` +
          'ledger until `recover --from-receipts FILE` has brought it back from what submitters hold, or ' +
          '`recover --close LEDGER` goes on in a successor: see docs/recovery.md. Keys can be made once _service lacks ' +
          'nothing or has a successor.',
      );
    }
    const unsound = ledgers.filter(({ verdict, fault }) => verdict !== 'valid' || fault !== null);
    if (unsound.length > 0) {
      const names = unsound.map(({ ledger, fault }) => (fault === null ? ledger : `${ledger} (${fault})`));
      throw new Error(`Not valid: ${names.join(', ')}`);
    }
  },
  recover: recoverTrail,
  verify,
  config: (args) => {
    read(args, {});
    const settings = describeConfig(process.env);
    const width = Math.max(...settings.map(({ name }) => name.length));
    for (const { name, value, from } of settings) print(`${name.padEnd(width)}  ${from.padEnd(11)}  ${value}`);
  },
  help: () => void process.stdout.write(HELP),
};

async function recoverTrail(args: string[]): Promise<void> {
  const { values } = read(args, {
    'from-receipts': { type: 'string' },
    'signed-only': { type: 'boolean' },
    close: { type: 'string', multiple: true },
    json: { type: 'boolean' },
  });
  const { 'from-receipts': receipts, 'signed-only': signedOnly = false, close = [], json } = values;
  const { recover } = await import('./recover.js');
  const { ledgers, closed, withoutSuccessor } = await recover(
    readConfig(process.env),
    { receipts, signedOnly, close },
    say,
  );
  const bigintAsText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
  if (json) print(JSON.stringify({ ledgers, closed }, bigintAsText, 2));
  const ended = new Set(closed.map(({ ledger }) => ledger));
  const open = ledgers.filter(
    ({ ledger, isOpen, missing, refusal }) => isOpen && (missing ?? refusal) !== null && !ended.has(ledger),
  );
  for (const { ledger, isOpen, recovered, holds, missing, differs, refusal } of json ? [] : ledgers) {
    const parts = [
      ...(isOpen ? [] : ['it was closed before']),
      recovered ? `events ${recovered.from} to ${recovered.to} are back` : 'nothing was brought back',
      ...(holds.length > 0 ? [`${holds.length} legal holds are as these left them`] : []),
      ...(missing ? [`events ${missing.from} to ${missing.to} were signed and are missing`] : []),
      ...(missing || differs ? [] : ['lacks nothing that was signed']),
      ...(refusal === null ? [] : [refusal]),
    ];
    print(`${ledger}: ${parts.join('; ')}`);
  }
  const halfClosed = withoutSuccessor.map(
    (ledger) => `${ledger} is closed, and none succeeds it: \`--close ${ledger}\``,
  );
  if (open.length > 0)
    throw new Error(`Not recovered: ${[...open.map(({ ledger }) => ledger), ...halfClosed].join(', ')}`);
  if (halfClosed.length > 0) throw new Error(`Not done: ${halfClosed.join(', ')}`);
}

/** Of the findings of a ledger, as many lines as anybody reads; all of them with --json. */
const MAX_SHOWN_FINDINGS = 20;

async function verify(args: string[]): Promise<void> {
  const { values, positionals: ledgers } = read(args, { json: { type: 'boolean' } }, true);
  const { NoSuchLedger, verifyTrail } = await import('./verify.js');
  const report = await verifyTrail(readConfig(process.env), { ledgers }, say).catch((error: unknown) => {
    if (error instanceof NoSuchLedger) throw new UsageError(error.message, { cause: error });
    throw error;
  });
  if (values.json) print(JSON.stringify(report, null, 2));
  else {
    const { anchors } = report;
    if (anchors) print(`anchors: ${anchors.verdict}; ${anchors.read} of ${anchors.anchors} read`);
    if (anchors && anchors.not_asked !== null) print(`  not asked: ${anchors.not_asked}`);
    for (const { kind, object_key: key, detail } of anchors?.findings.slice(0, MAX_SHOWN_FINDINGS) ?? [])
      print(`  ${kind} ${key}: ${detail}`);
    for (const { ledger, verdict, size, checked, findings_total: total, findings, unread } of report.ledgers) {
      print(`${ledger}: ${verdict}; ${checked} of ${size} events read, ${total} findings`);
      for (const { kind, sequence, detail } of findings.slice(0, MAX_SHOWN_FINDINGS))
        print(`  ${kind}${sequence === null ? '' : ` at ${sequence}`}: ${detail}`);
      for (const { from_sequence: from, to_sequence: to, reason } of unread.slice(0, MAX_SHOWN_FINDINGS))
        print(`  not read, ${from} to ${to}: ${reason}`);
    }
  }
  if (report.verdict === 'valid') return;
  const wrong = report.ledgers.filter(({ verdict }) => verdict !== 'valid').map(({ ledger }) => ledger);
  const names = [...(report.anchors && report.anchors.verdict !== 'valid' ? ['the anchors'] : []), ...wrong];
  throw new VerdictError(report.verdict, `The trail is ${report.verdict}: ${names.join(', ')}`);
}

async function createKey(args: string[]): Promise<void> {
  const { values } = read(args, {
    name: { type: 'string' },
    scopes: { type: 'string', multiple: true },
    ledgers: { type: 'string', multiple: true },
    expires: { type: 'string' },
  });
  const { name, scopes, ledgers, expires } = values;
  if (name === undefined || scopes === undefined || ledgers === undefined) {
    throw new UsageError('keys create needs --name, --scopes and --ledgers');
  }
  const { readKeyOptions, withKeys } = await keyCommands();
  const wanted = readKeyOptions({ name, scopes: items(scopes), ledgers: items(ledgers), expires });
  const { key, id } = await withKeys(readConfig(process.env), (keys, operator) => keys.create(operator, wanted));
  say(`Made the key ${id} (${name}). It is shown only now:`);
  print(key);
}

async function listKeys(args: string[]): Promise<void> {
  const { values } = read(args, { json: { type: 'boolean' } });
  const { keyTable, withKeys } = await keyCommands();
  const list = await withKeys(readConfig(process.env), (keys, operator) => keys.list(operator));
  print(values.json ? JSON.stringify(list, null, 2) : keyTable(list));
}

async function revokeKey(args: string[]): Promise<void> {
  const { positionals } = read(args, {}, true);
  const [id, ...others] = positionals;
  if (id === undefined || others.length > 0) throw new UsageError('keys revoke needs the id of one key');
  const { withKeys } = await keyCommands();
  const key = await withKeys(readConfig(process.env), (keys, operator) => keys.revoke(operator, id));
  say(`The key ${key.id} (${key.name}) is revoked since ${key.revoked_at}, by ${key.revoked_by}.`);
}

async function listJobs(args: string[]): Promise<void> {
  const { values } = read(args, { json: { type: 'boolean' } });
  const { lastRuns } = await import('./jobs.js');
  const jobs = await lastRuns(readConfig(process.env));
  if (values.json) return void print(JSON.stringify(jobs, null, 2));
  for (const { job, run } of jobs) {
    const last = run
      ? `${run.status}, asked for by ${run.requested_by} at ${run.created_at}${run.finished_at ? `, ended at ${run.finished_at}` : ''}`
      : 'has not run';
    print(`${job}: ${last}`);
  }
}

async function runJobNow(args: string[]): Promise<void> {
  const { values, positionals } = read(args, { 'no-wait': { type: 'boolean' }, json: { type: 'boolean' } }, true);
  const [name, ...others] = positionals;
  if (name === undefined || others.length > 0) throw new UsageError('jobs run needs the name of one job');
  const { runJob } = await import('./jobs.js');
  const run = await runJob(readConfig(process.env), name, { waits: values['no-wait'] !== true }, say);
  if (values.json) print(JSON.stringify(run, null, 2));
  else print(run.outcome === null ? run.status : `${run.status}: ${JSON.stringify(run.outcome, null, 2)}`);
  if (run.status === 'failed') throw new Error(`The run of ${run.job} failed`);
}

async function importReferenceData(args: string[]): Promise<void> {
  const { values, positionals } = read(args, { 'dry-run': { type: 'boolean' } }, true);
  const [kind, file, ...others] = positionals;
  if (kind === undefined || file === undefined || others.length > 0) {
    throw new UsageError('reference-data import needs a kind and a file');
  }
  const isDryRun = values['dry-run'] === true;
  const { importFile } = await import('./reference-data.js');
  const { changes, recorded, unchanged, asOf } = await importFile(readConfig(process.env), kind, file, isDryRun);
  const what = isDryRun ? 'would be recorded' : 'recorded';
  print(`${changes} changes: ${recorded} ${what}, ${unchanged} known already; revision ${asOf}`);
}

async function listReferenceData(args: string[]): Promise<void> {
  const { values, positionals } = read(
    args,
    { 'valid-at': { type: 'string' }, 'as-of': { type: 'string' }, json: { type: 'boolean' } },
    true,
  );
  const [kind, ...others] = positionals;
  if (kind === undefined || others.length > 0) throw new UsageError('reference-data list needs a kind');
  const { listEntries } = await import('./reference-data.js');
  const { 'valid-at': validAt, 'as-of': asOf, json = false } = values;
  await listEntries(readConfig(process.env), kind, { validAt, asOf, json }, print);
}

async function createBucket(args: string[]): Promise<void> {
  const { values, positionals } = read(
    args,
    { days: { type: 'string' }, 'kms-key': { type: 'string' }, complete: { type: 'boolean' } },
    true,
  );
  const [url = process.env.ARCHIVE_URL, ...others] = positionals;
  if (url === undefined || others.length > 0)
    throw new UsageError('archive create-bucket needs one s3://bucket/prefix');
  const { makeBucket, readBucketOptions } = await import('./archive.js');
  const { days, 'kms-key': kmsKey, complete } = values;
  if (await makeBucket(readBucketOptions({ url, days, kmsKey, complete }), print)) return;
  throw new Error(
    'The bucket is not as the archive wants it: see what is missing, different or impossible above. What is missing is ' +
      'added by --complete, what is different is for you to change. Where Object Lock is impossible, make another bucket.',
  );
}

async function copyStore(args: string[]): Promise<void> {
  const { positionals } = read(args, {}, true);
  const [folder, url = process.env.ARCHIVE_URL, ...others] = positionals.toReversed();
  if (folder === undefined || url === undefined || others.length > 0) {
    throw new UsageError('archive copy needs one s3://bucket/prefix (or ARCHIVE_URL) and one folder');
  }
  const { copyStoreTo } = await import('./archive.js');
  const { objects, bytes, others: beside } = await copyStoreTo(url, folder);
  print(`${objects} objects, ${bytes} bytes; ${beside} other versions, delete markers or names`);
}

async function signingKey(args: string[], act: 'create' | 'show' | 'rotate'): Promise<void> {
  const { values } = read(args, act === 'show' ? { ledger: { type: 'string' } } : {});
  const path = readConfig(process.env).SIGNING_KEY_FILE!;
  const { KeyFile } = await import('../checkpoints/signer.js');
  const there = await KeyFile.read(path);
  if (act === 'create' && there) throw new Error(`There is a signing key in ${path}: nothing was changed`);
  if (act === 'show' && !there) throw new Error(`There is no signing key in ${path}`);
  const key = act === 'show' ? there! : act === 'create' ? await KeyFile.readOrMake(path) : await KeyFile.rotate(path);
  if (act === 'create') say(`Made ${path}. Keep a copy where the service cannot reach it.`);
  if (act === 'rotate') say(`${path} has a new key before the old one. Give the file to every replica.`);
  const origin = 'ledger' in values ? values.ledger : undefined;
  if (typeof origin !== 'string') print(key.publicKey.toString('base64'));
  else {
    const { ED25519, VerifierKey } = await import('../integrity/signed-note.js');
    print(new VerifierKey(origin, ED25519, key.publicKey).toString());
  }
}

/** Half of the service, which takes most of a second to load: only for a command that needs it. */
function keyCommands(): Promise<typeof import('./keys.js')> {
  return import('./keys.js');
}

type Options = NonNullable<Parameters<typeof parseArgs>[0]>['options'];

/** Throws UsageError for what the command does not take. */
function read<const T extends NonNullable<Options>>(args: string[], options: T, allowPositionals = false) {
  try {
    return parseArgs({ args, options, allowPositionals, strict: true });
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

function items(lists: readonly string[]): string[] {
  return lists
    .flatMap((list) => list.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** A mistake in a file as it is; in an option by the option's own name. */
function told({ pointer, detail }: FieldError): string {
  if (pointer === '' || pointer.startsWith('/lines/')) return detail;
  return detail.replace(/^expires_at/, 'expires').replace(/^[a-z_]+/, (name) => `--${name.replaceAll('_', '-')}`);
}

/** What went wrong, for the one who typed the command: no stack, no credentials. */
function explain(error: unknown): string {
  if (error instanceof Problem && error.errors) {
    const { errors, errorsTotal } = error;
    const more = errorsTotal > errors.length ? [`and ${errorsTotal - errors.length} more`] : [];
    return [...errors.map(told), ...more].join('\n');
  }
  if (!(error instanceof Error)) return String(error);
  const cause = error instanceof Problem && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  const advice = adviceOn(error, 'command');
  return withoutCredentials(`${error.message || error.name}${cause}${advice === undefined ? '' : `. ${advice}`}`);
}

/**
 * A command runs to its end. Its threads keep no process from ending, and an idle connection does so for ten seconds:
 * without this Node ends a longer verification with its code 13, and without a word.
 */
const STAY_MS = 60_000;

async function main(args: string[]): Promise<number> {
  if (args.length === 0 || args.includes('--help') || args.includes('-h')) args = ['help'];
  const words = ['keys', 'archive', 'jobs', 'signing-key', 'reference-data'].includes(args[0]!) ? 2 : 1;
  const command = COMMANDS[args.slice(0, words).join(' ')];
  const exit = command === verify ? VERDICT_EXIT : EXIT;
  const alive = setInterval(() => undefined, STAY_MS);
  try {
    if (!command) throw new UsageError(`there is no command ${args.slice(0, words).join(' ')}`);
    await command(args.slice(words));
    return 0;
  } catch (error) {
    say(explain(error));
    if (error instanceof VerdictError) return VERDICT_EXIT[error.verdict];
    if (!(error instanceof UsageError)) return exit.failed;
    say('`truetrail help` lists the commands.');
    return exit.usage;
  } finally {
    clearInterval(alive);
  }
}

process.exitCode = await main(process.argv.slice(2));
