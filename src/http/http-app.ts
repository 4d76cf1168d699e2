import { constants, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { STATUS_CODES, type IncomingMessage, type ServerOptions, type ServerResponse } from 'node:http';
import type { ServerOptions as SecureServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { LogController, type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { AccessHook } from '../access/access.hook.js';
import type { RouteAccess } from '../access/access.decorator.js';
import { PageReads } from '../events/page-reads.js';
import { Health } from '../operation/health.js';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { limitConnections } from './connection-limits.js';
import { drainConnections } from './drain.js';
import { withTimeLimit } from '../operation/time-limit.js';
import { openApiDocument } from './openapi.js';
import { Problem } from './problem.js';
import { invalidParameters, queryError } from './parameters.js';
import { ProblemFilter, sendProblem } from './problem.filter.js';
import { BodyRoom, DEFAULT_MAX_BODY_BYTES, readBody, type BodyPart } from './request-body.js';
import { securityHeaders } from './security-headers.js';
import { SlowTaker } from './slow-takers.js';

export const MAX_URL_BYTES = 8192;
/** An entity id of 255 code points outside the BMP, each four bytes of three characters when percent-encoded. */
const MAX_PARAM_CHARACTERS = 255 * 12;
/** How often Node looks for connections whose headers are late. */
const MAX_HEADERS_CHECK_MS = 5_000;
/** How long a client that has its answer may go on sending its body: it should be in a state to read the answer. */
const LINGER_MS = 5_000;
/** Of TLS 1.2, those that are forward secret and authenticate what they encrypt (RFC 9325, section 4.2); all of TLS 1.3. */
const CIPHERS = [
  ...['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'],
  ...['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ...['ECDHE-RSA-CHACHA20-POLY1305', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
].join(':');

/** The adapter that every instance of the service listens with. Throws when the TLS files are not usable. */
export function httpAdapter(
  config: Pick<Config, 'TLS_CERT_FILE' | 'TLS_KEY_FILE' | 'HEADERS_TIMEOUT' | 'KEEP_ALIVE_TIMEOUT'>,
  logger: Logger,
): FastifyAdapter {
  const server: ServerOptions = {
    maxHeaderSize: 16_384,
    headersTimeout: config.HEADERS_TIMEOUT,
    connectionsCheckingInterval: Math.min(MAX_HEADERS_CHECK_MS, config.HEADERS_TIMEOUT),
  };
  const isTls = config.TLS_CERT_FILE !== undefined;
  return new FastifyAdapter({
    ...tlsOptions(config, server),
    loggerInstance: logger as unknown as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (message: { headers: Record<string, unknown> }) => requestId(message.headers['x-request-id']),
    requestIdHeader: false,
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS, ignoreTrailingSlash: false, caseSensitive: true },
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket, isTls),
    bodyLimit: Number.MAX_SAFE_INTEGER, // readBody has the limits, by route and after decompression
    keepAliveTimeout: config.KEEP_ALIVE_TIMEOUT,
    requestTimeout: 0, // a stream of events may last all day; the bodies of other routes have BODY_TIMEOUT
    forceCloseConnections: 'idle',
    exposeHeadRoutes: true,
    // paths that do not get as far as a route, whose errors would be in a form of Fastify's own
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      sendProblem(error, request, reply.headers({ 'x-request-id': request.id, ...securityHeaders({ isTls }) }));
    },
    http: server,
  });
}

/**
 * What is no HTTP gets a problem too, on a connection on which nothing else is being answered: into the middle of an
 * answer nothing may be written.
 */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket, isTls: boolean): void {
  const { _httpMessage: answer } = socket as Socket & { _httpMessage?: ServerResponse };
  if (error.code === 'ECONNRESET' || !socket.writable || answer?.headersSent || answer?.req.complete) {
    socket.destroy();
    return;
  }
  const problem =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new Problem('uri-too-long', 'The request line and headers may have 16 KiB')
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new Problem('request-timeout', 'The headers did not arrive in time')
        : new Problem('invalid-parameter', 'The request is not well-formed HTTP');
  const body = JSON.stringify(problem.toJSON());
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...Object.entries(securityHeaders({ isTls })).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroySoon());
}

