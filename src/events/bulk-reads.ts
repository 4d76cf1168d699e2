import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { Problem } from '../http/problem.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { ServiceLedger } from './service-ledger.js';

/** A read of many events at once, as it is kept. */
export interface BulkRead {
  ledger: string;
  /** what was read: `search`, `history`, `evidence`, `reference-data` */
  action: string;
  parameters: JsonObject;
  asOf: string;
}

/** Keeps who read what in bulk. */
@Injectable()
export class BulkReads {
  constructor(private readonly serviceLedger: ServiceLedger) {}

  /** Resolves once the read is on record, so that its first byte may go out. Throws not-recorded-as-read. */
  async record({ ledger, action, parameters, asOf }: BulkRead, caller: Principal): Promise<void> {
    try {
      await this.serviceLedger.record({
        event_type: 'read',
        entity_type: 'ledger',
        entity_id: ledger,
        action,
        user_id: caller.id,
        new_state: { parameters, as_of: asOf },
      });
    } catch (cause) {
      throw new Problem('not-recorded-as-read', 'The reading could not be recorded, so nothing is handed out', {
        cause,
      });
    }
  }
}
