import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access } from '../access/access.decorator.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { PartitionManager } from './partition-manager.js';
import { PartitionListDto } from './partition.dto.js';

@ApiTags('operation')
@Controller('v1/partitions')
export class PartitionsController {
  constructor(private readonly partitions: PartitionManager) {}

  @Get()
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({
    operationId: 'listPartitions',
    summary: 'The months of the trail: how far each has come, what it holds',
  })
  @ApiAnswer(200, PartitionListDto)
  @ApiProblems('database-unavailable')
  async list(): Promise<PartitionListDto> {
    return { partitions: await this.partitions.list() };
  }
}
