// Compiles src/ and migrations/ into dist/<digest of all that goes in>. A running replica keeps the folder that it was
// started from, two starts at once do not disturb each other, and a start without a change compiles nothing.
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root } from './install.mjs';

const dist = join(root, 'dist');
/** Written last, inside the folder that is then moved into place: a folder that has it is whole. */
const marker = 'build-complete';
/**
 * How TypeScript becomes JavaScript, file by file, in builds and in tests alike: options of SWC. They follow tsconfig.json,
 * by which `npm run check` checks the types; nothing else does.
 */
export const COMPILER_OPTIONS = {
  swcrc: false,
  module: { type: 'es6' },
  jsc: {
    target: 'es2023',
    keepClassNames: true,
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
  },
};
const dayMs = 24 * 60 * 60 * 1000;

/**
 * Returns the absolute path of the build of the present sources: `<it>/src/main.js`, `<it>/migrations/…`. Compiles
 * first when there is none, and lets `dist/current` point to it. `hold` keeps it from being cleared away while this
 * process lives. Without sources (a container image) it is what `dist/current` points to. Throws an Error whose message
 * says what to do; the compiler's findings have gone to stderr by then.
 */
export function ensureBuilt({ hold = false } = {}) {
  const current = join(dist, 'current');
  if (!existsSync(join(root, 'src'))) {
    if (existsSync(join(current, marker))) return current;
    throw new Error(`${root} has neither src/ nor a build in dist/current.`);
  }
  const { digest, ...files } = readSources();
  const folder = join(dist, digest);
  if (!existsSync(join(folder, marker))) {
    compile(folder, files);
    removeOldBuilds(digest);
  }
  if (hold) unlessReadOnly(() => holdBuild(folder));
  unlessReadOnly(() => utimesSync(folder, new Date(), new Date())); // when it was last used
  unlessReadOnly(() => pointCurrentTo(digest));
  return folder;
}

/**
 * Everything that the build is made of, this file included. TypeScript apart, whatever lies below src/ and migrations/
 * is there to be read at run time and is copied; Markdown and what begins with a dot is not.
 */
function readSources() {
  const sources = [];
  const assets = [];
  const walk = (folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) walk(path);
      else if (!/\.(spec\.ts|md)$/.test(path)) {
        (path.endsWith('.ts') ? sources : assets).push(path);
      }
    }
  };
  for (const folder of ['src', 'migrations']) if (existsSync(join(root, folder))) walk(folder);
  const hash = createHash('sha256');
  for (const path of ['package-lock.json', 'scripts/build.mjs', ...sources, ...assets].sort()) {
    const bytes = readFileSync(join(root, path));
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  return { digest: hash.digest('hex').slice(0, 16), sources, assets };
}

function compile(folder, { sources, assets }) {
  const { transformSync } = compiler();
  const temporary = `${folder}.${process.pid}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  console.error('Compiling …');
  try {
    for (const path of sources) compileFile(transformSync, path, join(temporary, path.replace(/\.ts$/, '.js')));
    for (const path of assets) {
      mkdirSync(dirname(join(temporary, path)), { recursive: true });
      copyFileSync(join(root, path), join(temporary, path));
    }
    writeFileSync(join(temporary, marker), '');
    if (existsSync(folder) && !existsSync(join(folder, marker))) rmSync(folder, { recursive: true, force: true });
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    // somebody else has made the same build meanwhile
    if (['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code) && existsSync(join(folder, marker))) return;
    if (error.code === 'EACCES' || error.code === 'EROFS') {
      throw new Error(`${dist} cannot be written to (${error.code}): run as its owner, or remove it and start again.`);
    }
    throw error;
  }
}

function compiler() {
  try {
    return createRequire(import.meta.url)('@swc/core');
  } catch (error) {
    throw new Error(
      `There is no build of these sources, and no compiler to make one: ${error.message.split('\n', 1)[0]}\n` +
        'Run `npm ci --include=dev --include=optional`, or deploy with the dist/ folder that `npm run build` has made.',
    );
  }
}

function compileFile(transformSync, path, output) {
  const source = join(root, path);
  const sourceFileName = relative(dirname(output), source);
  const options = {
    ...COMPILER_OPTIONS,
    filename: source,
    sourceFileName,
    sourceMaps: true,
    inlineSourcesContent: false,
  };
  let compiled;
  try {
    compiled = transformSync(readFileSync(source, 'utf8'), options);
  } catch (error) {
    console.error(`${path}: ${error.message}`);
    throw new Error('The sources do not compile; the lines above say where.');
  }
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, `${compiled.code}//# sourceMappingURL=${basename(output)}.map\n`);
  writeFileSync(`${output}.map`, compiled.map);
}

/** By rename, so that there is never a moment without it. */
function pointCurrentTo(digest) {
  const link = join(dist, 'current');
  try {
    if (readlinkSync(link) === digest) return;
  } catch {
    // not there yet
  }
  const temporary = `${link}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  symlinkSync(digest, temporary);
  renameSync(temporary, link);
}

/**
 * Clears dist/ of what nobody uses: what a killed build or installation left, and builds but for this one, the three
 * that were used last, those used within a day, and those that a live process holds (it may yet load a part of it).
 */
function removeOldBuilds(digest) {
  const entries = readdirSync(dist).map((name) => ({ name, path: join(dist, name) }));
  const age = ({ path }) => Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  const builds = entries
    .filter(({ name }) => /^[0-9a-f]{16}$/.test(name) && name !== digest)
    .sort((a, b) => age(a) - age(b))
    .slice(2) // with this one: three
    .filter((build) => age(build) > dayMs && !holders(build.path).some(isAlive));
  const leftovers = entries.filter(({ name, path }) => {
    const pid = /^[0-9a-f]{16}\.(\d+)\.tmp$/.exec(name)?.[1];
    return pid ? !isAlive(Number(pid)) : name.startsWith('.install-lock-') && age({ path }) > dayMs;
  });
  for (const { path, name } of builds) {
    // moved first, so that nobody takes a folder for whole that is being emptied
    const aside = join(dist, `${name}.${process.pid}.tmp`);
    unlessReadOnly(() => {
      renameSync(path, aside);
      leftovers.push({ name, path: aside });
    });
  }
  for (const { path } of leftovers) unlessReadOnly(() => rmSync(path, { recursive: true, force: true }));
}

function holdBuild(folder) {
  for (const pid of holders(folder)) if (!isAlive(pid)) rmSync(join(folder, `.used-by-${pid}`), { force: true });
  writeFileSync(join(folder, `.used-by-${process.pid}`), '');
}

function holders(folder) {
  return readdirSync(folder)
    .flatMap((name) => /^\.used-by-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Housekeeping in dist/ must not keep a service from starting: it may be another user's, or read-only. */
function unlessReadOnly(write) {
  try {
    write();
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'EEXIST', 'ENOTEMPTY'].includes(error.code)) throw error;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await ensureInstalled();
    console.log(ensureBuilt().replaceAll(sep, '/'));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
