// `npm run docs:vocabulary` writes docs/vocabulary.md and docs/schemas/ from the vocabulary; with --check it compares.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { writeOrCheck } from './generated-file.mjs';
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
const build = ensureBuilt();
const load = (path) => import(pathToFileURL(join(build, 'src', path)).href);
const { vocabularyPage } = await load('vocabulary/vocabulary-page.js');
const { SCHEMAS } = await load('vocabulary/order-event-schema.js');
const { REGIMES } = await load('reports/order-records.js');

/** By name, the fields of the regimes' tables that are made of it. */
const uses = new Map();
for (const { name, fields } of REGIMES) {
  for (const term of new Set(fields.flatMap(({ terms }) => terms))) {
    const numbers = fields.filter(({ terms }) => terms.includes(term)).map(({ number }) => number);
    uses.set(term, [...(uses.get(term) ?? []), `${name} ${numbers.join(', ')}`]);
  }
}

const command = 'npm run docs:vocabulary';
writeOrCheck('docs/vocabulary.md', vocabularyPage(uses), command);
for (const { name, schema } of SCHEMAS) {
  writeOrCheck(`docs/schemas/${name}.json`, `${JSON.stringify(schema, null, 2)}\n`, command);
}
