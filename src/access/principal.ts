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
  'keys:manage',
] as const;

export type Scope = (typeof SCOPES)[number];

/** Who calls. */
export interface Principal {
  /** `key:<uuid>` or `oidc:<issuer>#<subject>`: what `recorded_by` says; printable ASCII without quotes and backslashes */
  id: string;
  scopes: ReadonlySet<string>;
  /** Slugs, or `*` for every ledger */
  ledgers: ReadonlySet<string>;
}

export function mayUseLedger(principal: Principal, ledger: string): boolean {
  return principal.ledgers.has('*') || principal.ledgers.has(ledger);
}
