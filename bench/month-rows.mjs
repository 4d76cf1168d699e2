// Rows about months: what a long search does to each of their steps, and what long reads take over many that have left.
import { setTimeout as pause } from 'node:timers/promises';
import { runExport, runJob } from './jobs.mjs';
import { fillMonths, holdJobs, monthBefore } from './months.mjs';
import { peakRows } from './read-rows.mjs';
import { percentile } from './statistics.mjs';
import { Trail } from './trail.mjs';

/** As the service does where readers leave no room. */
const LOCK_PAUSE_MS = 500;
const LOCK_NOT_AVAILABLE = '55P03';

/** Each step of a month's life while one client posts: when nothing else runs, and while a search runs for `searchMs`. */
export async function measureMonthSteps(trail, { stepEvents, searchMs }) {
  const env = { ARCHIVE_EXPORT_AGE: '24h', CHECKPOINT_SCHEDULE: 'off' };
  const own = await Trail.start({ ...trail, env });
  try {
    const release = await holdJobs(own, 'partition-maintenance', 'retention');
    await fillMonths(own, [4, 3], stepEvents);
    const [quietMonth, busyMonth] = [monthBefore(4), monthBefore(3)];
    const steps = [
      ['make', 'create_month', monthBefore(-20), monthBefore(-21)],
      ['close', 'close_month', quietMonth, busyMonth],
      ['seal', 'seal_month', quietMonth, busyMonth],
      ['retire', 'retire_month', quietMonth, busyMonth],
      ['drop', 'drop_month', quietMonth, busyMonth],
    ];
    const rows = [];
    for (const [name, step, quietly, busily] of steps) {
      if (name === 'retire') await runExport(own); // what is to leave is archived first
      const quiet = await whilePosting(own, () => takeStep(own, step, quietly));
      const busy = await whilePosting(own, () => duringSearch(own, searchMs, () => takeStep(own, step, busily)));
      rows.push(rowOf(name, searchMs, quiet, busy));
    }
    await release();
    return rows;
  } finally {
    await own.stop();
  }
}

function rowOf(name, searchMs, quiet, busy) {
  const shown = ({ latencies }) =>
    `${percentile(latencies, 0.99).toFixed(1)} and ${Math.max(...latencies).toFixed(1)} ms`;
  return {
    row: 'month-steps',
    what: `a month's step "${name}" while a search runs for ${searchMs / 1000} s`,
    unit: 's',
    limitName: 'the same when quiet',
    limit: quiet.seconds,
    ours: busy.seconds,
    ratio: busy.seconds / quiet.seconds,
    target: 'printed',
    met: null,
    note: `${busy.attempts} attempts; POST p99 and slowest meanwhile ${shown(busy)}, when quiet ${shown(quiet)}`,
    detail: { attempts: busy.attempts, posts: busy.latencies.length, postsQuiet: quiet.latencies.length },
  };
}

/** Seconds and attempts until it is done, as the service would try again. */
async function takeStep(trail, step, month) {
  const begun = performance.now();
  for (let attempts = 1; ; attempts++) {
    try {
      const { rows } = await trail.owner.query(`SELECT ${step}($1::date) AS done`, [month]);
      if (!rows[0].done) throw new Error(`${step}(${month}) had been done before`);
      return { seconds: (performance.now() - begun) / 1000, attempts };
    } catch (error) {
      if (error.code !== LOCK_NOT_AVAILABLE) throw error;
      await pause(LOCK_PAUSE_MS);
    }
  }
}

/** One statement over all months that takes so long, as a search that finds little may; `work` begins a little later. */
function duringSearch(trail, searchMs, work) {
  return trail.withOwners(1, async ([client]) => {
    const searching = client.query(
      `SELECT count(*) FROM audit_events, (SELECT pg_sleep($1)) AS slow WHERE metadata @> '{"client_id": "nobody"}'`,
      [searchMs / 1000],
    );
    searching.catch(() => undefined); // whoever awaits it is told
    await pause(Math.min(200, searchMs / 2));
    const done = await work();
    await searching;
    return done;
  });
}

/** With what each POST of one client took from a little before it began to a little after it was done. */
async function whilePosting(trail, work) {
  let isOver = false;
  const latencies = [];
  const posting = trail.withConnections(1, async ([connection]) => {
    while (!isOver) latencies.push(...(await trail.postSingles([connection], trail.makeSingles(connection, 20))));
  });
  posting.catch(() => undefined);
  try {
    await pause(200);
    return { ...(await work()), latencies };
  } finally {
    isOver = true;
    await posting;
  }
}

/** Peak memory of long reads over months that have left PostgreSQL: over all of them, beside that over the first two. */
export async function measureArchivedMemory(trail, { archivedMonths, archivedMonthEvents }) {
  const env = { ARCHIVE_EXPORT_AGE: '24h', CHECKPOINT_SCHEDULE: 'off' };
  const own = await Trail.start({ ...trail, env });
  try {
    const backs = Array.from({ length: archivedMonths }, (_, i) => archivedMonths + 1 - i);
    const release = await holdJobs(own, 'partition-maintenance'); // none is closed before all are filled
    await fillMonths(own, backs, archivedMonthEvents, async () => {
      await release();
      for (const job of ['partition-maintenance', 'archive-export', 'retention']) await runJob(own, job);
    });
    const { body: ledger } = await own.call('GET', '/v1/ledgers/main');
    if (Number(ledger.archived_to) !== own.recorded) {
      throw new Error(`${ledger.archived_to} of ${own.recorded} events have left PostgreSQL`);
    }
    return await peakRows(own, {
      row: 'archived-memory',
      of: `${archivedMonths} archived months of ${archivedMonthEvents} events`,
      small: 2 * archivedMonthEvents,
    });
  } finally {
    await own.stop();
  }
}
