import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import pg from 'pg';
import { EVERY_LEDGER, mayUseLedger, type Principal } from '../access/principal.js';
import { connectionOptions } from '../database/connection.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { Ledgers } from '../events/ledgers.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import { isEventId } from '../integrity/event.js';
import { Metrics } from '../operation/metrics.js';
import { LegalHoldsJob } from './legal-holds.job.js';
import { recordAct } from './recorded-act.js';
import * as sql from './legal-holds.sql.js';
import {
  HOLD_STATES,
  type HoldAct,
  type HoldSelection,
  type HoldState,
  type LegalHold,
  type RecordedAct,
} from './legal-holds.sql.js';

export { HOLD_STATES, type HoldSelection, type HoldState, type LegalHold };

/** A hold and how far it has come in the archive. */
export interface LegalHoldInArchive extends LegalHold {
  objects: string;
  objects_held: string;
}

/** What is said with an act. */
export interface Saying {
  reason?: string | undefined;
  /** the state that the hold must be in, if anything is to happen */
  seenState?: HoldState | undefined;
}

/** Whoever else acts on the same hold is done once its record is durable. */
const LOCK_TIMEOUT_MS = 10_000;

/**
 * Legal holds: made and ended by two principals each, as the database's functions see to themselves.
 *
 * An act and its record in the service's ledger come about together: the database takes the act first, so that nothing
 * is recorded that it refuses; then it is recorded, durably, while nobody else can act on this hold; then it is
 * committed. A crash before the record leaves nothing. One between record and commit leaves the record of an act that
 * never took effect, and a caller without an answer, who looks at the hold and acts again.
 */
@Injectable()
export class LegalHolds implements OnModuleInit {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    private readonly ledgers: Ledgers,
    private readonly serviceLedger: ServiceLedger,
    private readonly job: LegalHoldsJob,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.metrics.gauge('truetrail_legal_holds', 'Legal holds', ['state'], async () => {
      const counts = await sql.countHolds(this.pool);
      return HOLD_STATES.map((state) => ({ labels: { state }, value: counts.get(state) ?? 0 }));
    });
  }

  /** Makes a hold, which stops drops and deletions from now on. Throws ledger-not-found. */
  async request(caller: Principal, selection: HoldSelection, reason: string): Promise<LegalHoldInArchive> {
    for (const ledger of selection.ledgers) await this.requireLedger(caller, ledger);
    const id = uuidv7();
    await this.inOneAct(caller, id, async (client) => {
      await sql.requestHold(client, { ...selection, id, reason, principal: caller.id });
      return 'request';
    });
    return this.find(caller, id);
  }

  /** Throws hold-not-found, also for a hold of a ledger that is not the caller's. */
  async find(caller: Principal, id: string): Promise<LegalHoldInArchive> {
    const hold = isEventId(id) ? await sql.findHold(this.pool, id) : undefined;
    if (!hold || !hold.ledgers.every((ledger) => mayUseLedger(caller, ledger))) throw holdNotFound();
    return { ...hold, ...(await sql.countObjectsOfHold(this.pool, hold.id)) };
  }

  /** Those whose ledgers are all the caller's, the latest ones first. Throws ledger-not-found. */
  async list(
    caller: Principal,
    filter: { state?: string | undefined; ledger?: string | undefined; before?: string | undefined },
    limit: number,
  ): Promise<LegalHold[]> {
    const { state = null, ledger = null, before = null } = filter;
    if (ledger !== null) await this.requireLedger(caller, ledger);
    const within = caller.ledgers.has(EVERY_LEDGER) ? null : [...caller.ledgers];
    return sql.listHolds(this.pool, { state, ledger, within, before }, limit);
  }

  /** Agrees to a hold, or to its release. Throws hold-not-found, other-principal-needed, hold-state-conflict. */
  approve(caller: Principal, id: string, saying: Saying): Promise<LegalHoldInArchive> {
    return this.act(caller, id, 'approve', saying);
  }

  /**
   * Rejects a hold, which ends it, or its release, after which it goes on; the latter is open also to whoever asked for
   * the release. Throws hold-not-found, other-principal-needed, hold-state-conflict.
   */
  reject(caller: Principal, id: string, saying: Saying): Promise<LegalHoldInArchive> {
    return this.act(caller, id, 'reject', saying);
  }

  /** Asks for the end of an active hold, which goes on until somebody else agrees. Throws hold-not-found, hold-state-conflict. */
  requestRelease(caller: Principal, id: string, saying: Saying): Promise<LegalHoldInArchive> {
    return this.act(caller, id, 'request_release', saying);
  }

  private async act(
    caller: Principal,
    id: string,
    act: HoldAct,
    { reason, seenState }: Saying,
  ): Promise<LegalHoldInArchive> {
    const { id: hold } = await this.find(caller, id);
    try {
      await this.inOneAct(caller, hold, (client) =>
        sql.actOnHold(client, hold, act, caller.id, reason ?? null, seenState ?? null),
      );
    } catch (error) {
      throw await this.problemOf(error, caller, hold, seenState);
    }
    return this.find(caller, hold);
  }

  /** What the database's refusal of an act means; any other error as it is. */
  private async problemOf(
    cause: unknown,
    caller: Principal,
    id: string,
    seenState: HoldState | undefined,
  ): Promise<unknown> {
    const code = sqlState(cause);
    if (code !== SqlState.otherPrincipalNeeded && code !== SqlState.holdStateForbids) return cause;
    const { state } = await this.find(caller, id);
    if (code === SqlState.otherPrincipalNeeded) {
      const what = state === 'release-requested' ? 'the release of the hold' : 'the hold';
      return new Problem(
        'other-principal-needed',
        `These credentials, ones that made them, or ones that they made, asked for ${what}: somebody else has to agree to it or reject it`,
        { cause },
      );
    }
    const why =
      seenState === undefined || seenState === state ? 'which does not allow this' : `and was seen as ${seenState}`;
    return new Problem('hold-state-conflict', `The hold is in the state ${state}, ${why}`, { cause });
  }

  /**
   * Does an act, records it and commits, in this order. Over a connection of its own: one of the pool's, held while the
   * record is made, could be the last.
   */
  private async inOneAct(
    caller: Principal,
    id: string,
    work: (client: pg.Client) => Promise<RecordedAct>,
  ): Promise<void> {
    const client = new pg.Client(
      connectionOptions({
        url: this.url,
        asService: true,
        applicationName: 'truetrail legal hold',
        lockTimeoutMs: LOCK_TIMEOUT_MS,
      }),
    );
    client.on('error', () => undefined); // the query that meets it fails
    try {
      await client.connect();
      await client.query('BEGIN');
      const act = await work(client);
      const hold = (await sql.findHold(client, id))!;
      await recordAct(this.serviceLedger, caller.id, act, hold);
      await client.query('COMMIT');
    } finally {
      await client.end().catch(() => undefined); // without a commit nothing has happened
    }
    await this.job.wake();
  }

  private async requireLedger(caller: Principal, ledger: string): Promise<void> {
    if (!mayUseLedger(caller, ledger)) {
      throw new Problem('ledger-not-found', 'There is no such ledger, or these credentials are not for it');
    }
    await this.ledgers.origin(ledger);
  }
}

function holdNotFound(): Problem {
  return new Problem(
    'hold-not-found',
    'There is no legal hold with this id, or it is of ledgers that these credentials are not for',
  );
}
