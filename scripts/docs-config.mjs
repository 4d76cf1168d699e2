// `npm run docs:config` writes docs/configuration.md from the table of settings; with --check it compares.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { writeOrCheck } from './generated-file.mjs';
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
const module = join(ensureBuilt(), 'src', 'config', 'configuration-page.js');
const { configurationPage } = await import(pathToFileURL(module).href);
writeOrCheck('docs/configuration.md', configurationPage(), 'npm run docs:config');
