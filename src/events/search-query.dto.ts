import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { MAX_CODE_POINTS } from '../integrity/event.js';
import { formatTimestamp, parseTimestamp, type Timestamp } from '../integrity/timestamp.js';
import { fieldErrors, instanceOf, unassignable } from '../http/dto.pipe.js';
import type { FieldError } from '../http/problem.js';
import { invalidParameters, queryError, type Parameters } from '../http/parameters.js';
import { CursorError, decodeCursor, type Cursor } from './cursor.js';
import {
  cursorProblem,
  DEFAULT_SEARCH_LIMIT,
  EQUALITIES,
  isSequence,
  MAX_HISTORY_LIMIT,
  MAX_METADATA_FILTERS,
  MAX_QUERY_BYTES,
  MAX_SEARCH_LIMIT,
  MAX_SEQUENCE,
  type HistoryRequest,
  type SearchQuery,
  type SearchRequest,
} from './search-request.js';
import { Absentable, IsEventText, IsTimestamp, rule } from './event.dto.js';

const METADATA = 'metadata.';
const TIMES = ['from', 'to', 'recorded_from', 'recorded_to'] as const;

function IsSequence(): PropertyDecorator {
  return rule('sequence', isSequence, `must be a whole number from 1 to ${MAX_SEQUENCE}`);
}

function IsLimit(max: number): PropertyDecorator {
  return rule(
    'limit',
    (value) => typeof value === 'string' && /^[1-9][0-9]{0,6}$/.test(value) && Number(value) <= max,
    `must be a whole number from 1 to ${max}`,
  );
}

/** Event time, and where in a walk: what searches and histories have in common. */
class WindowParametersDto {
  @ApiPropertyOptional({
    description: 'Event time from which on, up to nine decimals; write the + of an offset as %2B',
    example: '2026-06-02T08:00:00Z',
  })
  @Absentable()
  @IsTimestamp()
  from?: string;

  @ApiPropertyOptional({ description: 'Event time before which', example: '2026-06-03T00:00:00+02:00' })
  @Absentable()
  @IsTimestamp()
  to?: string;

  @ApiPropertyOptional({
    description:
      'next_cursor of the page before. It holds its query: send it alone or with the same parameters; limit may differ',
  })
  @Absentable()
  @rule('cursor', (value) => value !== '', 'must be a next_cursor exactly as it was given out')
  cursor?: string;
}

/** Everything but `metadata.<key>`, of which there may be several. */
export class SearchParametersDto extends WindowParametersDto {
  @ApiPropertyOptional({
    description: 'What it happened to: its kind',
    example: 'order',
    maxLength: MAX_CODE_POINTS.entity_type,
  })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.entity_type)
  entity_type?: string;

  @ApiPropertyOptional({ description: 'and which one', example: 'O-1', maxLength: MAX_CODE_POINTS.entity_id })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.entity_id)
  entity_id?: string;

  @ApiPropertyOptional({ description: 'Who did it', example: 'trader-1', maxLength: MAX_CODE_POINTS.user_id })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.user_id)
  user_id?: string;

  @ApiPropertyOptional({
    description: 'The kind of event',
    example: 'order_lifecycle',
    maxLength: MAX_CODE_POINTS.event_type,
  })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.event_type)
  event_type?: string;

  @ApiPropertyOptional({ description: 'What was done', example: 'create', maxLength: MAX_CODE_POINTS.action })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.action)
  action?: string;

  @ApiPropertyOptional({ description: 'The submitting system', example: 'oms-1', maxLength: MAX_CODE_POINTS.source })
  @Absentable()
  @IsEventText(MAX_CODE_POINTS.source)
  source?: string;

  @ApiPropertyOptional({ description: 'Recorded time from which on', example: '2026-06-01T00:00:00Z' })
  @Absentable()
  @IsTimestamp()
  recorded_from?: string;

  @ApiPropertyOptional({ description: 'Recorded time before which', example: '2026-07-01T00:00:00Z' })
  @Absentable()
  @IsTimestamp()
  recorded_to?: string;

  @ApiPropertyOptional({ description: 'First sequence, included', example: '1' })
  @Absentable()
  @IsSequence()
  from_sequence?: string;

  @ApiPropertyOptional({ description: 'Last sequence, included', example: '1000' })
  @Absentable()
  @IsSequence()
  to_sequence?: string;

  @ApiPropertyOptional({
    enum: ['timestamp', 'sequence'],
    description: 'timestamp is the default when from or to is given, sequence otherwise. Equal times go by sequence',
    example: 'timestamp',
  })
  @Absentable()
  @IsIn(['timestamp', 'sequence'])
  sort?: string;

  @ApiPropertyOptional({ enum: ['asc', 'desc'], description: 'desc: the last first', default: 'asc', example: 'asc' })
  @Absentable()
  @IsIn(['asc', 'desc'])
  order?: string;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_SEARCH_LIMIT,
    default: DEFAULT_SEARCH_LIMIT,
    description: 'Events of a page, at most; pages of large events end earlier',
    example: 100,
  })
  @Absentable()
  @IsLimit(MAX_SEARCH_LIMIT)
  limit?: string;
}

