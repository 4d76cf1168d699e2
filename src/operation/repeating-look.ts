import type { Logger } from 'pino';

const INTERVAL_MS = 1_000;

/** A look at something of the database, once a second, one at a time: a database that hangs must not get a connection with each. */
export class RepeatingLook {
  private readonly timer: NodeJS.Timeout;
  private underWay: Promise<void> | undefined;

  /** The first one comes after a second. `failed`: in the log, where a look throws; then what was seen last stands. */
  constructor(look: () => Promise<void>, failed: string, logger: Logger) {
    this.timer = setInterval(() => {
      this.underWay ??= look()
        .catch((error: unknown) => logger.debug({ err: error }, failed))
        .finally(() => (this.underWay = undefined));
    }, INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
