import { Injectable } from '@nestjs/common';
import { uuidv7 } from '../database/uuidv7.js';
import type { RawMessage, Receipt } from '../integrity/event.js';
import { toContent } from '../integrity/event.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { Problem } from '../http/problem.js';
import type { Appended } from './append-queue.js';
import { Appender } from './appender.js';
import { Ledgers, SERVICE_LEDGER } from './ledgers.js';
import { prepareEvent, type PreparedEvent } from './prepared-event.js';

/** What the service records of itself. `user_id` is the principal on whose behalf it acted, or `service`. */
export interface ServiceEvent {
  /** with its `timestamp`, of what may be recorded a second time, and then counts once */
  event_id?: string;
  timestamp?: string;
  event_type: string;
  entity_type: string;
  entity_id: string;
  action: string;
  user_id: string;
  new_state: JsonObject;
  metadata?: JsonObject;
  raw?: RawMessage;
}

/** The service's own events: reads, conflicts, keys, findings, configuration. Durable before `record` resolves. */
@Injectable()
export class ServiceLedger {
  /** where this replica writes to: `_service`, or the last of its successors once that is closed */
  private current: string = SERVICE_LEDGER;

  constructor(
    private readonly appender: Appender,
    private readonly ledgers: Ledgers,
  ) {}

  /** Whether what the service records goes to this ledger. */
  isCurrent(ledger: string): boolean {
    return ledger === this.current;
  }

  /** Where it would be recorded now: `_service`, or the last of its successors once that is closed. */
  async name(): Promise<string> {
    const { state } = await this.ledgers.state(SERVICE_LEDGER);
    return state === 'open' ? SERVICE_LEDGER : this.ledgers.lastSuccessor(SERVICE_LEDGER);
  }

  async record(...events: ServiceEvent[]): Promise<Receipt[]> {
    const timestamp = new Date().toISOString();
    const prepared = events.map((event) =>
      prepareEvent(toContent({ event_id: uuidv7(), timestamp, ...event }), 'service'),
    );
    const appended = await this.append(prepared);
    return appended.map(({ receipt }) => receipt);
  }

  private async append(events: readonly PreparedEvent[]): Promise<Appended[]> {
    try {
      return await this.appender.append(this.current, events);
    } catch (error) {
      if (!(error instanceof Problem && error.slug === 'ledger-closed')) throw error;
      const successor = await this.ledgers.lastSuccessor(SERVICE_LEDGER);
      if (successor === this.current) throw error;
      this.current = successor;
      return this.append(events);
    }
  }
}
