import type { JsonObject, JsonValue } from '../integrity/canonical-json.js';
import type { Content } from '../integrity/event.js';
import { contentOf } from '../integrity/stored-event.js';
import { cellOf } from './cell.js';
import { eventsInPeriod } from './event-scan.js';
import { recordedAt } from './recorded-at.js';
import { defineReport } from './report.js';
import { textParameter } from './text-parameter.js';

/** Event types of the service's own ledger that tell of reading. */
const READS = ['read', 'report', 'evidence', 'transaction_reports'];

/** Where the content of an answer is not counted in rows. */
const COUNTS: Readonly<Record<string, string>> = { evidence: 'events', transaction_reports: 'records' };

export const accessLog = defineReport({
  name: 'access-log',
  version: 4,
  isOfServiceLedger: true,
  title: 'Who read what',
  question:
    'Who read what of the ledgers in the period: which report, search, history, bundle, event or proof, and with what in it?',
  parameters: [
    textParameter('principal', 'What this principal read alone: a key as key:…, or a subject, exactly', 'key:0197f3a1'),
    textParameter('of_ledger', 'What was read of this ledger alone', 'main'),
    textParameter('order_id', 'Reads alone that name this order, exactly', 'O-1'),
  ],
  columns: [
    { name: 'timestamp', holds: 'time', description: 'when, by the clock of the service; UTC' },
    { name: 'principal', description: 'who' },
    { name: 'ledger', description: 'which was read' },
    {
      name: 'what',
      description:
        'the name of the report; otherwise search, history, event, proof, evidence, reference-data or transaction-reports',
    },
    {
      name: 'action',
      description:
        'read or run (before the first byte), done (a report, bundle or submission is whole; of whoever asked for it first), fetched (an answer that was made before), cancelled, discarded (a kept answer, before its time), again (files of transaction reports made once more), reconcile (before the first byte), pages (single events, pages, proofs or entries of reference data, counted)',
    },
    {
      name: 'parameters',
      description:
        'what was asked for, as JSON; of pages a list of up to 20 different things, and null at its end if there were more',
    },
    { name: 'reads', description: 'of pages: how many answers' },
    { name: 'first_time', holds: 'time', description: 'of pages: when the first of them went out, UTC' },
    { name: 'last_time', holds: 'time', description: 'of pages: when the last of them went out' },
    { name: 'as_of', description: 'the sequence up to which was read' },
    { name: 'format', description: 'of a report' },
    {
      name: 'run',
      description: 'of a report, which has a manifest by it, and of a bundle or submission that was made as a run',
    },
    { name: 'rows', description: 'of a report that is done; of a bundle its events, of a submission its records' },
    { name: 'bytes', description: 'of a report, bundle or submission that is done' },
    {
      name: 'sha256',
      description:
        'of the bytes of a report, bundle or submission that is done; of a reconciliation against a file, of that file',
    },
    {
      name: 'executing_entity',
      description:
        'of submissions and reconciliations: LEI of the firm whose reports they are, also where it was not asked for by name',
    },
    { name: 'event_id', description: 'the event of this ledger that says so' },
    { name: 'sequence', description: 'its position in this ledger' },
    { name: 'recorded_at', holds: 'time', description: 'UTC' },
  ],
  async *rows(run) {
    const { principal, of_ledger: ledger, order_id: orderId } = run.parameters;
    for await (const page of eventsInPeriod(run, { keep: { entityType: 'ledger' } })) {
      for (const row of page) {
        if (!READS.includes(row.event_type)) continue;
        const { new_state: state, ...content } = contentOf(row);
        if (principal !== undefined && content.user_id !== principal) continue;
        if (ledger !== undefined && content.entity_id !== ledger) continue;
        const type = content.event_type;
        const pages = type === 'read' && Array.isArray(state.asked) ? state.asked : undefined;
        if (orderId !== undefined && !(pages ?? [state.parameters]).some((each) => namesOrder(each, orderId))) continue;
        yield {
          timestamp: content.timestamp,
          principal: content.user_id,
          ledger: content.entity_id,
          what: whatWasRead(content, state),
          action: type === 'read' ? (pages ? 'pages' : type) : content.action,
          parameters: cellOf(pages ? [...pages, ...(state.asked_is_cut === true ? [null] : [])] : state.parameters),
          reads: cellOf(state.reads),
          first_time: cellOf(state.first),
          last_time: cellOf(state.last),
          as_of: cellOf(state.as_of),
          format: cellOf(state.format),
          run: cellOf(state.run),
          rows: cellOf(state[COUNTS[type] ?? 'rows']),
          bytes: cellOf(state.bytes),
          sha256: cellOf(state.sha256 ?? state.sample_sha256),
          executing_entity: cellOf(state.executing_entity),
          event_id: content.event_id,
          sequence: row.sequence,
          recorded_at: recordedAt(row),
        };
      }
    }
  },
});

function whatWasRead(
  { event_type: type, action }: Pick<Content, 'event_type' | 'action'>,
  state: JsonObject,
): string | null {
  if (type === 'report') return cellOf(state.report);
  if (type === 'evidence') return type;
  return type === 'transaction_reports' ? 'transaction-reports' : action;
}

/** Whether what was asked for names an order: in a history, a report, a search, or a bundle of either. */
function namesOrder(parameters: JsonValue | undefined, orderId: string): boolean {
  if (!isObject(parameters)) return false;
  const own = (name: string): JsonValue | undefined => (Object.hasOwn(parameters, name) ? parameters[name] : undefined);
  if (own('order_id') === orderId) return true;
  if (own('entity_id') === orderId && ['order', undefined].includes(own('entity_type') as string | undefined))
    return true;
  return ['asked', 'search'].some((name) => namesOrder(own(name), orderId));
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
