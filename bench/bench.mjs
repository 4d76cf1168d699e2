import { join } from 'node:path';
import { measureExport } from './archive-rows.mjs';
import { measureSize, measureStart } from './footprint-rows.mjs';
import { measureIndexes } from './index-rows.mjs';
import { measureWal } from './wal-rows.mjs';
import { runExport } from './jobs.mjs';
import { measureArchivedMemory, measureMonthSteps } from './month-rows.mjs';
import { measureMessageDb } from './message-db-rows.mjs';
import { Cleanup } from './processes.mjs';
import {
  measureBusy,
  measureColdHistory,
  measureHistory,
  measureMemory,
  measureVerification,
  NO_EXPORT_OF_ITS_OWN,
  notThereYet,
  NotThereYet,
} from './read-rows.mjs';
import { measureRebuild } from './recovery-rows.mjs';
import { measureReports } from './report-rows.mjs';
import { measureReportFiles, measureSubmissions } from './reporting-rows.mjs';
import { environment, resultsAsJson, resultsAsText, writeDocument } from './report.mjs';
import { measureProofs, measureRounds } from './checkpoint-rows.mjs';
import { measureBundle, measureLevels } from './evidence-rows.mjs';
import { measureLedgers, measureTakingUp } from './ledger-rows.mjs';
import { measureS3 } from './s3-rows.mjs';
import { measureSlowStore } from './slow-store-rows.mjs';
import { rowTimeoutMs, TimedOut, withTimeout } from './timeouts.mjs';
import { LEDGER, Trail } from './trail.mjs';
import { measureBatches, measureClients, measureSingle } from './write-rows.mjs';

/** Fifteen to twenty minutes on two cores. Time grows with these and with nothing else. */
const FULL = {
  events: 1_000_000,
  rounds: 5,
  warmUpEvents: 2_000,
  singles: 2_000,
  concurrent: 20_000,
  batched: 40_000,
  orders: 1_000,
  verificationRounds: 2,
  hashedRecords: 100_000,
  hashMs: 5_000,
  roundsMs: 60_000,
  proofs: 1_000,
  proofRounds: 3,
  ledgers: 10_000,
  anchors: 10_000,
  bundledEvents: 500_000,
  exportRounds: 3,
  exportedEvents: 60_000,
  s3Events: 127_483,
  audits: 40,
  auditedEvents: 500,
  quietSingles: 1_000,
  busyRounds: 3,
  busyMs: 8_000,
  smallEvents: 100_000,
  listedReads: 2_000,
  starts: 3,
  indexRounds: 3,
  walBase: 200_000,
  walEvents: 40_000,
  stepEvents: 100_000,
  searchMs: 60_000,
  archivedMonths: 24,
  archivedMonthEvents: 20_000,
  archivedInObject: 2_000,
  reportedInFile: 1_000_000,
  reportedASplit: 100_000,
  submitted: 50_000,
  dropCaches: true,
};
/** Enough to see that everything runs. */
const QUICK = {
  events: 16_000,
  rounds: 2,
  warmUpEvents: 100,
  singles: 100,
  concurrent: 640,
  batched: 2_000,
  orders: 50,
  verificationRounds: 1,
  hashedRecords: 4_000,
  hashMs: 200,
  roundsMs: 12_000,
  proofs: 20,
  proofRounds: 2,
  ledgers: 50,
  anchors: 150,
  bundledEvents: 4_000,
  exportRounds: 1,
  exportedEvents: 2_000,
  s3Events: 4_000,
  audits: 3,
  auditedEvents: 50,
  quietSingles: 100,
  busyRounds: 1,
  busyMs: 500,
  smallEvents: 8_000,
  listedReads: 100,
  starts: 1,
  indexRounds: 1,
  walBase: 4_000,
  walEvents: 2_000,
  stepEvents: 1_000,
  searchMs: 1_500,
  archivedMonths: 4,
  archivedMonthEvents: 500,
  archivedInObject: 1_000,
  reportedInFile: 2_000,
  reportedASplit: 500,
  submitted: 500,
  dropCaches: false,
};

/**
 * In the order in which they run. `filled`: on the ledger at its full size. `extra`: only when named. `parts`: of so many
 * that each has its own time. `unarchived`: what it measures has nothing to do with the archive; where all rows are so,
 * nothing is exported, which of ten million events takes as long as recording them.
 */