export class HistoryParametersDto extends WindowParametersDto {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_HISTORY_LIMIT,
    default: MAX_HISTORY_LIMIT,
    description: 'Events of a page, at most; pages of large events end earlier',
    example: 1000,
  })
  @Absentable()
  @IsLimit(MAX_HISTORY_LIMIT)
  limit?: string;
}

/** Reads the parameters of a search in a ledger. Throws invalid-parameter, which names every parameter that is wrong. */
export function readSearchRequest(ledger: string, given: Parameters): SearchRequest {
  const { limit: limitText, cursor: cursorText, ...parameters } = checkedSearchParameters(given);
  const limit = limitText === undefined ? undefined : Number(limitText);
  if (cursorText === undefined) return { query: searchQuery(parameters), limit, walk: undefined };
  const cursor = readCursor(cursorText, 'search', ledger);
  assertHolds(cursor, parameters);
  return {
    query: inCursor(() => searchQuery(checkedSearchParameters(cursor.query))),
    limit,
    walk: inCursor(() => ({
      asOf: sequenceIn(cursor.as_of),
      after: {
        sequence: sequenceIn(cursor.after.sequence),
        timestamp: parseTimestamp(cursor.after.timestamp!),
        recordedAt: parseTimestamp(cursor.after.recorded_at!).canonical,
      },
    })),
  };
}

/** Reads the parameters of the history of an order. Throws invalid-parameter. */
export function readHistoryRequest(ledger: string, orderId: string, given: Parameters): HistoryRequest {
  const { limit: limitText, cursor: cursorText, ...window } = checked(HistoryParametersDto, given, []);
  const limit = limitText === undefined ? undefined : Number(limitText);
  const parameters = { ...window, order_id: orderId };
  if (cursorText === undefined) return { ...timesOf(parameters), limit, walk: undefined, parameters };
  const cursor = readCursor(cursorText, 'history', ledger);
  if (cursor.query.order_id !== orderId) throw cursorProblem('is of another order');
  assertHolds(cursor, window);
  return inCursor(() => {
    const { order_id: _, ...held } = cursor.query;
    checked(HistoryParametersDto, held, []);
    return {
      ...timesOf(cursor.query),
      limit,
      parameters: cursor.query,
      walk: {
        asOf: sequenceIn(cursor.as_of),
        after: {
          sequence: sequenceIn(cursor.after.sequence),
          ordinal: Number(sequenceIn(cursor.after.ordinal)),
          recordedAt: parseTimestamp(cursor.after.recorded_at!).canonical,
        },
      },
    };
  });
}

function checkedSearchParameters(given: Parameters): Record<string, string> {
  const errors: FieldError[] = [];
  const names = Object.keys(given);
  const filters = names.filter((name) => name.startsWith(METADATA));
  for (const name of filters) {
    if (name === METADATA) errors.push(queryError(name, 'metadata', 'must name a member, as metadata.client_id does'));
    if ((name + given[name]).includes('\0')) errors.push(queryError(name, 'nul', 'must not contain U+0000'));
  }
  if (filters.length > MAX_METADATA_FILTERS) {
    const detail = `there may be ${MAX_METADATA_FILTERS} filters on metadata, not ${filters.length}`;
    errors.push({ pointer: '/query', rule: 'metadata', detail });
  }
  const others = Object.fromEntries(
    names.filter((name) => !filters.includes(name)).map((name) => [name, given[name]!]),
  );
  const parameters = checked(SearchParametersDto, others, errors);
  for (const name of filters) parameters[name] = given[name]!;
  const { limit: _, cursor: __, ...query } = parameters;
  if (Buffer.byteLength(JSON.stringify(query)) > MAX_QUERY_BYTES) {
    const detail = `the parameters together may have ${MAX_QUERY_BYTES} bytes`;
    throw invalidParameters([{ pointer: '/query', rule: 'size', detail }]);
  }
  return parameters;
}

