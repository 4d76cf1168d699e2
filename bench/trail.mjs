import { join } from 'node:path';
import pg from 'pg';
import { HttpConnection } from './http-connection.mjs';
import { LimitRows } from './limit-rows.mjs';
import { OrderEvents } from './order-events.mjs';
import { importFrom, KEY, startDatabase, startService, temporaryFolder } from './processes.mjs';

export const LEDGER = 'main';
export const EVENTS_PATH = `/v1/ledgers/${LEDGER}/events`;
export const BATCH_PATH = `${EVENTS_PATH}/batch`;
export const BATCH_EVENTS = 500;
export const BATCHES_IN_FLIGHT = 4;
/** Events that are made at once while filling: they are held in memory. */
const FILL_STEP = 20_000;

const ordinaryEvents = (newEventId) => new OrderEvents(newEventId);

/** The service under test on its database, and connections to both. Everything that it starts, `cleanup` stops. */
export class Trail {
  /** Events that the service has acknowledged. */
  recorded = 0;
  /** What filling took, for the row about size; see fill(). */
  filled = { events: 0, seconds: 0, walBytes: 0 };

  /** `eventsBy`: makes what is posted, of a function that gives new ids; OrderEvents when left out. */
  static async start({ build, startScript, cleanup, log, nodeArgs = [], env = {}, eventsBy = ordinaryEvents }) {
    const trail = new Trail();
    const folder = temporaryFolder(cleanup);
    const [event, stored, { connectionOptions }, { uuidv7 }] = await Promise.all([
      importFrom(build, 'src/integrity/event.js'),
      importFrom(build, 'src/events/stored-events.js'),
      importFrom(build, 'src/database/connection.js'),
      importFrom(build, 'src/database/uuidv7.js'),
    ]);
    Object.assign(trail, { build, startScript, cleanup, log, folder, dataDir: join(folder, 'data'), nodeArgs, env });
    trail.connectionOptions = connectionOptions;
    trail.storedColumns = stored.STORED_COLUMNS;
    trail.events = eventsBy(uuidv7);
    trail.limits = new LimitRows(new OrderEvents(uuidv7), event);
    await trail.#startBoth();
    return trail;
  }

