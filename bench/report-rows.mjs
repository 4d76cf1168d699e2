// Rows about the reports: what each takes, and what it costs whoever writes meanwhile. Only when named.
import { orderId, timeOf } from './order-events.mjs';
import { drain, NotThereYet, peakOf, postFor } from './read-rows.mjs';
import { percentile, summarize } from './statistics.mjs';
import { alternate, LEDGER } from './trail.mjs';

/**
 * What reports are asked besides a period, where they must be asked for something: each a measurement of its own. `most`:
 * of the first so many events alone, since the report refuses more than it can hold.
 */
const ASKED = {
  'user-activity': [{ query: { user_id: 'trader-001' } }],
  'order-reconstruction': [{ query: { order_id: orderId(0) }, hasPeriod: false }],
  activity: [{ query: { by: 'client' } }],
  'drop-copy-reconciliation': [{ query: { source: 'oms-0', other_source: 'oms-1' }, most: 200_000 }],
  'order-records': [{ query: { regime: 'rts24' } }, { query: { regime: 'annex4-transactions' } }],
};
/** Of the service's own ledger, which the bench fills with next to nothing. */
const OF_ANOTHER_LEDGER = ['access-log'];
/** Posted before the clock starts, by a service that was started for this. */
const WARM_UP = 200;

/** Of each report that the service lists: seconds, peak memory, and POST p99 beside it. */
export async function measureReports(trail, sizes) {
  if (process.platform !== 'linux') throw new NotThereYet('peak memory is read from /proc, which only Linux has');
  const events = trail.recorded;
  const { body } = await trail.call('GET', `/v1/ledgers/${LEDGER}/reports`);
  const rows = [];
  for (const { name } of body.reports.filter((report) => !OF_ANOTHER_LEDGER.includes(report.name))) {
    for (const asked of ASKED[name] ?? [{}]) rows.push(...(await measureReport(trail, name, asked, events, sizes)));
  }
  return rows;
}

async function measureReport(trail, name, { query = {}, hasPeriod = true, most = Infinity }, events, sizes) {
  const pathOf = (count) => {
    const period = hasPeriod ? { from: timeOf(0), to: timeOf(Math.min(count, most)) } : {};
    return `/v1/ledgers/${LEDGER}/reports/${name}?${new URLSearchParams({ format: 'csv', ...period, ...query })}`;
  };
  const asked = [name, ...Object.entries(query).map(([key, value]) => `${key}=${value}`)].join(' ');
  const what = `report ${asked}, over ${hasPeriod ? `${Math.min(events, most)} events` : 'an order'}`;
  trail.log(`  ${what}`);
  const small = Math.min(sizes.smallEvents, Math.floor(events / 2));
  const limit = await peakOf(trail, () => drain(trail, pathOf(small), 'text/csv'));
  let seconds;
  const peak = await peakOf(trail, async () => {
    const begun = performance.now();
    await drain(trail, pathOf(events), 'text/csv');
    seconds = (performance.now() - begun) / 1000;
  });
  trail.log(`    ${seconds.toFixed(1)} s, peak ${peak.toFixed(0)} MiB, at ${small} events ${limit.toFixed(0)} MiB`);
  const row = { row: 'reports' };
  const beside = await postBeside(trail, pathOf(events), sizes);
  trail.log(`    POST p99 ${beside.ours.toFixed(1)} ms, ${beside.limit.toFixed(1)} ms when quiet`);
  return [
    { ...row, what, unit: 's', ours: seconds, target: 'printed', met: null },
    {
      ...row,
      what: 'the same: peak memory',
      unit: 'MiB',
      ...{ limitName: `peak at ${small} events`, limit, ours: peak, ratio: peak / limit },
      ...{ target: '≤ that + 64 MiB', met: peak <= limit + 64 },
    },
    { ...row, what: 'the same: POST p99 while it runs, over and over', ...beside },
  ];
}

/** POST p99 while a report is made, beside the same when quiet. */
async function postBeside(trail, path, { busyRounds, busyMs }) {
  const results = await trail.withConnections(1, async ([connection]) => {
    await trail.postSingles([connection], trail.makeSingles(connection, WARM_UP));
    const post = () => postFor(trail, connection, busyMs);
    return alternate(busyRounds, () => withReport(trail, path, post), post);
  });
  const [busy, quiet] = [results.ours.flat(), results.limit.flat()];
  const [ours, limit] = [percentile(busy, 0.99), percentile(quiet, 0.99)];
  return {
    unit: 'ms',
    ...{ limitName: 'the same when quiet', limit, ours, ratio: ours / limit, target: '≤ 2×', met: ours / limit <= 2 },
    detail: { oursMs: summarize(busy), limitMs: summarize(quiet) },
  };
}

/** Does `work` while the report is asked for again and again; the last answer is not waited for. */
async function withReport(trail, path, work) {
  let isOver = false;
  return trail.withConnections(1, async ([reader]) => {
    const reading = (async () => {
      while (!isOver) {
        const { status } = await reader.send(reader.encode('GET', path, undefined, 'text/csv'), () => undefined);
        if (status !== 200) throw new Error(`${path}: ${status}`);
      }
    })();
    reading.catch(() => undefined); // told below
    const result = await Promise.race([work(), reading.then(() => Promise.reject(new Error('the report ended')))]);
    isOver = true;
    reader.close();
    await reading.catch(() => undefined); // it was cut off on purpose
    return result;
  });
}
