import { text, type PlacedEvent } from './plain-computation.js';
import { sortedJson } from './plain-reconstruction.js';

type Row = Record<string, string | null>;

/** The rows of access-log, of all that a service has recorded of itself. */
export function expectedAccessLog(
  events: readonly PlacedEvent[],
  { principal, of_ledger: ledger, order_id: orderId }: { principal?: string; of_ledger?: string; order_id?: string },
): Row[] {
  const reads = events
    .filter(({ event_type: type }) => type === 'read' || type === 'report')
    .sort((a, b) => (a.timestamp === b.timestamp ? a.sequence - b.sequence : a.timestamp < b.timestamp ? -1 : 1))
    .filter((event) => principal === undefined || event.user_id === principal)
    .filter((event) => ledger === undefined || event.entity_id === ledger);
  const names = ({ new_state: { parameters, asked } }: PlacedEvent): boolean =>
    Array.isArray(asked) ? asked.some(namesOrder) : namesOrder(parameters);
  const namesOrder = (parameters: unknown): boolean => {
    // wherever it stands: {"order_id": …}, {"asked": {"order_id": …}}, or an entity_id that is of no other kind
    const json = sortedJson(parameters ?? {});
    const id = JSON.stringify(orderId);
    return (
      json.includes(`"order_id":${id}`) ||
      (json.includes(`"entity_id":${id}`) && !/"entity_type":"(?!order")/.test(json))
    );
  };
  return reads
    .filter((event) => orderId === undefined || names(event))
    .map(({ new_state: state, ...event }) => ({
      timestamp: event.timestamp,
      principal: event.user_id,
      ledger: event.entity_id,
      what: event.event_type === 'report' ? text(state.report) : event.action,
      action: event.event_type === 'report' ? event.action : state.asked ? 'pages' : 'read',
      parameters: said(state),
      reads: text(state.reads),
      first_time: text(state.first),
      last_time: text(state.last),
      as_of: text(state.as_of),
      format: text(state.format),
      run: text(state.run),
      rows: text(state.rows),
      bytes: text(state.bytes),
      sha256: text(state.sha256),
      executing_entity: null,
      event_id: event.event_id,
      sequence: String(event.sequence),
      recorded_at: event.recorded_at,
    }));
}

/** What was asked for: one thing, or of pages a list, which says by a null that it is not all. */
function said({ parameters, asked, asked_is_cut: isCut }: Record<string, unknown>): string | null {
  if (Array.isArray(asked)) return sortedJson(isCut ? [...(asked as unknown[]), null] : asked);
  return parameters === undefined ? null : sortedJson(parameters);
}
