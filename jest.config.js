import { availableParallelism } from 'node:os';

// SWC compiles each file by itself; the types are checked by `npm run check`.
const shared = {
  testEnvironment: '<rootDir>/test/support/environment.cjs',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        sourceMaps: 'inline',
        module: { type: 'es6' },
        jsc: {
          target: 'es2023',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
      },
    ],
  },
};
export default {
  // tests wait for PostgreSQL as long as they compute: by itself Jest would leave a processor idle
  maxWorkers: Math.min(availableParallelism(), 4),
  // modules of files that are done stay in memory, and collecting garbage takes ever longer: a worker is made anew
  workerIdleMemoryLimit: '800MB',
  testSequencer: '<rootDir>/test/support/sequencer.cjs',
  // machines that test are slow machines
  testTimeout: 30_000,
  projects: [
    {
      ...shared,
      displayName: 'unit',
      roots: ['<rootDir>/src', '<rootDir>/test'],
      testRegex: String.raw`(?<!e2e-)\bspec\.ts$`,
      testPathIgnorePatterns: [String.raw`e2e-spec\.ts$`],
    },
    {
      ...shared,
      displayName: 'e2e',
      roots: ['<rootDir>/test'],
      testRegex: String.raw`\.e2e-spec\.ts$`,
      globalSetup: '<rootDir>/test/support/global-setup.js',
      globalTeardown: '<rootDir>/test/support/global-teardown.js',
    },
  ],
};
