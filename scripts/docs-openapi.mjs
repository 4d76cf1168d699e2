// `npm run docs:openapi` writes docs/openapi.json, the interface as the sources declare it; with --check it compares.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { writeOrCheck } from './generated-file.mjs';
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
const build = ensureBuilt();
const load = (path) => import(pathToFileURL(join(build, path)).href);
await import('reflect-metadata');
const { NestFactory } = await import('@nestjs/core');
const { pino } = await import('pino');
const { AppModule } = await load('src/app.module.js');
const { readConfig } = await load('src/config/config.js');
const { httpAdapter } = await load('src/http/http-app.js');
const { openApiDocument } = await load('src/http/openapi.js');

const config = readConfig({});
const logger = pino({ level: 'silent' });
// A preview knows the routes without making anything: no database is asked.
const app = await NestFactory.create(
  AppModule.with({ config, logger, databaseUrl: 'postgres://nobody@127.0.0.1:1/nothing' }),
  httpAdapter(config, logger),
  { logger: false, preview: true, abortOnError: false },
);
writeOrCheck('docs/openapi.json', `${JSON.stringify(openApiDocument(app), null, 2)}\n`, 'npm run docs:openapi');
process.exit(process.exitCode ?? 0);
