import type { JsonObject } from '../integrity/canonical-json.js';
import { DECIMAL_PATTERN, INTEGER_PATTERN } from './checks.js';
import { ORDER_VOCABULARY, VOCABULARY_VERSION, type Term, type ValueType } from './order-vocabulary.js';

/** A JSON Schema that the service publishes. */
export interface PublishedSchema {
  name: string;
  title: string;
  version: number;
  schema: JsonObject;
}

const DRAFT = 'https://json-schema.org/draft/2020-12/schema';
const TIME_PATTERN = '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$';

/** What an order's event has, draft 2020-12. Names that it does not know are allowed; check digits are beyond it. */
function orderEventSchema(): JsonObject {
  return {
    $schema: DRAFT,
    $id: `urn:truetrail:schema:order-event:${VOCABULARY_VERSION}`,
    title: 'An event of an order',
    description:
      'new_state and metadata of events of event_type order_lifecycle and entity_type order. Other names may stand beside these and are kept untouched.',
    type: 'object',
    properties: {
      event_type: { const: 'order_lifecycle' },
      entity_type: { const: 'order' },
      new_state: partSchema('new_state'),
      metadata: partSchema('metadata'),
    },
    required: ['event_type', 'entity_type', 'new_state'],
  };
}

function partSchema(part: Term['in']): JsonObject {
  const terms = Object.values(ORDER_VOCABULARY).flatMap((group) => Object.entries<Term>(group));
  const own = terms.filter(([, term]) => term.in === part);
  return {
    type: 'object',
    properties: Object.fromEntries(
      own.map(([name, { type, description }]) => [name, { description, ...valueSchema(type) }]),
    ),
  };
}

function valueSchema(type: ValueType): JsonObject {
  if (type.is === 'boolean') return { type: 'boolean' };
  if (type.is === 'code') return codeSchema(type.codes);
  if (type.is === 'codes') return listSchema(codeSchema(type.codes));
  if (type.is === 'isins') return listSchema(textSchema('isin'));
  if (type.is === 'texts') return listSchema(textSchema('text'));
  if (type.is === 'records') {
    const members = Object.entries(type.members).map(([name, is]) => [name, valueSchema({ is })] as const);
    return listSchema({ type: 'object', properties: Object.fromEntries(members), additionalProperties: false });
  }
  return textSchema(type.is);
}

function listSchema(items: JsonObject): JsonObject {
  return { type: 'array', items };
}

function codeSchema(codes: Readonly<Record<string, string>>): JsonObject {
  return { oneOf: Object.entries(codes).map(([code, description]) => ({ const: code, description })) };
}

const TEXT_SCHEMAS = {
  text: {},
  decimal: { pattern: DECIMAL_PATTERN },
  integer: { pattern: INTEGER_PATTERN },
  timestamp: { pattern: TIME_PATTERN },
  date: { format: 'date', pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' },
  lei: { pattern: '^[A-Z0-9]{18}[0-9]{2}$' },
  isin: { pattern: '^[A-Z]{2}[A-Z0-9]{9}[0-9]$' },
  cfi: { pattern: '^[ECDROFSHIJKLTM][A-Z]{5}$' },
  mic: { pattern: '^[A-Z0-9]{4}$' },
  currency: { pattern: '^[A-Z]{3}$' },
} as const;

function textSchema(is: keyof typeof TEXT_SCHEMAS): JsonObject {
  return { type: 'string', ...TEXT_SCHEMAS[is] };
}

export const SCHEMAS: readonly PublishedSchema[] = [
  { name: 'order-event', title: 'An event of an order', version: VOCABULARY_VERSION, schema: orderEventSchema() },
];
