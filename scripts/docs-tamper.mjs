// `npm run docs:tamper` runs the tests of tampering and writes docs/tamper-matrix.md from what they yield. Rows of a store
// that there is none of here (see test/support/stores.ts) stay as they are.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The suites that call publishesItsRows. */
const SUITES = ['test/tamper', 'test/recovery', 'test/witnesses'];

const tests = spawn(
  process.execPath,
  [fileURLToPath(new URL('test.mjs', import.meta.url)), '--selectProjects', 'e2e', '--testPathPatterns', ...SUITES],
  { stdio: 'inherit', env: { ...process.env, TAMPER_MATRIX: 'write' } },
);
tests.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
