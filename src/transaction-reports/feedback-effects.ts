import { MessageFileError } from './message-document.js';
import { isRefusedWhole, referencesOf, type FileAdvice, type RecordAdvice } from './feedback.js';
import type { Submission } from './submissions.js';

/** What an answer says of the records of the file that it answers. */
export interface FeedbackEffects {
  /** by transaction reference; nothing of records on which it says nothing */
  states: ReadonlyMap<string, Pick<Submission, 'state' | 'rules'>>;
  /** records that the file does not have, as the authority writes them */
  unknown: readonly string[];
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
  const rest = unlisted(advice, references.size - states.size, unknown.length);
  if (rest) {
    for (const reference of references) if (!states.has(reference)) states.set(reference, rest);
  }
  return { states, unknown };
}

const STATES: Readonly<Record<RecordAdvice['status'], Submission['state']>> = {
  ACPT: 'accepted',
  PDNG: 'pending',
  RCVD: 'sent',
  RJCT: 'rejected',
};

/** What is said of records that are not listed: there are `count` of them. */
function unlisted(
  { status, rules, statistics, records }: FileAdvice,
  count: number,
  unknown: number,
): Pick<Submission, 'state' | 'rules'> | undefined {
  if (isRefusedWhole(status)) return { state: 'rejected', rules };
  if (unknown > 0 || !['ACPT', 'PART', 'WARN'].includes(status)) return undefined;
  const accepted: Pick<Submission, 'state' | 'rules'> = { state: 'accepted', rules: [] };
  if (!statistics) return status === 'PART' ? undefined : accepted;
  const listed = records.filter((record) => record.status === 'ACPT').length;
  const isCounted = (statistics.perStatus.ACPT ?? 0) === count + listed && statistics.total === count + records.length;
  return isCounted ? accepted : undefined;
}
