import { CFI_VERSION } from '../identifiers/cfi.js';
import { CURRENCIES_VERSION } from '../identifiers/currency.js';
import { contentOf } from '../integrity/stored-event.js';
import { vocabularyFindings } from '../vocabulary/checks.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { readCorrections } from './corrections-of.js';
import { eventsInPeriod } from './event-scan.js';
import { recordedAt } from './recorded-at.js';
import { defineReport } from './report.js';

export const vocabularyFindingsReport = defineReport({
  name: 'vocabulary-findings',
  version: 3,
  tables: [
    { name: 'order-vocabulary', version: String(VOCABULARY_VERSION) },
    { name: 'iso-4217', version: CURRENCIES_VERSION },
    { name: 'iso-10962', version: CFI_VERSION },
  ],
  title: 'Names outside of the vocabulary',
  question: 'Which order events carry names that reports do not know, or values that are not what their name says?',
  parameters: [],
  columns: [
    {
      name: 'timestamp',
      holds: 'time',
      description: 'event time, by which the period selects; UTC, as fine as declared',
    },
    { name: 'recorded_at', holds: 'time', description: 'when the service recorded it, UTC' },
    { name: 'sequence', description: 'its position in the ledger' },
    { name: 'event_id', description: 'the event' },
    { name: 'order_id', description: 'entity_id' },
    { name: 'action', description: 'what was done' },
    { name: 'source', description: 'the system that sent it' },
    { name: 'user_id', description: 'as sent' },
    {
      name: 'unknown',
      description:
        'names that the vocabulary does not have, or has in the other of new_state and metadata; one blank between two',
    },
    {
      name: 'ill_typed',
      description:
        'names with what their values must be and are not, entity_type and action among them; semicolons between them',
    },
    { name: 'corrected_by', description: 'event_id of the correction in force; empty when there is none' },
  ],
  async *rows(run) {
    for await (const page of eventsInPeriod(run, { by: { column: 'event_type', value: 'order_lifecycle' } })) {
      const found = page
        .map((row) => ({ row, content: contentOf(row) }))
        .map(({ row, content }) => ({ row, content, ...vocabularyFindings(content) }))
        .filter(({ unknown, illTyped }) => unknown.length > 0 || illTyped.length > 0);
      if (found.length === 0) continue;
      const corrections = await readCorrections(
        run,
        found.map(({ row }) => row),
      );
      for (const { row, content, unknown, illTyped } of found) {
        yield {
          timestamp: content.timestamp,
          recorded_at: recordedAt(row),
          sequence: row.sequence,
          event_id: content.event_id,
          order_id: content.entity_id,
          action: content.action,
          source: content.source ?? null,
          user_id: content.user_id,
          unknown: unknown.join(' ') || null,
          ill_typed: illTyped.join('; ') || null,
          corrected_by: corrections.inForce(row)?.event_id ?? null,
        };
      }
    }
  },
});
