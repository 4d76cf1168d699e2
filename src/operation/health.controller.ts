import { Controller, Get, HttpCode, Res } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Open } from '../access/access.decorator.js';
import { ApiAnswer } from '../http/openapi.decorator.js';
import { Health } from './health.js';

export class HealthDto {
  @ApiProperty({ enum: ['ok', 'not-ready'], example: 'ok' })
  status: string;
  @ApiProperty({ type: [String], description: 'What stands in the way', example: [] })
  obstacles: string[];
}

@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(private readonly health: Health) {}

  @Get('live')
  @HttpCode(200)
  @Open()
  @ApiOperation({
    operationId: 'live',
    summary: 'The process runs and its event loop turns; says nothing of the database',
  })
  @ApiAnswer(200, HealthDto)
  live(): HealthDto {
    return { status: 'ok', obstacles: [] };
  }

  @Get('ready')
  @Open()
  @ApiOperation({
    operationId: 'ready',
    summary:
      'Requests can be answered: the database answers, is writable and migrated, its month is there, no shutdown is under way',
  })
  @ApiAnswer(200, HealthDto)
  @ApiAnswer(503, HealthDto)
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthDto> {
    const obstacles = await this.health.obstacles();
    void reply.code(obstacles.length === 0 ? 200 : 503);
    return { status: obstacles.length === 0 ? 'ok' : 'not-ready', obstacles };
  }
}
