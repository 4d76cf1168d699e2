/**
 * What some work costs this process, ms of processor time: bounds on it hold on a machine that does other things meanwhile,
 * where those on time that passes do not.
 */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  return msSince(before);
}

/** The same of work that waits between: what else the process does meanwhile counts as well. */
export async function cpuMsOfAll(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  return msSince(before);
}

function msSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
