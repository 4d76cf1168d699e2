/** What barman writes of a base backup into its `backup.info`. */
export interface BackupInfo {
  /** DONE once it is whole */
  status: string;
  timeline: number;
  beginWal: string;
  endWal: string;
  /** milliseconds since 1970 */
  endedAtMs: number;
  /** of the server; null where it is not told */
  systemIdentifier: string | null;
}

/** Reads `name=value` lines. Null where the backup is not over, or failed. Throws an Error that says what is missing. */
export function readBackupInfo(text: string): BackupInfo | null {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  const status = values.get('status');
  if (status !== 'DONE') return null;
  const take = (name: string, form: RegExp): string => {
    const value = values.get(name) ?? '';
    if (!form.test(value)) throw new Error(`${name} is not as barman writes it`);
    return value;
  };
  const endedAtMs = Date.parse(take('end_time', /^\d{4}-\d\d-\d\d[ T]/).replace(' ', 'T'));
  if (Number.isNaN(endedAtMs)) throw new Error('end_time is no time');
  const systemIdentifier = values.get('systemid') ?? '';
  return {
    status,
    timeline: Number(take('timeline', /^[1-9]\d*$/)),
    beginWal: take('begin_wal', /^[0-9A-F]{24}$/),
    endWal: take('end_wal', /^[0-9A-F]{24}$/),
    endedAtMs,
    systemIdentifier: /^\d+$/.test(systemIdentifier) ? systemIdentifier : null,
  };
}
