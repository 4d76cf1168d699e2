import { MessageFileError } from './message-document.js';
import { isRefusedWhole, referencesOf, type FileAdvice, type RecordAdvice } from './feedback.js';
import type { Submission } from './submissions.js';

/** What an answer says of the records of the file that it answers. */
export interface FeedbackEffects {
  /** by transaction reference; nothing of records on which it says nothing */
  states: ReadonlyMap<string, Pick<Submission, 'state' | 'rules'>>;
  /** records that the file does not have, as the authority writes them */
  unknown: readonly string[];
  /** records of the file on which it says nothing, so that they stay as they are, and why; undefined where there are none */
  silence: { count: number; why: string } | undefined;
}

/**
 * What an answer says of each record of a file. `references` are the transaction references of the file, each once.
 *
 * A record that is listed has the status that is given with it. Those that are not listed are rejected by the rules of the
 * file where the file was refused (`RJCT`, `INCF`, `CRPT`). They are accepted where the file is, as a whole, in part or with
 * warnings (`ACPT`, `PART`, `WARN`), and the statistics count as many records as were sent, and all that are not listed as
 * accepted; a file accepted as a whole or with warnings needs no statistics. Else nothing is said of them: silence is not
 * an acceptance.
 *
 * Throws MessageFileError where one record has two statuses.
 */
export function effectsOf(
  advice: FileAdvice,
  references: ReadonlySet<string>,
  executingEntity: string,
): FeedbackEffects {
  const states = new Map<string, Pick<Submission, 'state' | 'rules'>>();
  const unknown: string[] = [];
  for (const record of advice.records) {
    const reference = referencesOf(record.recordId, executingEntity).find((each) => references.has(each));
    if (reference === undefined) unknown.push(record.recordId);
    else if (states.has(reference)) throw new MessageFileError(`the record ${record.recordId} has two statuses`);
    else states.set(reference, { state: STATES[record.status], rules: record.rules });
  }
  const count = references.size - states.size;
  const rest = unlisted(advice, count, unknown.length);
  if (typeof rest === 'string') {
    return { states, unknown, silence: count === 0 ? undefined : { count, why: rest } };
  }
  for (const reference of references) if (!states.has(reference)) states.set(reference, rest);
  return { states, unknown, silence: undefined };
}

const STATES: Readonly<Record<RecordAdvice['status'], Submission['state']>> = {
  ACPT: 'accepted',
  PDNG: 'pending',
  RCVD: 'sent',
  RJCT: 'rejected',
};

/** What is said of records that are not listed, of which there are `count`; or why nothing is. */
function unlisted(
  { status, rules, statistics, records }: FileAdvice,
  count: number,
  unknown: number,
): Pick<Submission, 'state' | 'rules'> | string {
  if (isRefusedWhole(status)) return { state: 'rejected', rules };
  const saysNothing = 'says nothing of records that are not listed';
  if (!['ACPT', 'PART', 'WARN'].includes(status)) return `${status} ${saysNothing}`;
  if (unknown > 0) return 'records are listed that the file does not have';
  const accepted: Pick<Submission, 'state' | 'rules'> = { state: 'accepted', rules: [] };
  if (!statistics) return status === 'PART' ? `PART without statistics ${saysNothing}` : accepted;
  const listed = records.filter((record) => record.status === 'ACPT').length;
  const counted = statistics.perStatus.ACPT ?? 0;
  const [sent, toBeAccepted] = [count + records.length, count + listed];
  if (counted === toBeAccepted && statistics.total === sent) return accepted;
  return `the statistics count ${statistics.total} records, of which ${counted} ACPT; with ${count} that are not listed these must be ${sent} and ${toBeAccepted}`;
}
