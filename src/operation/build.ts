import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readJson } from '../integrity/strict-json.js';

/** What this build is. */
export const BUILD = { version: readVersion() };

/** Of the package.json above this file, which the sources and every build have at different heights. */
function readVersion(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) return String((readJson(readFileSync(file)) as { version?: string }).version);
  }
  return 'unknown';
}
