// `npm run sbom` prints the bill of materials of what the image ships, as CycloneDX 1.6 in JSON; `npm run sbom -- FILE`
// writes it. Made of package-lock.json alone, so that the same lock file gives the same bytes on every machine: no time, and
// a serial number that is derived. `--installed FOLDER` first holds the bill against the packages that are in FOLDER.
// Imports nothing but Node's own modules, as the image is built with it. `npm sbom` and cyclonedx-npm would read
// node_modules instead, refuse one without development packages, or give no digests where the lock file has no addresses.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const IN_MODULES = 'node_modules/';

/** The packages of a lock file (version 3) that `npm ci --omit=dev --omit=optional` installs: [path, entry], by path. */
export function shippedPackages(lock) {
  return Object.entries(lock.packages)
    .filter(([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional)
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

/** The name of a package that stands at `path` of a lock file. */
export function nameAt(path) {
  return path.slice(path.lastIndexOf(IN_MODULES) + IN_MODULES.length);
}

/**
 * The bill of materials, a CycloneDX 1.6 document, of what the lock file `lockText` gives to an image. A package that stands
 * at several places in one version is one component. Throws an Error where a package has no licence or no digest.
 */
export function billOfMaterials(lockText) {
  const lock = JSON.parse(lockText);
  const shipped = shippedPackages(lock);
  const paths = new Set(shipped.map(([path]) => path));
  const places = new Map();
  for (const [path, entry] of shipped) {
    const ref = purl(nameAt(path), entry.version);
    places.set(ref, [...(places.get(ref) ?? []), path]);
  }
  const components = [...places].map(([ref, at]) => component(ref, at, lock.packages[at[0]]));
  const own = purl(lock.name, lock.version);
  const dependsOn = (places) => ({
    dependsOn: [...new Set(places.flatMap((path) => dependencies(lock, paths, path)))].sort(),
  });
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      lifecycles: [{ phase: 'build' }],
      component: {
        ...{ type: 'application', 'bom-ref': own, name: lock.name, version: lock.version, purl: own },
        licenses: [{ license: { name: lock.packages[''].license } }],
      },
      properties: [{ name: 'truetrail:package-lock.json:sha256', value: sha256(lockText) }],
    },
    components,
    dependencies: [{ ref: own, ...dependsOn(['']) }, ...[...places].map(([ref, at]) => ({ ref, ...dependsOn(at) }))],
  };
  const serialNumber = `urn:uuid:${derivedUuid(JSON.stringify(document))}`;
  const { bomFormat, specVersion, ...rest } = document;
  return { $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json', bomFormat, specVersion, serialNumber, ...rest };
}

function component(ref, paths, entry) {
  const fullName = nameAt(paths[0]);
  const [group, name] = fullName.startsWith('@') ? fullName.split('/') : [undefined, fullName];
  if (!entry.license) throw new Error(`${paths[0]} has no licence in package-lock.json`);
  if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(entry.integrity ?? '')) {
    throw new Error(`${paths[0]} has no SHA-512 in package-lock.json`);
  }
  return {
    ...{ type: 'library', 'bom-ref': ref, ...(group && { group }), name, version: entry.version, scope: 'required' },
    // of the package as the registry gives it out
    hashes: [
      { alg: 'SHA-512', content: Buffer.from(entry.integrity.slice('sha512-'.length), 'base64').toString('hex') },
    ],
    licenses: [licence(entry.license)],
    purl: ref,
    properties: paths.map((path) => ({ name: 'cdx:npm:package:path', value: path })),
  };
}

/** An SPDX id, or an expression of several, as the package itself declares it. */
function licence(declared) {
  const acknowledgement = 'declared';
  return / /.test(declared)
    ? { expression: declared, acknowledgement }
    : { license: { id: declared, acknowledgement } };
}

/** The shipped packages that the one at `path` finds by Node's resolution: in its own node_modules, then in those above. */
function dependencies(lock, shipped, path) {
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = lock.packages[path];
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).flatMap((name) => {
    for (let folder = path; ; folder = above(folder)) {
      const found = `${folder === '' ? '' : `${folder}/`}${IN_MODULES}${name}`;
      if (lock.packages[found]) return shipped.has(found) ? [purl(name, lock.packages[found].version)] : [];
      if (folder === '') return []; // an optional one, or an optional peer, that is not installed
    }
  });
}

function above(path) {
  return path.slice(0, Math.max(path.lastIndexOf(IN_MODULES) - 1, 0));
}

/** A package URL (github.com/package-url/purl-spec, type npm): the at sign of a scope is percent-encoded. */
function purl(name, version) {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

function sha256(text) {
  return createHash('sha256').update(text).digest('hex');
}

/** A UUID of version 8 (RFC 9562): the first bits of a SHA-256. */
function derivedUuid(text) {
  const hex = sha256(text);
  const variant = ((parseInt(hex[16], 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-');
}

/**
 * What the packages below `folder` and the bill do not have in common, a sentence each: both ways, with the version and
 * licence that a package itself states.
 */
export function differences(bill, folder) {
  const listed = new Map();
  for (const { version, licenses, properties, group, name } of bill.components) {
    const [{ license, expression }] = licenses;
    const stated = { name: group ? `${group}/${name}` : name, version, license: expression ?? license.id };
    for (const { value } of properties) listed.set(value, stated);
  }
  const found = packagesBelow(folder);
  return [
    ...[...listed.keys()].filter((path) => !found.has(path)).map((path) => `${path} is listed and not there`),
    ...[...found].flatMap(([path, manifest]) => {
      const bom = listed.get(path);
      if (!bom) return [`${path} is there and not listed`];
      return ['name', 'version', 'license']
        .filter((field) => manifest[field] !== bom[field])
        .map((field) => `${path} states ${field} ${JSON.stringify(manifest[field])}, listed is ${bom[field]}`);
    }),
  ];
}

/** By its path below `folder`, the package.json of each package in node_modules and in the node_modules of packages. */
function packagesBelow(folder, below = '') {
  const modules = join(folder, below, IN_MODULES);
  if (!existsSync(modules)) return new Map();
  const names = readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(modules, name)).map((each) => `${name}/${each}`) : name,
    );
  return new Map(
    names.flatMap((name) => {
      const path = `${below === '' ? '' : `${below}/`}${IN_MODULES}${name}`;
      return [
        [path, JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8'))],
        ...packagesBelow(folder, path),
      ];
    }),
  );
}

function main() {
  const options = process.argv.slice(2);
  const at = options.indexOf('--installed');
  const [, folder] = at < 0 ? [] : options.splice(at, 2);
  const bill = billOfMaterials(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wrong = folder ? differences(bill, folder) : [];
  if (wrong.length > 0) {
    console.error(wrong.join('\n'));
    process.exitCode = 1;
    return;
  }
  const text = `${JSON.stringify(bill, null, 2)}\n`;
  if (options[0]) writeFileSync(options[0], text);
  else process.stdout.write(text);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main();
