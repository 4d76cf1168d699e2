import { Module } from '@nestjs/common';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
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
import { ServiceLedger } from './service-ledger.js';

@Module({
  imports: [ArchivedReadsModule, LongReadsModule, PartitionsModule],
  controllers: [LedgersController, EventsController, EventsReadController, LimitsController],
  providers: [
    AppendGate,
    Appender,
    BulkReads,
    EventIntake,
    EventSearch,
    LedgerClock,
    Ledgers,
    OrderHistory,
    ServiceLedger,
  ],
  exports: [AppendGate, Appender, BulkReads, Ledgers, ServiceLedger],
})
export class EventsModule {}
