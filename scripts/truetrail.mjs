#!/usr/bin/env node
// `npm run truetrail -- COMMAND`, and `truetrail COMMAND` in a container: packages, build, then the command line, in this
// one process.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';
import { endBySignalsAsProcessOne } from './process-one.mjs';

endBySignalsAsProcessOne();
let main;
try {
  await ensureInstalled();
  main = join(ensureBuilt({ hold: true }), 'src', 'cli', 'truetrail.js');
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
process.setSourceMapsEnabled(true);
process.argv[1] = main;
await import(pathToFileURL(main).href);
