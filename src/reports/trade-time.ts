import type { Content } from '../integrity/event.js';
import { parseTimestamp, TimestampError } from '../integrity/timestamp.js';
import { cellOf } from './cell.js';

/** When the execution took place, in UTC, and which member says so. */
export function tradeTimeOf({ metadata, timestamp }: Content): { time: string; from: string } {
  const given = cellOf(metadata.execution_time);
  if (given === null) return { time: timestamp, from: 'timestamp' };
  try {
    return { time: parseTimestamp(given).canonical, from: 'execution_time' };
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    return { time: timestamp, from: 'timestamp-as-execution_time-is-unreadable' };
  }
}
