import type { StoredRow } from '../integrity/stored-event.js';
import type { LifeEvent } from '../reports/whole-lives.js';
import { transactionsOf, type Transaction } from './transactions.js';

const eventId = (sequence: number): string => `0197f3a1-6c00-7000-8000-${String(sequence).padStart(12, '0')}`;

function row(sequence: number, action: string, state: object, metadata: object = {}, corrects?: number): StoredRow {
  return {
    ...{ sequence: String(sequence), recorded_at: '2026-06-02 08:00:00+00' },
    ...{ timestamp: `2026-06-02 08:00:0${sequence}+00`, timestamp_nanos: 0, timestamp_digits: 0 },
    ...{ event_id: eventId(sequence), corrects: corrects === undefined ? null : eventId(corrects) },
    ...{ event_type: 'order_lifecycle', entity_type: 'order', entity_id: 'O-1', action, user_id: 'trader-1' },
    ...{ previous_state: null, new_state: JSON.stringify(state), metadata: JSON.stringify(metadata) },
    ...{ source: null, source_session: null, source_sequence: null, raw_media_type: null, raw_data: null },
    ...{ recorded_by: 'k', salt: Buffer.alloc(16), content_hash: Buffer.alloc(32), previous_event_hash: null },
    event_hash: Buffer.alloc(32),
  };
}

async function transactions(...lives: StoredRow[][]): Promise<Transaction[]> {
  const events = async function* (): AsyncGenerator<LifeEvent> {
    for (const versions of lives) yield await Promise.resolve(event(versions));
  };
  const found: Transaction[] = [];
  for await (const each of transactionsOf({ orderId: 'O-1', targets: new Set(), events })) found.push(each);
  return found;
}

function event(versions: StoredRow[]): LifeEvent {
  return { kind: 'event', row: versions[0]!, stated: versions.at(-1)!, versions };
}

const create = row(
  1,
  'create',
  { side: 'buy', price: '10', isin: 'DE0007164600' },
  { client_id: 'C-1', counterparty_id: 'X' },
);
const texts = ({ versions }: Transaction, name: 'client_id' | 'price' | 'counterparty_id'): (string | undefined)[] =>
  versions.map((each) => (each.content ? each.facts.text(name) : 'none'));

describe('the transactions along an order', () => {
  it('are its executions, with what was said before; what holds for one execution is not that of the next', async () => {
    const [first, second, ...others] = await transactions(
      [create],
      [row(2, 'partial_fill', { quantity: '4', price: '9.5' }, { counterparty_id: 'Y' })],
      [row(3, 'modify', { price: '11' }, { client_id: 'C-2' })],
      [row(4, 'fill', { quantity: '6' })],
    );
    expect(others).toEqual([]);
    expect([first, second].map((each) => texts(each!, 'client_id'))).toEqual([['C-1'], ['C-2']]);
    expect([first, second].map((each) => texts(each!, 'counterparty_id'))).toEqual([['Y'], ['X']]);
    // the limit of the order is no price of an execution
    expect([first, second].map((each) => texts(each!, 'price'))).toEqual([['9.5'], [undefined]]);
    expect(first!.versions[0]).toMatchObject({ facts: expect.anything(), row: { sequence: '2' } });
  });

  it('have all versions of what was corrected, up to one that never happened', async () => {
    const fill = row(2, 'fill', { quantity: '4', price: '9.5' });
    const corrected = row(3, 'fill', { quantity: '4', price: '9.6' }, { client_id: 'C-9' }, 2);
    const voided = row(4, 'void', {}, {}, 3);
    const [one] = await transactions([create], [fill, corrected]);
    expect([one!.eventId, texts(one!, 'price'), texts(one!, 'client_id')]).toEqual([
      ...[eventId(2), ['9.5', '9.6'], ['C-1', 'C-9']],
    ]);
    const [two] = await transactions([create], [fill, corrected, voided]);
    expect(texts(two!, 'price')).toEqual(['9.5', '9.6', 'none']);
  });

  it('have a version more where an earlier event was corrected since, which says so', async () => {
    const client = { client_id: 'C-9' };
    const corrected = row(5, 'create', { side: 'buy', price: '10', isin: 'DE0007164600' }, client, 1);
    const fill = row(2, 'fill', { quantity: '4', price: '9.5' });
    const mended = row(7, 'fill', { quantity: '4', price: '9.6' }, {}, 2);
    const gone = row(8, 'void', {}, {}, 5);
    const [before, after] = await transactions(
      [create, corrected, gone],
      [fill, mended],
      [row(6, 'fill', { quantity: '1', price: '9.5' })],
    );
    expect(texts(before!, 'client_id')).toEqual(['C-1', 'C-9', 'C-9', undefined]);
    expect(texts(before!, 'price')).toEqual(['9.5', '9.5', '9.6', '9.6']);
    const rows = before!.versions.map((each) => [each.row.sequence, each.cause.sequence]);
    expect(rows).toEqual([
      ['2', '2'],
      ['2', '5'],
      ['7', '7'],
      ['7', '8'],
    ]);
    // what was corrected before counts from the beginning
    expect(texts(after!, 'client_id')).toEqual(['C-9', undefined]);
    // of the same first event as long as nothing else was recorded
    const [early] = await transactions([create], [fill]);
    expect(texts(early!, 'client_id')).toEqual(['C-1']);
  });

  it('are allocations too, by whatever event, and know the last execution', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4', price: '9.5' }];
    const found = await transactions(
      [create],
      [row(2, 'fill', { quantity: '4', price: '9.5' })],
      [row(3, 'modify', {}, { allocations })],
      [row(4, 'modify', {}, { account: 'A' })],
    );
    const fills = found.map(({ eventId: id, versions: [version] }) => [
      ...[id, version!.content && version!.fill?.row.sequence],
    ]);
    expect(fills).toEqual([
      [eventId(2), '2'],
      [eventId(3), '2'],
    ]);
  });
});
