/** A kind of failure that callers can rely on. The slug is part of its URI and never changes. */
interface ProblemType {
  status: number;
  title: string;
  /** When it happens and what to do next: the paragraph at /docs/problems/<slug>. */
  meaning: string;
}

/** Every problem that the service answers with. */
export const PROBLEMS = {
  'invalid-json': {
    status: 400,
    title: 'The body is not acceptable JSON',
    meaning:
      'The body is not RFC 8259 JSON in UTF-8, or holds what the record format refuses everywhere: a member name twice, `__proto__`, `\\u0000`, a lone surrogate, nesting past 32, a number that a double cannot hold. `errors` names the place and the rule. Mend the body; sending it again unchanged will fail again.',
  },
  'invalid-event': {
    status: 400,
    title: 'An event is not well-formed',
    meaning:
      'A member is missing, unknown, of a wrong type, or breaks the rule of its field. `errors` lists up to 100 places with the rule of each, `errors_total` says how many there are. Nothing of the request was recorded.',
  },
  'leap-second': {
    status: 400,
    title: 'The timestamp names a leap second',
    meaning:
      'Second 60 cannot be stored as an instant of UTC without moving it. Send the instant by your clock that is nearest, and keep the original text in `raw`.',
  },
  'invalid-body': {
    status: 400,
    title: 'The body does not fit the operation',
    meaning: 'A member is missing, unknown, or of a wrong type. `errors` names each.',
  },
  'invalid-parameter': {
    status: 400,
    title: 'A parameter is unknown or not acceptable',
    meaning:
      'A query parameter, path segment or header is unknown, given twice, or breaks its rule. `errors` names each as `/query/<name>`, `/path/<name>` or `/header/<name>`.',
  },
  'idempotency-key-mismatch': {
    status: 400,
    title: 'Idempotency-Key and event_id differ',
    meaning: 'Both were sent and name different ids. Send one of them, or the same UUID in both.',
  },
  unauthorized: {
    status: 401,
    title: 'No valid credentials',
    meaning:
      'The request has no `Authorization: Bearer` header, or its key or token is unknown, expired or revoked, or was made for others. Ask an administrator for a key.',
  },
  forbidden: {
    status: 403,
    title: 'The credentials lack the scope',
    meaning:
      'The key or token is valid but does not hold the scope that the operation needs, or what it is asked to grant; the detail names it.',
  },
  'other-principal-needed': {
    status: 403,
    title: 'It takes another principal',
    meaning:
      'Whoever asked for a legal hold, or for its release, cannot agree to it as well, nor reject a hold that they asked for; whoever asked for the deletion of a month cannot approve it. Another key or token, of another person, has to: a key that neither was made by the one who asked, nor made theirs, directly or by way of further keys.',
  },
  'not-found': { status: 404, title: 'There is nothing here', meaning: 'No operation has this method and path.' },
  'ledger-not-found': {
    status: 404,
    title: 'No such ledger',
    meaning:
      'There is no ledger of this name, or these credentials are not for it. Posting never creates one: `PUT /v1/ledgers/{ledger}` does.',
  },
  'tile-not-found': {
    status: 404,
    title: 'No such tile',
    meaning:
      'The tree of the last checkpoint has no such tile, or not that wide; or the path is not that of a tile (C2SP tlog-tiles).',
  },
  'event-not-found': { status: 404, title: 'No such event', meaning: 'The ledger holds no event with this id.' },
  'order-not-found': { status: 404, title: 'No such order', meaning: 'The ledger holds no event of this order.' },
  'verification-not-found': {
    status: 404,
    title: 'No such verification',
    meaning: 'There is no verification with this id in this ledger.',
  },
  'report-not-found': {
    status: 404,
    title: 'No such report',
    meaning: '`GET /v1/ledgers/{ledger}/reports` lists the reports.',
  },
  'report-run-not-found': {
    status: 404,
    title: 'No such run of the report',
    meaning: '`GET /v1/ledgers/{ledger}/reports/{report}/runs` lists the runs of a report.',
  },
  'evidence-run-not-found': {
    status: 404,
    title: 'No such run of evidence',
    meaning: '`GET /v1/ledgers/{ledger}/evidence/runs` lists the bundles that are made and kept.',
  },
  'submission-not-found': {
    status: 404,
    title: 'No such submission',
    meaning: '`GET /v1/ledgers/{ledger}/transaction-reports/submissions` lists the submissions of a ledger.',
  },
  'feedback-not-found': {
    status: 404,
    title: 'No such feedback',
    meaning:
      'A file of feedback is known by the SHA-256 of its bytes, in lower-case hex. `GET /v1/transaction-report-feedback` lists what was handed in.',
  },
  'reference-kind-not-found': {
    status: 404,
    title: 'No such kind of reference data',
    meaning: '`GET /v1/reference` lists the kinds and their columns.',
  },
  'reference-entry-not-found': {
    status: 404,
    title: 'No such entry in the reference data',
    meaning:
      'No entry of this kind has this id at `valid_at`, as it was known at `as_of`. Its history, if it has one, says since when it is known and for which times.',
  },
  'schema-not-found': { status: 404, title: 'No such schema', meaning: '`GET /v1/schemas` lists the schemas.' },
  'job-not-found': { status: 404, title: 'No such job or run', meaning: '`GET /v1/jobs` lists the jobs.' },
  'key-not-found': { status: 404, title: 'No such API key', meaning: '`GET /v1/api-keys` lists the keys.' },
  'hold-not-found': {
    status: 404,
    title: 'No such legal hold',
    meaning: 'There is no legal hold with this id, or it is of ledgers that these credentials are not for.',
  },
  'deletion-not-found': {
    status: 404,
    title: 'No such deletion',
    meaning: '`GET /v1/deletions` lists the deletions of months that were asked for.',
  },
  'anchor-not-found': {
    status: 404,
    title: 'No such anchor',
    meaning:
      'No round of signing has this number, or its anchor holds no checkpoint of the ledgers that these credentials are for. `GET /v1/anchors` lists those that do.',
  },
  'timestamp-not-found': {
    status: 404,
    title: 'No such time stamp',
    meaning:
      'No time stamp over this anchor has this digest. `GET /v1/anchors/{n}/timestamps` lists those that date the anchor, each with the anchor that it is over.',
  },
  'not-acceptable': {
    status: 406,
    title: 'No such format',
    meaning: 'The operation cannot answer in any media type that `Accept` or `format` asks for.',
  },
  'request-timeout': {
    status: 408,
    title: 'The body came too slowly',
    meaning: 'A body must arrive within BODY_TIMEOUT; streams of events excepted. Nothing of the request was recorded.',
  },
  'event-id-conflict': {
    status: 409,
    title: 'The event id stands for another content',
    meaning:
      "An event with this id is recorded with other content, so nothing of the request was recorded. The refused content is kept in the service's own ledger. A correction is a new event, with an id of its own and `corrects`.",
  },
  'ledger-origin-conflict': {
    status: 409,
    title: 'The ledger has another origin',
    meaning: "A ledger's origin is fixed when it is created.",
  },
  'ledger-closed': {
    status: 409,
    title: 'The ledger is closed',
    meaning: 'A closed ledger takes no more events; write to its successor.',
  },
  'events-lost': {
    status: 410,
    title: 'The ledger was closed without events that were signed',
    meaning:
      'After a restore nobody had the last events of this ledger any more, and it was closed (`recover --close`). What covers them cannot be proven, by anybody, and trying again does not help. The detail says how far proofs, tiles and bundles go: ask for no more, a bundle with that `as_of`. It goes on in its successor, whose first event says what is missing.',
  },
  'hold-state-conflict': {
    status: 409,
    title: 'The legal hold is in another state',
    meaning:
      'Approvals and rejections are for a hold or a release that waits for one, a release is asked for while the hold is active, and nothing follows once it is released or rejected; or `seen_state` is not the state any more. The detail says what the state is. Look at the hold before you try again.',
  },
  'report-run-unfinished': {
    status: 409,
    title: 'The run has no answer',
    meaning:
      'The run is queued, running, failed or cancelled: `GET …/runs/{id}` says which. An answer and its manifest are there once it is `done`. One that failed or was cancelled never gets there: ask for another.',
  },
  'evidence-run-unfinished': {
    status: 409,
    title: 'The run has no bundle',
    meaning:
      'The run is queued, running, failed or cancelled: `GET …/evidence/runs/{id}` says which. A bundle is there once it is `done`. One that failed or was cancelled never gets there: ask for another.',
  },
  'transaction-report-not-found': {
    status: 404,
    title: 'No such report was sent',
    meaning:
      'The submission sent no report with this transaction reference. `GET …/submissions/{id}/decisions` lists what it sent.',
  },
  'submission-unfinished': {
    status: 409,
    title: 'The submission has no files',
    meaning:
      'It is queued, running or failed: `GET …/submissions/{id}` says which. Files are there once it has an `act`, with which its reports count as sent. One that failed without an act sent nothing: ask for another.',
  },
  'reporting-not-configured': {
    status: 409,
    title: 'Submissions are not set up',
    meaning:
      'The operator has to give REPORTING_SENDER and REPORTING_RECEIVER, by which files and their headers are made, or the entry of the legal entity `report_sender` and `report_receiver`. Names of files need `{sender}` and `{receiver}` where a firm has its own, and 35 characters at most.',
  },
  'invalid-report-file': {
    status: 409,
    title: 'A file would not be valid by its schemas',
    meaning:
      'The schemas in REPORTING_SCHEMAS do not allow a record of the file, although no rule found anything: the error names it. Nothing was sent. Tell whoever maintains the service.',
  },
  'message-id-taken': {
    status: 409,
    title: 'A file would have the name of another',
    meaning:
      'REPORTING_FILE_NAME gives a name that a file has that was sent already, or one that is too long. Nothing was sent. Mend the pattern and ask again.',
  },
  'schema-pack-unusable': {
    status: 409,
    title: 'The schemas cannot be used',
    meaning:
      'REPORTING_SCHEMAS is a folder that lacks a schema of the version in force, or holds one that cannot be read. Nothing was sent. Put the files there as the authority publishes them and ask again.',
  },
  'retention-shortened': {
    status: 409,
    title: 'Records would be kept for a shorter time',
    meaning:
      'A policy in force keeps the same records, or the same record class, for longer; `default` is ARCHIVE_RETENTION_YEARS, for every record. The time to keep a record can be made longer and never shorter. That it was tried is recorded in the ledger `_service`.',
  },
  'nothing-to-acknowledge': {
    status: 409,
    title: 'There is nothing to acknowledge',
    meaning:
      'What a run found can be acknowledged once it has ended well and has found something. What it could not read cannot: mend that, and run it again.',
  },
  'month-must-be-kept': {
    status: 409,
    title: 'The month must be kept',
    meaning:
      'A month is deleted once it has left PostgreSQL, every object of it is past its retention, and no legal hold touches it; the detail says what is not so. `GET /v1/deletions/candidates` lists the months that may be deleted.',
  },
  'deletion-state-conflict': {
    status: 409,
    title: 'The deletion is in another state',
    meaning:
      'A month has one deletion at a time; it is approved while it waits for that, and rejected until its removal has begun. Look at the deletion before you try again.',
  },
  'not-yet-checkpointed': {
    status: 409,
    title: 'No checkpoint covers it yet',
    meaning:
      'What is asked for was recorded after the last checkpoint was signed, or nothing was signed yet. Checkpoints are signed once a minute, unless CHECKPOINT_SCHEDULE says otherwise: ask again after Retry-After. Where they are off, or a ledger is refused (`/v1/jobs/checkpoint/runs` says why), there is no proof.',
  },
  'report-run-expired': {
    status: 410,
    title: 'The answer is not kept any more',
    meaning:
      'Answers are kept for REPORT_RUN_DAYS, and not at all when they went out as they were made. The manifest is still there. The same parameters with the same `as_of` give the same bytes: ask for another run, and compare its digest.',
  },
  'evidence-run-expired': {
    status: 410,
    title: 'The bundle is not kept any more',
    meaning:
      'Bundles are kept for EVIDENCE_RUN_DAYS. Its digest is still there. Ask for another run with the same `as_of`: events and proof are the same.',
  },
  'event-deleted': {
    status: 410,
    title: 'The event was deleted',
    meaning:
      'The event was recorded, kept for as long as its retention policy said, and deleted with its month by an act that two principals agreed to. The detail names the deletion and the policy; `GET /v1/deletions/{id}` has the rest. Its id stays taken: to send the event again gets this answer as well, whatever its content. Of a request with several such events `errors` names each; where other contents of known ids are among them as well, the answer is `event-id-conflict`, whose `errors` has both.',
  },
  'payload-too-large': {
    status: 413,
    title: 'The body is too large',
    meaning: 'The body, after decompression, is past the limit of the operation; `GET /v1/limits` lists them.',
  },
  'uri-too-long': { status: 414, title: 'The URL is too long', meaning: 'URLs may have 8 KiB.' },
  'unsupported-media-type': {
    status: 415,
    title: 'The media type or encoding is not taken',
    meaning: 'Send `application/json` (the stream: `application/x-ndjson`), plain or with `Content-Encoding: gzip`.',
  },
  'too-many-requests': { status: 429, title: 'Too many requests', meaning: 'Try again after Retry-After.' },
  'internal-error': {
    status: 500,
    title: 'The service failed',
    meaning:
      'A fault of the service; the log has its cause under the request id. For a write the outcome is unknown: send the same event_id again.',
  },
  'damaged-record': {
    status: 500,
    title: 'A stored record is damaged',
    meaning:
      'A row of the trail holds what no accepted event gives: somebody changed it in the database, past the service. Or what was signed is not there any more, after a restore that lost it, and the ledger is not closed. Nothing is shown in its place, and trying again does not help. Have the ledger verified (`POST /v1/ledgers/{ledger}/verifications` names every such row), keep the database as it is for the inquiry, and restore the row from a backup or the archive.',
  },
  'archive-damaged': {
    status: 500,
    title: 'An object of the archive is damaged',
    meaning:
      'Events that have left the database are kept in an object that is not there, or not as it was written. Nothing is shown in their place. Run the job `archive-verification`: it names every such object and its events.',
  },
  'too-many-runs': {
    status: 429,
    title: 'Too many runs are under way',
    meaning:
      'Of reports, and of evidence, one principal may have 20 runs that wait or are being made. Cancel some, or try again after Retry-After.',
  },
  'queue-full': {
    status: 503,
    title: 'Too many events are waiting',
    meaning:
      'The bounded queue of this ledger is full. Nothing of this request was taken. Try again after Retry-After, with the same event_id.',
  },
  'bodies-overloaded': {
    status: 503,
    title: 'Too many large bodies are being taken',
    meaning:
      'Bodies past 262144 bytes have 134217728 bytes between them in each replica, from their first byte until they are answered. Nothing of this request was taken. Try again after Retry-After, with the same event_id; send fewer batches at once, or smaller ones. A single event is never refused for it.',
  },
  'archive-unavailable': {
    status: 503,
    title: 'The archive does not answer',
    meaning:
      'Events that are asked for have left the database, and the object store that keeps them cannot be reached. A part of the answer would look like the whole, so there is none. Try again after Retry-After.',
  },
  'clock-out-of-tolerance': {
    status: 503,
    title: 'The clocks disagree',
    meaning:
      "The clocks of service and database differ by more than CLOCK_TOLERANCE, or the ledger's last event lies that far ahead of the database's clock. Nothing is recorded until the clocks agree or an administrator has accepted it (`POST /v1/ledgers/{ledger}/clock-acceptances`).",
  },
  'ledger-behind-its-anchor': {
    status: 503,
    title: 'The ledger is behind what was signed of it',
    meaning:
      'The anchors in the object store hold a checkpoint of this ledger that its events do not reach, or do not lead to: the database was restored from a backup, or events were cut off or changed. The detail says which. The ledger can be read, and takes nothing, so that no second history begins; nor can a ledger that is named there be created anew. An operator brings the events back by `truetrail recover`, or ends the ledger and opens its successor (docs/recovery.md). Keep what you have to send, and send it again with the same event_id.',
  },
  'anchors-unavailable': {
    status: 503,
    title: 'The anchors cannot be read',
    meaning:
      'The database runs on another server, or on another timeline of it, than when its ledgers were last held against the anchors in the object store, and the store cannot be asked now: nobody knows whether events are missing. Nothing is recorded until it answers. Try again after Retry-After, with the same event_id.',
  },
  'shutting-down': {
    status: 503,
    title: 'The replica is stopping',
    meaning: 'Try again: another replica will answer.',
  },
  'database-unavailable': {
    status: 503,
    title: 'The database does not answer',
    meaning:
      'The service cannot reach PostgreSQL, or it refused the work for now, or a crash of it could lose what it commits (fsync or full_page_writes was switched off). Try again after Retry-After, with the same event_id.',
  },
  'issuer-unavailable': {
    status: 503,
    title: 'The token issuer does not answer',
    meaning:
      'The service cannot ask the OIDC issuer for its keys, so it can neither accept nor refuse a token. Try again after Retry-After. API keys work meanwhile.',
  },
  'not-recorded-as-read': {
    status: 503,
    title: 'The reading could not be recorded',
    meaning:
      "Bulk reads and reports are recorded in the service's ledger before their first byte. That failed, so nothing was read.",
  },
  'reports-full': {
    status: 503,
    title: 'Kept answers take all the room they may',
    meaning:
      'Answers of reports that are kept to be fetched take REPORT_RUNS_MAX_MB in the database. They go after REPORT_RUN_DAYS; until then ask for the report without a run, which keeps nothing, or for a shorter period.',
  },
  'evidence-full': {
    status: 503,
    title: 'Kept bundles take all the room they may',
    meaning:
      'Bundles that are kept to be fetched take EVIDENCE_RUNS_MAX_MB in the database. They go after EVIDENCE_RUN_DAYS; until then ask for parts of up to 10,000 events, which are handed out at once and not kept.',
  },
  'reads-overloaded': {
    status: 503,
    title: 'Too many long reads',
    meaning:
      'This replica has as many reports, answers in lines or verifications of bundles under way as it takes, or the thread that makes them ran out of memory. Ask again after Retry-After, or another replica.',
  },
  'read-timeout': {
    status: 504,
    title: 'The read took too long',
    meaning:
      'A page of the answer was not found within READ_TIMEOUT: what was asked for is rare among very many events. Narrow it, best by `entity_id`, `user_id` or a range of time or sequence; or ask again when less is under way.',
  },
  'append-timeout': {
    status: 504,
    title: 'No durable answer in time',
    meaning:
      'The event may or may not be recorded. Send the same event_id again: the answer is then certain, and nothing is recorded twice.',
  },
} as const satisfies Record<string, ProblemType>;

