// Rows about what it takes: bytes on the disk, bytes of WAL, seconds until it serves again.
import { startProcess } from './processes.mjs';
import { median } from './statistics.mjs';

/** Bytes on the disk for each event, and bytes of WAL for each of those that filled the ledger in batches. */
export async function measureSize(trail) {
  const { rows } = await trail.owner.query(`
    SELECT part.parent, sum(pg_total_relation_size(part.relid))::text AS bytes, sum(pg_indexes_size(part.relid))::text AS index_bytes
      FROM (SELECT 'audit_events' AS parent, relid FROM pg_partition_tree('audit_events') WHERE isleaf
            UNION ALL SELECT 'event_keys', relid FROM pg_partition_tree('event_keys') WHERE isleaf) AS part
      GROUP BY part.parent`);
  const { rows: counted } = await trail.owner.query('SELECT count(*)::text AS events FROM event_keys');
  const { rows: stored } = await trail.owner.query('SELECT count(*)::text AS events FROM audit_events');
  const of = (parent) => rows.find((row) => row.parent === parent);
  const [events, keys] = [Number(stored[0].events), Number(counted[0].events)];
  const tableBytes = Number(of('audit_events').bytes) / events;
  const keyBytes = Number(of('event_keys').bytes) / keys;
  const lines = [
    {
      row: 'size',
      what: 'bytes per event, online (audit_events, event_keys, all indexes)',
      unit: 'B',
      ours: tableBytes + keyBytes,
      target: 'printed',
      met: null,
      note: `of them indexes of audit_events ${Math.round(Number(of('audit_events').index_bytes) / events)}, event_keys ${Math.round(keyBytes)}`,
      detail: { events, keys },
    },
  ];
  if (trail.filled.events > 0) {
    lines.push({
      row: 'size',
      what: 'bytes of WAL per event, batches of 500',
      unit: 'B',
      ours: trail.filled.walBytes / trail.filled.events,
      target: 'printed',
      met: null,
      note: `over ${trail.filled.events} events, recorded at ${Math.round(trail.filled.events / trail.filled.seconds)} events/s`,
    });
  }
  return lines;
}

/**
 * Seconds from `node scripts/start.mjs` on a data folder that exists to the first 200 of /health/ready. Takes over the
 * folder of the trail, which is stopped for good: nothing can be measured after this row.
 */
export async function measureStart(trail, { starts }) {
  await trail.stop();
  const seconds = [];
  for (let i = 0; i < starts; i++) {
    const service = await startProcess({
      args: [trail.startScript],
      env: { DATA_DIR: trail.dataDir, VERIFICATION_SCHEDULE: 'off' },
      folder: trail.folder,
      cleanup: trail.cleanup,
    });
    seconds.push(service.readyAfterMs / 1000);
    await service.stop();
  }
  const ours = median(seconds);
  return [
    {
      row: 'start',
      what: `ready on a later start, embedded PostgreSQL with ${trail.recorded} events`,
      unit: 's',
      ours,
      target: '≤ 5 s',
      met: ours <= 5,
      detail: { seconds },
    },
  ];
}
