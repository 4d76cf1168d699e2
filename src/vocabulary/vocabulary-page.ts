import { ACTIONS, ORDER_VOCABULARY, VOCABULARY_VERSION, type Term, type ValueType } from './order-vocabulary.js';

const TYPES = {
  text: 'text',
  boolean: '`true` or `false`',
  decimal: 'decimal as text',
  integer: 'whole number as text',
  timestamp: 'time',
  date: 'day, `YYYY-MM-DD`',
  lei: 'LEI',
  isin: 'ISIN',
  cfi: 'CFI',
  mic: 'MIC',
  currency: 'ISO 4217',
  code: 'one of',
  codes: 'list of',
  isins: 'list of ISINs',
  texts: 'list of texts',
  records: 'list of objects of',
} as const satisfies Record<ValueType['is'], string>;

/**
 * docs/vocabulary.md. `uses` are the regimes' tables that read a name, for example `RTS 24: 10`, by name.
 */
export function vocabularyPage(uses: ReadonlyMap<string, readonly string[]>): string {
  const sections = Object.entries<Readonly<Record<string, Term>>>(ORDER_VOCABULARY).map(([title, terms]) => {
    const rows = Object.entries(terms).map(([name, term]) =>
      row(
        `\`${term.in}.${name}\``,
        typeText(term.type),
        sinceText(term.description, term.since),
        (uses.get(name) ?? []).join('; '),
      ),
    );
    return [`## ${title}`, '', row('name', 'value', 'meaning', 'read for'), row('---', '---', '---', '---'), ...rows];
  });
  const actions = Object.entries(ACTIONS).map(([name, { meaning, since }]) =>
    row(`\`${name}\``, sinceText(meaning, since)),
  );
  return `${[
    '# The vocabulary of order events',
    '',
    `Version ${VOCABULARY_VERSION}. Written by \`npm run docs:vocabulary\` from \`src/vocabulary/order-vocabulary.ts\`; as JSON Schema (draft 2020-12) it is [schemas/order-event.json](schemas/order-event.json), and \`GET /v1/schemas/order-event\`.`,
    '',
    'What `new_state` and `metadata` of events of orders (`event_type` `order_lifecycle`, `entity_type` `order`) carry. Reports read these names. Nothing is refused for lacking one, or for having others: unknown names are kept untouched, and the report `vocabulary-findings` tells of them and of values of another type.',
    '',
    'Facts are stated in neutral words, once; the codes of RTS 24, RTS 6 and the rest are made by the reports. So `validity: "day"` is `DAVY` in RTS 24 and `GDAY` in RTS 6. A name that is here keeps its meaning and type for ever, and a code is never taken away; both are only added to, under a new version.',
    '',
    '- State in each event what it changes. Reports look up the rest along the order.',
    '- Decimals are texts, so that no digit is lost; times are as in [format.md](format.md), with as many decimals as the clock has.',
    "- In fills `quantity` and `price` are the execution's; the order's own are `order_quantity`, `remaining_quantity` and `limit_price`.",
    '- What is not known is left out. An empty text or null says the same.',
    '',
    '## Actions',
    '',
    row('action', 'meaning'),
    row('---', '---'),
    ...actions,
    '',
    ...sections.flatMap((lines) => [...lines, '']),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

function sinceText(text: string, since = 1): string {
  return since === 1 ? text : `${text} (since version ${since})`;
}

function typeText(type: ValueType): string {
  if (type.is === 'code' || type.is === 'codes') {
    const codes = Object.entries(type.codes).map(([code, meaning]) =>
      meaning === code ? `\`${code}\`` : `\`${code}\` (${meaning})`,
    );
    return `${TYPES[type.is]} ${codes.join(', ')}`;
  }
  if (type.is !== 'records') return TYPES[type.is];
  return `${TYPES.records} ${Object.keys(type.members)
    .map((name) => `\`${name}\``)
    .join(', ')}`;
}

function row(...cells: string[]): string {
  return `| ${cells.join(' | ')} |`;
}
