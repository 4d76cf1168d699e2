// As process 1 of a container: the kernel does not end that one by a signal which it has no handler for.
import { constants } from 'node:os';

/** SIGTERM and SIGINT end this process at once while nobody else handles them. Elsewhere they do so by themselves. */
export function endBySignalsAsProcessOne() {
  if (process.pid !== 1) return;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    // it stays: once a signal's last handler is removed, Node no longer looks out for the signal
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  }
}
