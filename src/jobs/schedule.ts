import { CronTime } from 'cron';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** From each to the next there is at most a few hundred times of a schedule, so that looking through them costs nothing. */
const WINDOWS_MS = [1_000, MINUTE_MS, HOUR_MS, DAY_MS, 32 * DAY_MS, 366 * DAY_MS, 8 * 366 * DAY_MS];

/** The times of a cron expression, in UTC. Times are milliseconds since 1970. */
export class Schedule {
  private readonly time: CronTime;
  /** What `latest` found, and the next time after it: looking for it takes milliseconds, and is asked for after each run. */
  private found: { latest: number; next: number } | undefined;

  /** Throws what cron says of an expression that is none. */
  constructor(readonly expression: string) {
    this.time = new CronTime(expression, 'UTC');
  }

  /** The first time after `after`. */
  next(after: number): number {
    return this.time.getNextDateFrom(new Date(after), 'UTC').toMillis();
  }

  /** The last time that is not after `now`; undefined when there was none within eight years. */
  latest(now: number): number | undefined {
    if (this.found && this.found.latest <= now && now < this.found.next) return this.found.latest;
    for (const window of WINDOWS_MS) {
      let latest: number | undefined;
      let time = this.next(now - window - 1);
      for (; time <= now; time = this.next(time)) latest = time;
      if (latest === undefined) continue;
      this.found = { latest, next: time };
      return latest;
    }
    return undefined;
  }
}
