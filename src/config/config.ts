import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { DEFAULT_PATTERN, MAX_MESSAGE_ID, mistakeOfNames, PARTY_FORM, PATTERN_FORM } from './message-id.js';
import { duration, integer, oneOf, text, timeZone, url, urls, type Setting } from './settings.js';

/**
 * pg lets the parameters of a URL win over ours. Those would take away the service's role, or have the server cancel an
 * append, which must not be.
 */
const DATABASE = {
  protocols: ['postgres:', 'postgresql:'],
  and: 'user and password percent-encoded, without the parameter options and without timeouts other than connect_timeout',
  holds: ({ username, password, searchParams }: URL): boolean =>
    isPercentEncoded(username) &&
    isPercentEncoded(password) &&
    [...searchParams.keys()].every(
      (name) => name !== 'options' && (!name.endsWith('_timeout') || name === 'connect_timeout'),
    ),
};

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

const THIS_MACHINE = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** As pg understands it: of a parameter that is there twice the last one counts, and `host` before the host. */
function isLocalOrVerified({ hostname, searchParams }: URL): boolean {
  const host = searchParams.getAll('host').at(-1) ?? decodeURIComponent(hostname);
  return THIS_MACHINE.test(host) || host.startsWith('/') || searchParams.getAll('sslmode').at(-1) === 'verify-full';
}

/** Whoever stands between us and the issuer could make tokens, were it not for TLS. */
const ISSUER = {
  protocols: ['https:', 'http:'],
  and: 'without a user name, and http: only to this machine',
  holds: ({ protocol, hostname, username, password }: URL): boolean =>
    username === '' && password === '' && (protocol === 'https:' || THIS_MACHINE.test(hostname)),
};

