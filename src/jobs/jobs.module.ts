import { Global, Module } from '@nestjs/common';
import { JobRunner } from './job-runner.js';
import { JobsController } from './jobs.controller.js';

/** The one job runner; features register their jobs with it. */
@Global()
@Module({ controllers: [JobsController], providers: [JobRunner], exports: [JobRunner] })
export class JobsModule {}
