import { Injectable } from '@nestjs/common';
import { ConflictError } from '../events/append-queue.js';
import { Appender } from '../events/appender.js';
import { Ledgers, REPORTING_LEDGER } from '../events/ledgers.js';
import type { PreparedEvent } from '../events/prepared-event.js';
import { Problem } from '../http/problem.js';

/** Somebody else's act came first: what was decided without it is to be decided anew. */
export class OvertakenError extends Error {
  override readonly name = 'OvertakenError';

  constructor(
    message: string,
    options?: ErrorOptions & {
      /** the ledger was closed: what was written into it before its end may be lost */
      isClosed?: boolean;
    },
  ) {
    super(message, options);
    this.isClosed = options?.isClosed ?? false;
  }

  readonly isClosed: boolean;
}

/** Writes to the ledger of what was sent and answered, or to the last of its successors. */
@Injectable()
export class ReportingLedger {
  constructor(
    private readonly appender: Appender,
    private readonly ledgers: Ledgers,
  ) {}

  /** The ledgers of the line, in order; none before the first act. */
  line(): Promise<string[]> {
    return this.ledgers.lineOf(REPORTING_LEDGER);
  }

  /**
   * Durable once resolved, all or nothing. Throws OvertakenError where an id is taken, or the ledger was closed
   * meanwhile, and what `Appender.append` throws.
   */
  async append(events: readonly PreparedEvent[]): Promise<void> {
    await this.ledgers.openOwn(REPORTING_LEDGER);
    const last = (await this.line()).at(-1)!;
    try {
      await this.appender.append(last, events);
    } catch (error) {
      const isClosed = error instanceof Problem && error.slug === 'ledger-closed';
      if (!isClosed && !(error instanceof ConflictError)) throw error;
      throw new OvertakenError('another act came first', { cause: error, isClosed });
    }
  }
}
