import pg from 'pg';
import { watchForSilence } from './silent-connections.js';

/** The role that the service takes on every connection, whatever login it came with. It owns nothing. */
export const SERVICE_ROLE = 'truetrail_service';

/** Times go as text or integers, never through Date, which drops microseconds. */
const TIMESTAMPTZ = 1184;
const TIMESTAMP = 1114;
const DATE = 1082;
const JSONB = 3802;
const JSON_TYPE = 114;
const asText = (value: string): string => value;

/** pg's type parsers with the lossy ones replaced: times and JSON stay the text that PostgreSQL sent. */
export const losslessTypes = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
    if (oid === TIMESTAMPTZ || oid === TIMESTAMP || oid === DATE || oid === JSONB || oid === JSON_TYPE) return asText;
    return pg.types.getTypeParser(oid, format) as (value: string) => unknown;
  },
};

/** A password must never reach a log through a driver's message. */
export interface ConnectionSettings {
  url: string;
  /** false for migrations, which keep the owner's own role */
  asService: boolean;
  applicationName: string;
  lockTimeoutMs: number;
}

/** An idle connection is asked for a sign of life after so long; then ten more times, once a second (libuv). */
const KEEPALIVE_MS = 10_000;

/**
 * Connections of a pool that serves reads stay for five minutes when they are idle: pg's own ten seconds are shorter than
 * the time between two scrapes, each of which would connect anew, which costs PostgreSQL a process and a reader some of its
 * time. They keep no process from ending: a start that fails half-way has nobody who closes its pools.
 */
export const KEPT_CONNECTIONS = { idleTimeoutMillis: 300_000, allowExitOnIdle: true };

/**
 * What every connection of ours sets by itself, whatever the server's defaults are. For a client, or for a pool, whose
 * connections are watched for silence.
 */
export function connectionOptions(settings: ConnectionSettings): pg.PoolConfig {
  const parameters = [
    ...(settings.asService ? [`role=${SERVICE_ROLE}`] : []),
    'default_transaction_isolation=read\\ committed',
    'default_transaction_read_only=off',
    'synchronous_commit=on',
    'TimeZone=UTC',
    'DateStyle=ISO',
    'IntervalStyle=postgres',
    'bytea_output=hex',
    'extra_float_digits=1',
    'client_min_messages=warning',
    // Statements are written so that one plan serves: an array of 10,000 ids must not turn a look-up into a scan.
    'plan_cache_mode=force_generic_plan',
    'jit=off',
    'search_path=public',
    // An append is never cancelled: that of a wait for a standby would be reported as a commit. What may take only so
    // long sets its own limit.
    'statement_timeout=0',
    'idle_in_transaction_session_timeout=0',
    'idle_session_timeout=0',
    // Past this many matches a GIN index leaves some out, at random.
    'gin_fuzzy_search_limit=0',
    // How definitions are printed, which are compared as text.
    'quote_all_identifiers=off',
    'standard_conforming_strings=on',
    `lock_timeout=${settings.lockTimeoutMs}`,
    // By itself a server holds the locks of a replica whose machine or network is gone for two hours.
    'tcp_keepalives_idle=10',
    'tcp_keepalives_interval=5',
    'tcp_keepalives_count=4',
  ];
  return {
    connectionString: settings.url,
    application_name: settings.applicationName,
    options: parameters.map((parameter) => `-c ${parameter}`).join(' '),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    connectionTimeoutMillis: 10_000,
    types: losslessTypes,
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- a pool waits for it; its types do not say so
    onConnect: (client) => watchForSilence(client, settings.url),
  };
}

/**
 * A connection that is lost while it is lent out, but not at a query, has nobody who hears of it, and Node ends the
 * process. The next query on it fails by itself.
 */
export function keepFromCrashing(pool: pg.Pool): void {
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
}
