import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import { connectionOptions } from '../database/connection.js';
import { cutOff } from '../database/silent-connections.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';

const LOCK = `hashtextextended('truetrail.reporting-turn', 0)`;
/** How long the turn is waited for before it is looked whether it is still wanted. */
const LOOK_MS = 2_000;
/** How often who waits for somebody else's turn to end asks. */
const POLL_MS = 200;
/** Of a session that has the turn and says nothing: a replica that is suspended must not keep everybody waiting. */
const SILENT_SECONDS = 60;
const SIGN_OF_LIFE_MS = 10_000;
const ANSWER_TIMEOUT_MS = 15_000;
const RELEASE_TIMEOUT_MS = 5_000;

/** Somebody goes first, and did so for as long as was to be waited. */
export class TurnTaken extends Error {
  override readonly name = 'TurnTaken';
}

/** Gives it back. Does not reject. */
export type GiveBack = () => Promise<void>;

/**
 * Whose act comes next in `_reporting`, over all replicas. Acts are recorded beside each other, and the numbers of their
 * events decide which was first; who was overtaken too often takes the turn, and then the others wait. Nothing but the order
 * hangs on it: a turn that is lost, with its session, makes no act wrong.
 */
@Injectable()
export class ReportingTurn {
  constructor(
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(POOL) private readonly pool: pg.Pool,
  ) {}

  /** Resolves once nobody has the turn. Throws TurnTaken after so long. */
  async free(patienceMs: number): Promise<void> {
    const end = performance.now() + patienceMs;
    for (;;) {
      // let go of as soon as the statement ends
      const { rows } = await this.pool.query<{ free: boolean }>(
        `SELECT pg_try_advisory_xact_lock_shared(${LOCK}) AS free`,
      );
      if (rows[0]!.free) return;
      if (performance.now() > end) throw new TurnTaken('somebody goes first');
      await pause(POLL_MS);
    }
  }

  /**
   * Does work once nobody has the turn; who wants it meanwhile gets it after that work. Throws TurnTaken after so long, the
   * reason of `signal`, and what the work throws.
   */
  async beside<T>(work: () => Promise<T>, { patienceMs = Infinity, signal }: Waiting): Promise<T> {
    const end = performance.now() + patienceMs;
    const session = await this.connected(0);
    try {
      for (;;) {
        const { rows } = await session.query<{ taken: boolean }>(
          `SELECT pg_try_advisory_lock_shared(${LOCK}) AS taken`,
        );
        if (rows[0]!.taken) break;
        if (performance.now() > end) throw new TurnTaken('somebody goes first');
        await pause(POLL_MS, undefined, { signal });
      }
      return await work();
    } finally {
      await ended(session);
    }
  }

  /** Takes the turn, after what is being recorded and after others that want it. Throws the reason of `signal`. */
  async take(signal: AbortSignal): Promise<GiveBack> {
    const session = await this.connected(LOOK_MS);
    try {
      for (;;) {
        signal.throwIfAborted();
        try {
          await session.query(`SELECT pg_advisory_lock(${LOCK})`);
          break;
        } catch (error) {
          if (sqlState(error) !== SqlState.lockNotAvailable) throw error;
        }
      }
      await session.query(`SET idle_session_timeout = '${SILENT_SECONDS}s'`);
    } catch (error) {
      await ended(session);
      throw error;
    }
    const alive = setInterval(() => {
      session.query('SELECT 1').catch(() => undefined); // a lost session has given the turn back
    }, SIGN_OF_LIFE_MS).unref();
    return () => {
      clearInterval(alive);
      return ended(session);
    };
  }

  private async connected(lockTimeoutMs: number): Promise<pg.Client> {
    const applicationName = 'truetrail reporting turn';
    const session = new pg.Client({
      ...connectionOptions({ url: this.url, asService: true, applicationName, lockTimeoutMs }),
      query_timeout: ANSWER_TIMEOUT_MS,
    });
    session.on('error', () => undefined); // the next query fails by itself
    await session.connect();
    return session;
  }
}

export interface Waiting {
  patienceMs?: number;
  signal?: AbortSignal;
}

/** With its lock. */
async function ended(session: pg.Client): Promise<void> {
  const timer = setTimeout(() => cutOff(session, 'the server takes no leave'), RELEASE_TIMEOUT_MS);
  await session.end().catch(() => undefined);
  clearTimeout(timer);
}
