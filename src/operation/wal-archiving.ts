import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import { Metrics } from './metrics.js';
import { ageOfFirstEventAfter, readWalArchiver } from './wal-archiving.sql.js';
import { endOfSegment, WalPositions } from './wal-positions.js';

interface Archiving {
  /** undefined for a server that archives nothing */
  lag: Lag | undefined;
}

interface Lag {
  /** seconds */
  age: number;
  /** undefined until the server has archived a segment */
  bytes: number | undefined;
  failed: number;
}

/**
 * What a loss of the database's machines would take, as its archive of WAL has it not: told from PostgreSQL itself, whatever
 * does the archiving. Of a server that archives nothing that alone is told.
 */
@Injectable()
export class WalArchiving implements OnModuleInit {
  private readonly positions = new WalPositions();
  /** Where the last segment that was seen to be archived ends: a history or a label may come last. */
  private archivedEnd: bigint | undefined;
  private underWay: Promise<Archiving | undefined> | undefined;

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    const gauge = (name: string, help: string, read: (archiving: Archiving) => number | undefined): void =>
      this.metrics.gauge(name, help, [], async () => {
        const archiving = await this.read();
        const value = archiving && read(archiving);
        return value === undefined ? [] : [{ value }];
      });
    gauge('truetrail_wal_archiving', 'Whether the server archives its WAL; 0: archive_mode is off', ({ lag }) =>
      lag ? 1 : 0,
    );
    gauge(
      'truetrail_wal_archive_lag_seconds',
      'Age of the oldest event of which it is not known that its WAL is archived; 0 when it is of all',
      ({ lag }) => lag?.age,
    );
    gauge('truetrail_wal_unarchived_bytes', 'WAL behind the last segment that was archived', ({ lag }) => lag?.bytes);
    gauge(
      'truetrail_wal_archive_failures',
      "Attempts to archive WAL that failed since the server's statistics were reset",
      ({ lag }) => lag?.failed,
    );
  }

  /** The gauges of a scrape share one question. */
  private read(): Promise<Archiving | undefined> {
    this.underWay ??= this.ask().finally(() => (this.underWay = undefined));
    return this.underWay;
  }

  private async ask(): Promise<Archiving | undefined> {
    const archiver = await readWalArchiver(this.pool);
    if (!archiver) return undefined;
    if (!archiver.archives) return { lag: undefined };
    const position = BigInt(archiver.position);
    const segmentBytes = BigInt(archiver.segment_bytes);
    this.positions.note(position, archiver.now);
    this.archivedEnd = endOfSegment(archiver.last_name ?? '', segmentBytes) ?? this.archivedEnd;
    // what another server archived, before it was restored to an earlier moment, says nothing of this one
    if (this.archivedEnd !== undefined && this.archivedEnd > position) this.archivedEnd = undefined;
    const end = this.archivedEnd;
    const bytes = end === undefined ? undefined : Number(position - end);
    // Without a whole segment that waits, what came after the last archiving is all there is: it leaves out what was
    // written while that was under way. With one the archiving may be recent, and what waits old.
    const isWaiting = end === undefined || position - end >= segmentBytes;
    const since = (isWaiting && end !== undefined ? this.positions.writtenUpTo(end) : undefined) ?? archiver.last_at;
    return { lag: { age: await ageOfFirstEventAfter(this.pool, since), bytes, failed: Number(archiver.failed) } };
  }
}
