import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isDatabaseUnavailable } from '../database/availability.js';
import { DamagedRowError } from '../integrity/stored-event.js';
import { Problem } from './problem.js';

/** The one place where an error becomes a response. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendProblem(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }
}

export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = toProblem(error);
  if (problem.status === 500) request.log.error({ err: error }, 'request failed');
  else if (problem.status > 500)
    request.log.warn({ err: problem.cause ?? problem, problem: problem.slug }, problem.message);
  if (reply.raw.headersSent) {
    // A streamed answer that fails is aborted, never ended as if it were whole.
    reply.raw.destroy(error instanceof Error ? error : undefined);
    return;
  }
  if (problem.retryAfterSeconds !== undefined) void reply.header('retry-after', String(problem.retryAfterSeconds));
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="truetrail"');
  void reply
    .code(problem.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    // of the answer that would have been: what is not there now may be in a minute
    .header('cache-control', 'no-store')
    .send(JSON.stringify(problem.toJSON(request.id)));
}

/** What an error means to a caller. Says nothing of the inside. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof DamagedRowError) {
    return new Problem(
      'damaged-record',
      `Event ${error.sequence} of the ledger is not as it was recorded (${error.column}): have the ledger verified`,
      { cause: error },
    );
  }
  const code = (error as { code?: unknown } | null)?.code;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem(
        'payload-too-large',
        'The body is larger than this operation takes; GET /v1/limits lists the limits',
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return new Problem('unsupported-media-type', 'The Content-Type is not one that this operation takes');
    case 'FST_ERR_BAD_URL': {
      const detail = 'the path has a % that does not begin an octet of UTF-8 text';
      return new Problem('invalid-parameter', detail, { errors: [{ pointer: '/path', rule: 'encoding', detail }] });
    }
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new Problem('uri-too-long', 'A segment of the path is too long');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Problem('invalid-body', 'The body is not as long as its Content-Length says');
    default:
  }
  if (isDatabaseUnavailable(error)) {
    return new Problem('database-unavailable', 'The database does not answer at the moment', {
      cause: error,
      retryAfterSeconds: 2,
    });
  }
  const status =
    error instanceof HttpException ? error.getStatus() : (error as { statusCode?: unknown } | null)?.statusCode;
  if (status === 404) return new Problem('not-found', 'No operation has this method and path');
  if (status === 413) return new Problem('payload-too-large', 'The body is larger than this operation takes');
  if (status === 415)
    return new Problem('unsupported-media-type', 'The Content-Type is not one that this operation takes');
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Problem('invalid-parameter', 'The request is not well-formed HTTP for this service');
  }
  return new Problem('internal-error', 'The service failed; its log has the cause under this request id', {
    cause: error,
  });
}
