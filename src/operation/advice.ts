/** What an operator can do about what ends a start or a command, by the code of the error; the error itself says what was. */
const ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Is PostgreSQL up, and is DATABASE_URL (or DATABASE_OWNER_URL) right?',
  ENOTFOUND: 'Is the host in DATABASE_URL (or DATABASE_OWNER_URL) right, and are names resolved here?',
  EAI_AGAIN: 'Are names resolved here? In a cluster a NetworkPolicy may keep them out',
  ETIMEDOUT: 'Can the server of DATABASE_URL be reached from here? A firewall or NetworkPolicy may stand between',
  EHOSTUNREACH: 'Can the server of DATABASE_URL be reached from here? A firewall or NetworkPolicy may stand between',
  ENOSPC: 'There is no room: in DATA_DIR, or in the folder of temporary files (TMPDIR, /tmp)',
  CERT_HAS_EXPIRED: "PostgreSQL's certificate has run out: it needs a new one, and the server a reload",
  '25006': 'The server follows another one: DATABASE_URL must lead to the primary',
  '28P01': 'Is the password in DATABASE_URL (or DATABASE_OWNER_URL) the right one?',
  '28000': 'May this role log in, and does pg_hba.conf of the server let it in from here?',
  '3D000': 'Is the database in DATABASE_URL the right one, and was it made? docs/installation.md has how',
};

/** The commands that need it have no other reason to be refused; the service never has the owner's login. */
const REFUSED = {
  service:
    'Is the login of DATABASE_URL a member of truetrail_service, and was the schema migrated (truetrail migrate)?',
  command: "It takes the login of the schema's owner: DATABASE_OWNER_URL",
};

/** Undefined where the error says all that is to be said. */
export function adviceOn(error: unknown, to: keyof typeof REFUSED): string | undefined {
  const { code, path, errors } = (error ?? {}) as { code?: unknown; path?: unknown; errors?: unknown };
  // of a host with several addresses, none of which answered
  if (code === undefined && Array.isArray(errors)) return adviceOn(errors[0], to);
  if (code === 'ENOENT' && typeof path === 'string')
    return `Is ${path} there? An argument, a setting or DATABASE_URL (sslrootcert) names it`;
  if (code === '42501') return REFUSED[to];
  return typeof code === 'string' ? ADVICE[code] : undefined;
}
