import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { LogController, type FastifyBaseLogger, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { AccessHook } from '../access/access.hook.js';
import type { RouteAccess } from '../access/access.decorator.js';
import { openApiDocument } from './openapi.js';
import { Problem } from './problem.js';
import { ProblemFilter } from './problem.filter.js';
import { DEFAULT_MAX_BODY_BYTES, readBody } from './request-body.js';

const MAX_URL_BYTES = 8192;
/** An entity id of 255 code points outside the BMP, each four bytes of three characters when percent-encoded. */
const MAX_PARAM_CHARACTERS = 255 * 12;
/** A client that sends its headers or body more slowly than this is cut off. */
const SLOW_CLIENT_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 75_000;

/** The adapter that every instance of the service listens with. */
export function httpAdapter(config: Pick<Config, 'TLS_CERT_FILE' | 'TLS_KEY_FILE'>, logger: Logger): FastifyAdapter {
  const tls =
    config.TLS_CERT_FILE === undefined || config.TLS_KEY_FILE === undefined
      ? {}
      : {
          https: {
            cert: readFileSync(config.TLS_CERT_FILE),
            key: readFileSync(config.TLS_KEY_FILE),
            minVersion: 'TLSv1.2' as const,
          },
        };
  return new FastifyAdapter({
    ...tls,
    loggerInstance: logger as unknown as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (message: { headers: Record<string, unknown> }) => requestId(message.headers['x-request-id']),
    requestIdHeader: false,
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS, ignoreTrailingSlash: false, caseSensitive: true },
    bodyLimit: Number.MAX_SAFE_INTEGER, // readBody has the limits, by route and after decompression
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: 0, // a stream of events may last all day; slow bodies of other routes are cut off in readBody's place
    forceCloseConnections: 'idle',
    exposeHeadRoutes: true,
    http: { maxHeaderSize: 16_384, headersTimeout: SLOW_CLIENT_TIMEOUT_MS },
  });
}

/** A caller's request id is kept if it is short and plain, so that both sides' logs can be joined. */
function requestId(header: unknown): string {
  return typeof header === 'string' && /^[\w.:-]{1,100}$/.test(header) ? header : randomUUID();
}

/** What each HTTP instance gets; main.ts and the tests call this same function, before `app.init()`. */
export function prepareHttpApp(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  const access = app.get(AccessHook);
  app.useGlobalFilters(new ProblemFilter());

  fastify.decorateRequest('principal', null);
  fastify.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    void reply.header('x-content-type-options', 'nosniff');
    void reply.header('cache-control', 'no-store');
    if (Buffer.byteLength(request.raw.url ?? '') > MAX_URL_BYTES)
      throw new Problem('uri-too-long', 'URLs may have 8 KiB');
    if (isControlledRoute(request)) await access.admit(request);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    request.log.debug(
      { method: request.method, route: request.routeOptions.url, status: reply.statusCode, ms: reply.elapsedTime },
      'request',
    );
    done();
  });

  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(/^application\/json\s*(;|$)/i, async (request: FastifyRequest) => {
    const { maxBodyBytes, takesLines } = request.routeOptions.config as RouteAccess;
    if (takesLines) throw new Problem('unsupported-media-type', 'This operation takes application/x-ndjson');
    return readBody(request.raw, maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES);
  });
  // The stream's handler reads its body by itself, at its own speed.
  fastify.addContentTypeParser(/^application\/x-ndjson\s*(;|$)/i, (request, _payload, done) => {
    const { takesLines } = request.routeOptions.config as RouteAccess;
    done(takesLines ? null : new Problem('unsupported-media-type', 'This operation takes application/json'), undefined);
  });
  const document = JSON.stringify(openApiDocument(app));
  fastify.get('/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(document));
}

/** Every route but those of Swagger's UI, which Nest adds without a config, and unknown ones, which are 404 to all. */
function isControlledRoute(request: FastifyRequest): boolean {
  if (request.is404) return false;
  const url = request.routeOptions.url ?? '';
  return !(url === '/docs' || url.startsWith('/docs/') || url === '/openapi.json' || url === '/docs-json');
}
