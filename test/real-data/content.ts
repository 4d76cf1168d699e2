import { createHash } from 'node:crypto';

export type Action = 'create' | 'modify' | 'partial_fill' | 'fill' | 'cancel' | 'reject';

/**
 * An order as a source knows it; what the source does not say is absent. Decimals are the digits that the source wrote.
 * `quantity` and `price` are the order's, in the new state of fills the execution's; `remaining_quantity` is what is open.
 */
export interface OrderState {
  symbol?: string;
  side?: string;
  quantity?: string;
  price?: string;
  exchange?: string;
  remaining_quantity?: string;
  currency?: string;
  maturity?: string;
  short_sale?: string;
}

/** The content of one event: an item of the body of `POST /v1/ledgers/{ledger}/events/batch`. */
export interface EventContent {
  event_id: string;
  timestamp: string;
  event_type: 'order_lifecycle';
  entity_type: 'order';
  entity_id: string;
  action: Action;
  user_id: string;
  previous_state: OrderState | null;
  new_state: OrderState;
  metadata: Record<string, string>;
  source: string;
  source_session: string;
  source_sequence: string;
  raw?: { media_type: string; data: string };
}

/** What a converter reads from one row or message; {@link EventMaker} adds the rest. */
export type Step = Pick<
  EventContent,
  'timestamp' | 'entity_id' | 'action' | 'user_id' | 'previous_state' | 'new_state' | 'metadata' | 'raw'
>;

/** Numbers the events of one file of one source, without a gap, and gives each an id that a second run gives again. */
export class EventMaker {
  private sequence = 0;

  constructor(
    private readonly source: string,
    private readonly session: string,
  ) {}

  /** The content of the event that row (or message) `row` of the file tells. */
  make(row: number, step: Step): EventContent {
    this.sequence += 1;
    return {
      event_id: eventId(step.timestamp, `${this.source}/${this.session}#${row}`),
      event_type: 'order_lifecycle',
      entity_type: 'order',
      source: this.source,
      source_session: this.session,
      source_sequence: String(this.sequence),
      ...step,
    };
  }
}

/** A UUIDv7 with the milliseconds of `timestamp` (UTC, `Z`); in place of the random bits the SHA-256 of `name`. */
export function eventId(timestamp: string, name: string): string {
  const [, toTheSecond = '', fraction = ''] = /^([^.Z]+)(?:\.(\d+))?Z$/.exec(timestamp) ?? [];
  const unixMs = Date.parse(`${toTheSecond}Z`) + Number(fraction.slice(0, 3).padEnd(3, '0'));
  const bytes = Buffer.alloc(16);
  createHash('sha256').update(name).digest().copy(bytes, 6);
  bytes.writeUIntBE(unixMs, 0, 6);
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Seconds since 1970 as `YYYY-MM-DDThh:mm:ss`, without fraction and zone. */
export function toTheSecond(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().slice(0, 19);
}

/** `members` without those that are undefined: what the source does not say is absent from an event, not null. */
export function present<T extends object>(members: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}
