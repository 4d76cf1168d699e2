import { Module } from '@nestjs/common';
import { PartitionsModule } from '../partitions/partitions.module.js';
import { Appender } from './appender.js';
import { ClockMonitor } from './clock-monitor.js';
import { EventIntake } from './event-intake.js';
import { EventsController } from './events.controller.js';
import { LedgerClock } from './ledger-clock.js';
import { Ledgers } from './ledgers.js';
import { LedgersController } from './ledgers.controller.js';
import { ServiceLedger } from './service-ledger.js';

@Module({
  imports: [PartitionsModule],
  controllers: [LedgersController, EventsController],
  providers: [Appender, ClockMonitor, EventIntake, LedgerClock, Ledgers, ServiceLedger],
  exports: [ClockMonitor, Ledgers, ServiceLedger],
})
export class EventsModule {}
