// As process 1 of a container: the kernel does not end that one by a signal which it has no handler for.
import { constants } from 'node:os';

/** SIGTERM and SIGINT end this process at once, until somebody else handles them. Elsewhere they do so by themselves. */
export function endBySignalsAsProcessOne() {
  if (process.pid !== 1) return;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const end = () => process.exit(128 + constants.signals[signal]);
    process.on(signal, end);
    process.on('newListener', function replaced(name) {
      if (name !== signal) return;
      process.off(signal, end);
      process.off('newListener', replaced);
    });
  }
}
