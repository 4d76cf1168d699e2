import type { Logger } from 'pino';
import type { JsonObject } from '../integrity/strict-json.js';
import type { JobName } from './job-names.js';

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
  /**
   * Of a run that fails, what it has found and done by then: asked for when it does, and kept in its outcome beside the
   * error. To be given before the first step that may fail. Undefined, where there is nothing to be kept.
   */
  keepIfFailed: (soFar: () => JsonObject | undefined) => void;
}

/** Work that is done regularly, by one replica at a time. */
export interface Job {
  readonly name: JobName;
  /** What it does, in a sentence. */
  readonly summary: string;
  /** A cron expression in UTC; without one it is run by hand alone. */
  readonly schedule?: string | undefined;
  /** Whether it also runs whenever a replica starts. */
  readonly atStart?: boolean;
  /**
   * Does the work and returns its figures. Must stand being killed anywhere and run again. Throws `signal.reason` when
   * it stops for the signal: the run is then put back and goes on elsewhere, or at the next start. Any other error fails
   * the run; what was found until then is kept if keepIfFailed was told of it.
   */
  run(context: JobContext): Promise<JsonObject>;
}
