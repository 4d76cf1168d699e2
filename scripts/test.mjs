// `npm test`: packages, build, then Jest with the arguments given: of all tests where these say which ones, else of all but
// the long ones (../test/support/long-tests.cjs), which `npm run test:long` selects. Tests that run real replicas run this build: its
// folder is in TRUETRAIL_BUILD.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled, root } from './install.mjs';

const given = process.argv.slice(2);
const chosen = given.some(
  (argument) => !argument.startsWith('-') || /^--(testPathPatterns|selectProjects)\b/.test(argument),
);

let build;
try {
  await ensureInstalled();
  build = ensureBuilt({ hold: true });
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
// Flags, not NODE_OPTIONS: Jest's workers get them, the replicas that tests start do not. Jest runs ES modules only
// with the first; the second keeps Node from saying so once a worker.
const jest = spawn(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
    ...(chosen ? [] : ['--selectProjects', 'unit', 'e2e']),
    ...given,
  ],
  {
    cwd: root,
    stdio: 'inherit',
    // the SDK's word on Node 20, once a test file, hides what tests say
    env: { ...process.env, TRUETRAIL_BUILD: build, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
  },
);
process.on('SIGINT', () => {}); // a terminal's reaches Jest by itself: wait for it to end
process.on('SIGTERM', () => jest.kill('SIGTERM'));
jest.on('error', (error) => {
  console.error(`Jest could not be run: ${error.message}`);
  process.exitCode = 1;
});
jest.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});
