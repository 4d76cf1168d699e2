import type { LoggerService } from '@nestjs/common';
import { destination, pino, stdTimeFunctions, type Logger } from 'pino';

/** Nest's token for the process's logger. */
export const LOGGER = Symbol('Logger');

/**
 * Structured logs, one JSON object a line on standard output. Credentials are cut out wherever a request or an error
 * might carry them.
 */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: { service: 'truetrail', pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: [
          'req.headers',
          'headers',
          '*.headers',
          'authorization',
          '*.authorization',
          'key',
          '*.password',
          'connectionString',
          '*.connectionString',
        ],
        censor: '(not logged)',
      },
      serializers: { err: describeError },
    },
    destination({ sync: false, minLength: 0 }),
  );
}

/** What a log may say of an error: never parameters or rows, which pg puts into `detail` and `where`. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: withoutCredentials(String(error)) };
  const { code, severity, constraint, routine } = error as {
    code?: unknown;
    severity?: unknown;
    constraint?: unknown;
    routine?: unknown;
  };
  return {
    type: error.name,
    message: withoutCredentials(error.message),
    stack: error.stack === undefined ? undefined : withoutCredentials(error.stack),
    code,
    severity,
    constraint,
    routine,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

/** Blanks passwords in URLs and keys of ours, which a driver's or caller's message may quote. */
export function withoutCredentials(text: string): string {
  return text
    .replaceAll(/(\w+:\/\/[^\s:/@]*):[^\s@/]*@/g, '$1:(not logged)@')
    .replaceAll(/\btt_[\w-]{43}\b/g, '(not logged)');
}

/** Nest's own messages in the same log. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}
  log(message: unknown, ...context: unknown[]): void {
    // Nest announces each module and route; that is detail
    this.logger.debug({ context: context.at(-1) }, String(message));
  }
  error(message: unknown, ...context: unknown[]): void {
    this.logger.error(
      { context: context.at(-1), ...(message instanceof Error ? { err: message } : {}) },
      String(message),
    );
  }
  warn(message: unknown, ...context: unknown[]): void {
    this.logger.warn({ context: context.at(-1) }, String(message));
  }
  debug(message: unknown, ...context: unknown[]): void {
    this.logger.debug({ context: context.at(-1) }, String(message));
  }
  verbose(message: unknown, ...context: unknown[]): void {
    this.logger.trace({ context: context.at(-1) }, String(message));
  }
  fatal(message: unknown, ...context: unknown[]): void {
    this.logger.fatal({ context: context.at(-1) }, String(message));
  }
}