export type ProblemSlug = keyof typeof PROBLEMS;

/** One place in a request that breaks a rule. `pointer` is RFC 6901 into the body, or /query/x, /path/x, /header/x. */
export interface FieldError {
  pointer: string;
  rule: string;
  detail: string;
}

/** How many of a request's errors an answer lists. */
export const MAX_LISTED_ERRORS = 100;

/** An error that has an answer of its own. Whatever else is thrown becomes internal-error. */
export class Problem extends Error {
  override name = 'Problem';
  readonly errors: readonly FieldError[] | undefined;
  readonly errorsTotal: number;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly slug: ProblemSlug,
    detail: string,
    options: {
      errors?: readonly FieldError[];
      /** when `errors` is already cut */
      errorsTotal?: number;
      retryAfterSeconds?: number;
      cause?: unknown;
    } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.errors = options.errors?.slice(0, MAX_LISTED_ERRORS);
    this.errorsTotal = options.errorsTotal ?? options.errors?.length ?? 0;
    const status = PROBLEMS[slug].status;
    this.retryAfterSeconds =
      options.retryAfterSeconds ?? (status === 429 || status === 503 || status === 504 ? 1 : undefined);
  }

  get status(): number {
    return PROBLEMS[this.slug].status;
  }

  /** RFC 9457 problem details. `instance` is the request's id, under which the log has it. */
  toJSON(instance?: string): Record<string, unknown> {
    return {
      type: `/docs/problems/${this.slug}`,
      title: PROBLEMS[this.slug].title,
      status: this.status,
      detail: this.message,
      ...(instance === undefined ? {} : { instance: `urn:request:${instance}` }),
      ...(this.errors === undefined ? {} : { errors: this.errors, errors_total: this.errorsTotal }),
    };
  }
}

export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
