import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

/**
 * Where the compiled module of a thread is: `path` is below src/ and ends in .js. A thread cannot load TypeScript: where
 * the sources themselves run, as under Jest, it comes from the build of them that TRUETRAIL_BUILD names.
 */
export function threadFile(path: string): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL(`../${path}`, import.meta.url);
  const build = process.env.TRUETRAIL_BUILD;
  if (build === undefined) throw new Error('TRUETRAIL_BUILD is not set: threads need the build of these sources');
  return pathToFileURL(join(build, 'src', path));
}
