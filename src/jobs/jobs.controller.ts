import { Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { QueryPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Problem } from '../http/problem.js';
import { DEFAULT_RUNS_LISTED, JobListDto, JobRunDto, JobRunListDto, JobRunListQueryDto } from './job.dto.js';
import { JobRunner } from './job-runner.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

@ApiTags('operation')
@Controller('v1/jobs')
export class JobsController {
  constructor(private readonly runner: JobRunner) {}

  @Get()
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({ operationId: 'listJobs', summary: 'What the service does regularly' })
  @ApiAnswer(200, JobListDto)
  @ApiProblems()
  list(): JobListDto {
    return {
      jobs: this.runner.list().map(({ job, nextRunMs }) => ({
        job: job.name,
        summary: job.summary,
        schedule: job.schedule ?? null,
        next_run_at: nextRunMs === null ? null : new Date(nextRunMs).toISOString(),
      })),
    };
  }

  @Post(':job/runs')
  @HttpCode(202)
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({
    operationId: 'runJob',
    summary: 'Run a job now',
    description: 'On whichever replica has the turn; after the run that is in progress, if there is one.',
  })
  @ApiAnswer(202, JobRunDto)
  @ApiProblems('job-not-found', 'database-unavailable')
  async run(
    @Param('job') job: string,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JobRunDto> {
    const run = await this.runner.request(job, caller.id);
    void reply.header('location', `/v1/jobs/${encodeURIComponent(job)}/runs/${run.id}`);
    return run;
  }

  @Get(':job/runs')
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({ operationId: 'listJobRuns', summary: 'Runs of a job, the latest ones first' })
  @ApiAnswer(200, JobRunListDto)
  @ApiProblems('job-not-found', 'invalid-parameter', 'database-unavailable')
  async runs(
    @Param('job') job: string,
    @Query(new QueryPipe(JobRunListQueryDto)) query: JobRunListQueryDto,
  ): Promise<JobRunListDto> {
    return { runs: await this.runner.runs(job, Number(query.limit ?? DEFAULT_RUNS_LISTED)) };
  }

  @Get(':job/runs/:id')
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({ operationId: 'readJobRun', summary: 'How a run of a job went' })
  @ApiAnswer(200, JobRunDto)
  @ApiProblems('job-not-found', 'database-unavailable')
  async read(@Param('job') job: string, @Param('id') id: string): Promise<JobRunDto> {
    if (!UUID.test(id)) throw new Problem('job-not-found', 'There is no such run of this job');
    return this.runner.find(job, id.toLowerCase());
  }
}
