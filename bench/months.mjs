// Months before the present one, filled as if their time had come: by a service in this process, which takes any clock.
import 'reflect-metadata';
import { setTimeout as pause } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { pino } from 'pino';
import { importFrom, KEY, startService } from './processes.mjs';
import { BATCHES_IN_FLIGHT } from './trail.mjs';

/** Longer than the clock is moved: what no setting may ask for. */
const ANY_DIFFERENCE_MS = 200 * 365 * 86_400_000;

/** The first day of the month that lies `back` months before the present one. */
export function monthBefore(back) {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back)).toISOString().slice(0, 10);
}

/**
 * Records `events` events in each of some months, given by how many they lie before the present one, the first one first;
 * then does `last` over the service in this process, and goes on with one of its own process as before.
 */
export async function fillMonths(trail, backs, events, last = () => undefined) {
  await trail.service.stop();
  trail.service = await startInProcess(trail);
  for (const back of backs) {
    const month = monthBefore(back);
    await trail.owner.query('SELECT create_month($1::date)', [month]);
    await moveClock(trail, Date.parse(month) + 14 * 86_400_000);
    await trail.withConnections(BATCHES_IN_FLIGHT, (connections) =>
      trail.postBatches(connections, trail.makeBatches(connections[0], events)),
    );
  }
  await moveClock(trail, Date.now());
  await last();
  await trail.service.stop();
  trail.service = await startService(trail);
}

/** Keeps every service from running these jobs until what it returns is called. Throws when a run does not end. */
export async function holdJobs(trail, ...jobs) {
  const { JobLock } = await importFrom(trail.build, 'src/jobs/job-lock.js');
  const turns = [];
  for (const job of jobs) {
    let turn;
    for (let attempt = 0; attempt < 600 && !turn; attempt++) {
      turn = await JobLock.tryTake(trail.database.serviceUrl, job, () => undefined);
      if (!turn) await pause(50);
    }
    if (!turn) throw new Error(`a run of ${job} does not end`);
    turns.push(turn);
  }
  return () => Promise.all(turns.map((turn) => turn.release()));
}

async function moveClock(trail, toMs) {
  const seconds = (toMs - Date.now()) / 1000;
  await trail.withAdmin((admin) =>
    admin.query(`
      CREATE OR REPLACE FUNCTION trail_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
        SET search_path = pg_catalog AS $$ SELECT clock_timestamp() + ${seconds} * interval '1 second' $$`),
  );
}

/** Months leave PostgreSQL as soon as they may. */
async function startInProcess({ build, database, dataDir, env, cleanup }) {
  const [{ AppModule }, { readConfig }, { httpAdapter, prepareHttpApp }] = await Promise.all([
    importFrom(build, 'src/app.module.js'),
    importFrom(build, 'src/config/config.js'),
    importFrom(build, 'src/http/http-app.js'),
  ]);
  const settings = readConfig({
    PORT: '0',
    DATABASE_URL: database.serviceUrl,
    DATABASE_OWNER_URL: database.ownerUrl,
    DATA_DIR: dataDir,
    LOG_LEVEL: 'silent',
    BOOTSTRAP_API_KEY: KEY,
    VERIFICATION_SCHEDULE: 'off',
    ONLINE_MONTHS: '1',
    ...env,
  });
  const config = { ...settings, CLOCK_TOLERANCE: ANY_DIFFERENCE_MS };
  const logger = pino({ level: 'silent' });
  const app = await NestFactory.create(
    AppModule.with({ config, logger, databaseUrl: database.serviceUrl }),
    httpAdapter(config, logger),
    { logger: false, bodyParser: false, abortOnError: false },
  );
  prepareHttpApp(app);
  await app.listen(0, '127.0.0.1');
  let stopped;
  const stop = () => (stopped ??= app.close());
  cleanup.add(stop);
  return { url: `http://127.0.0.1:${app.getHttpServer().address().port}`, stop, logTail: () => '' };
}
