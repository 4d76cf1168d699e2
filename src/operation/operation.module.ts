import { Global, Module } from '@nestjs/common';
import { ClockMonitor } from './clock-monitor.js';
import { Health } from './health.js';
import { Metrics } from './metrics.js';

/** What every feature may use to be observed. */
@Global()
@Module({ providers: [ClockMonitor, Health, Metrics], exports: [ClockMonitor, Health, Metrics] })
export class OperationModule {}