/** Read at the start: a renewed certificate needs a restart. */
function tlsOptions(
  { TLS_CERT_FILE, TLS_KEY_FILE, HEADERS_TIMEOUT }: Pick<Config, 'TLS_CERT_FILE' | 'TLS_KEY_FILE' | 'HEADERS_TIMEOUT'>,
  server: ServerOptions,
): { https?: SecureServerOptions } {
  if (TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined) return {};
  const files = { cert: readFile('TLS_CERT_FILE', TLS_CERT_FILE), key: readFile('TLS_KEY_FILE', TLS_KEY_FILE) };
  try {
    createSecureContext(files);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new Error(`The files of TLS_CERT_FILE and TLS_KEY_FILE cannot be used: ${reason}`, { cause });
  }
  const secure: SecureServerOptions = {
    ...files,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    handshakeTimeout: HEADERS_TIMEOUT,
  };
  return { https: { ...server, ...secure } };
}

function readFile(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Error(`The file of ${setting} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** A caller's request id is kept if it is short and plain, so that both sides' logs can be joined. */
function requestId(header: unknown): string {
  return typeof header === 'string' && /^[\w.:-]{1,100}$/.test(header) ? header : randomUUID();
}

/** What each HTTP instance gets; main.ts and the tests call this same function, before `app.init()`. */
export function prepareHttpApp(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  const access = app.get(AccessHook);
  const { BODY_TIMEOUT, ANSWER_TIMEOUT, MAX_CONNECTIONS, TLS_CERT_FILE } = app.get<Config>(CONFIG);
  const isTls = TLS_CERT_FILE !== undefined;
  app.useGlobalFilters(new ProblemFilter());

  fastify.addHook('onRoute', ({ method, url, config }) => {
    // whoever forgets it learns so at the first start, and not from a stranger
    if (!isApiDocument(url) && (config as RouteAccess | undefined)?.access === undefined) {
      throw new Error(`${String(method)} ${url} has neither @Access nor @Open`);
    }
  });
  const { stopping } = app.get(Health);
  drainConnections(fastify, stopping);
  fastify.decorateRequest('principal', null);
  fastify.decorate('answerTimeoutMs', ANSWER_TIMEOUT);
  const headers = securityHeaders({ isTls });
  const uiHeaders = securityHeaders({ isTls, isApiDocument: true });
  fastify.addHook('onRequest', async (request, reply) => {
    const url = request.routeOptions.url ?? '';
    void reply.header('x-request-id', request.id);
    void reply.headers(isApiDocument(url) ? uiHeaders : headers);
    if (Buffer.byteLength(request.raw.url ?? '') > MAX_URL_BYTES)
      throw new Problem('uri-too-long', 'URLs may have 8 KiB');
    if (request.is404) throw new Problem('not-found', 'No operation has this method and path'); // its body is not read
    if (!isApiDocument(url)) await access.admit(request);
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    // answers in pieces are watched piece by piece (streamed-answer.ts)
    if (typeof payload === 'string' || Buffer.isBuffer(payload)) {
      new SlowTaker(request, reply, ANSWER_TIMEOUT).watch(payload.length);
    }
    const { takesLines } = request.routeOptions.config as RouteAccess;
    if (!request.raw.complete && !(takesLines && reply.statusCode < 400)) {
      dropIfItGoesOn(request, reply);
      // Fastify ends the connection with the answer to a body that it could not take. A client that is still sending would
      // get an error of its socket for it; a body of which nothing was read is passed over instead.
      if (!request.raw.readableDidRead && !stopping.aborted) reply.removeHeader('connection');
    }
    done();
  });
  const metrics = app.get(Metrics);
  limitConnections(fastify.server, MAX_CONNECTIONS, metrics, app.get<Logger>(LOGGER));
  const pageReads = app.get(PageReads);
  fastify.addHook('onResponse', (request, reply, done) => {
    metrics.countAnswer(request.method, request.routeOptions.url, reply.statusCode);
    pageReads.answered(request, reply);
    request.log.debug(
      { method: request.method, route: request.routeOptions.url, status: reply.statusCode, ms: reply.elapsedTime },
      'request',
    );
    done();
  });

  // Node would ask for every body that announces itself, also of a stranger.
  const uninvited = new WeakMap<IncomingMessage, ServerResponse>();
  fastify.server.on('checkContinue', (message: IncomingMessage, response: ServerResponse) => {
    uninvited.set(message, response);
    fastify.server.emit('request', message, response);
  });
  // What else a client expects is passed over (RFC 9110, section 10.1.1): Node's own 417 would have no headers of ours.
  fastify.server.on('checkExpectation', (message: IncomingMessage, response: ServerResponse) => {
    fastify.server.emit('request', message, response);
  });
  const invite = (message: IncomingMessage): void => uninvited.get(message)?.writeContinue();

  fastify.removeAllContentTypeParsers();
  const room = new BodyRoom();
  const parts = new WeakMap<FastifyRequest, BodyPart>();
  fastify.addHook('preParsing', (request, reply, _payload, done) => {
    const { maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = request.routeOptions.config as RouteAccess;
    if (maxBodyBytes > DEFAULT_MAX_BODY_BYTES) {
      const part = room.part();
      parts.set(request, part);
      reply.raw.once('close', () => part.giveBack());
    }
    done();
  });
  const wholeBody = (request: FastifyRequest): Promise<Buffer> => {
    const { maxBodyBytes } = request.routeOptions.config as RouteAccess;
    const maxBytes = maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;
    if (Number(request.headers['content-length'] ?? 0) <= maxBytes) invite(request.raw);
    return withTimeLimit(
      BODY_TIMEOUT,
      readBody(request.raw, maxBytes, parts.get(request)),
      () => new Problem('request-timeout', `The body did not arrive within ${BODY_TIMEOUT} ms (BODY_TIMEOUT)`),
    );
  };
  const typeOf = ({ takesLines, takesCsv, takesXml }: RouteAccess): string =>
    takesLines ? 'application/x-ndjson' : takesCsv ? 'text/csv' : takesXml ? 'application/xml' : 'application/json';
  const refusal = (request: FastifyRequest, type: string): Problem | null => {
    const taken = typeOf(request.routeOptions.config as RouteAccess);
    return taken === type ? null : new Problem('unsupported-media-type', `This operation takes ${taken}`);
  };
  for (const [pattern, type] of [
    [/^application\/json\s*(;|$)/i, 'application/json'],
    [/^text\/csv\s*(;|$)/i, 'text/csv'],
    [/^(?:application|text)\/xml\s*(;|$)/i, 'application/xml'],
  ] as const) {
    fastify.addContentTypeParser(pattern, async (request: FastifyRequest) => {
      const refused = refusal(request, type);
      if (refused) throw refused;
      return wholeBody(request);
    });
  }
  // The stream's handler reads its body by itself, at its own speed.
  fastify.addContentTypeParser(/^application\/x-ndjson\s*(;|$)/i, (request, _payload, done) => {
    const refused = refusal(request, 'application/x-ndjson');
    if (!refused) invite(request.raw);
    done(refused, undefined);
  });
  const api = openApiDocument(app);
  const takesQuery = new Set<string>();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item) as [string, { parameters?: { in?: string }[] }][]) {
      const isQuery = operation.parameters?.some((parameter) => parameter.in === 'query');
      if (isQuery) takesQuery.add(`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`);
    }
  }
  // Operations that take query parameters look at them by themselves; the others take none.
  fastify.addHook('preHandler', (request, _reply, done) => {
    const { method, url = '' } = request.routeOptions;
    const names = Object.keys(request.query as object);
    const methods = [method].flat().map((each) => (each === 'HEAD' ? 'GET' : each));
    if (names.length === 0 || isApiDocument(url) || methods.some((each) => takesQuery.has(`${each} ${url}`))) done();
    else done(invalidParameters(names.map((name) => queryError(name, 'unknown', 'is not known here'))));
  });
  const document = JSON.stringify(api);
  fastify.get('/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(document));
}

/** The OpenAPI document and Swagger's UI, whose routes Nest adds without a config. */
function isApiDocument(url: string): boolean {
  return url === '/openapi.json' || url === '/docs' || (url.startsWith('/docs/') && !url.startsWith('/docs/problems'));
}

declare module 'fastify' {
  interface FastifyInstance {
    /** ANSWER_TIMEOUT */
    answerTimeoutMs: number;
  }
}

/** A refusal is out before the body is in. The client may end it and read the answer, but not go on for ever. */
function dropIfItGoesOn(request: FastifyRequest, reply: FastifyReply): void {
  const { socket } = reply.raw; // the request's own is gone once its reading was given up
  setTimeout(() => {
    if (!request.raw.complete) socket?.destroy();
  }, LINGER_MS).unref();
}
