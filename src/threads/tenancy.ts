import { parentPort, type MessagePort } from 'node:worker_threads';

/** Somebody has this thread from now on, until the port is closed. */
export interface Tenancy<Settings> {
  settings: Settings;
  port: MessagePort;
}

/**
 * What a thread does, for one tenant after another: `begin` listens to the port, and resolves to what ends all that it has
 * opened. When it rejects, the thread dies of it.
 */
export function serveTenants<Settings>(
  begin: (settings: Settings, port: MessagePort) => Promise<() => Promise<void>>,
): void {
  parentPort!.on('message', ({ settings, port }: Tenancy<Settings>) => {
    const begun = begin(settings, port);
    port.once('close', () => void leave(begun));
  });
}

async function leave(begun: Promise<() => Promise<void>>): Promise<void> {
  const end = await begun;
  await end().catch(() => undefined); // what cannot be ended is dead already
  parentPort!.postMessage('vacant');
}
