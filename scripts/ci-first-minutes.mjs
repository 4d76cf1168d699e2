// What only CI has: a stranger's first five minutes. Clones this commit into an empty folder and follows README.md there, in
// its own words: every command under "Five minutes" and "Evidence" is read out of it and run, but for the port. As root it
// does so as nobody, who has an ordinary user's rights. Arguments: a version of Node, as `24`, which is fetched for the
// purpose, or none for the present one; then what `npm test` is to be run with afterwards.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { root } from './install.mjs';

const [version, ...tests] = process.argv.slice(2);
/** Packages, a build and a first start of PostgreSQL, beside other work. */
const START_LIMIT_MS = 300_000;
/** Checkpoints are made once a minute; until then there is no evidence. */
const SIGNED_LIMIT_MS = 150_000;
const NOBODY = 65534;

const folder = mkdtempSync(join(tmpdir(), 'truetrail-stranger-'));
const home = join(folder, 'home');
const clone = join(folder, 'truetrail');
const owner = process.getuid() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
let service;
try {
  const node = version === undefined ? process.execPath : fetchNode(version);
  // with what this machine needs to reach the package registry
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}`, HOME: home, PORT: '0' };
  mkdirSync(home);
  execFileSync('git', ['clone', '--quiet', `file://${root}`, clone], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (owner.uid !== undefined) execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, folder]);
  chmodSync(folder, 0o755);
  const inClone = (command) => shell(command, { cwd: clone, env });
  console.log((await inClone('echo "Node $(node --version), npm $(npm --version), user $(id -u)"')).trim());

  const readme = readFileSync(join(clone, 'README.md'), 'utf8');
  const [start, exported, post, history, demo] = commandsUnder(readme, 'Five minutes');
  const [bundle] = commandsUnder(readme, 'Evidence');
  expect(exported?.startsWith('export TRUETRAIL_KEY='), 'the second command of README.md gives the key');

  const began = performance.now();
  service = spawn('sh', ['-c', `exec ${start}`], { cwd: clone, env, ...owner, stdio: ['ignore', 'pipe', 'pipe'] });
  const { url, key } = await listening(service);
  console.log(`${start}: listens after ${((performance.now() - began) / 1000).toFixed(0)} s`);

  const asWritten = (command) =>
    inClone(`export TRUETRAIL_KEY=${key}\nset -o pipefail\n${command.replaceAll('http://127.0.0.1:3000', url)}`);
  const withStatus = (command) => asWritten(command.replace(/^curl /, `curl -s -w '\\n%{http_code}' `));
  const [first, second] = [await withStatus(post), await withStatus(post)];
  expect(first.endsWith('\n201'), `the first answer is a 201:\n${first}`);
  expect(second === first.replace(/201$/, '200'), `the second one is a 200 with the same bytes:\n${second}`);
  const life = await withStatus(history);
  expect(
    life.endsWith('\n200') && life.includes('0197f3a1-6c00-7000-8000-00000000000a'),
    `the history has it:\n${life}`,
  );
  await asWritten(`${demo} -- --url ${url}`);
  console.log('an event, again, its history, a trading day: as README.md says');

  const verified = await untilItWorks(() => asWritten(bundle), SIGNED_LIMIT_MS);
  expect(/\bvalid\b/i.test(verified), `the bundle is valid:\n${verified}`);
  expect(/^events +1;/m.test(verified), `the bundle has the order's event:\n${verified}`);
  console.log('evidence, and its verifier: as README.md says');

  const ended = new Promise((resolve) => service.once('exit', (code, signal) => resolve(code ?? signal)));
  service.kill('SIGTERM');
  const code = await ended;
  expect(code === 0 || code === 'SIGTERM' || code === 143, `npm start ends by SIGTERM: ${code}`);
  if (tests.length > 0) {
    const output = await inClone(`npm test -- ${tests.map((each) => `'${each}'`).join(' ')} 2>&1`);
    console.log(
      output
        .split('\n')
        .filter((line) => /^(Tests|Test Suites):/.test(line))
        .join('\n'),
    );
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  service?.kill('SIGTERM');
  for (let attempt = 0; attempt < 20 && isUsed(clone); attempt++) await pause(500);
  rmSync(folder, { recursive: true, force: true });
}

/** The program, from the package of it that npm has. */
function fetchNode(wanted) {
  const name = `node-${process.platform}-${process.arch}`;
  const to = join(folder, 'node');
  const args = ['install', '--prefix', to, '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${wanted}`];
  execFileSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  return join(to, 'node_modules', name, 'bin', 'node');
}

/** The commands of a section: each block that is indented by four, without the indent. */
function commandsUnder(readme, section) {
  const [, text] = new RegExp(`^## ${section}\n([\\s\\S]*?)(?=^## )`, 'm').exec(readme) ?? [];
  expect(text !== undefined, `README.md has a section "${section}"`);
  return [...text.matchAll(/(?:^ {4}.*\n)+/gm)].map(([block]) => block.replaceAll(/^ {4}/gm, '').trim());
}

/** Runs a command as the stranger; resolves with what it wrote, or throws with all of it. */
function shell(command, { cwd, env }) {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-e', '-c', command], { cwd, env, ...owner, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`this ended with ${code}:\n${command}\n${output}${errors}`));
    });
  });
}

/** Resolves with the address and the first key, both as `npm start` prints them. */
function listening(child) {
  return new Promise((resolve, reject) => {
    let output = '';
    const read = (chunk) => {
      output += chunk;
      const [, url] = /listens on (http:\/\/[^\s"]+)/.exec(output) ?? [];
      const [key] = /tt_[\w-]{43}/.exec(output) ?? [];
      if (url && key) resolve({ url, key });
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`npm start ended with ${code} before it listened:\n${output}`)));
    setTimeout(() => reject(new Error(`npm start does not listen:\n${output}`)), START_LIMIT_MS).unref();
  });
}

async function untilItWorks(work, limitMs) {
  for (const began = Date.now(); ; await pause(2_000)) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() - began > limitMs) throw error;
    }
  }
}

/** Whether PostgreSQL, which ends with the service, still has its folder. */
function isUsed(checkout) {
  try {
    readFileSync(join(checkout, 'data', 'postgres', 'postmaster.pid'));
    return true;
  } catch {
    return false;
  }
}

function expect(isTrue, what) {
  if (!isTrue) throw new Error(`this does not hold: ${what}`);
}
