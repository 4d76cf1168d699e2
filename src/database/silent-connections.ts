import type { Socket } from 'node:net';
import pg from 'pg';

/** A query that got no byte of an answer for so long makes us ask the server whether it is still at it. */
const SILENCE_MS = 5_000;
const LOOK_MS = 1_000;
const PROBE_TIMEOUT_MS = 5_000;
/**
 * So many times in a row the server must say that it is not at it: an answer may just be under way. Another server than
 * the one that was asked will never answer, and need not be asked twice.
 */
const DENIALS = 2;

/** What pg's client has, and its types leave out. */
interface ClientInternals {
  /** false from the moment that a query is sent until all of its answer is there */
  readyForQuery?: boolean;
  connection: { stream: Socket };
}

interface Watched {
  client: pg.ClientBase & ClientInternals;
  url: string;
  /** of the server's process for this connection */
  pid: number;
  /** when that server was started */
  start: string;
  bytesRead: number;
  /** performance.now() when it was last seen to be idle or to get an answer */
  heardAt: number;
  denials: number;
}

/** Connections of this thread. */
const watched = new Set<Watched>();
let timer: NodeJS.Timeout | undefined;
let asking: Promise<void> | undefined;

/**
 * Sees to it that a query on this connection does not wait for ever for a server that is gone. One that loses its power or
 * its network says no word: what was sent to it is sent again by TCP for a quarter of an hour before the connection counts
 * as lost, however soon another server has taken its place. So the server is asked, over a connection of its own, about
 * every query that it was silent on for five seconds; one that it knows nothing of is cut off and fails with ETIMEDOUT.
 * A query that takes long is left alone, and so is all while no server can be asked.
 *
 * To be called once the connection stands; resolves when it is known where it leads to. `url` is how it was made.
 */
export async function watchForSilence(client: pg.ClientBase, url: string): Promise<void> {
  const { rows } = await client.query<{ pid: number; start: string }>(
    'SELECT pg_backend_pid() AS pid, pg_postmaster_start_time()::text AS start',
  );
  const one: Watched = {
    client: client as Watched['client'],
    url,
    ...rows[0]!,
    bytesRead: 0,
    heardAt: performance.now(),
    denials: 0,
  };
  watched.add(one);
  client.once('end', () => {
    watched.delete(one);
    if (watched.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  });
  timer ??= setInterval(look, LOOK_MS).unref();
}

/** Ends a connection without a word to the server; whoever waits on it is told so. */
export function cutOff(client: pg.ClientBase, reason: string): void {
  const error = Object.assign(new Error(reason), { code: 'ETIMEDOUT' });
  (client as Watched['client']).connection.stream.destroy(error);
}

function look(): void {
  const now = performance.now();
  const silent = new Map<string, Watched[]>();
  for (const one of watched) {
    const { bytesRead } = one.client.connection.stream;
    if (one.client.readyForQuery !== false || bytesRead !== one.bytesRead) {
      Object.assign(one, { bytesRead, heardAt: now, denials: 0 });
    } else if (now - one.heardAt > SILENCE_MS) {
      silent.set(one.url, [...(silent.get(one.url) ?? []), one]);
    }
  }
  if (silent.size === 0) return;
  asking ??= Promise.all([...silent].map(([url, ones]) => ask(url, ones)))
    .then(() => undefined)
    .finally(() => (asking = undefined));
}

/** Never rejects: a server that cannot be asked has nothing better to offer than to wait. */
async function ask(url: string, silent: readonly Watched[]): Promise<void> {
  // with the login's own rights: the service's role may not see what other sessions do
  const client = new pg.Client({
    connectionString: url,
    application_name: 'truetrail silence',
    connectionTimeoutMillis: PROBE_TIMEOUT_MS,
    query_timeout: PROBE_TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ start: string; busy: number[] }>(
      `SELECT pg_postmaster_start_time()::text AS start,
              ARRAY(SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1) AND state IS DISTINCT FROM 'idle') AS busy`,
      [silent.map(({ pid }) => pid)],
    );
    const { start, busy } = rows[0]!;
    for (const one of silent) {
      if (one.client.connection.stream.bytesRead !== one.bytesRead) continue;
      if (one.start === start && busy.includes(one.pid)) {
        Object.assign(one, { heardAt: performance.now(), denials: 0 });
        continue;
      }
      one.denials += 1;
      if (one.start !== start || one.denials >= DENIALS) cutOff(one.client, 'the server knows nothing of this query');
    }
    // those that are idle lead to the same place
    for (const one of watched) {
      if (one.url === url && one.start !== start) cutOff(one.client, 'another server has taken the place of this one');
    }
  } catch {
    // asked again at the next look
  } finally {
    client.end().catch(() => undefined);
  }
}
