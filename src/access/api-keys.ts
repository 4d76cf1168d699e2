import { createHash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/database.module.js';
import { uuidv7 } from '../database/uuidv7.js';
import type { Principal } from './principal.js';
import * as sql from './api-keys.sql.js';
import type { ApiKey, NewApiKey } from './api-keys.sql.js';

export type { ApiKey, NewApiKey };

/**
 * How long a key is believed without asking the database again: a revoked key works this much longer on the replicas
 * that did not revoke it. Long enough that ingestion does not pay a look-up per request.
 */
const CACHE_MS = 5_000;
const CACHE_ENTRIES = 10_000;

/** Keys are 32 random bytes, so a plain SHA-256 is enough: there is nothing to guess. */
@Injectable()
export class ApiKeys {
  private readonly cache = new Map<string, { principal: Principal | null; until: number }>();

  constructor(@Inject(POOL) private readonly pool: pg.Pool) {}

  /** The principal of a key that is known, not expired and not revoked; null for any other. */
  async authenticate(key: string): Promise<Principal | null> {
    const hash = hashKey(key);
    const id = hash.toString('base64');
    const cached = this.cache.get(id);
    if (cached && cached.until > performance.now()) return cached.principal;
    const row = await sql.findUsableKey(this.pool, hash);
    const principal = row && { id: `key:${row.id}`, scopes: new Set(row.scopes), ledgers: new Set(row.ledgers) };
    if (this.cache.size >= CACHE_ENTRIES) this.cache.clear();
    // a key that expires while it is cached is refused in time
    const expiresInMs =
      row?.expires_in_ms === undefined || row.expires_in_ms === null ? Infinity : Number(row.expires_in_ms);
    this.cache.set(id, { principal, until: performance.now() + Math.min(principal ? CACHE_MS : 1_000, expiresInMs) });
    return principal;
  }

  /** Makes a key; `key` is shown this once. */
  async create(
    fields: NewApiKey,
    createdBy: string,
    key = `tt_${randomBytes(32).toString('base64url')}`,
  ): Promise<ApiKey & { key: string }> {
    const stored = await sql.insertKey(this.pool, { id: uuidv7(), hash: hashKey(key), createdBy, ...fields });
    return { ...stored, key };
  }

  list(): Promise<ApiKey[]> {
    return sql.listKeys(this.pool);
  }

  /** Revokes a key for good; undefined when there is none of that id. Revoking twice keeps the first time. */
  async revoke(id: string, revokedBy: string): Promise<ApiKey | undefined> {
    const key = await sql.revokeKey(this.pool, id, revokedBy);
    this.cache.clear();
    return key;
  }

  /** Makes sure that a given key (BOOTSTRAP_API_KEY) exists with the given scopes; true if it was new. */
  async ensure(key: string, fields: NewApiKey): Promise<boolean> {
    if (await sql.keyExists(this.pool, hashKey(key))) return false;
    return sql.insertKeyOnce(this.pool, { id: uuidv7(), hash: hashKey(key), createdBy: 'service', ...fields });
  }

  async isEmpty(): Promise<boolean> {
    return !(await sql.anyKey(this.pool));
  }
}

function hashKey(key: string): Buffer {
  return createHash('sha256').update(key, 'utf8').digest();
}
