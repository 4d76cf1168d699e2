// What a user might take instead of Truetrail: Message DB, an event store of the same kind (functions in PostgreSQL, a
// stream an entity, one global order), on the same server, in turns with us. It hashes nothing and proves nothing; its
// clients talk to PostgreSQL without HTTP between.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { OrderEvents } from './order-events.mjs';
import { median, percentile, summarize } from './statistics.mjs';
import { alternate, BATCH_EVENTS, BATCHES_IN_FLIGHT } from './trail.mjs';
import { insertRows, rateOf } from './write-rows.mjs';

const DATABASE = 'message_store';
const CLIENTS = 64;
/** As its own installer takes them; what the bench does not call is left out. */
const FILES = [
  'schema/message-store',
  'tables/messages',
  ...['message-store-version', 'hash-64', 'acquire-lock', 'category', 'is-category', 'id', 'cardinal-id'].map(
    (name) => `functions/${name}`,
  ),
  'functions/stream-version',
  'functions/write-message',
  'indexes/messages-id',
  'indexes/messages-stream',
  'indexes/messages-category',
];

const WRITE = {
  name: 'bench_write_message',
  text: 'SELECT message_store.write_message($1::varchar, $2::varchar, $3::varchar, $4::jsonb, $5::jsonb)',
};
/** A batch is one statement, one transaction, one commit: all that its interface lets one do. */
const WRITE_BATCH = {
  name: 'bench_write_messages',
  text: `SELECT message_store.write_message(m.id, m.stream, m.type, m.data, m.metadata)
           FROM unnest($1::varchar[], $2::varchar[], $3::varchar[], $4::jsonb[], $5::jsonb[])
             AS m (id, stream, type, data, metadata)`,
};

/** One writer, 64 writers, batches. */
export async function measureMessageDb(trail, sizes) {
  await install(trail);
  const rounds = Math.ceil(sizes.rounds / 2); // printed beside the rows that count
  const [singles, concurrent, batched] = [sizes.singles, sizes.concurrent, sizes.batched].map((count) => count / 4);
  const own = new OrderEvents(trail.events.newEventId); // the trail's own are all recorded, and reads count on that
  const messages = (count) => own.take(count).map(toMessage);
  return trail.withConnections(CLIENTS, (connections) =>
    withClients(trail, CLIENTS, async (clients) => {
      const one = await alternate(
        rounds,
        () => trail.postSingles(connections.slice(0, 1), trail.makeSingles(connections[0], singles)),
        () => insertRows(clients.slice(0, 1), messages(singles), WRITE),
      );
      const many = await alternate(
        rounds,
        () => {
          const requests = trail.makeSingles(connections[0], concurrent);
          return rateOf(concurrent, () => trail.postSingles(connections, requests));
        },
        () => {
          const rows = messages(concurrent);
          return rateOf(concurrent, () => insertRows(clients, rows, WRITE));
        },
      );
      const batches = await alternate(
        rounds,
        () => {
          const requests = trail.makeBatches(connections[0], batched);
          return rateOf(batched, () => trail.postBatches(connections.slice(0, BATCHES_IN_FLIGHT), requests));
        },
        () => {
          const rows = messages(batched);
          const arrays = [];
          for (let i = 0; i < rows.length; i += BATCH_EVENTS) arrays.push(transpose(rows.slice(i, i + BATCH_EVENTS)));
          return rateOf(batched, () => insertRows(clients.slice(0, BATCHES_IN_FLIGHT), arrays, WRITE_BATCH));
        },
      );
      return [latencyRow(one), row('64 clients', many), row('batches of 500, 4 in flight', batches)];
    }),
  );
}

function latencyRow(results) {
  const [ours, theirs] = [results.ours.flat(), results.limit.flat()];
  return {
    row: 'message-db',
    what: 'beside Message DB: one client, p50',
    unit: 'ms',
    limitName: 'Message DB, no HTTP',
    limit: percentile(theirs, 0.5),
    ours: percentile(ours, 0.5),
    ratio: percentile(ours, 0.5) / percentile(theirs, 0.5),
    target: 'printed',
    met: null,
    detail: { oursMs: summarize(ours), limitMs: summarize(theirs) },
  };
}

function row(what, results) {
  const [ours, limit] = [median(results.ours), median(results.limit)];
  return {
    row: 'message-db',
    what: `beside Message DB: ${what}`,
    unit: 'events/s',
    limitName: 'Message DB, no HTTP',
    limit,
    ours,
    ratio: ours / limit,
    target: 'printed',
    met: null,
    detail: { oursByRound: results.ours, limitByRound: results.limit },
  };
}

/** An event as one would hand it to Message DB: a stream an order, the content as data and metadata. */
function toMessage(text) {
  const { event_id: id, action, entity_id: order, metadata, ...data } = JSON.parse(text);
  return [id, `order-${order}`, action, JSON.stringify(data), JSON.stringify(metadata)];
}

function transpose(rows) {
  return rows[0].map((_, column) => rows.map((values) => values[column]));
}

function databaseUrl(trail) {
  return Object.assign(new URL(trail.database.adminUrl), { pathname: `/${DATABASE}` }).href;
}

async function install(trail) {
  const folder = join(dirname(createRequire(import.meta.url).resolve('@eventide/message-db/package.json')), 'database');
  await trail.withAdmin(async (admin) => {
    await admin.query(`DROP DATABASE IF EXISTS ${DATABASE}`);
    await admin.query(`CREATE DATABASE ${DATABASE}`);
  }, 'postgres');
  await withClients(trail, 1, async ([admin]) => {
    for (const file of FILES) await admin.query(plainSql(readFileSync(join(folder, `${file}.sql`), 'utf8')));
  });
}

/**
 * The role that owns it elsewhere is not made here, an index is not built beside writers that are not there yet, and
 * gen_random_uuid() is PostgreSQL's own since version 13.
 */
function plainSql(text) {
  return text.replaceAll(/\bCONCURRENTLY\b/gi, '');
}

async function withClients(trail, count, work) {
  const clients = await Promise.all(
    Array.from({ length: count }, async () => {
      const client = new pg.Client({
        connectionString: databaseUrl(trail),
        application_name: 'bench',
        options: '-c search_path=message_store,public -c synchronous_commit=on',
      });
      client.on('error', () => undefined);
      await client.connect();
      return client;
    }),
  );
  try {
    return await work(clients);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}
