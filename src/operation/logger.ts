import type { LoggerService } from '@nestjs/common';
import { destination, pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';

const NOT_LOGGED = '(not logged)';

/** Nest's token for the process's logger. */
export const LOGGER = Symbol('Logger');

export interface LoggerOptions {
  /** a file descriptor, standard output by default, or a stream */
  to?: number | DestinationStream;
  /** what must not be in a log, wherever it comes from: `secretsOf` the configuration */
  secrets?: readonly string[];
}

/** What pino uses of a destination beyond its type. */
type Destination = DestinationStream & { flush?(done?: (error?: Error) => void): void; flushSync?(): void };

/**
 * Structured logs, one JSON object a line. Credentials are cut out twice: where a request or an error is known to carry
 * them, and once more from the finished line.
 */
export function createLogger(level: string, { to = 1, secrets = [] }: LoggerOptions = {}): Logger {
  const out = (typeof to === 'number' ? destination({ dest: to, sync: false, minLength: 0 }) : to) as Destination;
  const written = secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
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
        censor: NOT_LOGGED,
      },
      serializers: { err: describeError },
    },
    {
      write: (line: string) => out.write(withoutCredentials(line, written)),
      flush: (done?: (error?: Error) => void) => (out.flush ? out.flush(done) : done?.()),
      flushSync: () => out.flushSync?.(),
    } as DestinationStream,
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

/** Blanks passwords in URLs, keys of ours, tokens, Authorization headers, and the given secrets, which a message may quote. */
export function withoutCredentials(text: string, secrets: readonly string[] = []): string {
  const blanked = text
    .replaceAll(/(\w+:\/\/[^\s:/@"]*):[^\s/"]*@/g, `$1:${NOT_LOGGED}@`)
    .replaceAll(/\b(Bearer|Basic) +[^\s"',]+/gi, `$1 ${NOT_LOGGED}`)
    .replaceAll(/\beyJ[\w-]+\.[\w-]*\.[\w-]*/g, NOT_LOGGED)
    .replaceAll(/\btt_[\w-]{43}/g, NOT_LOGGED);
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, NOT_LOGGED), blanked);
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
