import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { cellOf } from './cell.js';
import { CORRECTION_COLUMNS, lastVersions, withCorrections } from './correction-story.js';
import { withCorrectionsRead } from './corrections-of.js';
import { eventsInPeriod } from './event-scan.js';
import { recordedAt } from './recorded-at.js';
import { defineReport } from './report.js';
import { nameOf, PERSONS, withReferenceData } from './with-reference-data.js';
import { textParameter } from './text-parameter.js';

const activity = defineReport({
  name: 'user-activity',
  version: 3,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: "A user's activity",
  question: 'What did this user do in the period?',
  parameters: [
    { ...textParameter('user_id', 'Whose activity: user_id of the events, exactly', 'trader-1'), required: true },
  ],
  columns: [
    {
      name: 'timestamp',
      holds: 'time',
      description: 'event time, by which the period selects; UTC, as fine as declared',
    },
    { name: 'recorded_at', holds: 'time', description: 'when the service recorded it, UTC' },
    { name: 'sequence', description: 'its position in the ledger' },
    { name: 'event_id', description: 'the event' },
    { name: 'event_type', description: 'as sent' },
    { name: 'entity_type', description: 'kind of what was acted upon' },
    { name: 'entity_id', description: 'what was acted upon' },
    { name: 'action', description: 'what was done' },
    { name: 'symbol', description: 'new_state.symbol' },
    { name: 'side', description: 'new_state.side' },
    { name: 'quantity', description: 'new_state.quantity, exactly as sent' },
    { name: 'price', description: 'new_state.price, exactly as sent' },
    { name: 'exchange', description: 'new_state.exchange' },
    { name: 'reason', description: 'metadata.reason' },
    { name: 'corrects', description: 'event_id that this event means to correct' },
    {
      name: 'corrected_by',
      description: 'event_id of the correction in force, whoever made it; empty when there is none',
    },
    ...CORRECTION_COLUMNS,
  ],
  async *rows(run) {
    const scan = { by: { column: 'user_id', value: run.parameters.user_id! } } as const;
    for await (const { page, corrections } of withCorrectionsRead(run, eventsInPeriod(run, scan))) {
      const versionsOf = (row: StoredRow) => lastVersions(corrections.versions(row));
      for await (const [row, told] of withCorrections(run, page, versionsOf)) {
        const { new_state: state, metadata, ...content } = contentOf(row);
        yield {
          timestamp: content.timestamp,
          recorded_at: recordedAt(row),
          sequence: row.sequence,
          event_id: content.event_id,
          event_type: content.event_type,
          entity_type: content.entity_type,
          entity_id: content.entity_id,
          action: content.action,
          symbol: cellOf(state.symbol),
          side: cellOf(state.side),
          quantity: cellOf(state.quantity),
          price: cellOf(state.price),
          exchange: cellOf(state.exchange),
          reason: cellOf(metadata.reason),
          corrects: content.corrects ?? null,
          corrected_by: corrections.inForce(row)?.event_id ?? null,
          ...told,
        };
      }
    }
  },
});

export const userActivity = withReferenceData(activity, ({ timestamp }) => timestamp!, [
  {
    label: 'user_id',
    of: (_, run) => run.parameters.user_id!,
    kinds: () => PERSONS,
    shows: [{ name: 'user_name', description: 'name of the user', from: nameOf }],
  },
  { label: 'exchange', of: ({ exchange }) => exchange, kinds: () => ['venue'] },
]);
