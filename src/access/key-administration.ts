import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import { connectionOptions } from '../database/connection.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import { formatMicros, parseTimestamp } from '../integrity/timestamp.js';
import { ApiKeys, hashKey } from './api-keys.js';
import * as sql from './api-keys.sql.js';
import type { ApiKey, NewApiKey } from './api-keys.sql.js';
import { allPowerful, EVERY_LEDGER, mayUseLedger, SCOPES, type Principal } from './principal.js';

export type { ApiKey, NewApiKey };

/** Replicas that start together make the first key in turns; each takes some milliseconds. */
const TURN_TIMEOUT_MS = 60_000;

/**
 * Makes, shows and revokes API keys. What it does is in the service's ledger before it takes effect: a crash between
 * the two leaves the record of a key that never worked, or of a revocation that its caller will send again, and never a
 * key that nobody has heard of.
 */
@Injectable()
export class KeyAdministration {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly databaseUrl: string,
    private readonly keys: ApiKeys,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /** Makes a key; `key` is shown this once. Throws forbidden for what the caller does not hold itself. */
  async create(caller: Principal, wanted: NewApiKey, key = newKey()): Promise<ApiKey & { key: string }> {
    assertMayGrant(caller, wanted);
    const id = uuidv7();
    const expires_at = wanted.expires_at && formatMicros(parseTimestamp(wanted.expires_at).micros);
    const { name, scopes, ledgers } = wanted;
    await this.serviceLedger.record({
      event_type: 'api_key',
      entity_type: 'api_key',
      entity_id: id,
      action: 'create',
      user_id: caller.id,
      new_state: { name, scopes: [...scopes], ledgers: [...ledgers], expires_at: expires_at ?? null },
    });
    const stored = await sql.insertKey(this.pool, {
      id,
      hash: hashKey(key),
      createdBy: caller.id,
      ...wanted,
      expires_at,
    });
    return { ...stored, key };
  }

  /** The keys whose ledgers are all the caller's, oldest first, revoked and expired ones among them. */
  async list(caller: Principal): Promise<ApiKey[]> {
    return (await sql.listKeys(this.pool)).filter((key) => mayManage(caller, key));
  }

  /** Throws key-not-found, also for a key of ledgers that are not the caller's. */
  async find(caller: Principal, id: string): Promise<ApiKey> {
    const key = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) ? await sql.findKey(this.pool, id) : undefined;
    if (!key || !mayManage(caller, key)) {
      throw new Problem(
        'key-not-found',
        'There is no key with this id, or it is for ledgers that these credentials are not for',
      );
    }
    return key;
  }

  /** Revokes a key for good, at once in this replica. Doing so twice changes and records nothing. Throws key-not-found. */
  async revoke(caller: Principal, id: string): Promise<ApiKey> {
    const key = await this.find(caller, id);
    if (key.revoked_at !== null) return key;
    await this.serviceLedger.record({
      event_type: 'api_key',
      entity_type: 'api_key',
      entity_id: key.id,
      action: 'revoke',
      user_id: caller.id,
      new_state: { name: key.name, scopes: key.scopes, ledgers: key.ledgers, expires_at: key.expires_at },
    });
    const revoked = await sql.revokeKey(this.pool, key.id, caller.id);
    this.keys.forget();
    return revoked!;
  }

  /**
   * Makes sure that `given` is a key, or, without it, that there is any; with every scope on every ledger. Returns the
   * key that it made up, to be shown once. A given key that was revoked stays so.
   */
  async ensureFirstKey(given: string | undefined): Promise<string | undefined> {
    const isThere = (): Promise<boolean> => sql.keyExists(this.pool, given === undefined ? undefined : hashKey(given));
    if (await isThere()) return undefined;
    return this.inTurn(async () => {
      if (await isThere()) return undefined; // another replica was quicker
      const name = given === undefined ? 'first key' : 'BOOTSTRAP_API_KEY';
      const fields = { name, scopes: SCOPES, ledgers: [EVERY_LEDGER] };
      const { key } = await this.create(allPowerful('service'), fields, given);
      return given === undefined ? key : undefined;
    });
  }

  /** Over a connection of its own: one of the pool's, held while others are waited for, could be the last. */
  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const client = new pg.Client(
      connectionOptions({
        url: this.databaseUrl,
        asService: true,
        applicationName: 'truetrail first key',
        lockTimeoutMs: TURN_TIMEOUT_MS,
      }),
    );
    client.on('error', () => undefined); // the query that meets it fails
    await client.connect();
    try {
      await sql.waitForFirstKeyTurn(client);
      return await work();
    } finally {
      await client.end(); // which ends the turn
    }
  }
}

function newKey(): string {
  return `tt_${randomBytes(32).toString('base64url')}`;
}

function mayManage(caller: Principal, key: ApiKey): boolean {
  return key.ledgers.every((ledger) => mayUseLedger(caller, ledger));
}

function assertMayGrant(caller: Principal, { scopes, ledgers }: NewApiKey): void {
  const lacking = [
    ...scopes.map((scope, i) => ({
      pointer: `/scopes/${i}`,
      what: `the scope ${scope}`,
      held: caller.scopes.has(scope),
    })),
    ...ledgers.map((ledger, i) => ({
      pointer: `/ledgers/${i}`,
      what: ledger === EVERY_LEDGER ? 'every ledger (*)' : `the ledger ${ledger}`,
      held: mayUseLedger(caller, ledger),
    })),
  ].filter(({ held }) => !held);
  if (lacking.length === 0) return;
  throw new Problem(
    'forbidden',
    `A key grants only what its maker holds; these credentials lack ${lacking.map(({ what }) => what).join(', ')}`,
    {
      errors: lacking.map(({ pointer, what }) => ({ pointer, rule: 'held', detail: `these credentials lack ${what}` })),
    },
  );
}
