import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import { clearLeftFolders } from './archive/working-folder.js';
import { ConfigError, readConfig, secretsOf, type Config } from './config/config.js';
import { startEmbeddedPostgres } from './database/embedded-postgres.js';
import { EmbeddedPostgresError } from './database/embedded-programs.js';
import { migrate } from './database/migrate.js';
import { httpAdapter, prepareHttpApp } from './http/http-app.js';
import { serveApiDocs } from './http/openapi.js';
import { adviceOn } from './operation/advice.js';
import { Health } from './operation/health.js';
import { createLogger, NestLogger, withoutCredentials } from './operation/logger.js';
import { Startup } from './operation/startup.js';

/** The database that the configuration names, or the embedded one, started. */
async function openDatabase(config: Config, logger: Logger): Promise<{ url: string; close(): Promise<void> }> {
  const log = (message: string): void => logger.info(message);
  if (config.DATABASE_URL !== undefined) {
    const { DATABASE_URL: url, DATABASE_OWNER_URL: owner, DATABASE_WAIT: patienceMs } = config;
    await migrate({ ownerUrl: owner ?? url, ...(owner === undefined ? {} : { serviceUrl: url }), patienceMs, log });
    return { url, close: () => Promise.resolve() };
  }
  const postgres = await startEmbeddedPostgres({
    dataDir: config.DATA_DIR!,
    log,
    onEnded: (message) => {
      logger.fatal({ alarm: 'postgres-ended' }, `${message}. The service ends too: start it again, and it recovers`);
      logger.flush();
      process.exit(1);
    },
  });
  try {
    await migrate({ ownerUrl: postgres.ownerUrl, serviceUrl: postgres.serviceUrl, log });
  } catch (error) {
    await postgres.stop();
    throw error;
  }
  return { url: postgres.serviceUrl, close: () => postgres.stop() };
}

async function start(config: Config, logger: Logger): Promise<void> {
  await clearLeftFolders();
  const database = await openDatabase(config, logger);
  let app: NestFastifyApplication | undefined;
  try {
    app = await NestFactory.create<NestFastifyApplication>(
      AppModule.with({ config, logger, databaseUrl: database.url }),
      httpAdapter(config, logger),
      { logger: new NestLogger(logger), bodyParser: false, abortOnError: false },
    );
    prepareHttpApp(app);
    serveApiDocs(app);
    stopOnSignals(app, database, config, logger);
    await app.listen(config.PORT, config.HOST ?? '127.0.0.1');
    const url = await app.getUrl();
    logger.info({ url }, 'listening');
    greet(url, app.get(Startup).firstKey);
  } catch (error) {
    // a start that failed after the key was made: the next one makes no other
    const firstKey = app?.get(Startup).firstKey;
    if (firstKey !== undefined) process.stderr.write(`${firstKeyLines(firstKey).join('\n')}\n\n`);
    await app?.close().catch(() => undefined);
    await database.close();
    throw error;
  }
}

/** The first key is shown once, and never again. */
function firstKeyLines(key: string): string[] {
  return ['', 'Your first API key, shown only now; it may do everything:', '', `  export TRUETRAIL_KEY=${key}`];
}

/** What a newcomer needs next. */
function greet(url: string, firstKey: string | undefined): void {
  const lines = ['', `Truetrail listens on ${url}   (API documents: ${url}/docs)`];
  if (firstKey !== undefined) {
    lines.push(...firstKeyLines(firstKey));
    lines.push(`  curl -H "Authorization: Bearer $TRUETRAIL_KEY" ${url}/v1/ledgers`);
    lines.push('', 'A whole trading day to look at:  npm run demo');
  }
  process.stderr.write(`${lines.join('\n')}\n\n`);
}

/** SIGTERM and SIGINT: not ready, no new requests, answer what was taken, then stop. A second signal ends at once. */
function stopOnSignals(
  app: NestFastifyApplication,
  database: { close(): Promise<void> },
  config: Config,
  logger: Logger,
): void {
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) {
      logger.warn({ signal }, 'second signal: stopping at once');
      process.exit(1);
    }
    stopping = true;
    logger.info({ signal }, 'stopping');
    app.get(Health).stop();
    const timer = setTimeout(() => {
      logger.error('requests in flight did not end in time (SHUTDOWN_TIMEOUT)');
      void database.close().finally(() => process.exit(1));
    }, config.SHUTDOWN_TIMEOUT);
    app
      .close()
      .then(() => database.close())
      .then(
        () => {
          clearTimeout(timer);
          logger.info('stopped');
          logger.flush();
          process.exit(0);
        },
        (error: unknown) => {
          logger.error({ err: error }, 'stopping failed');
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

let secrets: readonly string[] = [];
try {
  const config = readConfig(process.env);
  secrets = secretsOf(config);
  await start(config, createLogger(config.LOG_LEVEL, { secrets }));
} catch (error) {
  // what these say is all that an operator needs; of anything else the stack says where it was
  const reason =
    error instanceof ConfigError || error instanceof EmbeddedPostgresError
      ? error.message
      : withoutCredentials(error instanceof Error ? (error.stack ?? error.message) : String(error), secrets);
  const advice = adviceOn(error, 'service');
  process.stderr.write(`Truetrail did not start. ${reason}\n${advice === undefined ? '' : `${advice}\n`}`);
  process.exit(1);
}
