// Rows about the way in: one client, many clients, batches.
import { bareHttpRow } from './bare-http.mjs';
import { copyRows, encodeCopy, INSERT } from './limit-rows.mjs';
import { median, percentile, summarize } from './statistics.mjs';
import { alternate, BATCHES_IN_FLIGHT } from './trail.mjs';

const CLIENTS = 64;

/** One durable POST over HTTP, one client, beside INSERT + commit of the same row. */
export async function measureSingle(trail, { rounds, singles }) {
  const [results, bare] = await trail.withConnections(1, async ([connection]) => {
    let requests;
    const measured = await alternate(
      rounds,
      () => {
        requests = trail.makeSingles(connection, singles);
        return trail.postSingles([connection], requests);
      },
      () => insertRows([trail.owner], trail.limits.take(singles)),
    );
    const { body, status } = await connection.send(requests[0]); // a repeat has the receipt of the first time
    return [measured, await bareHttpRow('single', { requests, answer: body, status, what: 'the same POSTs' })];
  });
  const ours = results.ours.flat();
  const limit = results.limit.flat();
  const rowAt = (quantile, name, factor, ceilingMs) => {
    const [ourMs, limitMs] = [percentile(ours, quantile), percentile(limit, quantile)];
    const ratio = ourMs / limitMs;
    return {
      row: 'single',
      what: `one durable POST over HTTP, one client, ${name}`,
      unit: 'ms',
      limitName: 'INSERT of the same row + commit',
      limit: limitMs,
      ours: ourMs,
      ratio,
      target: `≤ ${factor}×` + (ceilingMs ? ` and under ${ceilingMs} ms` : ''),
      met: ratio <= factor && (ceilingMs === undefined || ourMs < ceilingMs),
      detail: {
        ratioByRound: results.ours.map((one, i) => percentile(one, quantile) / percentile(results.limit[i], quantile)),
        oursMs: summarize(ours),
        limitMs: summarize(limit),
      },
    };
  };
  return [rowAt(0.5, 'p50', 3, 0.8), rowAt(0.99, 'p99', 4), bare];
}

/** Many clients with one event each, beside as many connections with INSERT + commit. */
export function measureClients(trail, { rounds, concurrent }) {
  return trail.withConnections(CLIENTS, (connections) =>
    trail.withOwners(CLIENTS, async (owners) => {
      const latencies = { ours: [], limit: [] };
      const results = await alternate(
        rounds,
        async () => {
          const requests = trail.makeSingles(connections[0], concurrent);
          return rateOf(concurrent, async () => {
            latencies.ours.push(...(await trail.postSingles(connections, requests)));
          });
        },
        async () => {
          const rows = trail.limits.take(concurrent);
          return rateOf(concurrent, async () => {
            latencies.limit.push(...(await insertRows(owners, rows)));
          });
        },
      );
      return [
        rateRow(results, {
          row: 'clients',
          what: `${CLIENTS} clients, one event each`,
          limitName: `${CLIENTS} connections, each INSERT + commit`,
          least: 1,
          detail: { oursMs: summarize(latencies.ours), limitMs: summarize(latencies.limit) },
        }),
      ];
    }),
  );
}

/** Batches in flight, beside COPY of the same rows into both tables. */
export function measureBatches(trail, { rounds, batched }) {
  return trail.withConnections(BATCHES_IN_FLIGHT, async (connections) => {
    const latencies = [];
    const results = await alternate(
      rounds,
      async () => {
        const batches = trail.makeBatches(connections[0], batched);
        return rateOf(batched, async () => {
          latencies.push(...(await trail.postBatches(connections, batches)));
        });
      },
      async () => {
        const rows = encodeCopy(trail.limits.take(batched));
        return rateOf(batched, () => copyRows(trail.owner, rows));
      },
    );
    return [
      rateRow(results, {
        row: 'batches',
        what: `batches of 500, ${BATCHES_IN_FLIGHT} in flight`,
        limitName: 'COPY of the same rows into audit_events and event_keys',
        least: 0.4,
        target: '≥ 0.4×, aim 0.5×',
        detail: { oursMsABatch: summarize(latencies) },
      }),
    ];
  });
}

/** Each row by a statement of its own, committed before the connection's next. Returns milliseconds for each. */
export async function insertRows(clients, rows, statement = INSERT) {
  let next = 0;
  const latencies = [];
  await Promise.all(
    clients.map(async (client) => {
      while (next < rows.length) {
        const values = rows[next++];
        const begun = performance.now();
        await client.query({ ...statement, values });
        latencies.push(performance.now() - begun);
      }
    }),
  );
  return latencies;
}

/** Events a second of `work`, which handles `events` of them. */
export async function rateOf(events, work) {
  const begun = performance.now();
  await work();
  return (events * 1000) / (performance.now() - begun);
}

/** A line of events a second: medians over the rounds. */
export function rateRow(results, { row, what, limitName, least, target = `≥ ${least}×`, note, detail }) {
  const [ours, limit] = [median(results.ours), median(results.limit)];
  return {
    row,
    what,
    unit: 'events/s',
    limitName,
    limit,
    ours,
    ratio: ours / limit,
    target,
    met: ours / limit >= least,
    ...(note === undefined ? {} : { note }),
    detail: { oursByRound: results.ours, limitByRound: results.limit, ...detail },
  };
}
