/** The few SQLSTATEs that the service acts upon. Class TT is our own, raised by the owner's functions. */
export const SqlState = {
  noSuchLedger: 'TT001',
  ledgerClosed: 'TT002',
  headAheadOfClock: 'TT003',
  objectOutOfTurn: 'TT010',
  outOfTurn: 'TT020',
  monthDamaged: 'TT021',
  monthMustStay: 'TT022',
  monthUnverified: 'TT023',
  noSuchHold: 'TT030',
  otherPrincipalNeeded: 'TT031',
  holdStateForbids: 'TT032',
  retentionShortened: 'TT060',
  deletionStateForbids: 'TT061',
  mustBeKept: 'TT062',
  noSuchDeletion: 'TT063',
  treeOutOfTurn: 'TT040',
  anchorOutOfTurn: 'TT041',
  appendOnly: 'TT100',
  checkViolation: '23514',
  uniqueViolation: '23505',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  insufficientPrivilege: '42501',
  undefinedTable: '42P01',
  duplicateObject: '42710',
} as const;

/** The SQLSTATE of an error of the database, or undefined for any other error. Each has a digit; EPIPE is none. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^(?=.*[0-9])[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/**
 * Whether the server has said that a statement failed, so that it had no effect. False for a lost connection, and for
 * FATAL and PANIC: a server that ends the session while a commit is under way says nothing about that commit.
 */
export function isDefiniteFailure(error: unknown): boolean {
  return sqlState(error) !== undefined && (error as { severity?: unknown }).severity === 'ERROR';
}
