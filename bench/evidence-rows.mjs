// Rows about proving: how fast each level of verification goes, and bundles of very many events.
import { createWriteStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { runExport } from './jobs.mjs';
import { runRound } from './checkpoint-rows.mjs';
import { runScript, usage } from './command-run.mjs';
import { cpuSeconds } from './cpu-time.mjs';
import { KEY } from './processes.mjs';
import { verify } from './read-rows.mjs';
import { LEDGER } from './trail.mjs';

/** What the targets are of. */
const TRADE_DATE_EVENTS = 500_000;

/**
 * Verification of the ledger as a whole before and after it was signed, of the archive that holds it, and of a bundle of
 * its events by truetrail-verify.
 */
export async function measureLevels(trail, { bundledEvents }) {
  const rate = (what, { events, seconds }, note) => ({
    row: 'levels',
    what: `verification of ${events} events, ${what}`,
    unit: 'events/s',
    ours: events / seconds,
    target: 'printed',
    met: null,
    ...(note === undefined ? {} : { note }),
  });
  const wholeLedger = async () => {
    const { checked, milliseconds } = await verify(trail);
    return { events: checked, seconds: milliseconds / 1000 };
  };
  const rows = [];
  const { status } = await trail.call('GET', `/v1/ledgers/${LEDGER}/checkpoint`);
  if (status === 409) rows.push(rate('level 1: nothing was signed yet', await wholeLedger()));
  const round = await runRound(trail);
  rows.push(rate('levels 1 and 2: with what was signed', await wholeLedger()));
  rows.push({
    row: 'levels',
    what: 'the round that signed all of it',
    unit: 's',
    ours: round.seconds,
    target: 'printed',
    met: null,
  });
  await runExport(trail);
  const { outcome, seconds } = await runJob(trail, 'archive-verification');
  if (outcome.verdict !== 'valid') throw new Error(`archive-verification: ${JSON.stringify(outcome).slice(0, 1000)}`);
  const events = await archivedEvents(trail);
  rows.push(rate('level 3: every archive object read and recomputed', { events, seconds }));
  const bundle = await makeBundle(trail, Math.min(bundledEvents, trail.recorded));
  rows.push(
    rate(
      'level 4: a bundle of them, by truetrail-verify from its start to its end',
      { events: bundle.events, seconds: bundle.verifiedMs / 1000 },
      `one thread, ${bundle.verifierPeakMb} MB at most`,
    ),
  );
  return rows;
}

async function archivedEvents(trail) {
  const { rows } = await trail.owner.query('SELECT sum(to_sequence - from_sequence + 1) AS events FROM archive_ranges');
  return Number(rows[0].events);
}

/**
 * A bundle of a trade date over HTTP, from the request to the last byte on disk; then verified from there. Of as many
 * events as the run is of, and of those of a trade date at most, of which the targets are.
 */
export async function measureBundle(trail, { bundledEvents, events }) {
  const made = await makeBundle(trail, Math.min(bundledEvents, events));
  // of fewer events most of it is the start of a process, and what is in the caches
  const isTradeDate = made.events >= TRADE_DATE_EVENTS;
  const row = (what, ours, limit, note) => ({
    row: 'bundles',
    what,
    unit: 's',
    ours,
    target: `under ${limit} s${isTradeDate ? '' : ` at ${TRADE_DATE_EVENTS} events`}`,
    met: isTradeDate ? ours < limit : null,
    note,
    detail: made,
  });
  return [
    row(
      `a trade date of ${made.events} events, by recorded time, bundled over HTTP (${made.bundleMb} MB)`,
      made.madeSeconds,
      60,
      `${made.serviceCpuSeconds} processor seconds of the service`,
    ),
    row(
      'the same, verified by truetrail-verify: valid, and nothing of the date left out',
      made.verifiedSeconds,
      30,
      `${made.verifierCpuSeconds} processor seconds, ${made.verifierPeakMb} MB at most`,
    ),
  ];
}

/**
 * Makes a bundle of the trade date of the ledger's first events, of `events` or up to a batch more, and verifies it: that
 * it proves that nothing of the date was left out, too. Processor time stands beside the wall's, which other work lengthens.
 */
export async function makeBundle(trail, events) {
  const tradeDate = await tradeDateOf(trail, events);
  await runRound(trail);
  const key = (await ask(trail, 'GET', `/v1/ledgers/${LEDGER}/keys`).then((answer) => answer.text())).trim();
  const file = join(trail.folder, 'bundle.zip');
  const before = usage(trail.service.pid);
  const cpuBefore = cpuSeconds(trail);
  const begun = performance.now();
  const { content, made } = await askForBundle(trail, tradeDate);
  const readyMs = performance.now() - begun;
  await pipeline(Readable.fromWeb(content.body), createWriteStream(file));
  const madeMs = performance.now() - begun;
  const after = usage(trail.service.pid);
  const cpuAfter = cpuSeconds(trail);
  const verified = await verifyBundle(trail.build, file, key);
  const { verdict, bundle } = verified;
  if (verdict !== 'valid') throw new Error(`the bundle is ${verdict}`);
  if (bundle.completeness !== 'complete-range' || bundle.is_open_ended || Number(bundle.events) < events)
    throw new Error(`the bundle is not the whole date: ${JSON.stringify(bundle)}`);
  return {
    events: Number(bundle.events),
    asked: bundle.asked,
    made,
    bundleMb: round(statSync(file).size / 1e6),
    readySeconds: round(readyMs / 1000),
    madeSeconds: round(madeMs / 1000),
    serviceCpuSeconds: cpuAfter && round(cpuAfter.service - cpuBefore.service),
    databaseCpuSeconds: cpuAfter && round(cpuAfter.PostgreSQL - cpuBefore.PostgreSQL),
    servicePeakMbBefore: before?.peakMb,
    servicePeakMbAfter: after?.peakMb,
    verifiedSeconds: round(verified.ms / 1000),
    verifiedMs: verified.ms,
    verifierCpuSeconds: round(verified.cpuSeconds),
    verifierPeakMb: verified.peakMb,
  };
}

/**
 * The range of recorded time from midnight (UTC) on, of the day on which the ledger begins, that has its first `events`
 * and whatever was recorded in the same microsecond as the last of them: exactly what is there, also where a run went past
 * a midnight. An event after it is there, or recorded: without one nobody could show that the range has an end.
 */
async function tradeDateOf(trail, events) {
  const { rows } = await trail.owner.query(
    `SELECT to_char(date_trunc('day', first.recorded_at AT TIME ZONE 'UTC'), $3) AS recorded_from,
            to_char((last.recorded_at + interval '1 microsecond') AT TIME ZONE 'UTC', $3) AS recorded_to,
            EXISTS (SELECT FROM audit_events AS e
                      WHERE e.ledger = $1 AND e.sequence > $2 AND e.recorded_at > last.recorded_at) AS is_followed
       FROM audit_events AS first, audit_events AS last
       WHERE first.ledger = $1 AND first.sequence = 1 AND last.ledger = $1 AND last.sequence = $2`,
    [LEDGER, events, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'],
  );
  const [{ is_followed: isFollowed, ...range }] = rows;
  if (!isFollowed) await trail.withConnections(1, (all) => trail.postSingles(all, trail.makeSingles(all[0], 1)));
  return range;
}

/**
 * Asks for a bundle as whoever needs one does: one that is small comes at once, a larger one as a run, whose end is
 * waited for. Returns the answer that has it, and which of both it was.
 */
export async function askForBundle(trail, question) {
  const asked = await ask(trail, 'POST', `/v1/ledgers/${LEDGER}/evidence`, question);
  if (asked.status === 200) return { content: asked, made: 'at once' };
  if (asked.status !== 202) throw new Error(`the bundle was refused: ${await asked.text()}`);
  await asked.body.cancel();
  const path = asked.headers.get('location');
  for (;;) {
    const { body: run } = await trail.call('GET', path);
    if (run.status === 'done') return { content: await ask(trail, 'GET', `${path}/content`), made: 'as a run' };
    if (run.status !== 'queued' && run.status !== 'running')
      throw new Error(`the bundle is ${run.status}: ${run.error}`);
    await pause(50);
  }
}

function ask({ service }, method, path, body) {
  return fetch(`${service.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${KEY}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
}

/** Runs a job by hand. Returns its outcome, and how long it took. */
async function runJob(trail, job) {
  const started = await trail.call('POST', `/v1/jobs/${job}/runs`);
  if (started.status !== 202) throw new Error(`${job}: ${started.status} ${JSON.stringify(started.body)}`);
  for (;;) {
    const { body } = await trail.call('GET', `/v1/jobs/${job}/runs/${started.body.id}`);
    if (body.status === 'failed') throw new Error(`${job}: ${JSON.stringify(body.outcome)}`);
    if (body.status === 'done') {
      const seconds = (Date.parse(body.finished_at) - Date.parse(body.started_at)) / 1000;
      return { outcome: body.outcome, seconds };
    }
    await pause(50);
  }
}

/** In a process of its own, from its start to its end. */
async function verifyBundle(build, path, trusted) {
  const main = join(build, 'src', 'verify', 'truetrail-verify.js');
  const { output, ...taken } = await runScript([main, path, '--key', trusted, '--json']);
  const { verdict, bundle } = JSON.parse(output);
  return { ...taken, verdict, bundle };
}

function round(number) {
  return number === null ? null : Math.round(number * 10) / 10;
}
