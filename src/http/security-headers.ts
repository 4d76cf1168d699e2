/** The answers are data; what would make a browser do anything with them is off. Swagger's UI has scripts of its own. */
const CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'";
const UI_CONTENT_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/** A year, as browsers' lists ask for at least. Not of other names under the same domain: those are not ours. */
const STRICT_TRANSPORT = 'max-age=31536000';

/** What every answer says to browsers and caches between, by lower-case names: that it is for nobody else. */
export function securityHeaders({
  isTls,
  isApiDocument = false,
}: {
  /** the service itself has TLS; where it ends before the service, that is where this header is set */
  isTls: boolean;
  /** the OpenAPI document's UI */
  isApiDocument?: boolean;
}): Readonly<Record<string, string>> {
  return {
    'cache-control': 'no-store',
    'content-security-policy': isApiDocument ? UI_CONTENT_POLICY : CONTENT_POLICY,
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    ...(isTls ? { 'strict-transport-security': STRICT_TRANSPORT } : {}),
  };
}
