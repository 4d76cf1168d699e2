import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import type pg from 'pg';
import type { Logger } from 'pino';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { Problem } from '../http/problem.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { LOGGER, withoutCredentials } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { SERVICE, type Job } from './job.js';
import { JobLock } from './job-lock.js';
import * as sql from './job-runs.sql.js';
import type { JobRun } from './job-runs.sql.js';
import { Schedule } from './schedule.js';

export type { JobRun };

/** While a run waits for one that is in progress on another replica. Asking is a statement; waiting in the lock would hold a snapshot. */
const TURN_POLL_MS = 500;
const RETRY_MS = 5_000;
/** How often replicas look for runs that nobody sees to: asked for, or begun, by a replica that has died. */
const LOOK_MS = 15_000;
/** A timer may fire this much before its time. */
const EARLY_MS = 500;

interface Registered {
  job: Job;
  schedule: Schedule | undefined;
  /** set while this replica works on its runs, or waits for its turn */
  working: Promise<void> | undefined;
  moreWork: boolean;
}

/**
 * Runs jobs: each on one replica at a time, in turn, with a row of what it did. Schedules are kept over replicas and
 * restarts: a time that passed while nobody ran is caught up with once, and a time is served once, however many replicas
 * think it has come.
 */
@Injectable()
export class JobRunner implements OnModuleInit, OnModuleDestroy {
  private readonly jobs = new Map<string, Registered>();
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: Metrics,
    private readonly scheduler: SchedulerRegistry,
    private readonly adapter: HttpAdapterHost,
  ) {}

  /** Jobs begin when everything else has started: once the service listens. */
  onModuleInit(): void {
    this.adapter.listen$.subscribe(() => this.start());
    this.metrics.gauge(
      'truetrail_job_last_success_age_seconds',
      'Time since a run of the job last ended well, on any replica; of a scheduled one that never did, since the installation',
      ['job'],
      async () => {
        const scheduled = [...this.jobs.values()].filter(({ schedule }) => schedule).map(({ job }) => job.name);
        const ages = await sql.successAges(this.pool, scheduled);
        return ages.map(({ job, age_seconds: value }) => ({ labels: { job }, value }));
      },
    );
  }

  /** Stops the runs between two steps and waits for them. */
  async onModuleDestroy(): Promise<void> {
    this.stopping.abort(new Error('the service is stopping'));
    clearInterval(this.timer);
    for (const [name] of this.scheduler.getCronJobs()) if (this.jobs.has(name)) this.scheduler.deleteCronJob(name);
    await this.atRest();
  }

  /** Once this replica has seen to every run that was due or asked for by now. */
  async atRest(): Promise<void> {
    for (const { working } of this.jobs.values()) await working;
  }

  /** For features, while they are initialised. Throws for a schedule that is no cron expression. */
  register(job: Job): void {
    if (this.jobs.has(job.name)) throw new Error(`there are two jobs of the name ${job.name}`);
    let schedule: Schedule | undefined;
    try {
      if (job.schedule !== undefined) schedule = new Schedule(job.schedule);
    } catch (cause) {
      throw new Error(`the schedule of ${job.name} is no cron expression: ${(cause as Error).message}`, { cause });
    }
    this.jobs.set(job.name, { job, schedule, working: undefined, moreWork: false });
    this.metrics.countJobFailure(job.name, 0); // so that the series is there before the first failure
  }

  list(): { job: Job; nextRunMs: number | null }[] {
    return [...this.jobs.values()].map(({ job, schedule }) => ({
      job,
      nextRunMs: schedule?.next(Date.now()) ?? null,
    }));
  }

  /** Asks for a run. It begins at once, or after the one that is in progress. Throws job-not-found. */
  async request(name: string, requestedBy: string): Promise<JobRun> {
    const registered = this.registered(name);
    const run = await sql.insertQueuedRun(this.pool, uuidv7(), name, requestedBy);
    this.work(registered);
    return run;
  }

  /** Asks for a run unless one waits already; for a job that may not be there, and then it does nothing. */
  async requestOnce(name: string): Promise<void> {
    const registered = this.jobs.get(name);
    if (!registered) return;
    await sql.ensureQueuedRun(this.pool, uuidv7(), name, SERVICE);
    this.work(registered);
  }

  /** Throws job-not-found. */
  async find(name: string, id: string): Promise<JobRun> {
    const run = await sql.findRun(this.pool, this.registered(name).job.name, id);
    if (!run) throw new Problem('job-not-found', 'There is no such run of this job');
    return run;
  }

  /** The latest ones first. Throws job-not-found. */
  runs(name: string, limit: number): Promise<JobRun[]> {
    return sql.listRuns(this.pool, this.registered(name).job.name, limit);
  }

  /** What the last run that ended well came to. */
  lastOutcome(name: string): Promise<JsonObject | undefined> {
    return sql.lastOutcome(this.pool, name);
  }

  private registered(name: string): Registered {
    const registered = this.jobs.get(name);
    if (!registered) throw new Problem('job-not-found', 'There is no such job');
    return registered;
  }

  private start(): void {
    for (const registered of this.jobs.values()) {
      const { job, schedule } = registered;
      if (schedule) {
        const timer = new CronJob(schedule.expression, () => this.work(registered), null, false, 'UTC');
        this.scheduler.addCronJob(job.name, timer);
        timer.start();
      }
      this.work(registered, job.atStart === true);
    }
    this.timer = setInterval(() => void this.lookForOpenRuns(), LOOK_MS).unref();
  }

  private async lookForOpenRuns(): Promise<void> {
    try {
      for (const name of await sql.jobsWithOpenRuns(this.pool)) {
        const registered = this.jobs.get(name);
        if (registered) this.work(registered);
      }
    } catch (error) {
      this.logger.debug({ err: error }, 'the runs of jobs could not be looked at');
    }
  }

  /** Sees to it that every run of a job that is due or was asked for is run; returns at once. */
  private work(registered: Registered, once = false): void {
    registered.moreWork = true;
    if (registered.working !== undefined || this.stopping.signal.aborted) return;
    registered.working = this.workOff(registered, once).finally(() => {
      registered.working = undefined;
      if (registered.moreWork) this.work(registered); // asked for as there was found to be nothing
    });
  }

  /** Never rejects: what goes wrong is tried again for as long as there is something to run. */
  private async workOff(registered: Registered, once: boolean): Promise<void> {
    const { job } = registered;
    const { signal } = this.stopping;
    let asks = once;
    while (registered.moreWork && !signal.aborted) {
      registered.moreWork = false;
      try {
        if (asks) await sql.ensureQueuedRun(this.pool, uuidv7(), job.name, SERVICE);
        asks = false;
        await this.askForWhatIsDue(registered);
        for (;;) {
          const { queued, running } = await sql.openRuns(this.pool, job.name);
          if (signal.aborted || (!queued && !running)) break;
          if (await this.takeTurn(registered)) continue;
          if (!queued) break; // another replica is at it
          await pause(TURN_POLL_MS, undefined, { signal });
        }
      } catch (error) {
        if (signal.aborted) return;
        this.logger.warn({ err: error, job: job.name }, 'the runs of a job could not be seen to; they are tried again');
        registered.moreWork = true;
        await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** The last time of the schedule that has passed, if it has not been run for: however many were missed, one run. */
  private async askForWhatIsDue({ job, schedule }: Registered): Promise<void> {
    const due = schedule?.latest(Date.now() + EARLY_MS);
    if (due === undefined || due <= (await sql.lastScheduledMs(this.pool, job.name, due))) return;
    await sql.insertScheduledRun(this.pool, uuidv7(), job.name, due, SERVICE);
  }

  /** Runs what waits, if no other replica is at it. False when one is. */
  private async takeTurn({ job }: Registered): Promise<boolean> {
    const lost = new AbortController();
    const lock = await JobLock.tryTake(this.url, job.name, (cause) =>
      lost.abort(new Error('the session that held the lock has ended', { cause })),
    );
    if (!lock) return false;
    try {
      const abandoned = await sql.failAbandonedRuns(this.pool, job.name, {
        error: 'the process that ran it has ended, or lost its connection to the database',
      });
      if (abandoned > 0) {
        this.metrics.countJobFailure(job.name, abandoned);
        this.logger.error({ job: job.name, abandoned }, 'a run of a job was left by a process that ended');
      }
      const signal = AbortSignal.any([this.stopping.signal, lost.signal]);
      while (!signal.aborted) {
        const run = await sql.startNextRun(this.pool, job.name);
        if (!run) break;
        await this.execute(job, run, signal);
      }
    } finally {
      await lock.release();
    }
    return true;
  }

  private async execute(job: Job, run: JobRun, signal: AbortSignal): Promise<void> {
    const log = this.logger.child({ job: job.name, run: run.id });
    const startedAt = performance.now();
    let soFar: () => JsonObject | undefined = () => undefined;
    try {
      const keepIfFailed = (given: typeof soFar): void => void (soFar = given);
      const outcome = await job.run({ signal, log, runId: run.id, requestedBy: run.requested_by, keepIfFailed });
      await sql.finishRun(this.pool, run.id, 'done', outcome);
      log.info({ ms: Math.round(performance.now() - startedAt) }, 'a job is done');
    } catch (error) {
      if (signal.aborted) {
        // With its lock lost the run may be another replica's business by now, and only the next holder knows.
        if (this.stopping.signal.aborted) await sql.requeueRun(this.pool, run.id);
        return;
      }
      this.metrics.countJobFailure(job.name);
      log.error({ err: error }, 'a job failed');
      const message = withoutCredentials(error instanceof Error ? error.message : String(error));
      await sql.finishRun(this.pool, run.id, 'failed', { ...soFar(), error: message });
    }
  }
}
