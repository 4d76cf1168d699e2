import { Global, Module } from '@nestjs/common';
import { JobRunExpiry } from './job-run-expiry.job.js';
import { JobRunner } from './job-runner.js';
import { JobsController } from './jobs.controller.js';

/** The one job runner; features register their jobs with it. */
@Global()
@Module({ controllers: [JobsController], providers: [JobRunner, JobRunExpiry], exports: [JobRunner] })
export class JobsModule {}
