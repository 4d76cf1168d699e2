import { Problem } from '../http/problem.js';

/** How often replicas look for runs that were asked for elsewhere, or whose replica has died. */
const POLL_MS = 5_000;
/** A run gives a sign of life this often, and is taken for abandoned after six of them did not come. */
export const HEARTBEAT_MS = 5_000;
/** A run without a sign of life for this long has lost its replica. */
export const SILENT_MS = 30_000;

/**
 * Takes up runs that are rows, one after the other, as long as there are any: those asked for here at once, those asked
 * for elsewhere and those whose replica has died when it next looks.
 */
export class RunLoop {
  private readonly stopping = new AbortController();
  private working: Promise<void> | undefined;
  private moreWork = false;
  private timer: NodeJS.Timeout | undefined;

  /**
   * `takeOne` takes up a run and brings it to its end, or puts it back; false when there is none, or none that can be
   * made now. `onError` is told what it throws.
   */
  constructor(
    private readonly takeOne: () => Promise<boolean>,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Aborted when the replica stops: what is under way is then to be put back. */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  start(): void {
    this.timer = setInterval(() => this.wake(), POLL_MS).unref();
  }

  /** Resolves once nothing is under way any more. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopping.abort(new Problem('shutting-down', 'The replica is stopping'));
    await this.working;
  }

  /** Takes runs as long as there are any; returns at once. */
  wake(): void {
    this.moreWork = true;
    this.working ??= this.takeAll()
      .catch(this.onError)
      .finally(() => {
        this.working = undefined;
        if (this.moreWork && !this.signal.aborted) this.wake(); // asked for as the last one was found to be none
      });
  }

  private async takeAll(): Promise<void> {
    while (this.moreWork) {
      this.moreWork = false;
      for (;;) {
        if (this.signal.aborted) return;
        if (!(await this.takeOne())) break;
      }
    }
  }
}
