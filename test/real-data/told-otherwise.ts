import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { eventId } from './content.js';
import { fixMessages, isoTimestamp } from './fix.js';
import { lines } from './lines.js';

/** The content of an event that is no order's as the converters tell it. */
export type OtherContent = Record<string, unknown> & { event_id: string };

/**
 * Each message of a FIX log as an event of its own, whatever it says: from the session of its sender to its target, counted
 * by the session itself (34), at the time of sending (52).
 */
export async function* messagesAsEvents(path: string): AsyncGenerator<OtherContent> {
  const bytes = await readFile(path);
  let number = 0;
  for (const message of fixMessages(path.endsWith('.gz') ? gunzipSync(bytes) : bytes)) {
    number += 1;
    const [sender, target] = [message.required('49'), message.required('56')];
    const timestamp = isoTimestamp(message.required('52'));
    yield {
      event_id: eventId(timestamp, `${path}/message/${number}`),
      timestamp,
      ...{ event_type: 'fix_message', entity_type: 'fix_session', entity_id: `${sender}>${target}` },
      action: message.required('35'),
      user_id: sender,
      new_state: {},
      ...{ source: sender, source_session: `${sender}>${target}`, source_sequence: message.required('34') },
    };
  }
}

/**
 * The executions of a Databento market-by-order file, as two sources tell them: `book`, the fills of resting orders (F),
 * and `tape`, the public prints (T), which name the order that came. Both have the number of the exchange's packet.
 */
export async function* executionsTwice(path: string): AsyncGenerator<OtherContent> {
  let names: string[] | undefined;
  let number = 0;
  for await (const line of lines(path)) {
    const fields = line.split(',');
    names ??= fields;
    const row = Object.fromEntries(names.map((name, i) => [name, fields[i] ?? '']));
    const { action, ts_event: nanos = '', order_id: orderId, symbol, side, size, price, sequence } = row;
    // 32: the book as it was when the file begins
    if ((action !== 'F' && action !== 'T') || (Number(row.flags) & 32) !== 0) continue;
    number += 1;
    const second = new Date(Number(nanos.slice(0, -9)) * 1000).toISOString().slice(0, 19);
    const timestamp = `${second}.${nanos.slice(-9)}Z`;
    yield {
      event_id: eventId(timestamp, `${path}/execution/${number}`),
      timestamp,
      ...{ event_type: 'order_lifecycle', entity_type: 'order', entity_id: orderId, action: 'partial_fill' },
      user_id: 'feed',
      new_state: {
        ...{ symbol, quantity: size, price },
        ...(side === 'A' ? { side: 'sell' } : side === 'B' ? { side: 'buy' } : {}),
      },
      metadata: { execution_id: sequence },
      source: action === 'F' ? 'book' : 'tape',
    };
  }
}
