import type { BundleReport } from '../integrity/evidence-verifier.js';

/** How many findings are shown; all that were kept are in the JSON. */
const SHOWN_FINDINGS = 20;

const COMPLETE: Record<string, string> = {
  'complete-range': 'complete: nothing of the range is left out',
  'as-found': 'as found: that there are no others is the word of the service',
  'as-found-in-range': 'as found, with the envelopes of all others of the range',
};

const OPEN_ENDED = 'complete up to as_of, at which the range ends: the note says what may have followed';

/** A report for people, without a newline at its end. */
export function bundleReportText(report: BundleReport): string {
  const { bundle, checkpoint, anchor, witnesses, timestamps } = report;
  const lines = [report.verdict.toUpperCase()];
  if (bundle) {
    const { ledger, origin, as_of: asOf, asked, completeness, range, contents, events, envelopes } = bundle;
    const complete = bundle.is_open_ended ? OPEN_ENDED : (COMPLETE[completeness] ?? completeness);
    lines.push(
      `ledger      ${ledger}, origin ${origin}, as of sequence ${asOf}`,
      `asked for   ${JSON.stringify(asked)}`,
      `events      ${events}${contents ? '' : ', envelopes alone'}; ${envelopes} envelopes beside them`,
      `complete?   ${complete}${range ? ` (sequences ${range.from_sequence} to ${range.to_sequence})` : ''}`,
    );
  }
  if (checkpoint) {
    lines.push(`checkpoint  size ${checkpoint.size}, root hash ${checkpoint.root_hash}`);
    for (const key of checkpoint.signed_by) lines.push(`signed by   ${key}`);
  }
  for (const { name, time } of witnesses) lines.push(`witness     ${name} at ${timeOf(time)}`);
  if (anchor) lines.push(`anchor      ${anchor.n}, SHA-256 ${anchor.sha256}`);
  for (const { anchor: n, time } of timestamps) lines.push(`timestamp   anchor ${n} at ${time}`);
  for (const each of report.unchecked) lines.push(`UNCHECKED   ${each}`);
  for (const note of report.notes) lines.push(`note        ${note}`);
  lines.push(...findingLines(report));
  return lines.map(printable).join('\n');
}

/** The first findings, a line each, and how many there are. */
export function findingLines(report: {
  findings: readonly { kind: string; sequence?: string | null; event_id?: string | null; detail: string }[];
  findings_total: number;
}): string[] {
  const lines = report.findings.slice(0, SHOWN_FINDINGS).map(({ kind, sequence, event_id: id, detail }) => {
    const name = [sequence && `sequence ${sequence}`, id && `event ${id}`].filter(Boolean).join(', ');
    return `FINDING     ${kind}${name ? `, ${name}` : ''}: ${detail}`;
  });
  if (report.findings_total > lines.length) lines.push(`            and ${report.findings_total - lines.length} more`);
  return lines;
}

function timeOf(seconds: string): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString();
}

/** What is in a bundle is shown, and never obeyed by a terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}
