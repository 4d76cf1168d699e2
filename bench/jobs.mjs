// Jobs of the service, run by hand.
import { setTimeout as pause } from 'node:timers/promises';

/** Exports what is open. Returns what it did, and how long that took. */
export async function runExport(trail) {
  const { outcome, started_at: startedAt, finished_at: finishedAt } = await runJob(trail, 'archive-export');
  const seconds = (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000;
  return { events: Number(outcome.events), bytes: outcome.bytes, seconds };
}

/** Runs a job by hand; the run once it is done. Throws when it fails. */
export async function runJob(trail, job) {
  const started = await trail.call('POST', `/v1/jobs/${job}/runs`);
  if (started.status !== 202) throw new Error(`${job}: ${started.status} ${JSON.stringify(started.body)}`);
  for (;;) {
    const { body } = await trail.call('GET', `/v1/jobs/${job}/runs/${started.body.id}`);
    if (body.status === 'failed') throw new Error(`${job}: ${JSON.stringify(body.outcome)}`);
    if (body.status === 'done') return body;
    await pause(50);
  }
}
