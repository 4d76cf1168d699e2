import { Global, Module } from '@nestjs/common';
import { ClockMonitor } from './clock-monitor.js';
import { DurabilityMonitor } from './durability-monitor.js';
import { Health } from './health.js';
import { Metrics } from './metrics.js';

/** What every feature may use to be observed. */
@Global()
@Module({
  providers: [ClockMonitor, DurabilityMonitor, Health, Metrics],
  exports: [ClockMonitor, DurabilityMonitor, Health, Metrics],
})
export class OperationModule {}
