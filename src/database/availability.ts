import { sqlState } from './sqlstate.js';

const CONNECTION_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
]);

/** Whether the server does not let the login in, or its certificate is not accepted: that does not pass by itself. */
export function isLoginRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const state = sqlState(error);
  if (state !== undefined) return /^(28|3D)/.test(state);
  const code = String((error as { code?: unknown }).code);
  return (
    /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_|ERR_TLS_|ERR_SSL_)/.test(code) ||
    /The server does not support SSL connections/.test(error.message)
  );
}

/**
 * Whether an error of pg says that the server is away, going away, out of room, or does not let the service in, rather
 * than that the request is wrong: the same request may be sent again.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isLoginRefused(error)) return true;
  const state = sqlState(error);
  if (state !== undefined) return /^(08|53|57P|55P03|40|58)/.test(state);
  return (
    CONNECTION_ERRORS.has(String((error as { code?: unknown }).code)) ||
    /Connection terminated|timeout expired|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
      error.message,
    )
  );
}
