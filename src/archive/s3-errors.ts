/** What the errors of S3 and of the way to it mean, for the code that tries again and for the operator who reads them. */

/** An answer of S3, or what kept it from coming; anything else is a fault of ours. */
export function isOfStore(error: unknown): boolean {
  const { $metadata, code, name } = error as { $metadata?: unknown; code?: unknown; name?: string };
  return (
    $metadata !== undefined ||
    typeof code === 'string' ||
    name === 'TimeoutError' ||
    name === 'AbortError' ||
    name === 'CredentialsProviderError'
  );
}

export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;
}

/**
 * S3's code of an error, or the operating system's; never its message, which may hold more than a log should. The SDK
 * calls a connection that was cut a TimeoutError too: there the code says what it was.
 */
export function nameOf(error: unknown): string {
  const { name = 'unknown error', code } = (error ?? {}) as { name?: string; code?: unknown };
  return typeof code === 'string' && /^E[A-Z]+$/.test(code) && code !== 'ETIMEDOUT' ? code : name;
}

/** Whether the same request may do better later: no answer, half of one (its status is that of success), or a 5xx. */
export function mayPass(error: unknown): boolean {
  const status = statusOf(error);
  if (status === undefined || status < 300 || status >= 500) return true;
  return status === 429 || status === 408 || status === 409 || nameOf(error) === 'RequestTimeout';
}

/** Whether there is no such object or version; that there is no such bucket is another matter. */
export function isMissing(error: unknown): boolean {
  const name = nameOf(error);
  if (name === 'NoSuchBucket') return false;
  // a version id that the store could never have given is answered with 400
  return statusOf(error) === 404 || name === 'NoSuchVersion' || (statusOf(error) === 400 && name === 'InvalidArgument');
}

const FULL = new Set([
  'InsufficientStorage',
  'QuotaExceeded',
  'StorageFull',
  'XMinioStorageFull',
  'QuotaExceededException',
]);
const OTHER_REGION = new Set([
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'InvalidLocationConstraint',
]);
const CREDENTIALS = new Set(['ExpiredToken', 'InvalidToken', 'CredentialsProviderError']);

/** What is wrong with the store and what to do about it, to stand behind its location. */
export function explain(error: unknown, timeoutMs: number): string {
  const name = nameOf(error);
  const status = statusOf(error);
  const said = status === undefined ? name : `${name} ${status}`;
  if (status === 507 || FULL.has(name)) return `is full (${said}): make room there, or raise its quota`;
  if (name === 'TimeoutError' || name === 'AbortError' || name === 'RequestTimeout') {
    return (
      `did not answer within ${timeoutMs / 1000} s (${said}): see to the store and the way there; ` +
      'if it is only slow, raise ARCHIVE_TIMEOUT'
    );
  }
  if (name === 'NoSuchBucket') {
    return `has no such bucket (${said}): correct ARCHIVE_URL, or make it by \`truetrail archive create-bucket\``;
  }
  if (OTHER_REGION.has(name) || status === 301) return `is in another region (${said}): correct AWS_REGION`;
  if (name === 'RequestTimeTooSkewed') return `refuses our clock (${said}): set this machine's clock right`;
  if (status === 401 || status === 403 || CREDENTIALS.has(name)) {
    return `refuses this service (${said}): check its credentials and rights, which docs/archive.md lists`;
  }
  if (name === 'InvalidRequest') {
    return `refuses the request (${said}): was its bucket made with Object Lock? \`truetrail archive create-bucket\` checks`;
  }
  if (status !== undefined && status >= 500) return `fails (${said}): see to the store; its own log says why`;
  if (status === 429) return `is asked too often (${said}): raise its limits`;
  if (status === undefined || status < 300) {
    return `cannot be reached, or broke off its answer (${said}): check AWS_ENDPOINT_URL_S3, the network and the store`;
  }
  return `does not work (${said})`;
}
