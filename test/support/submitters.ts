import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { uuidv7 } from '../../src/database/uuidv7.js';
import type { Receipt } from '../../src/integrity/event.js';
import { sampleEvent } from './app.js';
import { postOnce } from './post-once.js';

const CLIENTS = 6;
const PATIENCE_MS = 15_000;

/** Submitters that send each event until it is acknowledged, and what they were answered meanwhile. */
export class Submitters {
  readonly sent = new Set<string>();
  readonly acknowledged = new Map<string, Receipt>();
  /** `status problem`, or `no answer` */
  answers = new Set<string>();
  private going = true;
  private readonly clients: Promise<void>[];

  constructor(private readonly url: string) {
    this.clients = Array.from({ length: CLIENTS }, () => this.client());
  }

  async end(): Promise<void> {
    this.going = false;
    await Promise.all(this.clients);
  }

  async progress(events: number): Promise<void> {
    const goal = this.acknowledged.size + events;
    for (const until = Date.now() + PATIENCE_MS; this.acknowledged.size < goal; await pause(20)) {
      if (Date.now() > until) throw new Error(`the submitters do not get on: ${[...this.answers].join(', ')}`);
    }
  }

  private async client(): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (this.going) {
      const event = sampleEvent({ event_id: uuidv7() });
      this.sent.add(event.event_id);
      for (const until = Date.now() + 2 * PATIENCE_MS; ;) {
        const answer = await postOnce(agent, `${this.url}/v1/ledgers/main/events`, event);
        const problem = answer && answer.status >= 400 ? String(JSON.parse(answer.text).type).split('/').at(-1) : '';
        this.answers.add(answer ? `${answer.status} ${problem}`.trim() : 'no answer');
        if (answer?.status === 200 || answer?.status === 201) {
          this.acknowledged.set(event.event_id, JSON.parse(answer.text) as Receipt);
          break;
        }
        if (Date.now() > until) throw new Error(`${event.event_id} is never acknowledged`);
        await pause(50);
      }
      await pause(20);
    }
    agent.destroy();
  }
}
