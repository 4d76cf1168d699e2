#!/usr/bin/env node
// `npx truetrail-verify` and `npm run truetrail-verify -- …`: build if there is none, then the verifier, in this one
// process. What it runs needs Node alone: a build that is there is enough, without node_modules.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';

/** As for what could not be looked at: nothing is known of what was to be verified. */
const UNDECIDED = 2;

let main;
try {
  main = join(await build(), 'src', 'verify', 'truetrail-verify.js');
} catch (error) {
  console.error(error.message);
  process.exit(UNDECIDED);
}
process.argv[1] = main;
await import(pathToFileURL(main).href);

async function build() {
  try {
    return ensureBuilt({ hold: true });
  } catch {
    await ensureInstalled();
    return ensureBuilt({ hold: true });
  }
}
