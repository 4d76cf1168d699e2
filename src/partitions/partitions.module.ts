import { Module } from '@nestjs/common';
import { PartitionManager } from './partition-manager.js';
import { PartitionsController } from './partitions.controller.js';
import { PartitionMaintenance } from './partitions.job.js';

@Module({
  controllers: [PartitionsController],
  providers: [PartitionManager, PartitionMaintenance],
  exports: [PartitionManager],
})
export class PartitionsModule {}
