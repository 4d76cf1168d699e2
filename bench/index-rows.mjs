// What each index costs the way in, and GIN's fastupdate both ways: not in the default run (`--only indexes`).
import { startService } from './processes.mjs';
import { median, summarize } from './statistics.mjs';
import { BATCHES_IN_FLIGHT, Trail } from './trail.mjs';
import { rateOf } from './write-rows.mjs';

const INDEXES = ['entity', 'user', 'type', 'timestamp', 'metadata'];

/** Changes to the shipped schema, as SQL that the superuser runs on a scratch database. */
const VARIANTS = {
  'as shipped': '',
  ...Object.fromEntries(
    INDEXES.map((name) => [`without audit_events_${name}_idx`, `DROP INDEX audit_events_${name}_idx`]),
  ),
  'without all five': INDEXES.map((name) => `DROP INDEX audit_events_${name}_idx`).join('; '),
  'GIN with fastupdate off': `
    DO $$
    DECLARE leaf regclass;
    BEGIN
      FOR leaf IN SELECT relid FROM pg_partition_tree('audit_events_metadata_idx') WHERE isleaf LOOP
        EXECUTE format('ALTER INDEX %s SET (fastupdate = off)', leaf);
      END LOOP;
    END $$`,
};

/**
 * Each variant in a database of its own that the service has migrated; one after the other, in as many rounds as asked
 * for, each round going on where the one before ended.
 */
export async function measureIndexes(trail, { indexRounds, batched }) {
  await trail.service.stop();
  const variants = [];
  for (const [name, change] of Object.entries(VARIANTS)) {
    const scratch = await scratchTrail(trail, `bench_${variants.length}`);
    scratch.service = await startService(scratch); // migrates and makes the months
    await scratch.service.stop();
    if (change !== '') await scratch.withAdmin((admin) => admin.query(change));
    variants.push({ name, scratch, rates: [], latencies: [] });
  }
  for (let round = 0; round < indexRounds; round++) {
    for (const { name, scratch, rates, latencies } of variants) {
      scratch.service = await startService(scratch);
      await scratch.warmUp(200);
      await scratch.withConnections(BATCHES_IN_FLIGHT, async (connections) => {
        const batches = scratch.makeBatches(connections[0], batched);
        const rate = await rateOf(batched, async () => {
          latencies.push(...(await scratch.postBatches(connections, batches)));
        });
        rates.push(rate);
        trail.log(`  ${name}: ${Math.round(rate)} events/s`);
      });
      await scratch.service.stop();
    }
  }
  const shipped = median(variants[0].rates);
  return variants.map(({ name, rates, latencies }) => ({
    row: 'indexes',
    what: `batches of 500, ${BATCHES_IN_FLIGHT} in flight, ${name}`,
    unit: 'events/s',
    limitName: 'as shipped',
    limit: shipped,
    ours: median(rates),
    ratio: median(rates) / shipped,
    target: 'printed',
    met: null,
    note: `batch p50 ${summarize(latencies).p50} ms, p99 ${summarize(latencies).p99} ms`,
    detail: { ratesByRound: rates, msABatch: summarize(latencies) },
  }));
}

/** A new, empty database on the same server, with the rights that the service's own has. */
export async function scratchTrail(trail, name) {
  const rename = (url) => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const { database } = trail;
  const owner = new URL(database.ownerUrl).username;
  await trail.withAdmin(async (admin) => {
    await admin.query(
      `CREATE DATABASE ${name} OWNER ${owner} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'`,
    );
    await admin.query(`GRANT CONNECT ON DATABASE ${name} TO ${new URL(database.serviceUrl).username}`);
  }, 'postgres');
  return Object.assign(Object.create(Trail.prototype), trail, {
    recorded: 0,
    database: { ...database, ownerUrl: rename(database.ownerUrl), serviceUrl: rename(database.serviceUrl) },
  });
}
