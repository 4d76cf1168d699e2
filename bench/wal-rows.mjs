// Bytes of WAL and of keys by the kind of event ids and by settings of PostgreSQL: not in the default run (`--only wal`).
import { randomUUID } from 'node:crypto';
import { OrderEvents } from './order-events.mjs';
import { scratchTrail } from './index-rows.mjs';
import { importFrom, startService } from './processes.mjs';
import { BATCHES_IN_FLIGHT } from './trail.mjs';

/**
 * What is measured with each kind of ids, over as many events each: the first page of each block that is changed after a
 * checkpoint goes into the WAL as a whole, so how often there is one matters as much as how these pages are compressed.
 * A larger max_wal_size means fewer checkpoints.
 */
const VARIANTS = [
  { name: 'wal_compression off, one checkpoint', compression: 'off', checkpoints: 1 },
  { name: 'wal_compression pglz, one checkpoint', compression: 'pglz', checkpoints: 1 },
  { name: 'wal_compression off, four checkpoints', compression: 'off', checkpoints: 4 },
  { name: 'wal_compression pglz, four checkpoints', compression: 'pglz', checkpoints: 4 },
];

/** Each kind of ids in a database of its own, which has `walBase` events before `walEvents` are measured for each variant. */
export async function measureWal(trail, { walBase, walEvents }) {
  await trail.service.stop();
  const { uuidv7 } = await importFrom(trail.build, 'src/database/uuidv7.js');
  const rows = [];
  const keyBytes = {};
  const bytes = { UUIDv7: new Map(), 'random ids': new Map() };
  for (const [kind, makeId] of [
    ['UUIDv7', uuidv7],
    ['random ids', randomUUID],
  ]) {
    const scratch = await scratchTrail(trail, `bench_wal_${rows.length}`);
    scratch.events = new OrderEvents(makeId);
    scratch.service = await startService(scratch); // migrates and makes the months
    await post(scratch, walBase);
    await scratch.service.stop();
    for (const { name, compression, checkpoints } of VARIANTS) {
      const database = new URL(scratch.database.ownerUrl).pathname.slice(1);
      await scratch.withAdmin((admin) =>
        admin.query(`ALTER DATABASE ${database} SET wal_compression = ${compression}`),
      );
      scratch.service = await startService(scratch);
      await post(scratch, 1_000);
      // rows that nobody has read get their hint bits at the first reading, which is WAL as well, with checksums
      await scratch.withAdmin((admin) => admin.query('VACUUM'));
      let taken = 0;
      for (let i = 0; i < checkpoints; i++) {
        await scratch.withAdmin((admin) => admin.query('CHECKPOINT'));
        const before = await trail.walPosition();
        await post(scratch, walEvents / checkpoints);
        taken += Number((await trail.walPosition()) - before);
      }
      await scratch.service.stop();
      bytes[kind].set(name, taken / walEvents);
      trail.log(`  ${kind}, ${name}: ${Math.round(taken / walEvents)} B an event`);
    }
    keyBytes[kind] = await bytesAKey(scratch);
    rows.push(kind);
  }
  const row = (what, ours, limit, limitName) => ({
    ...{ row: 'wal', what, unit: 'B', ours, limit, limitName, ratio: ours / limit, target: 'printed', met: null },
  });
  return [
    row('bytes of event_keys an event, random ids', keyBytes['random ids'], keyBytes.UUIDv7, 'UUIDv7'),
    ...VARIANTS.map(({ name }) =>
      row(
        `bytes of WAL an event, random ids, ${name} in ${walEvents}`,
        bytes['random ids'].get(name),
        bytes.UUIDv7.get(name),
        'UUIDv7',
      ),
    ),
  ];
}

async function post(scratch, count) {
  await scratch.withConnections(BATCHES_IN_FLIGHT, async (connections) => {
    for (let left = count; left > 0; left -= 10_000)
      await scratch.postBatches(connections, scratch.makeBatches(connections[0], Math.min(left, 10_000)));
  });
}

async function bytesAKey(scratch) {
  return scratch.withAdmin(async (admin) => {
    const { rows } = await admin.query(
      `SELECT (sum(pg_total_relation_size(relid)) / (SELECT count(*) FROM event_keys))::float8 AS bytes
         FROM pg_partition_tree('event_keys') WHERE isleaf`,
    );
    return rows[0].bytes;
  });
}
