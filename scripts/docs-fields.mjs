// `npm run docs:fields` writes docs/transaction-report-fields.md from src/transaction-reports; with --check it compares.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { writeOrCheck } from './generated-file.mjs';
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
const build = ensureBuilt();
const { fieldsPage } = await import(pathToFileURL(join(build, 'src/transaction-reports/fields-page.js')).href);
writeOrCheck('docs/transaction-report-fields.md', fieldsPage(), 'npm run docs:fields');
