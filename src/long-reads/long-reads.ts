import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';
import { archiveReadSettings } from '../archive/archive-reading.js';
import { CONFIG, type Config } from '../config/config.js';
import { DATABASE_URL } from '../database/tokens.js';
import { errorOfData } from '../http/error-data.js';
import { Problem } from '../http/problem.js';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { Thread } from '../threads/thread.js';
import type { LongRead, ReadTotals } from './long-read.js';
import type { LongReadAnswer, LongReadRequest, LongReadSettings } from './thread-messages.js';

const LOCK_TIMEOUT_MS = 10_000;
/** Reads that are under way at once, for each connection: most of them wait for their clients most of the time. */
const READS_A_CONNECTION = 4;
/** What a read may hold, a page of the largest events and its text, several times over. */
const HEAP_MB_A_READ = 24;
const LEAST_HEAP_MB = 128;
/** Files of authorities that are read at once, each on a thread of its own: one of 64 MiB needs some 800 MB. */
const MOST_APART = 2;
const RETRY_AFTER_SECONDS = 5;

/**
 * Reads of any length, on a thread of their own with connections of their own, so that whoever posts an event never
 * waits while thousands of rows are parsed and written out. (On the main thread a report raised the p99 of a POST to
 * eleven times that of a quiet service.) All of them share the thread, which is made when it is first needed.
 */
@Injectable()
export class LongReads implements OnModuleInit, OnModuleDestroy {
  private thread: Thread<LongReadRequest, LongReadAnswer> | undefined;
  /** those of single reads */
  private readonly apart = new Set<Thread<LongReadRequest, LongReadAnswer>>();
  private readonly inboxes = new Map<number, Inbox>();
  private lastId = 0;
  private readonly mostReads: number;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: Metrics,
  ) {
    this.mostReads = READS_A_CONNECTION * config.LONG_READ_CONNECTIONS;
  }

  onModuleInit(): void {
    const help = 'Reports and answers in lines that are under way in this replica';
    this.metrics.gauge('truetrail_long_reads', help, [], () => [{ value: this.inboxes.size }]);
  }

  /** How many are under way. */
  get underWay(): number {
    return this.inboxes.size;
  }

  /**
   * The answer in pieces. The next one is made while the last is being taken, so memory holds two. `record` is awaited
   * once the first is there and before it is handed out. Throws what the read throws, and the reason of `gone` once that
   * is aborted, and reads-overloaded; leaving the iteration ends the read.
   */
  async *pieces(
    read: LongRead,
    gone: AbortSignal,
    record: (asOf: string) => Promise<void>,
  ): AsyncGenerator<Uint8Array, ReadTotals> {
    gone.throwIfAborted();
    if (this.inboxes.size >= this.mostReads) {
      throw new Problem('reads-overloaded', `This replica has ${this.mostReads} long reads under way`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    const id = ++this.lastId;
    const inbox = new Inbox();
    // what a file of somebody else's makes of memory, it makes of a thread of its own, and that is all given back
    const isApart = read.kind === 'feedback' || (read.kind === 'reconciliation' && read.plan.sample !== undefined);
    if (isApart && this.apart.size >= MOST_APART) {
      throw new Problem('reads-overloaded', `This replica reads ${MOST_APART} files of authorities at once`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    const thread = isApart ? this.threadFor(inbox) : this.startedThread();
    const send = (message: LongReadRequest): void => thread.postMessage(message);
    let isOver = false;
    const leave = (): void => inbox.put(gone.reason instanceof Error ? gone.reason : new Error('nobody waits for it'));
    this.inboxes.set(id, inbox);
    gone.addEventListener('abort', leave, { once: true });
    try {
      send({ id, read });
      for (let isFirst = true; ; isFirst = false) {
        const answer = await inbox.take();
        isOver = 'end' in answer || 'error' in answer;
        if ('end' in answer) return answer.end;
        if ('error' in answer) throw errorOfData(answer.error);
        send({ id, more: true });
        if (isFirst) await record(answer.asOf);
        yield answer.bytes;
      }
    } finally {
      gone.removeEventListener('abort', leave);
      this.inboxes.delete(id);
      send({ id, stop: true });
      if (isApart) {
        this.apart.delete(thread);
        // one that is not used again within seconds ends, and its memory with it
        if (isOver) thread.giveBack();
        else await thread.end();
      }
    }
  }

  async onModuleDestroy(): Promise<void> {
    const { thread } = this;
    this.thread = undefined;
    if (this.inboxes.size > 0) await thread?.end();
    else thread?.giveBack();
    for (const each of this.apart) await each.end();
  }

  private startedThread(): Thread<LongReadRequest, LongReadAnswer> {
    if (this.thread) return this.thread;
    const thread = this.newThread((problem) => {
      if (this.thread === thread) this.thread = undefined; // the next read gets a new one
      for (const inbox of this.inboxes.values()) if (inbox.isOfAll) inbox.put(problem);
    });
    this.thread = thread;
    return thread;
  }

  /** For one read alone, until that is over. */
  private threadFor(inbox: Inbox): Thread<LongReadRequest, LongReadAnswer> {
    inbox.isOfAll = false;
    const thread = this.newThread((problem) => inbox.put(problem), 1);
    this.apart.add(thread);
    return thread;
  }

  private newThread(
    onEnd: (problem: Problem) => void,
    connections = this.config.LONG_READ_CONNECTIONS,
  ): Thread<LongReadRequest, LongReadAnswer> {
    const settings: LongReadSettings = {
      url: this.url,
      connections,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      readTimeoutMs: this.config.READ_TIMEOUT,
      archive: archiveReadSettings(this.config),
    };
    // a read that would need more ends this thread, and not the service
    const maxHeapMb = LEAST_HEAP_MB + HEAP_MB_A_READ * this.mostReads;
    return new Thread<LongReadRequest, LongReadAnswer>(
      settings,
      { file: 'long-reads/long-read-worker.js', name: 'long reads', maxHeapMb },
      {
        onMessage: (answer) => this.inboxes.get(answer.id)?.put(answer),
        onEnd: (error) => {
          if (this.inboxes.size > 0) this.logger.error({ err: error }, 'the thread for long reads has ended');
          const problem = new Problem('reads-overloaded', 'The thread for long reads has ended: ask again', {
            cause: error,
            retryAfterSeconds: RETRY_AFTER_SECONDS,
          });
          onEnd(problem);
        },
      },
    );
  }
}

/** What came for one read and was not taken yet: a piece or two. */
class Inbox {
  /** of a read on the thread that all share */
  isOfAll = true;
  private readonly answers: LongReadAnswer[] = [];
  private failure: Error | undefined;
  private wake: (() => void) | undefined;

  put(answer: LongReadAnswer | Error): void {
    if (answer instanceof Error) this.failure ??= answer;
    else this.answers.push(answer);
    this.wake?.();
  }

  /** The next, as soon as it is there. Rejects after a failure, whatever is still here. */
  async take(): Promise<LongReadAnswer> {
    for (;;) {
      if (this.failure) throw this.failure;
      const answer = this.answers.shift();
      if (answer) return answer;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
