import { Problem } from '../http/problem.js';
import type { MessageFileError } from '../transaction-reports/message-document.js';

/** What is told of a file of an authority that cannot be taken: its line, as `/lines/{line}`. */
export function refusedFile(error: MessageFileError, rule: 'feedback' | 'sample'): Problem {
  const pointer = error.line === undefined ? '' : `/lines/${error.line}`;
  return new Problem('invalid-body', `The file is no ${rule} that can be taken: ${error.message}`, {
    errors: [{ pointer, rule, detail: error.message }],
    cause: error,
  });
}
