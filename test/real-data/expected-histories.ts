import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PYTHON } from '../support/python.js';
import { sampleFolder, sampleSources, sharedDataFolder, type Source } from './sources.js';

/**
 * What the independent reading says of one event: the names of {@link PLACES} with their values. A member that is null
 * must be absent from the event; what is not mentioned is not compared.
 */
export type ExpectedEvent = Record<string, string | null>;

/** Where an event keeps what the reading names; `raw_sha256` and `open_before` apart, under the same name. */
const PLACES: Record<string, (event: Members) => unknown> = {
  ...inside(undefined, ['action', 'timestamp', 'user_id', 'source_session', 'source_sequence']),
  ...inside('new_state', ['symbol', 'side', 'quantity', 'price', 'exchange', 'remaining_quantity']),
  ...inside('new_state', ['currency', 'maturity', 'short_sale']),
  ...inside('metadata', ['client_id', 'investment_decision_maker', 'execution_decision_maker', 'reason']),
  ...inside('metadata', ['client_id_type', 'investment_decision_maker_type', 'execution_decision_maker_type']),
  ...inside('metadata', ['order_entry_time', 'modification_time', 'execution_time', 'account']),
  ...inside('metadata', ['client_order_id', 'parent_client_order_id', 'venue_order_id', 'execution_id']),
  open_before: (event) => member(event['previous_state'], 'remaining_quantity'),
  raw_sha256: (event) => {
    const data = member(event['raw'], 'data');
    return typeof data === 'string' ? createHash('sha256').update(Buffer.from(data, 'base64')).digest('hex') : data;
  },
};

type Members = Readonly<Record<string, unknown>>;

function inside(object: string | undefined, names: readonly string[]) {
  return Object.fromEntries(
    names.map((name) => [name, (event: Members) => (object === undefined ? event[name] : member(event[object], name))]),
  );
}

function member(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null ? (object as Members)[name] : undefined;
}

/**
 * The histories that expected_histories.py reads from the files of `source`, by entity id, in the order in which the
 * orders first appear. Throws if the files are not on this machine or Python fails.
 */
export async function expectedHistories(source: Source): Promise<Map<string, ExpectedEvent[]>> {
  const folder = sampleSources.includes(source) ? sampleFolder() : sharedDataFolder();
  if (folder === undefined) throw new Error(`${source.name}: the data are not on this machine`);
  const script = join(dirname(fileURLToPath(import.meta.url)), 'expected_histories.py');
  // -B: leave no bytecode beside the script
  const python = spawn(PYTHON, ['-B', script, folder, source.name], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(python, 'close');

  const histories = new Map<string, ExpectedEvent[]>();
  for await (const line of createInterface({ input: python.stdout })) {
    const { entity_id, events } = JSON.parse(line) as { entity_id: string; events: ExpectedEvent[] };
    if (histories.has(entity_id)) throw new Error(`${source.name}: the reading tells ${entity_id} twice`);
    histories.set(entity_id, events);
  }
  const [exitCode] = (await ended) as [number | null];
  if (exitCode !== 0) throw new Error(`expected_histories.py ${source.name} ended with ${exitCode}`);
  return histories;
}

/**
 * The differences between an order's history as read independently and its events (content as posted, or flat as the
 * history route returns them, in sequence), each as a sentence; none if they agree.
 */
export function compareHistory(expected: readonly ExpectedEvent[], actual: readonly object[]): string[] {
  const differences: string[] = [];
  if (expected.length !== actual.length) differences.push(`There are ${actual.length} events, not ${expected.length}.`);
  for (const [i, event] of expected.entries()) {
    const recorded = actual[i] as Members | undefined;
    if (recorded === undefined) break;
    for (const [name, value] of Object.entries(event)) {
      const place = PLACES[name];
      if (!place) throw new Error(`no place in an event for ${name}`);
      const found = place(recorded) ?? null;
      if (found !== value) {
        differences.push(`Event ${i + 1}: ${name} is ${JSON.stringify(found)}, not ${JSON.stringify(value)}.`);
      }
    }
  }
  return differences;
}

/** As a read by event time shows it: several sessions in one file tell their days one after the other. */
export function byEventTime(history: readonly ExpectedEvent[]): ExpectedEvent[] {
  const nanos = ({ timestamp }: ExpectedEvent): string =>
    timestamp!.replace(/(?:\.(\d+))?Z$/, (_, fraction = '') => `.${String(fraction).padEnd(9, '0')}`);
  return history.toSorted((a, b) => (nanos(a) < nanos(b) ? -1 : nanos(a) > nanos(b) ? 1 : 0));
}
