import type { FastifyReply, FastifyRequest } from 'fastify';

/** For so many bytes there is as much time again: with the time-out as it ships, two megabits a second. */
const MORE_TIME_BYTES = 16 * 1024 * 1024;

/**
 * Cuts a client off that does not take what it asked for: the answer would be held in memory, and its connection open,
 * for as long as it likes. Nothing else limits that: Node has no time-out for what is being sent. `watch` begins anew
 * with each piece that is handed to the connection, `pause` stops the clock while the service makes the next one.
 */
export class SlowTaker {
  private timer: NodeJS.Timeout | undefined;
  private isOver = false;

  constructor(
    private readonly request: FastifyRequest,
    private readonly reply: FastifyReply,
    private readonly limitMs: number,
  ) {
    reply.raw.once('close', () => {
      this.isOver = true;
      this.pause();
    });
  }

  watch(bytes: number): void {
    this.pause();
    if (this.isOver) return;
    this.timer = setTimeout(
      () => {
        this.request.log.warn({ bytes }, 'an answer was cut off: its client did not take it within ANSWER_TIMEOUT');
        // one has lost it when its body was given up, the other before its turn among pipelined answers
        (this.reply.raw.socket ?? this.request.raw.socket)?.destroy();
      },
      this.limitMs * (1 + bytes / MORE_TIME_BYTES),
    ).unref();
  }

  pause(): void {
    clearTimeout(this.timer);
  }
}
