import { Module } from '@nestjs/common';
import { PartitionManager } from './partition-manager.js';
import { PartitionMaintenance } from './partitions.job.js';

@Module({ providers: [PartitionManager, PartitionMaintenance], exports: [PartitionManager] })
export class PartitionsModule {}
