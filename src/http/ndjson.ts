import { Problem } from './problem.js';

const NDJSON = 'application/x-ndjson';

/** Headers of an answer in lines. */
export const LINES_HEADERS = { 'content-type': `${NDJSON}; charset=utf-8`, vary: 'accept' } as const;

/**
 * Whether a caller asks for lines rather than one JSON document: yes if it names them and wants nothing else more.
 * Throws not-acceptable when it wants neither.
 */
export function wantsLines(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return false;
  let json = 0;
  let lines = 0;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
    const q = Number(weight) || 0;
    if (type === NDJSON) lines = Math.max(lines, q);
    if (type === 'application/json' || type === 'application/*' || type === '*/*') json = Math.max(json, q);
  }
  if (lines === 0 && json === 0) {
    throw new Problem('not-acceptable', `This operation answers in application/json or ${NDJSON}`);
  }
  return lines > 0 && lines >= json;
}

/** One page of a streamed answer. */
export interface Page {
  events: readonly object[];
  as_of: string;
  /** events up to this sequence were read from the archive */
  archived_to: string;
  /** what was deleted and might have matched; absent when nothing was */
  deleted?: readonly object[];
}

/** Pages as pieces of NDJSON: a line an event, then `{"end": {"events", "as_of", "archived_to"}}`, without which the answer is not whole. */
export async function* linesOfPages(pages: AsyncIterable<Page>): AsyncGenerator<{ text: string; asOf: string }, void> {
  let count = 0;
  let asOf = '';
  let archivedTo = '0';
  let deleted: Pick<Page, 'deleted'> = {};
  for await (const page of pages) {
    asOf = page.as_of;
    archivedTo = page.archived_to;
    deleted = page.deleted ? { deleted: page.deleted } : {};
    count += page.events.length;
    let text = '';
    for (const event of page.events) text += `${JSON.stringify(event)}\n`;
    if (text !== '') yield { text, asOf };
  }
  const end = { events: String(count), as_of: asOf, archived_to: archivedTo, ...deleted };
  yield { text: `${JSON.stringify({ end })}\n`, asOf };
}
