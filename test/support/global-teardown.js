import { endRun } from './global-setup.js';

export default async function globalTeardown() {
  if (globalThis.truetrailTestRun) await endRun(globalThis.truetrailTestRun);
}
