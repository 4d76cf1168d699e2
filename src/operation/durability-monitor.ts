import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';
import { OperationPool } from '../database/operation-pool.js';
import { LOGGER } from './logger.js';
import { RepeatingLook } from './repeating-look.js';
import { unsafeSettings } from './startup.sql.js';

/**
 * Whether the server still keeps what it says it keeps: somebody may switch off fsync or full_page_writes while it runs,
 * to load something faster say, and an acknowledgement would be a lie from then on. Asked once a second.
 */
@Injectable()
export class DurabilityMonitor implements OnModuleInit, OnModuleDestroy {
  private looks: RepeatingLook | undefined;
  private unsafe: string[] = [];

  constructor(
    private readonly connections: OperationPool,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.looks = new RepeatingLook(() => this.ask(), 'the server could not be asked for its settings', this.logger);
  }

  onModuleDestroy(): void {
    this.looks?.stop();
  }

  /** What a commit may be lost by in a crash, as `fsync = off`; none when all is as it should be, at the last look. */
  get obstacles(): readonly string[] {
    return this.unsafe;
  }

  private async ask(): Promise<void> {
    const unsafe = await unsafeSettings(this.connections.pool);
    if (unsafe.join() !== this.unsafe.join()) {
      if (unsafe.length === 0) this.logger.info('the server keeps what it commits again: appends are open');
      else
        this.logger.error(
          { alarm: 'server-not-durable', settings: unsafe },
          'a crash of the server could lose what it commits: appends are refused',
        );
    }
    this.unsafe = unsafe;
  }
}
