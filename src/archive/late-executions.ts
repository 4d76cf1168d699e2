import { readJson, type JsonObject } from '../integrity/strict-json.js';
import type { StoredRow } from '../integrity/stored-event.js';

/** Of a ledger in one object: events that tell of an execution of another day than that of their event time, or the one before. */
export interface LateExecutions {
  ledger: string;
  /** ascending */
  sequences: BigInt64Array;
  /** of each, as numbers that read YYYYMMDD: an object may have 250,000 of them */
  days: Uint32Array;
}

const ORDER = 'order';
const ORDER_LIFECYCLE = 'order_lifecycle';
const STATED = /^(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2}):\d{2}(?:\.\d+)?(?:Z|([+-])(\d{2}):(\d{2}))$/;
const EXECUTION_TIME = '"execution_time"';
const IN_UTC = /"execution_time":"(\d{4}-\d{2}-\d{2})T[^"]*Z"/;
const DAY_MICROS = 86_400_000_000;
const DAY_MS = 86_400_000;
const DAY_MINUTES = 1_440;

/**
 * The day, YYYY-MM-DD, of the execution that an event's metadata (JSON) tells of, as it is stated; undefined where it tells
 * of none, of one on the day (UTC) of its event time (microseconds since 1970) or the one before, and where what it says is
 * no time. The database's late_execution_day() decides the same, and this calls nothing of it.
 */
export function lateExecutionDay(metadata: string, toldAt: number): string | undefined {
  if (!metadata.includes('"execution_id"')) return undefined;
  // most are told in UTC on the day of it, and need not be parsed, which takes several times as long
  const isOnce = metadata.indexOf(EXECUTION_TIME) === metadata.lastIndexOf(EXECUTION_TIME);
  if (isOnce && IN_UTC.exec(metadata)?.[1] === dayOf(Math.floor(toldAt / DAY_MICROS))) return undefined;
  const { execution_time: time, ...others } = readJson(metadata) as JsonObject;
  if (typeof time !== 'string' || !('execution_id' in others)) return undefined;
  const [, stated, hour, minute, sign, offsetHour, offsetMinute] = STATED.exec(time) ?? [];
  if (stated === undefined) return undefined;
  let shift = 0;
  if (sign !== undefined) {
    const offset = Number(offsetHour) * 60 + Number(offsetMinute);
    const inUtc = Number(hour) * 60 + Number(minute) - (sign === '-' ? -offset : offset);
    shift = Math.floor(inUtc / DAY_MINUTES);
  }
  // as the day of the event is called where the execution was stated
  const told = Math.floor(toldAt / DAY_MICROS) - shift;
  return stated === dayOf(told) || stated === dayOf(told - 1) ? undefined : stated;
}

/** Collects the late executions of an object's events, in their order. */
export class LateExecutionsTally {
  private readonly ofLedgers = new Map<string, { sequences: bigint[]; days: number[] }>();

  take(ledger: string, { entity_type, event_type, metadata, timestamp, sequence }: StoredRow<number>): void {
    if (entity_type !== ORDER || event_type !== ORDER_LIFECYCLE) return;
    const day = lateExecutionDay(metadata, timestamp);
    if (day === undefined) return;
    let own = this.ofLedgers.get(ledger);
    if (!own) this.ofLedgers.set(ledger, (own = { sequences: [], days: [] }));
    own.sequences.push(BigInt(sequence));
    own.days.push(Number(day.replaceAll('-', '')));
  }

  /** A ledger that has none is left out. */
  list(): LateExecutions[] {
    return [...this.ofLedgers].map(([ledger, { sequences, days }]) => ({
      ledger,
      sequences: BigInt64Array.from(sequences),
      days: Uint32Array.from(days),
    }));
  }
}

/** YYYY-MM-DD of a number that reads YYYYMMDD. */
export function dayText(day: number): string {
  const digits = String(day).padStart(8, '0');
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`;
}

function dayOf(daysSince1970: number): string {
  return new Date(daysSince1970 * DAY_MS).toISOString().slice(0, 10);
}