const ROWS = {
  single: { what: 'one durable POST over HTTP, one client', measure: measureSingle },
  clients: { what: '64 clients, one event each', measure: measureClients },
  batches: { what: 'batches of 500, 4 in flight', measure: measureBatches },
  'message-db': { what: 'beside Message DB', measure: measureMessageDb },
  size: { what: 'bytes per event, online', measure: measureSize, filled: true, unarchived: true },
  history: { what: 'order history, warm', measure: measureHistory, filled: true, unarchived: true },
  verification: { what: 'verification of links and contents', measure: measureVerification, filled: true },
  levels: { what: 'verification, level by level', measure: measureLevels, filled: true },
  export: { what: 'export to the archive, verified', measure: measureExport, filled: true },
  s3: { what: 'export to S3, and archived records from there', measure: measureS3 },
  checkpoints: { what: 'checkpoint rounds at full ingest', measure: measureRounds },
  proofs: { what: 'proofs of random events', measure: measureProofs, filled: true, unarchived: true },
  ledgers: { what: 'a round of very many ledgers', measure: measureLedgers },
  anchors: { what: 'very many anchors taken up', measure: measureTakingUp },
  bundles: { what: 'a trade date bundled and verified', measure: measureBundle, filled: true },
  busy: { what: 'POST p99 while export, verification and a report run', measure: measureBusy, filled: true },
  memory: { what: 'memory', measure: measureMemory, filled: true },
  'history-cold': { what: 'order history, cold', measure: measureColdHistory, filled: true },
  kept: { what: 'every acknowledged event is in the ledger', measure: measureKept },
  indexes: { what: 'what each index costs', measure: measureIndexes, extra: true },
  wal: { what: 'WAL and keys by kind of ids and settings', measure: measureWal, extra: true },
  'month-steps': { what: 'steps of a month while a search runs', measure: measureMonthSteps, extra: true },
  'slow-store': { what: 'POST beside a store that is slow or hangs', measure: measureSlowStore, extra: true },
  'archived-memory': { what: 'memory of reads over archived months', measure: measureArchivedMemory, extra: true },
  rebuild: { what: 'a database brought back from the archive', measure: measureRebuild, extra: true, unarchived: true },
  reports: { what: 'each report', measure: measureReports, extra: true, unarchived: true, parts: true },
  'report-files': { what: 'files of very many transaction reports', measure: measureReportFiles, extra: true },
  submissions: { what: 'submissions of very many executions', measure: measureSubmissions, extra: true },
  start: { what: 'ready on a later start', measure: measureStart, filled: true },
};

/** Measures, prints, and cleans up, whatever happens. Returns the exit code. Throws for unknown rows alone. */
export async function runBench(options) {
  const { build, startScript, root, command, json, quick, writeDocs, events, nodeArgs, only, reports } = options;
  const names = Object.keys(ROWS).filter((name) => (only ? only.includes(name) : !ROWS[name].extra));
  const unknown = only?.filter((name) => !ROWS[name]) ?? [];
  if (unknown.length > 0) throw new Error(`no row ${unknown.join(', ')}; there are ${Object.keys(ROWS).join(', ')}`);
  const sizes = { ...(quick ? QUICK : FULL), ...(events === undefined ? {} : { events }), reports };
  const log = (message) => console.error(message);

  const cleanup = new Cleanup();
  try {
    const measured = (async () => {
      const isArchived = !names.every((name) => ROWS[name].unarchived);
      const env = isArchived ? {} : NO_EXPORT_OF_ITS_OWN;
      const trail = await Trail.start({ build, startScript, cleanup, log, nodeArgs, env });
      const about = await environment(trail, command);
      return { about, rows: await measureRows(trail, names, sizes, isArchived) };
    })();
    const { about, rows } = await Promise.race([measured, signalToStop()]);
    process.stdout.write(json ? `${resultsAsJson(about, sizes, rows)}\n` : resultsAsText(about, rows));
    const failed = rows.some((row) => row.failure !== undefined);
    if (writeDocs && !failed) writeDocument(join(root, 'docs', 'performance.md'), about, sizes, rows);
    return failed ? 1 : 0;
  } catch (error) {
    log(`the bench ended early: ${error.message}`);
    return error instanceof Interrupted ? 130 : 1;
  } finally {
    // what is still under way loses its connections now, and nobody waits for it any more
    process.on('unhandledRejection', () => undefined);
    log('cleaning up');
    await cleanup.run();
  }
}

async function measureRows(trail, names, sizes, isArchived) {
  const rows = [];
  if (names.length > 0) await trail.warmUp(sizes.warmUpEvents);
  for (const name of names) {
    const { what, measure, filled, parts } = ROWS[name];
    const begun = performance.now();
    trail.cleanup.requireNotBegun();
    trail.log(`${name}: ${what}`);
    try {
      const work = async () => {
        if (filled) await trail.fill(sizes.events);
        // the service's own export would go on beside what is measured; the row `busy` measures them together
        if (isArchived) await runExport(trail);
        return measure(trail, sizes, name);
      };
      rows.push(...(await (parts ? work() : withTimeout(work(), rowTimeoutMs(sizes.events)))));
    } catch (error) {
      if (error instanceof NotThereYet) rows.push(notThereYet(name, what, error.message || undefined));
      else {
        trail.cleanup.requireNotBegun();
        trail.log(`${name} failed: ${error.stack}\n${trail.service.logTail()}`);
        rows.push({ row: name, what, target: null, met: null, failure: error.message });
        if (error instanceof TimedOut) break; // it still runs, and would be measured with whatever came next
      }
    }
    trail.log(`  ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  }
  return rows;
}

/** A figure of a service that loses events is worth nothing. */
async function measureKept(trail) {
  const { body } = await trail.call('GET', `/v1/ledgers/${LEDGER}`);
  if (Number(body.size) !== trail.recorded) {
    throw new Error(`the ledger holds ${body.size} events, and ${trail.recorded} were acknowledged`);
  }
  return [
    {
      row: 'kept',
      what: ROWS.kept.what,
      unit: 'events',
      ours: trail.recorded,
      target: 'all',
      met: true,
    },
  ];
}

class Interrupted extends Error {}

/** Rejects at the first signal that asks this process to end; later ones are ignored, so that cleaning up ends. */
export function signalToStop() {
  return new Promise((_, reject) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(name, () => reject(new Interrupted(`stopped by ${name}`)));
    }
  });
}
