import type { Principal } from '../access/principal.js';
import { Problem } from '../http/problem.js';
import type { AskedKind } from '../integrity/evidence-claims.js';

/** Proofs show no content; a bundle with contents is a read of events. Throws forbidden. */
export function assertMayRead(caller: Principal, contents: boolean): void {
  if (!contents || caller.scopes.has('events:read')) return;
  throw new Problem(
    'forbidden',
    'A bundle with contents needs the scope events:read as well; ask with "contents": false',
  );
}

/** What a bundle is, and the name under which it is saved. */
export function headersOfBundle(ledger: string, kind: AskedKind, asOf: bigint | string): Record<string, string> {
  return {
    'content-type': 'application/zip',
    'content-disposition': `attachment; filename="evidence-${ledger}-${kind}-as-of-${asOf}.zip"`,
  };
}

/** Where a run is looked at. */
export function pathOfRun({ ledger, id }: { ledger: string; id: string }): string {
  return `/v1/ledgers/${encodeURIComponent(ledger)}/evidence/runs/${id}`;
}
