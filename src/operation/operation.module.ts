import { Global, Module } from '@nestjs/common';
import { Health } from './health.js';
import { Metrics } from './metrics.js';

/** What every feature may use to be observed. */
@Global()
@Module({ providers: [Health, Metrics], exports: [Health, Metrics] })
export class OperationModule {}
