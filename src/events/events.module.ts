import { Module } from '@nestjs/common';
import { ARCHIVED_EVENTS } from '../archive/archived-events.js';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { CONFIG } from '../config/config.js';
import { plainProvider } from '../database/plain-provider.js';
import { POOL } from '../database/tokens.js';
import { LongReadsModule } from '../long-reads/long-reads.module.js';
import { PartitionsModule } from '../partitions/partitions.module.js';
import { AppendGate } from './append-gate.js';
import { Appender } from './appender.js';
import { BulkReads } from './bulk-reads.js';
import { EventIntake } from './event-intake.js';
import { EventSearch } from './event-search.js';
import { EventsController } from './events.controller.js';
import { EventsReadController } from './events-read.controller.js';
import { LedgerClock } from './ledger-clock.js';
import { Ledgers } from './ledgers.js';
import { LedgersController } from './ledgers.controller.js';
import { LimitsController } from './limits.controller.js';
import { OrderHistory } from './order-history.js';
import { PageReads } from './page-reads.js';
import { ServiceLedger } from './service-ledger.js';

@Module({
  imports: [ArchivedReadsModule, LongReadsModule, PartitionsModule],
  controllers: [LedgersController, EventsController, EventsReadController, LimitsController],
  providers: [
    AppendGate,
    Appender,
    BulkReads,
    EventIntake,
    plainProvider(EventSearch, [POOL, CONFIG, Ledgers, ARCHIVED_EVENTS]),
    LedgerClock,
    plainProvider(Ledgers, [POOL]),
    plainProvider(OrderHistory, [POOL, Ledgers, ARCHIVED_EVENTS]),
    PageReads,
    ServiceLedger,
  ],
  exports: [AppendGate, Appender, BulkReads, EventSearch, Ledgers, PageReads, ServiceLedger],
})
export class EventsModule {}
