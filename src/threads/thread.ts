import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { threadFile } from './thread-file.js';
import type { Tenancy } from './tenancy.js';

/**
 * How long a thread that nobody has is kept: to load its modules takes a quarter of a second of a processor, and who wants
 * one thread soon wants another.
 */
const IDLE_MS = 10_000;

export interface ThreadOptions {
  /** the compiled module, below src/; it calls `serveTenants` */
  file: string;
  /** for debuggers and profiles */
  name: string;
  /** a heap past it ends the thread, and not the service */
  maxHeapMb?: number;
  /** whether the process waits for whoever has the thread, also with nothing else to do; false by itself */
  isAwaited?: boolean;
}

interface Listener<Answer> {
  onMessage: (answer: Answer) => void;
  /** The thread has died or was ended. Not called once it was given back. */
  onEnd: (error: Error) => void;
}

/** A worker thread, and who has it. */
interface Carrier {
  worker: Worker;
  kind: string;
  onEnd: ((error: Error) => void) | undefined;
  end: NodeJS.Timeout | undefined;
  isEnding: boolean;
}

/** Of this process, by kind: they have ended their last tenant's connections, and wait for another. */
const vacant = new Map<string, Carrier[]>();

/**
 * A worker thread for whoever makes this, with settings of their own, until it is given back or ended. Under it may be one
 * that somebody else has given back.
 */
export class Thread<Message, Answer> {
  private readonly carrier: Carrier;
  private readonly port: MessagePort;

  constructor(
    settings: unknown,
    { file, name, maxHeapMb, isAwaited = false }: ThreadOptions,
    { onMessage, onEnd }: Listener<Answer>,
  ) {
    this.carrier = vacant.get(kindOf(file, maxHeapMb))?.pop() ?? started(file, name, maxHeapMb);
    clearTimeout(this.carrier.end);
    this.carrier.onEnd = onEnd;
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    port1.on('message', onMessage);
    // one of the two is enough to be waited for
    port1.unref();
    if (isAwaited) this.carrier.worker.ref();
    this.carrier.worker.postMessage({ settings, port: port2 } satisfies Tenancy<unknown>, [port2]);
  }

  postMessage(message: Message): void {
    this.port.postMessage(message);
  }

  /** For who has it no more, and has nothing under way on it. */
  giveBack(): void {
    const { carrier } = this;
    if (!carrier.onEnd) return;
    carrier.onEnd = undefined;
    this.port.close();
    carrier.worker.unref();
    carrier.end = setTimeout(() => {
      leaveVacant(carrier);
      void carrier.worker.terminate();
    }, IDLE_MS).unref();
  }

  /** Ends it, whatever it does. */
  async end(): Promise<void> {
    await this.carrier.worker.terminate();
    this.port.close();
  }
}

/** Nobody is to get it any more. */
function leaveVacant(carrier: Carrier): void {
  carrier.isEnding = true;
  const others = vacant.get(carrier.kind)?.filter((each) => each !== carrier);
  if (others) vacant.set(carrier.kind, others);
}

/** Three times a semi-space of 16 MB, as V8 chooses by itself on Node 20 and 22; on Node 24 it takes four times as much. */
const YOUNG_GENERATION_MB = 48;

const kindOf = (file: string, maxHeapMb: number | undefined): string => `${file} ${maxHeapMb ?? ''}`;

function started(file: string, name: string, maxHeapMb: number | undefined): Carrier {
  const worker = new Worker(threadFile(file), {
    name,
    resourceLimits: {
      maxYoungGenerationSizeMb: YOUNG_GENERATION_MB,
      ...(maxHeapMb === undefined ? {} : { maxOldGenerationSizeMb: maxHeapMb }),
    },
  });
  const kind = kindOf(file, maxHeapMb);
  const carrier: Carrier = { worker, kind, onEnd: undefined, end: undefined, isEnding: false };
  const ended = (error: Error): void => {
    leaveVacant(carrier);
    clearTimeout(carrier.end);
    const { onEnd } = carrier;
    carrier.onEnd = undefined;
    onEnd?.(error);
  };
  // its tenant has left
  worker.on('message', () => {
    if (!carrier.isEnding) vacant.set(kind, [...(vacant.get(kind) ?? []), carrier]);
  });
  worker.on('error', ended);
  worker.on('exit', () => ended(new Error('the thread has ended')));
  worker.unref();
  return carrier;
}
