import { hash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import type { Principal } from './principal.js';
import { findUsableKey } from './api-keys.sql.js';

/**
 * How long a key is believed without asking the database again: a revoked key works this much longer on the replicas
 * that did not revoke it. Long enough that ingestion does not pay a look-up per request.
 */
const BELIEVED_MS = 5_000;
/** A client that goes on with a key that is none must not cost a look-up per request either. */
const REFUSED_MS = 1_000;
/** Of each kind. Kept apart, so that a flood of invented keys does not push the real ones out. */
const MAX_REMEMBERED = 10_000;

interface Remembered {
  principal: Principal | null;
  /** by performance.now() */
  until: number;
}

/** Finds out who a key stands for. */
@Injectable()
export class ApiKeys {
  private readonly believed = new Map<string, Remembered>();
  private readonly refused = new Map<string, Remembered>();
  private lookUps = new Map<string, Promise<Principal | null>>();

  constructor(@Inject(POOL) private readonly pool: pg.Pool) {}

  /** The principal of a key that is known, not expired and not revoked; null for any other. */
  async authenticate(key: string): Promise<Principal | null> {
    const hashed = hashKey(key);
    const id = hashed.toString('base64');
    const remembered = this.believed.get(id) ?? this.refused.get(id);
    if (remembered && remembered.until > performance.now()) return remembered.principal;
    const underWay = this.lookUps.get(id);
    if (underWay) return underWay;
    const lookUps = this.lookUps;
    const lookUp = this.lookUp(hashed, id).finally(() => lookUps.delete(id));
    lookUps.set(id, lookUp);
    return lookUp;
  }

  /** From here on every key is looked up again; what a look-up that is under way now finds is not remembered. */
  forget(): void {
    this.believed.clear();
    this.refused.clear();
    this.lookUps = new Map();
  }

  private async lookUp(hash: Buffer, id: string): Promise<Principal | null> {
    const { lookUps } = this;
    const began = performance.now(); // counted from before the question, so that the answer is never older than it looks
    const row = await findUsableKey(this.pool, hash);
    const principal = row ? { id: `key:${row.id}`, scopes: new Set(row.scopes), ledgers: new Set(row.ledgers) } : null;
    if (lookUps !== this.lookUps) return principal;
    const expiresInMs = Number(row?.expires_in_ms ?? Infinity); // one that expires meanwhile is refused in time
    this.believed.delete(id);
    const memory = principal ? this.believed : this.refused;
    if (memory.size >= MAX_REMEMBERED) memory.clear();
    memory.set(id, { principal, until: began + Math.min(principal ? BELIEVED_MS : REFUSED_MS, expiresInMs) });
    return principal;
  }
}

/** Keys are 32 random bytes, so a plain SHA-256 is enough: there is nothing to guess. */
export function hashKey(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
