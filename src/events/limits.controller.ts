import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { AnyKey } from '../access/access.decorator.js';
import { MAX_URL_BYTES } from '../http/http-app.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { MAX_LISTED_ERRORS } from '../http/problem.js';
import { MAX_EVENT_DEPTH, MAX_RAW_BYTES } from '../integrity/event.js';
import { MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_EVENT_BYTES } from './event-reader.js';
import { MAX_PAGE_BYTES } from './event-search.js';
import {
  DEFAULT_SEARCH_LIMIT,
  MAX_HISTORY_LIMIT,
  MAX_METADATA_FILTERS,
  MAX_QUERY_BYTES,
  MAX_SEARCH_LIMIT,
} from './search-request.js';

/** What a request may have. Bytes are of JSON in UTF-8, after decompression. */
const LIMITS = {
  event_bytes: MAX_EVENT_BYTES,
  event_depth: MAX_EVENT_DEPTH,
  raw_bytes: MAX_RAW_BYTES,
  batch_events: MAX_BATCH_EVENTS,
  batch_bytes: MAX_BATCH_BYTES,
  stream_line_bytes: MAX_EVENT_BYTES,
  url_bytes: MAX_URL_BYTES,
  search_limit: MAX_SEARCH_LIMIT,
  search_limit_default: DEFAULT_SEARCH_LIMIT,
  search_metadata_filters: MAX_METADATA_FILTERS,
  search_parameters_bytes: MAX_QUERY_BYTES,
  history_limit: MAX_HISTORY_LIMIT,
  page_bytes: MAX_PAGE_BYTES,
  listed_errors: MAX_LISTED_ERRORS,
};

function Limit(name: keyof typeof LIMITS, description: string): PropertyDecorator {
  return ApiProperty({ type: 'integer', description, example: LIMITS[name] });
}

export class LimitsDto {
  @Limit('event_bytes', 'An event, bytes of JSON')
  event_bytes: number;
  @Limit('event_depth', 'How deep an event nests, its own braces being 1')
  event_depth: number;
  @Limit('raw_bytes', 'raw.data, decoded')
  raw_bytes: number;
  @Limit('batch_events', 'Events of a batch')
  batch_events: number;
  @Limit('batch_bytes', 'A batch, bytes of JSON')
  batch_bytes: number;
  @Limit('stream_line_bytes', 'A line of a stream')
  stream_line_bytes: number;
  @Limit('url_bytes', 'A URL')
  url_bytes: number;
  @Limit('search_limit', 'limit of a search')
  search_limit: number;
  @Limit('search_limit_default', 'limit of a search that gives none')
  search_limit_default: number;
  @Limit('search_metadata_filters', 'metadata.<key> parameters of a search')
  search_metadata_filters: number;
  @Limit('search_parameters_bytes', 'All parameters of a search, as JSON')
  search_parameters_bytes: number;
  @Limit('history_limit', "limit of an order's history, and what holds without one")
  history_limit: number;
  @Limit('page_bytes', 'Where a page of an answer ends before its limit, about')
  page_bytes: number;
  @Limit('listed_errors', 'Errors that a problem lists')
  listed_errors: number;
}

@ApiTags('service')
@Controller('v1/limits')
export class LimitsController {
  @Get()
  @AnyKey()
  @ApiOperation({ operationId: 'readLimits', summary: 'What requests and answers may have' })
  @ApiAnswer(200, LimitsDto)
  @ApiProblems()
  read(): LimitsDto {
    return LIMITS;
  }
}
