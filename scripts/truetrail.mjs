// `npm run truetrail -- COMMAND`: packages, build, then the command line, in this one process.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';

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
