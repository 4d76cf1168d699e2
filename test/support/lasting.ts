import { setTimeout as pause } from 'node:timers/promises';
import { Alarms } from './alarms.js';
import { checkTrail } from './check-trail.js';
import { Submitters } from './submitters.js';

/** What may be told of a request that meets a failure of the database: the outcome is not known, or nothing was done. */
export const UNSURE = ['504 append-timeout', '503 database-unavailable'];
/** Alarms of requests that wait or are refused: whether a failure lasts long enough for each is a matter of moments. */
export const REFUSED = [
  'TruetrailEventsRefused',
  'TruetrailHeadNotMoving',
  'TruetrailPoolExhausted',
  'TruetrailAppendSlow',
];

/** The service under test, as callers, Prometheus and an administrator reach it; getters where a failure changes that. */
export interface Trail {
  readonly url: string;
  readonly metrics: string;
  readonly adminUrl: string;
}

export interface Expected {
  /** besides 200 and 201: `status problem`, or `no answer` */
  answers: readonly string[];
  /** those that must fire, and those that may */
  alarms: readonly string[];
  maybe?: readonly string[];
}

/**
 * Has submitters write before, during and after a failure, by scrapes that `during` takes as well: everything sent is
 * acknowledged in the end and there as it was acknowledged; they were answered `answers` alone; the service is ready again
 * by itself; and of the alarms those in `alarms` fired, perhaps those in `maybe`, and no other.
 */
export async function lasting(
  trail: Trail,
  name: string,
  expected: Expected,
  during: (submitters: Submitters, alarms: Alarms) => Promise<void>,
): Promise<void> {
  const alarms = new Alarms({ 'truetrail-a': trail.metrics });
  const submitters = new Submitters(trail.url);
  try {
    await submitters.progress(20);
    await alarms.scrape(3, () => pause(50));
    submitters.answers = new Set();
    await during(submitters, alarms);
    await submitters.progress(40);
    await alarms.scrape(15, () => pause(20));
  } finally {
    await submitters.end();
  }
  const { sequences, rows } = await checkTrail(trail.adminUrl);
  expect(submitters.acknowledged.size).toBe(submitters.sent.size);
  for (const [id, receipt] of submitters.acknowledged) {
    expect(sequences.get(id)).toBe(BigInt(receipt.sequence));
    expect(rows.get(id)!.event_hash.toString('hex')).toBe(receipt.event_hash);
  }
  expect([...submitters.answers].filter((each) => !['200', '201', ...expected.answers].includes(each))).toEqual([]);
  for (let i = 0; (await fetch(`${trail.url}/health/ready`)).status !== 200; i++) {
    if (i > 100) throw new Error('it does not become ready again');
    await pause(100);
  }
  alarms.expectFired(name, expected.alarms, { maybe: expected.maybe ?? [] });
}
