import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/access.decorator.js';
import { ApiProblems } from '../http/openapi.decorator.js';
import { Metrics } from './metrics.js';

@ApiTags('operation')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({
    operationId: 'readMetrics',
    summary: "Metrics in Prometheus' text format",
    description:
      'They are of all ledgers, so the key must be for *. METRICS_PORT serves them without a key on a port of its own.',
  })
  @ApiOkResponse({ content: { 'text/plain': { schema: { type: 'string' }, example: 'truetrail_database_up 1\n' } } })
  @ApiProblems()
  async read(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.header('content-type', this.metrics.contentType);
    return this.metrics.render();
  }
}
