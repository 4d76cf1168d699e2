/** What a key or token may be good for. None implies another. */
export const SCOPES = [
  'events:write',
  'events:read',
  'reports:read',
  'proofs:read',
  'verifications:run',
  'holds:request',
  'holds:approve',
  'operations:run',
  'reference:read',
  'reference:write',
  'transaction-reports:submit',
  'keys:manage',
] as const;

export type Scope = (typeof SCOPES)[number];

/** In a list of ledgers: every one, also those that are yet to be made. */
export const EVERY_LEDGER = '*';

/** The service's own events name principals as `user_id`, which holds this much (FORMAT.md). */
export const MAX_PRINCIPAL_CHARACTERS = 255;

/** Who calls. */
export interface Principal {
  /**
   * `key:<uuid>` or `oidc:<issuer>#<subject>`: what `recorded_by` says; `cli:<user of the machine>` for the command line,
   * and `service`. Printable ASCII without quotes and backslashes, MAX_PRINCIPAL_CHARACTERS at most.
   */
  id: string;
  scopes: ReadonlySet<string>;
  /** Slugs, or `*` for every ledger */
  ledgers: ReadonlySet<string>;
}

/** One that may do everything: the service itself, or whoever holds the database. */
export function allPowerful(id: string): Principal {
  return { id, scopes: new Set(SCOPES), ledgers: new Set([EVERY_LEDGER]) };
}

export function mayUseLedger(principal: Principal, ledger: string): boolean {
  return principal.ledgers.has(EVERY_LEDGER) || principal.ledgers.has(ledger);
}
