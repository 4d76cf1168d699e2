import { Global, Module } from '@nestjs/common';
import { ClockMonitor } from './clock-monitor.js';
import { DurabilityMonitor } from './durability-monitor.js';
import { Health } from './health.js';
import { Metrics } from './metrics.js';
import { PeerCertificates } from './peer-certificates.js';

/** What every feature may use to be observed. */
@Global()
@Module({
  providers: [ClockMonitor, DurabilityMonitor, Health, Metrics, PeerCertificates],
  exports: [ClockMonitor, DurabilityMonitor, Health, Metrics, PeerCertificates],
})
export class OperationModule {}
