// Rows about the archive: export of what is new, written, read back, recomputed and catalogued.
import { runExport } from './jobs.mjs';
import { hashInMemory, startHashWorkers } from './read-rows.mjs';
import { median } from './statistics.mjs';
import { rateRow } from './write-rows.mjs';

/** Export to the archive of files, beside parsing and hashing the same records in memory on all cores. */
export async function measureExport(trail, { exportRounds, exportedEvents, hashedRecords, hashMs }) {
  const workers = await startHashWorkers(trail, Math.min(hashedRecords, trail.recorded));
  const results = { ours: [], limit: [] };
  const bytesAnEvent = [];
  try {
    await runExport(trail); // what is open before is not measured
    for (let round = 0; round < exportRounds; round++) {
      await trail.withConnections(4, (connections) =>
        trail.postBatches(connections, trail.makeBatches(connections[0], exportedEvents)),
      );
      const { events, bytes, seconds } = await runExport(trail);
      if (events < exportedEvents / 2) continue; // the run of the schedule was faster
      results.ours.push(events / seconds);
      bytesAnEvent.push(bytes / events);
      results.limit.push(await hashInMemory(workers, hashMs));
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  if (results.ours.length === 0) throw new Error('every export was taken by the schedule');
  return [
    rateRow(results, {
      row: 'export',
      what: `export to files, read back and recomputed, ${exportedEvents} events`,
      limitName: `parse + JCS + both hashes of records in memory on ${workers.length} cores`,
      least: 0.4,
    }),
    {
      row: 'export',
      what: 'bytes per event, archived',
      unit: 'B',
      ours: median(bytesAnEvent),
      target: 'printed',
      met: null,
    },
  ];
}