  async #startBoth() {
    this.database = await startDatabase(this);
    this.service = await startService(this);
    this.owner = await this.connectOwner();
    const { owner } = this;
    this.cleanup.add(() => owner.end());
  }

  /** The service anew, with an empty heap, and with other settings where they are given. */
  async restartService(env = {}) {
    await this.service.stop();
    this.service = await startService({ ...this, env: { ...this.env, ...env } });
  }

  /** The same after something failed, however the one before ends. */
  async replaceService() {
    await this.service.stop().catch((error) => this.log(`  the service before: ${error.message}`));
    this.service = await startService(this);
  }

  /** Both anew, with empty caches of their own; `between` runs while neither is there. */
  async restartBoth(between) {
    await this.stop();
    await between();
    await this.#startBoth();
  }

  async stop() {
    await this.owner.end();
    await this.service.stop();
    await this.database.stop();
  }

  /** A connection of the tables' owner, with the session settings that the service's own have. */
  async connectOwner() {
    const client = new pg.Client(
      this.connectionOptions({
        url: this.database.ownerUrl,
        asService: false,
        applicationName: 'bench',
        lockTimeoutMs: 0,
      }),
    );
    client.on('error', () => undefined); // a connection that breaks fails the query that uses it
    await client.connect();
    return client;
  }

  /** Runs `work` with `count` connections of the owner. */
  async withOwners(count, work) {
    const clients = await Promise.all(Array.from({ length: count }, () => this.connectOwner()));
    try {
      return await work(clients);
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
  }

  /** Runs `work` with `count` kept-alive HTTP connections. */
  async withConnections(count, work) {
    const opened = await Promise.all(Array.from({ length: count }, () => HttpConnection.open(this.service.url, KEY)));
    try {
      return await work(opened);
    } finally {
      for (const connection of opened) connection.close();
    }
  }

  /** One request whose cost does not matter: `{status, body}`. */
  call(method, path, body) {
    return this.withConnections(1, ([connection]) => connection.call(method, path, body));
  }

  /** Posts events one by one over each connection, as fast as it answers. Returns milliseconds for each. */
  async postSingles(connections, requests) {
    let next = 0;
    const latencies = [];
    await Promise.all(
      connections.map(async (connection) => {
        while (next < requests.length) {
          const request = requests[next++];
          const begun = performance.now();
          const answer = await connection.send(request);
          latencies.push(performance.now() - begun);
          if (answer.status !== 201) throw unexpected(answer);
        }
      }),
    );
    this.recorded += requests.length;
    return latencies;
  }

  /** Posts batches, one in flight over each connection. Returns milliseconds for each. */
  async postBatches(connections, batches) {
    let next = 0;
    const latencies = [];
    await Promise.all(
      connections.map(async (connection) => {
        while (next < batches.length) {
          const { request, events } = batches[next++];
          const begun = performance.now();
          const answer = await connection.send(request);
          latencies.push(performance.now() - begun);
          if (answer.status !== 201) throw unexpected(answer);
          this.recorded += events;
        }
      }),
    );
    return latencies;
  }

  /** `count` single events as requests, ready to be sent. */
  makeSingles(connection, count) {
    return this.events.take(count).map((text) => connection.encode('POST', EVENTS_PATH, text));
  }

  /** `count` events in batches, ready to be sent. */
  makeBatches(connection, count) {
    const batches = [];
    for (let left = count; left > 0; left -= BATCH_EVENTS) {
      batches.push(this.batchOf(connection, this.events.take(Math.min(left, BATCH_EVENTS))));
    }
    return batches;
  }

  /** The same of events that are given, as the texts of their bodies. */
  batchesOf(connection, texts) {
    const batches = [];
    for (let at = 0; at < texts.length; at += BATCH_EVENTS) {
      batches.push(this.batchOf(connection, texts.slice(at, at + BATCH_EVENTS)));
    }
    return batches;
  }

  batchOf(connection, texts) {
    const body = `{"events":[${texts.join(',')}]}`;
    return { request: connection.encode('POST', BATCH_PATH, body), events: texts.length };
  }

  /** Enough requests of both kinds that the compiler has seen the paths that are measured. */
  async warmUp(events) {
    await this.withConnections(BATCHES_IN_FLIGHT, async (connections) => {
      await this.postSingles(connections, this.makeSingles(connections[0], events));
      await this.postBatches(connections, this.makeBatches(connections[0], 10 * events));
    });
  }

  /**
   * Brings the ledger to `target` events, in batches, and counts the WAL that they took. Ends with what autovacuum would
   * have done by the time that a ledger has this size: VACUUM ANALYZE.
   */
  async fill(target) {
    if (this.recorded >= target) return;
    const { recorded } = this;
    this.log(`filling the ledger: ${recorded} to ${target} events`);
    const walBefore = await this.walPosition();
    const begun = performance.now();
    await this.withConnections(BATCHES_IN_FLIGHT, async (connections) => {
      while (this.recorded < target) {
        const count = Math.min(FILL_STEP, target - this.recorded);
        await this.postBatches(connections, this.makeBatches(connections[0], count));
        if (this.recorded % 1_000_000 < FILL_STEP) this.log(`  ${this.recorded} events`);
      }
    });
    this.filled.events += this.recorded - recorded;
    this.filled.seconds += (performance.now() - begun) / 1000;
    this.filled.walBytes += Number(await this.walPosition()) - Number(walBefore);
    await this.withAdmin((admin) => admin.query('VACUUM (ANALYZE) audit_events, event_keys'));
  }

  async walPosition() {
    const { rows } = await this.owner.query(`SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes`);
    return BigInt(rows[0].bytes);
  }

  /** Runs `work` as the superuser, in the service's database unless another is named. */
  async withAdmin(work, databaseName = new URL(this.database.ownerUrl).pathname.slice(1)) {
    const url = Object.assign(new URL(this.database.adminUrl), { pathname: `/${databaseName}` }).href;
    const client = new pg.Client({ connectionString: url, application_name: 'bench' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

export function unexpected(answer) {
  return new Error(`the service answered ${answer.status}: ${answer.body.toString().slice(0, 500)}`);
}

/**
 * Ours, then the limit, `rounds` times, so that whatever else the machine does hits both. Returns what each returned,
 * an element a round.
 */
export async function alternate(rounds, ours, limit) {
  const results = { ours: [], limit: [] };
  for (let round = 0; round < rounds; round++) {
    results.ours.push(await ours(round));
    results.limit.push(await limit(round));
  }
  return results;
}
