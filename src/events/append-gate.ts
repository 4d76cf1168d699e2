import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { readServer } from '../database/server-identity.js';
import { Problem } from '../http/problem.js';
import { LOGGER } from '../operation/logger.js';

/** How ledgers stand to what was signed of them. */
export interface HeldLedgers {
  /** the server that was looked at, and its start: readServer */
  server: string;
  /** ledgers that may take nothing, by slug, and what is missing of each: a sentence */
  behind: ReadonlyMap<string, string>;
  /** false where the store could not be asked, and nothing says that the server is another: it is asked again soon */
  storeAsked: boolean;
}

/** Holds ledgers against their anchors; whoever knows these registers it. */
export interface AnchorCheck {
  /** All ledgers. Throws anchors-unavailable, and the database's errors. */
  run(): Promise<HeldLedgers>;
}

/** A ledger that is behind is looked at again when somebody wants to append to it, so often at most: it may have been recovered. */
const RECHECK_MS = 5_000;
/** After a check for which the store could not be asked. */
const ASK_AGAIN_MS = 30_000;
const RETRY_AFTER_SECONDS = 60;

/**
 * Keeps appends away from ledgers that lack events which were signed: a database that was restored from a backup would
 * begin a second history. One check serves all ledgers, and all who wait for it; then an append costs a look-up until a
 * new connection shows another server. Without a check (no store) every ledger is open.
 */
@Injectable()
export class AppendGate {
  private check: AnchorCheck | undefined;
  /** where each connection leads to */
  private readonly servers = new WeakMap<pg.ClientBase, string>();
  private held: (HeldLedgers & { at: number }) | undefined;
  private underWay: Promise<HeldLedgers> | undefined;

  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  /** For the feature that knows the anchors, while it is initialised. */
  register(check: AnchorCheck): void {
    this.check = check;
  }

  /** Ledgers that are closed to appends here, as far as this replica has looked; where there are some it looks again. */
  countBehind(): number {
    const { held } = this;
    if (!held || held.behind.size === 0) return 0;
    if (performance.now() - held.at > RECHECK_MS) {
      this.ask().catch((error: unknown) =>
        this.logger.warn({ err: error }, 'the ledgers could not be looked at again'),
      );
    }
    return held.behind.size;
  }

  /** To be called with every new connection that will append, before it does. */
  async meet(client: pg.ClientBase): Promise<void> {
    if (!this.check) return;
    const { start: server } = await readServer(client);
    this.servers.set(client, server);
    if (this.held?.server !== server) this.held = undefined;
  }

  /**
   * Whether a connection leads to the server whose ledgers were looked at; to be asked once `admit` lets pass. One that
   * does not was made before a failover, or after: it is not to be used.
   */
  isOfServer(client: pg.ClientBase): boolean {
    return !this.check || this.servers.get(client) === this.held?.server;
  }

  /**
   * Undefined where events may be appended to a ledger, or a ledger of this name made. Otherwise to be awaited: throws
   * ledger-behind-its-anchor, anchors-unavailable, and what the database throws.
   */
  admit(ledger: string): Promise<void> | undefined {
    if (!this.check) return undefined;
    const { held } = this;
    if (!held) return this.look(ledger);
    if (!held.storeAsked && performance.now() - held.at > ASK_AGAIN_MS) {
      this.ask().catch((error: unknown) => this.logger.warn({ err: error }, 'the anchors could not be asked for'));
    }
    return held.behind.has(ledger) ? this.look(ledger) : undefined;
  }

  /** To be called when something says that a ledger is not what was signed: all are looked at before the next append. */
  doubt(): void {
    this.held = undefined;
  }

  /** Looks at all ledgers now. Throws anchors-unavailable, and what the database throws. */
  async prepare(): Promise<void> {
    if (this.check) await this.ask();
  }

  private async look(ledger: string): Promise<void> {
    const isFresh = this.held !== undefined && performance.now() - this.held.at < RECHECK_MS;
    const { behind } = isFresh ? this.held! : await this.ask();
    const missing = behind.get(ledger);
    if (missing === undefined) return;
    throw new Problem('ledger-behind-its-anchor', missing, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  private ask(): Promise<HeldLedgers> {
    this.underWay ??= this.runCheck().finally(() => (this.underWay = undefined));
    return this.underWay;
  }

  private async runCheck(): Promise<HeldLedgers> {
    const found = await this.check!.run();
    for (const [ledger, missing] of found.behind) {
      if (this.held?.behind.get(ledger) === missing) continue;
      this.logger.error({ ledger, missing, alarm: 'ledger-behind-its-anchor' }, 'a ledger takes no events');
    }
    for (const ledger of this.held?.behind.keys() ?? []) {
      if (!found.behind.has(ledger)) this.logger.info({ ledger }, 'a ledger takes events again');
    }
    this.held = { ...found, at: performance.now() };
    return this.held;
  }
}
