import { Module } from '@nestjs/common';
import { PartitionManager } from './partition-manager.js';
import { PartitionMaintenance } from './partitions.job.js';
import { Retention } from './retention.job.js';

@Module({ providers: [PartitionManager, PartitionMaintenance, Retention], exports: [PartitionManager] })
export class PartitionsModule {}
