import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Ticks a second of /proc on every Linux that Node runs on (USER_HZ). */
const TICKS = 100;

/** CPU seconds used so far by the service, by PostgreSQL and by this process; undefined where there is no /proc. */
export function cpuSeconds(trail) {
  if (process.platform !== 'linux') return undefined;
  const postmaster = Number(readFileSync(join(trail.dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
  let postgresql = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(name);
    // of ended backends the postmaster has the time that they used
    if (Number(name) === postmaster) postgresql += fields.own + fields.ofEndedChildren;
    else if (fields?.parent === postmaster) postgresql += fields.own;
  }
  const { user, system } = process.cpuUsage();
  return { service: statOf(trail.service.pid).own, PostgreSQL: postgresql, 'load generator': (user + system) / 1e6 };
}

/** proc(5): after the command's closing bracket come the state (field 3), the parent (4) … utime (14) to cstime (17). */
function statOf(pid) {
  let stat;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // ended meanwhile
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (field) => Number(fields[field - 3]) / TICKS;
  return { parent: Number(fields[1]), own: seconds(14) + seconds(15), ofEndedChildren: seconds(16) + seconds(17) };
}
