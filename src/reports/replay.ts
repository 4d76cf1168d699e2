import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { clientOf, factAt, heldEvents, userOf, type HeldEvent } from './held-events.js';
import { filtersOf, ORDER_FILTERS } from './order-filters.js';
import { CORRECTION_COLUMNS, withCorrections, type CorrectionCells } from './correction-story.js';
import { recordedAt } from './recorded-at.js';
import type { FactName } from './regimes/regime.js';
import { defineReport } from './report.js';
import { textParameter } from './text-parameter.js';

export const replay = defineReport({
  name: 'replay',
  version: 3,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: 'Replay of orders in time',
  question: 'What happened to orders in the period, one event after the other, across all orders?',
  parameters: [
    ...ORDER_FILTERS,
    textParameter(
      'user_id',
      'What this user did alone: user_id, exactly; of corrected events as first recorded',
      'trader-1',
    ),
  ],
  columns: [
    { name: 'timestamp', holds: 'time', description: 'event time, by which rows are sorted; UTC, as fine as declared' },
    { name: 'sequence', description: 'its position in the ledger, which decides between equal times' },
    { name: 'order_id', description: 'entity_id' },
    { name: 'action', description: 'what happened' },
    { name: 'instrument', description: 'new_state.symbol, looked up' },
    { name: 'isin', description: 'new_state.isin, looked up' },
    { name: 'venue', description: 'new_state.exchange, looked up' },
    { name: 'side', description: 'new_state.side, looked up' },
    { name: 'quantity', description: "new_state.quantity, exactly as sent; in fills the execution's" },
    { name: 'price', description: "new_state.price, exactly as sent; in fills the execution's" },
    { name: 'remaining_quantity', description: 'new_state.remaining_quantity, exactly as sent' },
    { name: 'order_quantity', description: "the order's quantity after the event, looked up" },
    { name: 'limit_price', description: "the order's limit after the event, looked up" },
    { name: 'client', description: 'metadata.client_id, looked up' },
    { name: 'investment_decision_maker', description: 'metadata, looked up' },
    { name: 'execution_decision_maker', description: 'metadata, looked up' },
    { name: 'desk', description: 'metadata.desk, looked up' },
    { name: 'execution_id', description: 'metadata.execution_id, as sent' },
    { name: 'user_id', description: 'who; of a corrected event who sent the corrected one' },
    { name: 'source', description: 'the system that sent it' },
    {
      name: 'copy',
      description: 'true where metadata.drop_copy says that another source or order tells of it as well',
    },
    { name: 'event_id', description: 'the event; of a corrected one the correction in force' },
    { name: 'recorded_at', holds: 'time', description: 'when the service recorded it, UTC' },
    { name: 'corrects', description: 'the event_id first recorded, if it was corrected; or what it names in vain' },
    { name: 'corrects_sequence', description: 'its position; empty where nothing is corrected' },
    ...CORRECTION_COLUMNS,
  ],
  async *rows(run) {
    const wanted = filtersOf(run.parameters);
    // what an event states itself goes before all that is known of its order
    const mayBeWanted = (own: HeldEvent['own']): boolean =>
      wanted.every(({ facts, value }) => facts.some((name) => !own.has(name) || own.get(name) === value));
    const { user_id: userId } = run.parameters;
    for await (const page of heldEvents(run, { withCopies: true, userId, mayBeWanted })) {
      const found = page.filter((event) =>
        wanted.every(({ facts, value }) => facts.some((name) => valueOf(event, name) === value)),
      );
      for await (const [event, told] of withCorrections(run, found, ({ versions }) => versions)) {
        yield rowOf(event, told);
      }
    }
  },
});

function valueOf(event: HeldEvent, name: FactName): string | null {
  return name === 'client_id' ? clientOf(event) : factAt(event, name);
}

function rowOf(event: HeldEvent, corrections: CorrectionCells) {
  const { row, content, original, own } = event;
  return {
    timestamp: content.timestamp,
    sequence: row.sequence,
    order_id: content.entity_id,
    action: content.action,
    instrument: factAt(event, 'symbol'),
    isin: factAt(event, 'isin'),
    venue: factAt(event, 'exchange'),
    side: factAt(event, 'side'),
    quantity: own.get('quantity') ?? null,
    price: own.get('price') ?? null,
    remaining_quantity: own.get('remaining_quantity') ?? null,
    order_quantity: factAt(event, 'order_quantity'),
    limit_price: factAt(event, 'limit_price'),
    client: clientOf(event),
    investment_decision_maker: factAt(event, 'investment_decision_maker'),
    execution_decision_maker: factAt(event, 'execution_decision_maker'),
    desk: factAt(event, 'desk'),
    execution_id: own.get('execution_id') ?? null,
    user_id: userOf(event),
    source: content.source ?? null,
    copy: event.isCopy ? 'true' : null,
    event_id: content.event_id,
    recorded_at: recordedAt(row),
    corrects: original?.event_id ?? content.corrects ?? null,
    corrects_sequence: original?.sequence ?? null,
    ...corrections,
  };
}
