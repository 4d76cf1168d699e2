// `npm run verifier:pack [-- FOLDER]`: the verifier alone, as a package of some dozen files that needs Node and nothing
// else, to be given to auditors: `node FOLDER/src/verify/truetrail-verify.js BUNDLE.zip --key …`, `npx ./FOLDER …`, or
// `npm pack` there. FOLDER (dist/truetrail-verify without it) must not exist yet, or be one that this has made.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled, root } from './install.mjs';

const NAME = 'truetrail-verify';
const USAGE =
  'npm run verifier:pack [-- FOLDER]      the verifier alone, as a package; dist/truetrail-verify without FOLDER\n';

const given = process.argv.slice(2);
if (given.length > 1 || given[0]?.startsWith('-')) {
  const isAsked = given.length === 1 && ['--help', '-h'].includes(given[0]);
  (isAsked ? process.stdout : process.stderr).write(USAGE);
  process.exit(isAsked ? 0 : 2);
}
const folder = resolve(given[0] ?? join(root, 'dist', NAME));
const manifest = join(folder, 'package.json');

try {
  await ensureInstalled();
  const build = ensureBuilt({ hold: true });
  if (existsSync(folder)) {
    if (!existsSync(manifest) || JSON.parse(readFileSync(manifest, 'utf8')).name !== NAME) {
      throw new Error(`${folder} is there, and is not the verifier: name another folder.`);
    }
    rmSync(folder, { recursive: true });
  }
  mkdirSync(folder, { recursive: true });
  for (const part of ['integrity', 'verify']) {
    cpSync(join(build, 'src', part), join(folder, 'src', part), {
      recursive: true,
      filter: (path) => !path.endsWith('.map'),
    });
  }
  for (const page of ['evidence.md', 'format.md']) cpSync(join(root, 'docs', page), join(folder, page));
  cpSync(join(root, 'test', 'bundle', 'verify_bundle.py'), join(folder, 'python', 'bundle', 'verify_bundle.py'));
  cpSync(join(root, 'test', 'vectors', 'verify.py'), join(folder, 'python', 'vectors', 'verify.py'));
  const { version, engines, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const bin = { [NAME]: 'src/verify/truetrail-verify.js' };
  const about = { name: NAME, version, license, type: 'module', engines, bin };
  writeFileSync(manifest, `${JSON.stringify(about, null, 2)}\n`);
  console.log(folder);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
