import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import { EVERY_LEDGER, type Principal } from '../access/principal.js';
import { ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { Metrics } from './metrics.js';

@ApiTags('operation')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Access('operations:run')
  @ApiOperation({
    operationId: 'readMetrics',
    summary: "Metrics in Prometheus' text format",
    description:
      'They are of all ledgers, so the key must be for *. METRICS_PORT serves them without a key on a port of its own.',
  })
  @ApiOkResponse({ content: { 'text/plain': { schema: { type: 'string' }, example: 'truetrail_database_up 1\n' } } })
  @ApiProblems()
  async read(@Caller() caller: Principal, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    if (!caller.ledgers.has(EVERY_LEDGER)) {
      throw new Problem('forbidden', 'Metrics are of all ledgers; these credentials are only for some');
    }
    void reply.header('content-type', this.metrics.contentType);
    return this.metrics.render();
  }
}
