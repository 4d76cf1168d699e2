import { sortedJson } from './plain-reconstruction.js';

type Row = Record<string, string | null>;

/** An event of the ledger `_reporting`, as the interface gives it. */
export interface ReportingEvent {
  sequence: string;
  event_id: string;
  entity_type: string;
  entity_id: string;
  event_type: string;
  action: string;
  user_id: string;
  timestamp: string;
  recorded_at: string;
  recorded_by: string;
  event_hash: string;
  new_state: Record<string, unknown>;
  metadata: Record<string, string>;
  raw?: { media_type: string; data: string };
}

/** The rows on reporting of an order: of its executions, each `executed` or not, up to an act. All events are in one ledger. */
export function expectedReporting(
  events: readonly ReportingEvent[],
  executions: readonly { id: string; isExecuted: boolean }[],
  upToAct: number,
): Row[] {
  const acts = events.filter(({ metadata }) => metadata.act !== undefined && Number(metadata.act) <= upToAct);
  const counts = (event: ReportingEvent): boolean =>
    acts.some(({ metadata }) => metadata.maker === event.metadata.maker);
  const ofReports = events.filter(({ entity_type: type }) => type === 'transaction_report').filter(counts);
  const told = new Set<ReportingEvent>();
  const rows: Row[] = [];
  const silent: Row[] = [];
  for (const { id, isExecuted } of executions) {
    const references = ofReports
      .filter(({ action, new_state: state }) => action === 'written' && state.event_id === id)
      .map(({ entity_id: reference }) => reference);
    const own = ofReports.filter(({ entity_id: reference }) => references.includes(reference));
    if (own.length === 0 && isExecuted) silent.push({ stage: 'not-reported', reported_event_id: id });
    const about = [...own];
    for (const act of acts) {
      if (told.has(act) || !own.some(({ metadata }) => metadata.maker === act.metadata.maker)) continue;
      told.add(act);
      about.push(act);
      // of a submission the parts are its files, which the submission hands out
      if (act.entity_type.includes('feedback'))
        about.push(...events.filter((each) => each.action === 'part' && each.metadata.maker === act.metadata.maker));
    }
    for (const event of about.sort((a, b) => Number(a.sequence) - Number(b.sequence))) {
      const { new_state: state, raw } = event;
      const stages: Record<string, string> = {
        transaction_report:
          event.action !== 'written' ? 'feedback' : state.status === 'CANC' ? 'report-cancellation' : 'report',
        transaction_report_submission: 'submission',
        transaction_report_feedback: 'feedback-file',
      };
      rows.push({
        stage: stages[event.entity_type]!,
        reported_event_id: id,
        reporting_id: event.entity_id,
        action: event.action,
        event_type: event.event_type,
        timestamp: event.timestamp,
        recorded_at: event.recorded_at,
        user_id: event.user_id,
        recorded_by: event.recorded_by,
        new_state: sortedJson(state),
        metadata: sortedJson(event.metadata),
        raw_media_type: raw?.media_type ?? null,
        raw_text: raw ? Buffer.from(raw.data, 'base64').toString('utf8') : null,
        raw_base64: raw?.data ?? null,
        ledger: '_reporting',
        event_id: event.event_id,
        sequence: event.sequence,
        event_hash: event.event_hash,
      });
    }
  }
  return [...rows, ...silent];
}
