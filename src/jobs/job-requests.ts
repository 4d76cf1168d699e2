import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { Problem } from '../http/problem.js';
import { JOB_NAMES, type JobName } from './job-names.js';
import * as sql from './job-runs.sql.js';
import type { JobRun } from './job-runs.sql.js';

/** Asks for runs of jobs from where none are run: the replicas see that one waits, and one of them takes it up. */
@Injectable()
export class JobRequests {
  constructor(@Inject(POOL) private readonly pool: pg.Pool) {}

  /** Asks for a run; it begins after the one that is in progress, if there is one. Throws job-not-found. */
  request(name: string, requestedBy: string): Promise<JobRun> {
    const job = JOB_NAMES.find((each) => each === name);
    if (!job) throw new Problem('job-not-found', `There is no job ${name}; there are ${JOB_NAMES.join(', ')}`);
    return sql.insertQueuedRun(this.pool, uuidv7(), job, requestedBy);
  }

  /** A run as it is now. Throws job-not-found where it is forgotten. */
  async find({ job, id }: JobRun): Promise<JobRun> {
    const run = await sql.findRun(this.pool, job, id);
    if (!run) throw new Problem('job-not-found', `There is no run ${id} of ${job} any more`);
    return run;
  }

  /** Whether a run of the job is in progress on some replica. */
  async isUnderWay(job: string): Promise<boolean> {
    return (await sql.openRuns(this.pool, job)).running;
  }

  /** The last run of each job, if there was one. */
  lastRuns(): Promise<{ job: JobName; run: JobRun | undefined }[]> {
    return Promise.all(JOB_NAMES.map(async (job) => ({ job, run: (await sql.listRuns(this.pool, job, 1))[0] })));
  }
}
