/** What the names of a bucket of backups mean, as barman-cloud gives them: `wals/…` and `base/…` below a server's prefix. */

export interface WalName {
  kind: 'wal' | 'wal-partial' | 'wal-label';
  timeline: number;
  /** of its timeline: the position at which it begins, divided by the size of a segment */
  segment: number;
}

export type BackupName =
  | WalName
  | { kind: 'wal-history'; timeline: number }
  /** a part of a base backup; `isInfo` for what says when it began and how it ended */
  | { kind: 'backup'; backup: string; isInfo: boolean };

export type Compression = 'none' | 'gzip' | 'other';

/** Of the bytes that a name of WAL counts by. */
const LOG_BYTES = 2 ** 32;
const WAL = /^wals\/([0-9A-F]{16})\/([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial|\.[0-9A-F]{8}\.backup)?(\.[a-z0-9]+)?$/;
const HISTORY = /^wals\/([0-9A-F]{8})\.history(\.[a-z0-9]+)?$/;
const BACKUP = /^base\/([^/]+)\/([^/]+)$/;

/** Undefined for a name that is no part of backups, or that is not where it belongs. `segmentBytes` is the server's wal_segment_size. */
export function readBackupName(key: string, segmentBytes: number): BackupName | undefined {
  const history = HISTORY.exec(key);
  if (history) return { kind: 'wal-history', timeline: parseInt(history[1]!, 16) };
  const base = BACKUP.exec(key);
  if (base) return { kind: 'backup', backup: base[1]!, isInfo: base[2] === 'backup.info' };
  const wal = WAL.exec(key);
  if (!wal) return undefined;
  const [, folder, timeline, log, number, suffix] = wal;
  if (folder !== `${timeline}${log}`) return undefined;
  const perLog = LOG_BYTES / segmentBytes;
  const low = parseInt(number!, 16);
  if (low >= perLog) return undefined;
  return {
    kind: suffix === undefined ? 'wal' : suffix === '.partial' ? 'wal-partial' : 'wal-label',
    timeline: parseInt(timeline!, 16),
    segment: parseInt(log!, 16) * perLog + low,
  };
}

export function compressionOf(key: string): Compression {
  if (key.endsWith('.gz')) return 'gzip';
  return /\.(bz2|snappy|xz|zstd|zst|lz4)$/.test(key) ? 'other' : 'none';
}

/** The server's name of a segment, 24 hexadecimal digits. */
export function walFileName(timeline: number, segment: number, segmentBytes: number): string {
  const perLog = LOG_BYTES / segmentBytes;
  return [timeline, Math.floor(segment / perLog), segment % perLog].map(hex8).join('');
}

/** Where a segment of that name is kept, without what its compression adds. */
export function walKey(timeline: number, segment: number, segmentBytes: number): string {
  const name = walFileName(timeline, segment, segmentBytes);
  return `wals/${name.slice(0, 16)}/${name}`;
}

/** Which segment a position such as `0/5000148` is in. Throws an Error for what is none. */
export function segmentOfPosition(position: string, segmentBytes: number): number {
  const [, high, low] = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(position) ?? [];
  if (high === undefined || low === undefined) throw new Error(`${position} is no position in WAL`);
  return parseInt(high, 16) * (LOG_BYTES / segmentBytes) + Math.floor(parseInt(low, 16) / segmentBytes);
}

function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}
