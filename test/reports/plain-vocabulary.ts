import { inPeriod, Rulings, utc, type PlacedEvent } from './plain-computation.js';

type Row = Record<string, string | null>;

/** What the published JSON Schema says of a name's value. */
export interface Node {
  type?: string;
  pattern?: string;
  format?: string;
  oneOf?: { const: string }[];
  items?: Node;
  properties?: Record<string, Node>;
}

export interface NamesOf {
  new_state: Record<string, Node>;
  metadata: Record<string, Node>;
}

const ACTIONS =
  'decide, create, route, acknowledge, trigger, modify, change_status, partial_fill, fill, cancel, expire, reject, void';
/** Those of ISO 4217 that the made events have. */
const CURRENCIES = ['EUR', 'GBP', 'USD'];
/** Category and group of the codes that the made events have. */
const CATEGORIES = ['ES', 'DB'];

const KINDS_BY_PATTERN: Readonly<Record<string, keyof typeof RIGHT>> = {
  '^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$': 'decimal',
  '^-?(0|[1-9][0-9]*)$': 'integer',
  '^[A-Z]{2}[A-Z0-9]{9}[0-9]$': 'isin',
  '^[ECDROFSHIJKLTM][A-Z]{5}$': 'cfi',
  '^[A-Z0-9]{4}$': 'mic',
  '^[A-Z]{3}$': 'currency',
  '^[A-Z0-9]{18}[0-9]{2}$': 'lei',
};

const asDigits = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55));

function luhn(text: string): boolean {
  const digits = asDigits(text);
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const doubled = Number(digits[digits.length - 1 - i]) * (1 + (i % 2));
    sum += Math.floor(doubled / 10) + (doubled % 10);
  }
  return sum % 10 === 0;
}

/** Of a text its kind: whether it is right, and what it must be. */
const RIGHT = {
  decimal: [(text: string) => /^-?\d+(\.\d+)?$/.test(text) && !/^-?0\d/.test(text), 'must be a decimal such as 585.33'],
  integer: [(text: string) => /^-?\d+$/.test(text) && !/^-?0\d/.test(text), 'must be a whole number'],
  isin: [(text: string) => /^[A-Z]{2}\w{9}\d$/.test(text) && luhn(text), 'must be an ISIN with a right check digit'],
  cfi: [
    (text: string) => /^[A-Z]{6}$/.test(text) && CATEGORIES.includes(text.slice(0, 2)),
    'must be a CFI code: six letters, of a category and group of ISO 10962',
  ],
  mic: [(text: string) => /^[A-Z0-9]{4}$/.test(text), 'must be a MIC of four characters'],
  currency: [(text: string) => CURRENCIES.includes(text), 'must be a currency code of ISO 4217'],
  lei: [
    (text: string) => /^[A-Z0-9]{18}\d\d$/.test(text) && BigInt(asDigits(text)) % 97n === 1n,
    'must be an LEI with right check digits',
  ],
} as const;

function ofDay(text: string): string | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return 'must be a day, YYYY-MM-DD';
  const date = new Date(`${text}T00:00:00Z`);
  const isReal = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
  return isReal && text >= '1970' && text < '2200' ? undefined : 'must be a day, YYYY-MM-DD';
}

/** Of the times that the made events have. */
function ofTime(text: string): string | undefined {
  const parts = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:\d{2})$/.exec(text);
  if (!parts) {
    return 'must be YYYY-MM-DDThh:mm:ss, then up to nine decimals, then Z or an offset ±hh:mm';
  }
  const [, day = '', time = '', fraction = ''] = parts;
  if (fraction.length > 9) return 'must have at most nine fractional digits';
  if (ofDay(day) !== undefined) return `must be a real date; there is no ${day}`;
  if (time > '23:59:59') return `must have a time from 00:00:00 to 23:59:59; there is no ${time}`;
  return undefined;
}

/** What is wrong with a value. */
function wrongBy(node: Node, value: unknown): string | undefined {
  if (node.oneOf) {
    const codes = node.oneOf.map((each) => each.const);
    return codes.some((code) => code === value) ? undefined : `must be one of ${codes.join(', ')}`;
  }
  if (node.type === 'boolean') return value === true || value === false ? undefined : 'must be true or false';
  if (node.type === 'array') {
    if (!Array.isArray(value)) return 'must be a list';
    const [first] = value.map((item) => wrongBy(node.items!, item)).filter((each) => each !== undefined);
    return first && `each ${first}`;
  }
  if (node.type === 'object') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'must be an object';
    for (const [name, member] of Object.entries(value)) {
      const own = Object.entries(node.properties!).find(([known]) => known === name)?.[1];
      const wrong = own && wrongBy(own, member);
      if (!own) return `must have no "${name}"`;
      if (wrong) return `has ${name}, which ${wrong}`;
    }
    return undefined;
  }
  if (typeof value !== 'string') return 'must be a text';
  if (node.pattern === undefined) return undefined;
  if (node.format === 'date') return ofDay(value);
  const kind = KINDS_BY_PATTERN[node.pattern];
  if (kind === undefined) return ofTime(value);
  const [isRight, rest] = RIGHT[kind];
  return isRight(value) ? undefined : rest;
}

/** The rows of vocabulary-findings, by what the published schema says of each name. */
export function expectedNames(events: readonly PlacedEvent[], names: NamesOf, from: string, to: string): Row[] {
  const rulings = new Rulings(events);
  const orders = events.filter(({ event_type }) => event_type === 'order_lifecycle');
  return inPeriod(orders, (event) => event, from, to).flatMap((event) => {
    const unknown: string[] = [];
    const wrong: string[] = [];
    if (event.entity_type !== 'order') wrong.push('entity_type: must be order, for reports to read the event');
    else {
      if (!ACTIONS.split(', ').includes(event.action)) wrong.push(`action: must be one of ${ACTIONS}`);
      for (const part of ['new_state', 'metadata'] as const) {
        for (const name of Object.keys(event[part]).sort()) {
          const value = event[part][name];
          const node = Object.entries(names[part]).find(([known]) => known === name)?.[1];
          if (!node) unknown.push(`${part}.${name}`);
          else if (value !== null && value !== '') {
            const mistake = wrongBy(node, value);
            if (mistake !== undefined) wrong.push(`${part}.${name}: ${mistake}`);
          }
        }
      }
    }
    if (unknown.length + wrong.length === 0) return [];
    const final = rulings.final(event);
    return [
      {
        timestamp: utc(event.timestamp),
        recorded_at: event.recorded_at,
        sequence: String(event.sequence),
        event_id: event.event_id,
        order_id: event.entity_id,
        action: event.action,
        source: event.source ?? null,
        user_id: event.user_id,
        unknown: unknown.join(' ') || null,
        ill_typed: wrong.join('; ') || null,
        corrected_by: final === event ? null : final.event_id,
      },
    ];
  });
}
