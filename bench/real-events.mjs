// The recorded order flow of real markets, where it is on this machine: test/real-data converts it.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { COMPILER_OPTIONS } from '../scripts/build.mjs';
import { root } from '../scripts/install.mjs';
import { temporaryFolder } from './processes.mjs';

/**
 * The first `count` events in the order of the sources and of their files, as the JSON texts of their bodies; undefined
 * where the data are not on this machine, or are fewer. They are those of ../shared, or of TRUETRAIL_SHARED.
 */
export async function realEvents(cleanup, count) {
  const shared = resolve(root, process.env.TRUETRAIL_SHARED ?? '../shared');
  if (!existsSync(join(shared, 'data'))) return undefined;
  process.env.TRUETRAIL_SHARED = shared; // the converters are compiled to another folder
  const { sources } = await compiledSources(cleanup);
  const events = [];
  for (const source of sources) {
    if (source.folder() === undefined) continue;
    for await (const event of source.convert()) {
      events.push(JSON.stringify(event));
      if (events.length === count) return events;
    }
  }
  return undefined;
}

async function compiledSources(cleanup) {
  const { transformSync } = createRequire(import.meta.url)('@swc/core');
  const from = join(root, 'test/real-data');
  const to = join(temporaryFolder(cleanup), 'test', 'real-data');
  mkdirSync(to, { recursive: true });
  writeFileSync(join(to, 'package.json'), '{"type":"module"}');
  for (const name of readdirSync(from).filter((each) => each.endsWith('.ts') && !each.endsWith('.spec.ts'))) {
    const { code } = transformSync(readFileSync(join(from, name), 'utf8'), { ...COMPILER_OPTIONS, filename: name });
    writeFileSync(join(to, name.replace(/\.ts$/, '.js')), code);
  }
  return import(pathToFileURL(join(to, 'sources.js')).href);
}
