// A file that is committed together with what makes it: written, or with --check compared.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './install.mjs';

/** Writes `text` to `path` below the project, or with --check compares it and sets the exit code. */
export function writeOrCheck(path, text, command) {
  const file = join(root, path);
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${path} is not what the sources say: run \`${command}\` and commit it.`);
    process.exitCode = 1;
  }
}
