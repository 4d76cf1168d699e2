import type { Logger } from 'pino';
import type { JsonObject } from '../integrity/strict-json.js';

/** Who asks for a run when its schedule or a start does. */
export const SERVICE = 'service';

/** What a run of a job gets. */
export interface JobContext {
  /** Aborted when the run should stop between two steps: its process is shutting down, or it has lost its lock. */
  signal: AbortSignal;
  log: Logger;
  /** The run's id; a run that was stopped and is taken up again has the same. */
  runId: string;
  /** who asked for it: a principal, or SERVICE */
  requestedBy: string;
}

/** A run that failed and has something to say all the same: `outcome` is kept with its error, which is that of `cause`. */
export class FailedRun extends Error {
  constructor(
    readonly outcome: JsonObject,
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Work that is done regularly, by one replica at a time. */
export interface Job {
  /** In the API and in the lock, for ever. */
  readonly name: string;
  /** What it does, in a sentence. */
  readonly summary: string;
  /** A cron expression in UTC; without one it is run by hand alone. */
  readonly schedule?: string | undefined;
  /** Whether it also runs whenever a replica starts. */
  readonly atStart?: boolean;
  /**
   * Does the work and returns its figures. Must stand being killed anywhere and run again. Throws `signal.reason` when
   * it stops for the signal: the run is then put back and goes on elsewhere, or at the next start. Any other error fails
   * the run; what was found until then goes with it in a FailedRun.
   */
  run(context: JobContext): Promise<JsonObject>;
}
