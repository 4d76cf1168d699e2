import { Injectable } from '@nestjs/common';
import { uuidv7 } from '../database/uuidv7.js';
import type { RawMessage, Receipt } from '../integrity/event.js';
import { toContent } from '../integrity/event.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { Appender } from './appender.js';
import { SERVICE_LEDGER } from './ledgers.js';
import { prepareEvent } from './prepared-event.js';

/** What the service records of itself. `user_id` is the principal on whose behalf it acted, or `service`. */
export interface ServiceEvent {
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
  constructor(private readonly appender: Appender) {}

  async record(...events: ServiceEvent[]): Promise<Receipt[]> {
    const timestamp = new Date().toISOString();
    const prepared = events.map((event) =>
      prepareEvent(toContent({ event_id: uuidv7(), timestamp, ...event }), 'service'),
    );
    const appended = await this.appender.append(SERVICE_LEDGER, prepared);
    return appended.map(({ receipt }) => receipt);
  }
}
