/**
 * What some work costs this process, ms of processor time: bounds on it hold on a machine that does other things meanwhile,
 * where those on time that passes do not.
 */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
