import { Global, Module } from '@nestjs/common';
import { Metrics } from './metrics.js';

/** What every feature may use to be observed. */
@Global()
@Module({ providers: [Metrics], exports: [Metrics] })
export class OperationModule {}
