import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import { Metrics } from './metrics.js';
import { ageOfFirstEventAfter, readWalArchiver } from './wal-archiving.sql.js';
import { endOfSegment, WalPositions } from './wal-positions.js';

interface Lag {
  /** seconds */
  age: number;
  /** undefined until the server has archived a segment */
  bytes: number | undefined;
  failed: number;
}

/**
 * What a loss of the database's machines would take, as its archive of WAL has it not: told from PostgreSQL itself, whatever
 * does the archiving. Nothing is told of a server that archives nothing.
 */
@Injectable()
export class WalArchiving implements OnModuleInit {
  private readonly positions = new WalPositions();
  /** Where the last segment that was seen to be archived ends: a history or a label may come last. */
  private archivedEnd: bigint | undefined;
  private underWay: Promise<Lag | undefined> | undefined;

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    const gauge = (name: string, help: string, read: (lag: Lag) => number | undefined): void =>
      this.metrics.gauge(name, help, [], async () => {
        const lag = await this.read();
        const value = lag && read(lag);
        return value === undefined ? [] : [{ value }];
      });
    gauge(
      'truetrail_wal_archive_lag_seconds',
      'Age of the oldest event of which it is not known that its WAL is archived; 0 when it is of all',
      ({ age }) => age,
    );
    gauge('truetrail_wal_unarchived_bytes', 'WAL behind the last segment that was archived', ({ bytes }) => bytes);
    gauge(
      'truetrail_wal_archive_failures',
      "Attempts to archive WAL that failed since the server's statistics were reset",
      ({ failed }) => failed,
    );
  }

  /** The gauges of a scrape share one question. */
  private read(): Promise<Lag | undefined> {
    this.underWay ??= this.ask().finally(() => (this.underWay = undefined));
    return this.underWay;
  }

  private async ask(): Promise<Lag | undefined> {
    const archiver = await readWalArchiver(this.pool);
    if (!archiver) return undefined;
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
    return { age: await ageOfFirstEventAfter(this.pool, since), bytes, failed: Number(archiver.failed) };
  }
}
