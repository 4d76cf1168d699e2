import { availableParallelism } from 'node:os';
import LONG_TESTS from './test/support/long-tests.cjs';
import { COMPILER_OPTIONS } from './scripts/build.mjs';

const long = String.raw`/(${LONG_TESTS.map((name) => name.replaceAll('.', String.raw`\.`)).join('|')})\.ts$`;
const shared = {
  testEnvironment: '<rootDir>/test/support/environment.cjs',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', { ...COMPILER_OPTIONS, sourceMaps: 'inline' }],
  },
};
const withDatabase = {
  ...shared,
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
};
export default {
  // tests wait for PostgreSQL as long as they compute: by itself Jest would leave a processor idle
  maxWorkers: Math.min(availableParallelism(), 4),
  // modules of files that are done stay in memory, and collecting garbage takes ever longer: a worker is made anew
  workerIdleMemoryLimit: '800MB',
  testSequencer: '<rootDir>/test/support/sequencer.cjs',
  // what takes longer hangs: machines that test may be slow, and do other work
  testTimeout: 300_000,
  projects: [
    {
      ...shared,
      displayName: 'unit',
      roots: ['<rootDir>/src', '<rootDir>/test'],
      testRegex: String.raw`(?<!e2e-)\bspec\.ts$`,
      testPathIgnorePatterns: [String.raw`e2e-spec\.ts$`, long],
    },
    {
      ...withDatabase,
      displayName: 'e2e',
      roots: ['<rootDir>/test'],
      testRegex: String.raw`\.e2e-spec\.ts$`,
      testPathIgnorePatterns: [long],
    },
    {
      ...withDatabase,
      displayName: 'long',
      roots: ['<rootDir>/test'],
      testRegex: long,
    },
  ],
};