/** Every setting, in the order in which an operator meets them; docs/configuration.md is made from this table. */
export const SETTINGS = {
  PORT: integer({ min: 0, max: 65535, fallback: 3000, why: 'Port of the API; 0 takes a free one.' }),
  HOST: text({
    accepts: 'an address or host name to listen on',
    fallback: '127.0.0.1',
    why: 'Only this machine by default; 0.0.0.0 in a container, or :: where it has addresses of IPv6.',
  }),
  DATA_DIR: text({
    accepts: 'a folder',
    fallback: './data',
    why: 'Where the embedded PostgreSQL keeps its cluster, and an archive in a folder its objects.',
  }),
  DATABASE_URL: url({
    ...DATABASE,
    fallbackText: 'an embedded PostgreSQL 18 in DATA_DIR',
    why: 'PostgreSQL 15 to 18 of your own. Several replicas share one. A server on another machine needs `?sslmode=verify-full`, and `&sslrootcert=` with the file of its CA.',
    secret: true,
  }),
  DATABASE_OWNER_URL: url({
    ...DATABASE,
    fallbackText: 'the login of DATABASE_URL',
    why: 'The login that owns the schema and migrates it. Give one, so that the service itself never holds the rights of an owner.',
    secret: true,
  }),
  DATABASE_TLS: oneOf({
    values: ['verify', 'any'],
    fallback: 'verify',
    why: '`verify`: of a server on another machine the certificate and the name in it are verified (`sslmode=verify-full` in its URL), or the service does not start. `any`: what the URL says, if that is nothing without TLS; for a network that is encrypted by something else.',
  }),
  DATABASE_WAIT: duration({
    minMs: 0,
    maxMs: 3_600_000,
    fallback: '2m',
    why: 'How long a start, and `truetrail migrate`, wait for a server that cannot be reached, is starting up, or follows another one. Keep it under what your platform gives a start.',
  }),
  DATABASE_POOL_SIZE: integer({
    min: 1,
    max: 200,
    fallback: 10,
    why: 'Connections for reads and operation, for each replica.',
  }),
  APPEND_CONNECTIONS: integer({
    min: 1,
    max: 64,
    fallback: 4,
    why: 'Connections kept for appends alone, so that no read can hold up a write. One ledger uses one at a time.',
  }),
  LONG_READ_CONNECTIONS: integer({
    min: 1,
    max: 64,
    fallback: 4,
    why: 'Connections for reports and answers in lines, for each replica: so many pages are read at once, the others take turns. A report reads a page ahead while it works on one.',
  }),
  LOG_ORIGIN: text({
    pattern: /^[!#-*,-[\]-~]{1,200}$/,
    accepts:
      'a URL without its scheme, of printable ASCII without blanks, plus signs, quotes and backslashes, 200 characters at most',
    fallbackText: '`localhost/` and 16 random hex digits, made once and stored',
    why: 'Names this installation in every event, for ever, e.g. `audit.example.com/truetrail`. Fixed at the first start.',
  }),
  BOOTSTRAP_API_KEY: text({
    pattern: /^[!-~]{32,200}$/,
    accepts: '32 to 200 printable ASCII characters without blanks',
    fallbackText: 'made at the first start and printed once',
    why: 'The first key, with every scope, for scripts. Also works later, as one more key. It is kept, and stays good until it is revoked, also when this is left out again.',
    secret: true,
  }),
  ARCHIVE_URL: text({
    pattern: /^(off|file:[^?#]+|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[a-z0-9._/-]*)?)$/,
    accepts: 'off, file: and a folder, or s3://bucket/prefix in lower case',
    fallback: 'file:archive',
    why: 'Where events go within minutes, to be kept for years: a bucket with Object Lock, with the standard `AWS_*` variables; or a folder, below DATA_DIR unless it is absolute.',
  }),
  ARCHIVE_STORAGE_CLASS: text({
    pattern: /^(STANDARD|STANDARD_IA|ONEZONE_IA|INTELLIGENT_TIERING|GLACIER_IR)$/,
    accepts: 'STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR',
    fallbackText: "the bucket's own",
    why: 'S3 storage class. None that must be restored before it can be read.',
  }),
  ARCHIVE_KMS_KEY: text({
    pattern: /^[!-~]{1,2048}$/,
    accepts: 'the id or ARN of a KMS key',
    fallbackText: 'SSE-S3',
    why: 'Encrypt archive objects by SSE-KMS with this key.',
  }),
  ARCHIVE_TIMEOUT: duration({
    minMs: 1_000,
    maxMs: 3_600_000,
    fallback: '30s',
    why: 'What S3 may take over a request, and a second more for each MB of it. A request that takes longer is begun anew, four times in all; then the run has failed, and the next one goes on from there.',
  }),
  REPORT_RUN_DAYS: integer({
    min: 1,
    max: 365,
    fallback: 7,
    why: 'How long the answer of a report that was asked for as a run can be fetched. Its manifest stays.',
  }),
  REPORT_RUNS_MAX_MB: integer({
    min: 16,
    max: 1_048_576,
    fallback: 4096,
    why: 'What kept answers of reports may take in the database, packed. Past it runs fail, so that appends never want for room.',
  }),
  REPORTING_SENDER: text({
    pattern: PARTY_FORM,
    accepts:
      '1 to 20 letters and digits: an LEI (with a shorter REPORTING_FILE_NAME), or a code that the authority gave',
    fallbackText: 'none: transaction reports are submitted of firms alone whose entry says it',
    why: 'Who sends files of transaction reports, in their headers and names, where the entry of the firm has no report_sender. See docs/transaction-report-states.md.',
  }),
  REPORTING_RECEIVER: text({
    pattern: PARTY_FORM,
    accepts: '1 to 20 letters and digits',
    fallbackText: 'none: transaction reports are submitted of firms alone whose entry says it',
    why: 'Which authority gets them, in their headers and names, and whose days off count for deadlines, where the entry of the firm has no report_receiver: mostly the code of its country.',
  }),
  REPORTING_FILE_NAME: text({
    pattern: PATTERN_FORM,
    accepts: 'a pattern with {sequence}, as {sender}_{receiver}_{sequence:6}',
    fallback: DEFAULT_PATTERN,
    why: 'How files are named, where the entry of the firm has no report_file_name; the name is also the message id, which has 35 characters at most. In braces: sender, receiver, sequence, version, previous, yyyy, yy, mm, dd; a number after a colon fills up with zeros.',
  }),
  REPORTING_FILE_REPORTS: integer({
    min: 1,
    max: 1_000_000,
    fallback: 100_000,
    why: 'How many reports a file has at most: what is more goes into the next.',
  }),
  REPORTING_FILE_MB: integer({
    min: 1,
    max: 4_000,
    fallback: 64,
    why: 'How large a file is at most, unpacked. A piece of it is in memory at a time, however large it is.',
  }),
  REPORTING_SCHEMAS: text({
    accepts: 'a folder',
    fallbackText: 'none: files are not held against schemas',
    why: "A folder with the authority's schemas, named as they are published: every file is held against them before it counts as sent. Which ones: docs/transaction-report-states.md.",
  }),
  REPORTING_TIME_ZONE: timeZone({
    fallbackText:
      'none: the report `transaction-ageing` has to be asked with one, unless the entries of all firms have theirs',
    why: 'Whose days and midnights count for the deadline of a transaction report, where the entry of the firm has no report_time_zone: those of the authority. Its holidays are reference data (kind `authority-holiday`).',
  }),
  EVIDENCE_RUN_DAYS: integer({
    min: 1,
    max: 365,
    fallback: 7,
    why: 'How long a bundle of evidence that was made as a run can be fetched.',
  }),
  EVIDENCE_RUNS_MAX_MB: integer({
    min: 16,
    max: 1_048_576,
    fallback: 4096,
    why: 'What kept bundles of evidence may take in the database. Past it runs fail, so that appends never want for room.',
  }),
  EVIDENCE_VERIFICATION_SCHEDULE: text({
    pattern: /^(off|\S+( \S+){4,5})$/,
    accepts: 'a cron expression in UTC, or off',
    fallback: '30 5 * * *',
    why: 'When bundles of samples of every ledger are made and verified as whoever is handed one does. Nothing is where ARCHIVE_URL is off.',
  }),
  EVIDENCE_VERIFICATION_EVENTS: integer({
    min: 1,
    max: 10_000,
    fallback: 500,
    why: 'How many events each of these samples has at most: of a ledger its last ones, some from anywhere, and some that only the archive has.',
  }),
  EVIDENCE_KEYS_FILE: text({
    accepts: 'a file with verifier keys, one a line',
    fallbackText: 'the public keys of SIGNING_KEY_FILE',
    why: 'The keys as auditors were given them (`signing-key show`), by which these bundles are verified: then a change of SIGNING_KEY_FILE that no note of both keys tells of is found, too. The key of one ledger counts for all.',
  }),
  ARCHIVE_EXPORT_AGE: duration({
    minMs: 1_000,
    maxMs: 86_400_000,
    fallback: '5m',
    why: 'How old the oldest event that is not archived may become. Looked at once a minute.',
  }),
  ARCHIVE_EXPORT_EVENTS: integer({
    min: 1,
    max: 10_000_000,
    fallback: 100_000,
    why: 'So many events that are not archived are archived at once, whatever their age.',
  }),
  ARCHIVE_RETENTION_YEARS: integer({
    min: 5,
    max: 30,
    fallback: 7,
    why: 'How long records are kept and the store locks the objects that count, from when their last event was recorded; record classes may be kept for longer (docs/retention.md). A longer time holds for what is there as well; a shorter one than before is without effect, and is recorded.',
  }),
  ARCHIVE_CACHE_MB: integer({
    min: 0,
    max: 1_048_576,
    fallback: 1_024,
    why: 'Megabytes of the local disk, below DATA_DIR, for parts of archive objects that were read from S3; 0 for none.',
  }),
  ONLINE_MONTHS: integer({
    min: 1,
    max: 600,
    fallback: 12,
    why: 'Months after its end, a month leaves PostgreSQL, once it is archived as a whole and verified. It is read from the archive from then on.',
  }),
  SIGNING_KEY_FILE: text({
    accepts: 'a PEM file with Ed25519 private keys (PKCS #8), the first of which signs',
    fallbackText: '`signing-key.pem` in DATA_DIR',
    why: 'What signs the checkpoints of every ledger. Made at the first round of signing if it is not there; the same for every replica. Keep a copy elsewhere: see docs/checkpoints.md.',
  }),
  CHECKPOINT_SCHEDULE: text({
    pattern: /^(off|\S+( \S+){4,5})$/,
    accepts: 'a cron expression in UTC, with seconds as a first field if it has six, or off',
    fallback: '* * * * *',
    why: 'When what has moved is signed and anchored in the archive; at `*/5 * * * * *` every five seconds. Nothing is signed where ARCHIVE_URL is off.',
  }),
  PUBLIC_PROOFS: oneOf({
    values: ['false', 'true'],
    fallback: 'false',
    why: '`true` serves checkpoints, tiles, keys and consistency proofs without a key: they hold hashes and no content.',
  }),
  WITNESSES: text({
    accepts: 'a file: a policy of C2SP tlog-policy with a URL for every witness',
    fallbackText: 'nobody cosigns',
    why: 'Which witnesses are asked to cosign every checkpoint, and which of them together are enough: see docs/witnesses.md. Nothing waits for them. Read at the start.',
  }),
  TIMESTAMP_AUTHORITIES: urls({
    protocols: ['https:', 'http:'],
    and: 'without a user name, without ? and #, and each once',
    holds: ({ username, password, href }) => username === '' && password === '' && !/[?#]/.test(href),
    why: 'Which authorities stamp anchors (RFC 3161): whatever was signed until then was there at that time, on the word of somebody else. They are named as they are in the ledger `_service`, in metrics and with every time stamp: no secret may be in them. Nothing waits for them. See docs/witnesses.md.',
  }),
  TIMESTAMP_CA_FILE: text({
    accepts: 'a PEM file with certificates',
    why: 'The roots of those authorities. Every certificate in it is trusted as it is. Read at the start.',
  }),
  TIMESTAMP_INTERVAL: duration({
    minMs: 1_000,
    maxMs: 604_800_000,
    fallback: '1h',
    why: 'How long after a time stamp an authority is asked for the next one, as long as there are new anchors.',
  }),
  OIDC_ISSUER: url({
    ...ISSUER,
    fallbackText: 'only API keys are accepted',
    why: 'Accept access tokens (JWT) of this issuer, exactly as its tokens and its discovery document name it. Scopes are read from the claim `scope` (or `scp`), ledgers from `truetrail_ledgers`.',
  }),
  OIDC_AUDIENCE: text({
    accepts: 'the audience that tokens must name',
    why: 'Tokens that the issuer made for others are refused.',
  }),
  OIDC_JWKS_URL: url({
    ...ISSUER,
    fallbackText: "found by the issuer's discovery document",
    why: "Where the issuer's keys are, when discovery is not to be used.",
  }),
  TLS_CERT_FILE: text({
    accepts: 'a PEM file with the certificate chain',
    fallbackText: 'plain HTTP',
    why: 'TLS by the service itself, 1.2 or 1.3. Read at the start: a renewed certificate needs a restart.',
  }),
  TLS_KEY_FILE: text({ accepts: 'a PEM file with the private key', why: 'See TLS_CERT_FILE.' }),
  CLOCK_TOLERANCE: duration({
    minMs: 1,
    maxMs: 3_600_000,
    fallback: '2s',
    why: 'Appends are refused while the clocks of service and database differ by more than this.',
  }),
  APPEND_QUEUE_EVENTS: integer({
    min: 1,
    max: 1_000_000,
    fallback: 50_000,
    why: 'Events of one ledger that may wait in a replica; past it, callers get 503 with Retry-After.',
  }),
  APPEND_QUEUE_BYTES: integer({
    min: 1_048_576,
    max: 4_294_967_296,
    fallback: 134_217_728,
    why: 'The same as a bound on memory, over all ledgers of a replica.',
  }),
  APPEND_TIMEOUT: duration({
    minMs: 100,
    maxMs: 3_600_000,
    fallback: '30s',
    why: 'How long a caller waits for a durable answer before a 504; the append itself is never cancelled.',
  }),
  MAX_CONNECTIONS: integer({
    min: 10,
    max: 100_000,
    fallback: 4_000,
    why: 'Connections to the API that are open at once, in each replica. Past it new ones are not taken, and those on which nothing is asked are closed.',
  }),
  HEADERS_TIMEOUT: duration({
    minMs: 100,
    maxMs: 600_000,
    fallback: '20s',
    why: 'How long the handshake of TLS, and then the headers of a request, may take to arrive; a slower client gets 408.',
  }),
  KEEP_ALIVE_TIMEOUT: duration({
    minMs: 1_000,
    maxMs: 3_600_000,
    fallback: '75s',
    why: 'How long a connection stays open without a request. Longer than a load balancer before it keeps one, which otherwise sends requests into connections that are just being closed.',
  }),
  ANSWER_TIMEOUT: duration({
    minMs: 100,
    maxMs: 3_600_000,
    fallback: '60s',
    why: 'How long a client may take over reading an answer, or a piece of one in lines, and as much again for every 16 MiB of it; a slower one is cut off. What it does not take is held in memory.',
  }),
  BODY_TIMEOUT: duration({
    minMs: 100,
    maxMs: 3_600_000,
    fallback: '60s',
    why: 'How long the body of a request may take to arrive; a slower client gets 408. Streams of events may last as long as they like.',
  }),
  READ_TIMEOUT: duration({
    minMs: 1,
    maxMs: 3_600_000,
    fallback: '60s',
    why: 'How long a page of a search or report may take to be found before a 504. Until then its snapshot is held, which slows appends down.',
  }),
  RECORD_READS_SECONDS: integer({
    min: 0,
    max: 3_600,
    fallback: 60,
    why: 'How often it is recorded in `_service` who read single events, pages, proofs and entries of reference data, counted until then; what is counted is lost when the process is killed. 0 records none of these. Reports, evidence and answers in lines are always recorded, before their first byte.',
  }),
  SHUTDOWN_TIMEOUT: duration({
    minMs: 0,
    maxMs: 3_600_000,
    fallback: '25s',
    why: 'How long requests in flight may take after SIGTERM; reports and answers in lines are cut off at once. Keep it under the grace period of your platform.',
  }),
  VERIFICATION_SCHEDULE: text({
    pattern: /^(off|\S+( \S+){4,5})$/,
    accepts: 'a cron expression in UTC, or off',
    fallback: '30 3 * * *',
    why: 'When every ledger is verified as a whole.',
  }),
  VERIFICATION_WORKERS: integer({
    min: 1,
    max: 64,
    fallback: 2,
    why: 'Worker threads, and connections, that one verification uses; and threads by which `truetrail rebuild` reads objects back and decodes the events that it takes.',
  }),
  METRICS_PORT: integer({
    min: 0,
    max: 65535,
    fallback: 0,
    why: '0: `/metrics` on PORT, with a key of scope `operations:run`. Otherwise a port of its own, without a key.',
  }),
  LOG_LEVEL: oneOf({
    values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    fallback: 'info',
    why: '`debug` logs every request.',
  }),
} satisfies Record<string, Setting<unknown>>;

type Settings = typeof SETTINGS;

/** All settings by their names in the environment, validated; durations in milliseconds; folders absolute. */
export type Config = Readonly<{ [Name in keyof Settings]: Settings[Name] extends Setting<infer T> ? T : never }>;

/** What one setting asks of another; looked at when each of them is usable by itself. */
export const RULES: readonly { of: readonly (keyof Config)[]; says: string; keeps: (config: Config) => boolean }[] = [
  {
    of: ['TLS_CERT_FILE', 'TLS_KEY_FILE'],
    says: 'TLS_CERT_FILE and TLS_KEY_FILE must be given together',
    keeps: (config) => (config.TLS_CERT_FILE === undefined) === (config.TLS_KEY_FILE === undefined),
  },
  {
    of: ['TIMESTAMP_AUTHORITIES', 'TIMESTAMP_CA_FILE'],
    says: 'TIMESTAMP_AUTHORITIES and TIMESTAMP_CA_FILE must be given together',
    keeps: (config) => (config.TIMESTAMP_AUTHORITIES === undefined) === (config.TIMESTAMP_CA_FILE === undefined),
  },
  {
    of: ['WITNESSES', 'TIMESTAMP_AUTHORITIES', 'ARCHIVE_URL'],
    says: 'WITNESSES and TIMESTAMP_AUTHORITIES need an ARCHIVE_URL: nothing is signed without one',
    keeps: ({ WITNESSES: witnesses, TIMESTAMP_AUTHORITIES: authorities, ARCHIVE_URL: archive }) =>
      archive !== 'off' || (witnesses === undefined && authorities === undefined),
  },
  {
    of: ['OIDC_ISSUER', 'OIDC_AUDIENCE'],
    says: 'OIDC_ISSUER and OIDC_AUDIENCE must be given together',
    keeps: (config) => (config.OIDC_ISSUER === undefined) === (config.OIDC_AUDIENCE === undefined),
  },
  {
    of: ['OIDC_JWKS_URL', 'OIDC_ISSUER'],
    says: 'OIDC_JWKS_URL needs OIDC_ISSUER',
    keeps: (config) => config.OIDC_JWKS_URL === undefined || config.OIDC_ISSUER !== undefined,
  },
  {
    of: ['DATABASE_OWNER_URL', 'DATABASE_URL'],
    says: 'DATABASE_OWNER_URL needs DATABASE_URL, and there the name of the user, who is admitted to the schema',
    keeps: ({ DATABASE_OWNER_URL: owner, DATABASE_URL: service }) =>
      owner === undefined || (service !== undefined && new URL(service).username !== ''),
  },
  {
    of: ['DATABASE_URL', 'DATABASE_OWNER_URL', 'DATABASE_TLS'],
    says: 'DATABASE_URL and DATABASE_OWNER_URL need sslmode=verify-full for a server on another machine (or DATABASE_TLS=any, and then whoever is between may read and change all of it)',
    keeps: ({ DATABASE_URL: service, DATABASE_OWNER_URL: owner, DATABASE_TLS: asked }) =>
      asked === 'any' || [service, owner].every((each) => each === undefined || isLocalOrVerified(new URL(each))),
  },
  {
    of: ['REPORTING_SENDER', 'REPORTING_RECEIVER'],
    says: 'REPORTING_SENDER and REPORTING_RECEIVER must be given together',
    keeps: (config) => (config.REPORTING_SENDER === undefined) === (config.REPORTING_RECEIVER === undefined),
  },
  {
    of: ['REPORTING_FILE_NAME', 'REPORTING_SENDER', 'REPORTING_RECEIVER'],
    says: `REPORTING_FILE_NAME must give names of ${MAX_MESSAGE_ID} characters at most, with this REPORTING_SENDER and REPORTING_RECEIVER; its braces hold sender, receiver, sequence, version, previous, yyyy, yy, mm and dd alone, with a width only for numbers`,
    keeps: namesFiles,
  },
  {
    of: ['METRICS_PORT', 'PORT'],
    says: 'METRICS_PORT must not be PORT',
    keeps: (config) => config.METRICS_PORT === 0 || config.METRICS_PORT !== config.PORT,
  },
];

/** Whether the first file of transaction reports can be named: an LEI as the sender leaves little room for the rest. */
function namesFiles(config: Config): boolean {
  const { REPORTING_FILE_NAME: pattern, REPORTING_SENDER: sender, REPORTING_RECEIVER: receiver } = config;
  if (pattern === undefined || sender === undefined || receiver === undefined) return true;
  return mistakeOfNames(pattern, sender, receiver) === undefined;
}

/** Shorter passwords would be found in half of all words. */
const MIN_SECRET_LENGTH = 6;

/** Nest's token for the Config. */
export const CONFIG = Symbol('Config');

/** The configuration is unusable; `mistakes` names every one of them, without any value. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  constructor(readonly mistakes: readonly string[]) {
    super(`The configuration is not usable:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`);
  }
}

/** Reads the environment. Empty text counts as absent. Throws ConfigError. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const config: Record<string, unknown> = {};
  const mistakes = new Map<string, string>();
  for (const [name, setting] of Object.entries(SETTINGS) as [string, Setting<unknown>][]) {
    const given = env[name];
    try {
      config[name] = given === undefined || given === '' ? setting.fallback : setting.parse(given);
    } catch (error) {
      mistakes.set(name, `${name} must be ${(error as Error).message}`);
    }
  }
  const broken = RULES.filter(({ of, keeps }) => !of.some((name) => mistakes.has(name)) && !keeps(config as Config));
  const all = [...mistakes.values(), ...broken.map(({ says }) => says)];
  if (all.length > 0) throw new ConfigError(all);
  config.DATA_DIR = resolve(config.DATA_DIR as string);
  if (config.EVIDENCE_KEYS_FILE !== undefined) config.EVIDENCE_KEYS_FILE = resolve(config.EVIDENCE_KEYS_FILE as string);
  config.SIGNING_KEY_FILE = resolve(
    (config.SIGNING_KEY_FILE ?? join(config.DATA_DIR as string, 'signing-key.pem')) as string,
  );
  return Object.freeze(config) as Config;
}

/** A setting as an operator wants to see it: secrets only by their presence. */
export interface DescribedSetting {
  name: string;
  value: string;
  from: 'environment' | 'default';
}

/** Every setting in its order, and where its value came from. Throws ConfigError. */
export function describeConfig(env: Readonly<Record<string, string | undefined>>): DescribedSetting[] {
  const config = readConfig(env);
  return (Object.entries(SETTINGS) as [keyof Config, Setting<unknown>][]).map(([name, setting]) => {
    const from = env[name] === undefined || env[name] === '' ? 'default' : 'environment';
    const value = config[name];
    if (setting.secret && value !== undefined) return { name, value: '(set)', from };
    if (value === undefined) return { name, value: `(${setting.fallbackText ?? 'none'})`, from };
    return { name, value: setting.write?.(value) ?? String(value), from };
  });
}

/** What may be recorded of a configuration: every setting but the secrets, of which only their presence. */
export function publicSettings(config: Config): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [name, setting] of Object.entries(SETTINGS) as [keyof Config, Setting<unknown>][]) {
    const value = config[name];
    if (value !== undefined) shown[name] = setting.secret ? '(set)' : String(value);
  }
  return shown;
}

/** The texts of a configuration that nobody may see: secret settings, and the passwords in them, as written and decoded. */
export function secretsOf(config: Config): string[] {
  const values = (Object.entries(SETTINGS) as [keyof Config, Setting<unknown>][])
    .filter(([, { secret }]) => secret)
    .flatMap(([name]) => config[name] ?? [])
    .map(String);
  const passwords = values.filter((value) => URL.canParse(value)).map((value) => new URL(value).password);
  const texts = [...values, ...passwords, ...passwords.map((password) => decodeURIComponent(password))];
  return [...new Set(texts)].filter(({ length }) => length >= MIN_SECRET_LENGTH);
}

/** SHA-256 over `publicSettings`, 32 bytes: changes when and only when a replica's visible settings do. */
export function configDigest(config: Config): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(Object.entries(publicSettings(config))))
    .digest();
}