/** Checks parameters by their class's rules, and that ranges are ranges; `errors` are those found so far. */
function checked(
  type: typeof SearchParametersDto | typeof HistoryParametersDto,
  given: Parameters,
  errors: FieldError[],
): Record<string, string> {
  const instance = instanceOf<SearchParametersDto | HistoryParametersDto>(type, given);
  errors.push(...fieldErrors(instance, '/query').map((error) => withHint(error, given)));
  errors.push(...unassignable(given, '/query'));
  if (errors.length > 0) throw invalidParameters(errors);
  const parameters: Record<string, string> = { ...given };
  for (const name of TIMES) {
    const text = given[name];
    if (text === undefined) continue;
    const { micros, nanos } = parseTimestamp(text);
    parameters[name] = formatTimestamp(micros, nanos, 9);
  }
  for (const [from, to] of [
    ['from', 'to'],
    ['recorded_from', 'recorded_to'],
  ] as const) {
    const [a, b] = [parameters[from], parameters[to]];
    if (a !== undefined && b !== undefined && a >= b)
      throw invalidParameters([queryError(to, 'range', `must be later than ${from}: it is not included itself`)]);
  }
  const { from_sequence: first, to_sequence: last } = parameters;
  if (first !== undefined && last !== undefined && BigInt(first) > BigInt(last)) {
    throw invalidParameters([queryError('to_sequence', 'range', 'must not be less than from_sequence')]);
  }
  return parameters;
}

/** A + in a URL stands for a blank, which has made many a time wrong that looked right. */
function withHint(error: FieldError, given: Parameters): FieldError {
  const name = error.pointer.slice('/query/'.length);
  const isTime = (TIMES as readonly string[]).includes(name);
  if (!isTime || !given[name]?.includes(' ')) return error;
  return { ...error, detail: `${error.detail} (in a URL, + stands for a blank: write %2B)` };
}

function searchQuery(given: Parameters): SearchQuery {
  const sort = given.sort ?? (given.from !== undefined || given.to !== undefined ? 'timestamp' : 'sequence');
  const parameters = { ...given, sort, order: given.order ?? 'asc' };
  const time = (text: string | undefined): Timestamp | undefined =>
    text === undefined ? undefined : parseTimestamp(text);
  return {
    equal: EQUALITIES.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
    metadata: Object.entries(given)
      .filter(([name]) => name.startsWith(METADATA))
      .map(([name, value]) => [name.slice(METADATA.length), value]),
    ...timesOf(given),
    recordedFrom: time(given.recorded_from),
    recordedTo: time(given.recorded_to),
    fromSequence: BigInt(given.from_sequence ?? 1),
    toSequence: BigInt(given.to_sequence ?? MAX_SEQUENCE),
    sort: sort as SearchQuery['sort'],
    order: parameters.order as SearchQuery['order'],
    parameters,
  };
}

function timesOf({ from, to }: Parameters): { from: Timestamp | undefined; to: Timestamp | undefined } {
  return {
    from: from === undefined ? undefined : parseTimestamp(from),
    to: to === undefined ? undefined : parseTimestamp(to),
  };
}

function readCursor(text: string, kind: Cursor['kind'], ledger: string): Cursor {
  try {
    const cursor = decodeCursor(text);
    if (cursor.kind !== kind) throw new CursorError('is of another operation');
    if (cursor.ledger !== ledger) throw new CursorError('is of another ledger');
    return cursor;
  } catch (error) {
    if (error instanceof CursorError) throw cursorProblem(error.message);
    throw error;
  }
}

/** Throws unless every parameter is one that the cursor holds, with the same value. */
function assertHolds(cursor: Cursor, parameters: Parameters): void {
  const errors = Object.keys(parameters)
    .filter((name) => cursor.query[name] !== parameters[name])
    .map((name) => queryError(name, 'cursor', 'is not what the cursor holds: send the cursor alone, or search anew'));
  if (errors.length > 0) throw invalidParameters(errors);
}

/** What a cursor holds was checked when it was made: if it cannot be read, somebody else has made it. */
function inCursor<T>(read: () => T): T {
  try {
    return read();
  } catch {
    throw cursorProblem('must be a next_cursor exactly as it was given out');
  }
}

function sequenceIn(text: string | undefined): bigint {
  if (!isSequence(text)) throw new CursorError('holds no sequence');
  return BigInt(text);
}
