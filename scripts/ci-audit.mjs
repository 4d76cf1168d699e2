// What only CI has: the known vulnerabilities of the packages that are shipped, as the registry of this machine's npm knows
// them. One that is high or critical fails; lesser ones are printed. Many mirrors do not answer this question: that is said,
// in a line that begins with "skipped:", and does not fail.
import { spawnSync } from 'node:child_process';
import { root } from './install.mjs';

const FAILING = new Set(['high', 'critical']);

const { error, stdout, stderr } = spawnSync('npm', ['audit', '--json', '--omit=dev', '--omit=optional'], {
  cwd: root,
  encoding: 'utf8',
  timeout: 120_000,
});
if (error) throw new Error('npm audit could not be run', { cause: error });
const report = parsed(stdout);
if (report?.auditReportVersion !== 2) {
  const why =
    report?.message ?? report?.error?.summary ?? (stderr.trim().split('\n').at(-1) || 'npm audit said nothing');
  console.log(`skipped: known vulnerabilities: the registry does not tell them (${why})`);
} else {
  const vulnerable = Object.values(report.vulnerabilities);
  for (const { name, severity, range, via } of vulnerable) {
    const advisories = via.map((each) => (typeof each === 'string' ? `by ${each}` : `${each.title} ${each.url}`));
    console.log(`${severity}: ${name} ${range}: ${advisories.join('; ')}`);
  }
  console.log(`${vulnerable.length} shipped packages have known vulnerabilities, or use one that has`);
  if (vulnerable.some(({ severity }) => FAILING.has(severity))) process.exitCode = 1;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
