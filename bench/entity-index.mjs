// `node bench/entity-index.mjs`: how large an index of entities is, by how its ids are made, without database and store.
// The entries are those of a month's orders, eight events each that lie a thousand orders apart, as bench/order-events.mjs
// makes them; sorted as PostgreSQL gives them. Memory is of the whole process, entries included: they are made at once.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/build.mjs';
import { ensureInstalled } from '../scripts/install.mjs';
import { Cleanup, importFrom, temporaryFolder } from './processes.mjs';

const USAGE = `node bench/entity-index.mjs [--events N]

  --events N    events of the index (4000000, which is as many as one object has)
`;
const EVENTS_AN_ORDER = 8;
const LIVE_ORDERS = 1000;

const { values } = parseArgs({ options: { events: { type: 'string', default: '4000000' } } });
const events = Number(values.events);
if (!(Number.isInteger(events) && events >= EVENTS_AN_ORDER * LIVE_ORDERS)) {
  process.stderr.write(USAGE);
  process.exit(1);
}

await ensureInstalled();
const build = ensureBuilt({ hold: true });
const { EntityIndexWriter } = await importFrom(build, 'src/archive/entity-index.js');
const { loadCompression } = await importFrom(build, 'src/archive/parquet-file.js');
await loadCompression();

const IDS = {
  'ids that count up (O-00000001)': (order) => `O-${String(order).padStart(8, '0')}`,
  'random ids (UUIDs)': (order) => {
    const hex = createHash('sha256').update(String(order)).digest('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  },
};
const time = '2026-06-01T08:00:00.000000Z';
const range = {
  ...{ ledger: 'main', origin: 'localhost/bench/main', from_sequence: '1', to_sequence: String(events) },
  ...{ least_timestamp: time, greatest_timestamp: time, least_recorded_at: time, greatest_recorded_at: time },
  ...{ previous_event_hash: null, last_event_hash: '0'.repeat(64) },
};

const cleanup = new Cleanup();
try {
  const folder = temporaryFolder(cleanup);
  for (const [name, idOf] of Object.entries(IDS)) {
    const began = performance.now();
    const writer = new EntityIndexWriter(join(folder, 'index'), 1n);
    writer.begin(range);
    for (const { id, sequences } of ordersOf(events, idOf)) {
      for (const sequence of sequences) {
        writer.add({ entity_type: 'order', entity_id: id, sequence: String(sequence), is_correction: false });
      }
    }
    const { bytes } = writer.finish();
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `${name}: ${events} events of ${Math.ceil(events / EVENTS_AN_ORDER)} entities, ${bytes} bytes: ` +
        `${(bytes / events).toFixed(2)} B an event, ${((bytes * EVENTS_AN_ORDER) / events).toFixed(1)} B an entity; ${seconds.toFixed(1)} s`,
    );
  }
} finally {
  await cleanup.run();
}

/** Orders by id, with where their events are. */
function ordersOf(count, idOf) {
  const orders = new Map();
  for (let i = 0; i < count; i++) {
    const cycle = Math.floor(i / (LIVE_ORDERS * EVENTS_AN_ORDER));
    const order = cycle * LIVE_ORDERS + (i % LIVE_ORDERS);
    if (!orders.has(order)) orders.set(order, []);
    orders.get(order).push(i + 1);
  }
  return [...orders]
    .map(([order, sequences]) => ({ id: idOf(order), sequences }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}
