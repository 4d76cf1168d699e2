import { FIELD_SOURCES, type FieldSources } from './field-sources.js';
import { FIELD_SETS } from './field-sets.js';
import { RTS22 } from './rules/rts22-rules.js';

/** docs/transaction-report-fields.md */
export function fieldsPage(): string {
  const set = FIELD_SETS.at(-1)!;
  const fields = set.fields.map(({ number, name, title, format }, i) => {
    const rules = RTS22.rules.filter((rule) => rule.fields[0] === number).map(({ id }) => id);
    const { names, entries } = FIELD_SOURCES[i]!;
    return row(
      String(number),
      `${title} (\`f${number}_${name}\`)`,
      format,
      names.map((each) => `\`${each}\``).join(', '),
      entriesText(entries),
      rules.join(', '),
    );
  });
  const rules = RTS22.rules.map(({ id, fields: numbers, severity, text, from, to }) => {
    const days = to === undefined ? `from ${from}` : `from ${from}, until before ${to}`;
    return row(id, numbers.join(', '), severity, text, days);
  });
  return `${[
    '# The 65 fields of a transaction report',
    '',
    'Written by `npm run docs:fields` from `src/transaction-reports`. [transaction-reports.md](transaction-reports.md) tells how reports come about.',
    '',
    '## Fields',
    '',
    `By ${RTS22.source}: the set of fields ${set.version}, of what is sent from ${set.from} on. Names of events are those of [vocabulary.md](vocabulary.md), and what an event itself is called by and when it happened; columns are those of [reference-data.md](reference-data.md). They are all that a field may be made of, or that decides on it: which of them in one report, its lineage says.`,
    '',
    row('field', 'title and column', 'format', 'names of events', 'reference data', 'rules'),
    row('---', '---', '---', '---', '---', '---'),
    ...fields,
    '',
    '## Rules',
    '',
    'What a report is held against besides the schema. The first field is the one to mend. An `error` holds the report back, a `hint` does not. A rule holds for transactions of the days that stand beside it. ' +
      `This is version ${RTS22.version} of the rules.`,
    '',
    row('rule', 'fields', 'severity', 'what must be', 'days'),
    row('---', '---', '---', '---', '---'),
    ...rules,
  ].join('\n')}\n`;
}

function entriesText(entries: FieldSources['entries']): string {
  return Object.entries(entries)
    .map(([kind, columns]) => `${kind}: ${columns.map((column) => `\`${column}\``).join(', ')}`)
    .join('; ');
}

function row(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
