// Rows about what is signed: rounds while events come in as fast as they can, and proofs.
import { setTimeout as pause } from 'node:timers/promises';
import { cpuSeconds } from './cpu-time.mjs';
import { median, percentile, summarize } from './statistics.mjs';
import { BATCHES_IN_FLIGHT, LEDGER, Trail, unexpected } from './trail.mjs';

const INTERVAL_SECONDS = 5;
const LOOK_MS = 100;
/** Of so many events the target speaks; what a smaller ledger takes is printed. */
const TARGET_EVENTS = 10_000_000;
const MOST_PROOF_MS = 5;

/** How far the last checkpoint lags behind what was acknowledged, while batches come in. */
export async function measureRounds(trail, { roundsMs }) {
  const own = await Trail.start({ ...trail, env: { CHECKPOINT_SCHEDULE: `*/${INTERVAL_SECONDS} * * * * *` } });
  try {
    await own.warmUp(2_000);
    /** [time, events that were acknowledged by then] */
    const recorded = [[performance.now(), own.recorded]];
    const lags = [];
    let signed = 0;
    const end = performance.now() + roundsMs;
    const looking = own.withConnections(1, async ([connection]) => {
      while (performance.now() < end) {
        await pause(LOOK_MS);
        recorded.push([performance.now(), own.recorded]);
        const { status, body } = await connection.call('GET', `/v1/ledgers/${LEDGER}/checkpoint`);
        if (status === 200) signed = Number(String(body).split('\n')[1]);
        else if (status !== 409) throw unexpected({ status, body: JSON.stringify(body) });
        const [since] = recorded.findLast(([, size]) => size <= signed) ?? recorded[0];
        if (performance.now() > end - roundsMs + 2 * INTERVAL_SECONDS * 1_000)
          lags.push((performance.now() - since) / 1_000);
      }
    });
    const before = own.recorded;
    const begun = performance.now();
    await own.withConnections(BATCHES_IN_FLIGHT, async (connections) => {
      while (performance.now() < end) await own.postBatches(connections, own.makeBatches(connections[0], 10_000));
    });
    const rate = (own.recorded - before) / ((performance.now() - begun) / 1_000);
    await looking;
    const lag = percentile(lags, 0.99) / INTERVAL_SECONDS;
    return [
      {
        row: 'checkpoints',
        what: `lag of the last checkpoint, rounds every ${INTERVAL_SECONDS} s while ${Math.round(rate)} events/s come in, p99`,
        unit: 'intervals',
        ours: lag,
        target: '≤ 2 intervals',
        met: lag <= 2,
        detail: { lagSeconds: summarize(lags) },
      },
    ];
  } finally {
    await own.stop();
  }
}

/**
 * Proofs of random events of the ledger at its full size: of some, then of others, since the first ones after it was filled
 * take longer. Then the last ones again.
 */
export async function measureProofs(trail, { proofs, proofRounds }) {
  await runRound(trail);
  const { body: checkpoint } = await trail.call('GET', `/v1/ledgers/${LEDGER}/checkpoint`);
  const size = Number(String(checkpoint).split('\n')[1]);
  const rounds = [];
  let ids;
  for (let round = 0; round < proofRounds; round++) {
    ids = await randomEventIds(trail, proofs);
    rounds.push(await proveAll(trail, ids));
  }
  const again = await proveAll(trail, ids);
  const p50 = median(rounds.flatMap(({ latencies }) => latencies));
  return [
    {
      row: 'proofs',
      what: `proof of a random event at ${size} events, over HTTP, p50`,
      unit: 'ms',
      ours: p50,
      target: `≤ ${MOST_PROOF_MS} ms at 10 million`,
      met: size < TARGET_EVENTS ? null : p50 <= MOST_PROOF_MS,
      detail: { rounds: rounds.map(({ detail }) => detail) },
    },
    {
      row: 'proofs',
      what: 'the same proofs again: what they read is in memory',
      unit: 'ms',
      ours: median(again.latencies),
      target: 'printed',
      met: null,
      detail: again.detail,
    },
  ];
}

/** Proofs of these events, one after the other: how long each took, and the processor time of both processes for one, in milliseconds. */
async function proveAll(trail, ids) {
  const latencies = [];
  const before = cpuSeconds(trail);
  await trail.withConnections(1, async ([connection]) => {
    for (const id of ids) latencies.push(await proveEvent(connection, id));
  });
  const after = cpuSeconds(trail);
  const cpuMs = after && ((process) => ((after[process] - before[process]) * 1000) / ids.length);
  const cpu = cpuMs && { serviceCpuMs: cpuMs('service'), databaseCpuMs: cpuMs('PostgreSQL') };
  return { latencies, detail: { ms: summarize(latencies), ...cpu } };
}

/** Ids of events at random places of what is signed. */
export async function randomEventIds(trail, count) {
  const { body: checkpoint } = await trail.call('GET', `/v1/ledgers/${LEDGER}/checkpoint`);
  const size = Number(String(checkpoint).split('\n')[1]);
  const ids = [];
  await trail.withConnections(1, async ([connection]) => {
    for (let i = 0; i < count; i++) {
      const from = 1 + Math.floor(Math.random() * (size - 1));
      const { body } = await connection.call('GET', `/v1/ledgers/${LEDGER}/events?from_sequence=${from}&limit=1`);
      ids.push(body.events[0].event_id);
    }
  });
  return ids;
}

/** Asks for a proof. Returns how long it took, in milliseconds. */
export async function proveEvent(connection, id) {
  const request = connection.encode('GET', `/v1/ledgers/${LEDGER}/events/${id}/proof`);
  const begun = performance.now();
  const answer = await connection.send(request);
  if (answer.status !== 200) throw unexpected(answer);
  return performance.now() - begun;
}

/** Runs a round by hand. Returns how many ledgers it signed, how long it took, and its outcome. */
export async function runRound(trail) {
  const started = await trail.call('POST', '/v1/jobs/checkpoint/runs');
  if (started.status !== 202) throw new Error(`checkpoint: ${started.status} ${JSON.stringify(started.body)}`);
  for (;;) {
    const { body } = await trail.call('GET', `/v1/jobs/checkpoint/runs/${started.body.id}`);
    if (body.status === 'failed') throw new Error(`checkpoint: ${JSON.stringify(body.outcome)}`);
    if (body.status === 'done') {
      const seconds = (Date.parse(body.finished_at) - Date.parse(body.started_at)) / 1000;
      return { seconds, signed: body.outcome.signed, outcome: body.outcome };
    }
    await pause(50);
  }
}
