// `npm run docs:tamper` runs the tests of tampering and writes docs/tamper-matrix.md from what they yield. Rows of a store
// that there is none of here (see test/support/stores.ts) stay as they are; where a test fails the whole page does.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The suites that call publishesItsRows. */
const SUITES = ['test/tamper', 'test/recovery', 'test/witnesses'];
const PAGE = fileURLToPath(new URL('../docs/tamper-matrix.md', import.meta.url));

const before = readFileSync(PAGE);
const tests = spawn(
  process.execPath,
  [
    fileURLToPath(new URL('test.mjs', import.meta.url)),
    '--selectProjects',
    'e2e',
    'long',
    '--testPathPatterns',
    ...SUITES,
  ],
  { stdio: 'inherit', env: { ...process.env, TAMPER_MATRIX: 'write' } },
);
tests.on('exit', (code) => {
  if (code !== 0) writeFileSync(PAGE, before);
  process.exitCode = code ?? 1;
});
