// Part of `npm run check`: what package-lock.json may hold. Every package has a SHA-512 and no address of a registry, and
// every one that is shipped has a licence that is allowed, the one that the installed package itself states.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './install.mjs';
import { shippedPackages } from './sbom.mjs';

/**
 * Licences under which a package may be shipped: they ask for no more than that their text and notices are passed on.
 * Another one is a question to whoever answers for the product, before it is a line here.
 */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'Python-2.0',
]);

/**
 * What is wrong with a lock file of version 3, a sentence each. `manifestAt` gives the package.json of an installed package by
 * its path, or undefined where it is not installed.
 */
export function packageFindings(lock, manifestAt) {
  const every = Object.entries(lock.packages).filter(([path]) => path !== '');
  return [
    ...every
      .filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''))
      .map(([path]) => `${path} has no SHA-512: nothing says what is installed`),
    ...every
      .filter(([, { resolved }]) => resolved !== undefined)
      .map(([path]) => `${path} names the address it comes from: the registry is a setting of who installs (.npmrc)`),
    ...shippedPackages(lock).flatMap(([path, { license }]) => {
      if (!isAllowed(license)) return [`${path} has the licence ${license}, which is not allowed (check-packages.mjs)`];
      const stated = manifestAt(path)?.license;
      return stated === undefined || stated === license
        ? []
        : [`${path} has the licence ${license} in the lock file, ${stated} in itself`];
    }),
  ];
}

/** Of an expression with AND every part must be allowed. One with OR is a choice that a person makes: not allowed here. */
function isAllowed(license) {
  return (
    typeof license === 'string' &&
    license
      .replace(/^\((.*)\)$/, '$1')
      .split(' AND ')
      .every((part) => ALLOWED.has(part))
  );
}

function manifestAt(path) {
  try {
    return JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const findings = packageFindings(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')), manifestAt);
  for (const finding of findings) console.error(finding);
  if (findings.length > 0) process.exitCode = 1;
}
