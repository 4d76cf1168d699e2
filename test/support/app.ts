import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino, type Logger } from 'pino';
import request from 'supertest';
import { AppModule } from '../../src/app.module.js';
import { readConfig, type Config } from '../../src/config/config.js';
import { httpAdapter, prepareHttpApp } from '../../src/http/http-app.js';
import { JobLock } from '../../src/jobs/job-lock.js';
import { createTestDatabase, type TestDatabase } from './database.js';

/** The key with every scope that a test's service starts with. */
export const TEST_KEY = 'test-key-with-every-scope-0123456789abcdef';
export const TEST_ORIGIN = 'audit.example.com/truetrail';

/** The service in this process, on a database of its own, listening on a free port. */
export interface TestService {
  app: NestFastifyApplication;
  url: string;
  database: TestDatabase;
  /** supertest against it, with TEST_KEY (or another key, or none) */
  http(key?: string | null): ReturnType<typeof request.agent>;
  close(): Promise<void>;
}

/**
 * Starts the service as main.ts does, but for Swagger's UI. Give `database` to put a second replica on the same one; it
 * is dropped by the service that made it.
 */
export async function startService(
  options: {
    env?: Partial<Record<keyof Config, string>>;
    /** past what the environment may ask for, such as a tolerance of years between clocks */
    settings?: Partial<Config>;
    database?: TestDatabase;
    logger?: Logger;
  } = {},
): Promise<TestService> {
  const database = options.database ?? (await createTestDatabase());
  const fromEnvironment = readConfig({
    PORT: '0',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    LOG_ORIGIN: TEST_ORIGIN,
    BOOTSTRAP_API_KEY: TEST_KEY,
    VERIFICATION_SCHEDULE: 'off',
    CHECKPOINT_SCHEDULE: 'off',
    ARCHIVE_URL: 'off',
    // each connection costs the server of all tests a process
    DATABASE_POOL_SIZE: '4',
    // no events of the service's own ledger at times that a test does not choose
    RECORD_READS_SECONDS: '0',
    ...options.env,
  });
  const config = { ...fromEnvironment, ...options.settings };
  const logger = options.logger ?? pino({ level: config.LOG_LEVEL });
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with({ config, logger, databaseUrl: database.serviceUrl }),
    httpAdapter(config, logger),
    { logger: false, bodyParser: false, abortOnError: false },
  );
  try {
    prepareHttpApp(app);
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    await app.close();
    if (options.database === undefined) await database.drop();
    throw error;
  }
  const url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  return {
    app,
    url,
    database,
    http: (key = TEST_KEY) => {
      const agent = request.agent(url);
      return key === null ? agent : agent.set('authorization', `Bearer ${key}`);
    },
    async close() {
      await app.close();
      if (options.database === undefined) await database.drop();
    },
  };
}

/**
 * A job's turn, for a test that does the job's work by itself: the service's own run of the minute, which would do it
 * first or at the same time, waits until it is released.
 */
export async function takeTurn({ database }: Pick<TestService, 'database'>, job: string): Promise<JobLock> {
  for (;;) {
    const turn = await JobLock.tryTake(database.serviceUrl, job, () => undefined);
    if (turn) return turn;
    await pause(20);
  }
}

let made = 0;

/** A valid event; ids and order ids differ from call to call unless given. */
export function sampleEvent(members: Record<string, unknown> = {}): Record<string, unknown> & { event_id: string } {
  made += 1;
  return {
    event_id: `0197f3a1-${String(process.pid % 10000).padStart(4, '0')}-7000-8000-${String(made).padStart(12, '0')}`,
    timestamp: '2026-06-02T08:15:30.123456789Z',
    event_type: 'order_lifecycle',
    entity_type: 'order',
    entity_id: `O-${made}`,
    action: 'create',
    user_id: 'trader-1',
    new_state: { symbol: 'AAPL', side: 'buy', quantity: '100', price: '585.33', exchange: 'XNAS' },
    metadata: { client_id: 'C-77' },
    ...members,
  };
}
