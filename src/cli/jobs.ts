import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from '../config/config.js';
import { JobRequests } from '../jobs/job-requests.js';
import type { JobRun } from '../jobs/job-runner.js';
import { withService } from './service-work.js';

const POLL_MS = 500;
/** Replicas look every quarter of a minute; past this there seems to be none, or it has no such job. */
const UNTAKEN_MS = 60_000;

/** The last run of each job. */
export function lastRuns(config: Config): ReturnType<JobRequests['lastRuns']> {
  return withService(config, JobRequests, [], (jobs) => jobs.lastRuns());
}

/**
 * Asks for a run, and waits until it has ended, unless `waits` is false. Throws a Problem for a name that no job has, and an
 * Error where no replica takes it up.
 */
export function runJob(
  config: Config,
  name: string,
  { waits, untakenMs = UNTAKEN_MS }: { waits: boolean; untakenMs?: number },
  log: (message: string) => void,
): Promise<JobRun> {
  return withService(config, JobRequests, [], async (jobs, operator) => {
    let run = await jobs.request(name, operator.id);
    log(`Asked for the run ${run.id} of ${run.job}; a replica takes it up within 15 seconds.`);
    for (const asked = performance.now(); waits && run.finished_at === null; run = await jobs.find(run)) {
      if (run.status === 'queued' && performance.now() - asked > untakenMs) await assertTaken(jobs, run);
      await pause(POLL_MS);
    }
    return run;
  });
}

/** One that waits for another run of the job is taken. */
async function assertTaken(jobs: JobRequests, { id, job }: JobRun): Promise<void> {
  if (await jobs.isUnderWay(job)) return;
  throw new Error(
    `No replica has taken up ${job}: none runs, or this one is not among their jobs (GET /v1/jobs). ` +
      `The run ${id} waits, and is made once one does`,
  );
}
