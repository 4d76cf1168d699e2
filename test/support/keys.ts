import pg from 'pg';
import type { TestDatabase } from './database.js';
import type { TestService } from './app.js';

export interface TestKey {
  id: string;
  key: string;
}

/** A key made by POST /v1/api-keys, for the ledger main unless others are given. */
export async function createKey(service: TestService, scopes: string[], ledgers = ['main']): Promise<TestKey> {
  const { body } = await service
    .http()
    .post('/v1/api-keys')
    .send({ name: scopes.join(' ').slice(0, 100), scopes, ledgers })
    .expect(201);
  return body as TestKey;
}

/**
 * By the address of the administrator. A connection costs the server more than most statements do: it is kept for the next one,
 * but not for long, as whoever clones or counts must find nobody.
 */
const pools = new Map<string, pg.Pool>();
const KEPT_MS = 500;

function poolOf({ adminUrl }: TestDatabase): pg.Pool {
  let pool = pools.get(adminUrl);
  if (!pool) {
    pool = new pg.Pool({ connectionString: adminUrl, max: 4, idleTimeoutMillis: KEPT_MS, allowExitOnIdle: true });
    pool.on('error', () => undefined); // an idle connection that is cut is made anew
    pools.set(adminUrl, pool);
  }
  return pool;
}

/** Rows of one statement, by a superuser: what the database says, whatever the service does. What it would SET is left for others. */
export async function query<T extends pg.QueryResultRow>(
  database: TestDatabase,
  text: string,
  values: unknown[] = [],
): Promise<T[]> {
  return (await poolOf(database).query<T>(text, values)).rows;
}

export interface ServiceEventRow {
  entity_id: string;
  action: string;
  user_id: string;
  recorded_by: string;
  new_state: Record<string, unknown>;
}

/** What the service has recorded of one kind in its own ledger, in sequence. */
export function serviceEvents(database: TestDatabase, eventType: string): Promise<ServiceEventRow[]> {
  return query<ServiceEventRow>(
    database,
    `SELECT entity_id, action, user_id, recorded_by, new_state FROM audit_events
       WHERE ledger = '_service' AND event_type = $1 ORDER BY sequence`,
    [eventType],
  );
}
