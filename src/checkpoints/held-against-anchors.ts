import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import pg from 'pg';
import type { Logger } from 'pino';
import { claimStore, OBJECT_STORE } from '../archive/archive-store.js';
import type { ObjectStore } from '../archive/object-store.js';
import { CONFIG, type Config } from '../config/config.js';
import { connectionOptions } from '../database/connection.js';
import { readServer } from '../database/server-identity.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { AppendGate, type AnchorCheck, type HeldLedgers } from '../events/append-gate.js';
import { Problem } from '../http/problem.js';
import { AnchorError } from '../integrity/anchor.js';
import { NoteError } from '../integrity/signed-note.js';
import { GrowingTree } from '../integrity/tiles.js';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { SigningRefused, takeUpAnchors } from './anchor-intake.js';
import { AnchorStore } from './anchor-store.js';
import * as sql from './anchors.sql.js';
import { faultsOf } from './signed-events.js';
import { readTrees } from './tree.sql.js';

const LOCK_TIMEOUT_MS = 10_000;
/** Appends wait for it: past this the store counts as one that cannot be asked. */
const STORE_TIMEOUT_MS = 15_000;
const RETRY_AFTER_SECONDS = 15;

/** Where each ledger that was signed stands to what was signed of it last, the store's anchors included. */
@Injectable()
export class HeldAgainstAnchors implements AnchorCheck, OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly gate: AppendGate,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    if (!this.store) return;
    this.gate.register(this);
    this.metrics.gauge(
      'truetrail_ledgers_behind_anchor',
      'Ledgers that take no events, as they lack some that were signed: the database was restored, or cut',
      [],
      () => [{ value: this.gate.countBehind() }],
    );
  }

  /** Over a connection that is made for it, since older ones may lead to a server that is none any more. */
  async run(): Promise<HeldLedgers> {
    const client = new pg.Client(
      connectionOptions({
        url: this.url,
        asService: true,
        applicationName: 'truetrail gate',
        lockTimeoutMs: LOCK_TIMEOUT_MS,
      }),
    );
    client.on('error', () => undefined); // the query that meets it fails
    await client.connect();
    try {
      const { identity, start } = await readServer(client);
      const storeAsked = await this.takeUp(client, identity);
      const behind = await this.compare(client);
      if (storeAsked) await sql.noteCheckedServer(client, identity);
      return { server: start, behind, storeAsked };
    } finally {
      await client.end();
    }
  }

  /** Whether the store could be asked for anchors that the database does not know. Throws anchors-unavailable where it must. */
  private async takeUp(client: pg.Client, server: string): Promise<boolean> {
    const store = this.store!.within(AbortSignal.timeout(STORE_TIMEOUT_MS));
    try {
      await claimStore(store, this.pool);
      const { intruders } = await takeUpAnchors(client, new AnchorStore(store), this.logger);
      for (const reason of intruders)
        this.logger.error({ reason, alarm: 'anchor-hidden' }, 'an anchor has later versions');
      return true;
    } catch (error) {
      if (error instanceof SigningRefused || error instanceof AnchorError || error instanceof NoteError) {
        // the store was asked, and what it says is not of this database
        throw new Problem(
          'anchors-unavailable',
          `The anchors in the store are not those of this database: ${error.message}`,
          {
            cause: error,
            retryAfterSeconds: RETRY_AFTER_SECONDS,
          },
        );
      }
      const checked = await sql.readCheckedServer(client); // fails by itself where the database was the reason
      if (checked !== null && checked !== server) {
        throw new Problem(
          'anchors-unavailable',
          'The database is on another server or timeline than before, and the anchors of its ledgers cannot be read',
          { cause: error, retryAfterSeconds: RETRY_AFTER_SECONDS },
        );
      }
      this.logger.warn(
        { err: error },
        'the store cannot be asked for anchors; the server is the same, so appends go on',
      );
      return false;
    }
  }

  private async compare(client: pg.Client): Promise<Map<string, string>> {
    const behind = new Map<string, string>();
    const doubtful: sql.SignedLedger[] = [];
    const signed = (await sql.readSignedLedgers(client)).filter(({ isOpen, signed }) => isOpen && signed !== null);
    const trees = await readTrees(
      client,
      signed.map(({ ledger }) => ledger),
    );
    for (const each of signed) {
      const { ledger, size } = each;
      const last = each.signed!;
      if (size < last.size) {
        behind.set(
          ledger,
          `The ledger ends at event ${size}, and ${last.size} were signed: events ${size + 1n} to ${last.size} are ` +
            'missing. It takes nothing until they are brought back',
        );
        continue;
      }
      const tree = trees.get(ledger);
      // as a round leaves it; otherwise the events themselves are asked
      const isAsSigned =
        tree?.size === last.size && GrowingTree.stored(tree.size, tree.open)?.root().equals(last.rootHash);
      if (last.size > 0n && !isAsSigned) doubtful.push(each);
    }
    for (const [ledger, fault] of await faultsOf({ url: this.url, config: this.config }, doubtful)) {
      behind.set(ledger, `The ledger is not what was signed: ${fault}. It takes nothing until that is mended`);
    }
    return behind;
  }
}
