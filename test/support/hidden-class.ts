import { setFlagsFromString } from 'node:v8';

/**
 * Whether two objects, and all that are in both under one name, have one hidden class each. Where those made one after the other have
 * not, each has a class of its own that only a full garbage collection takes away: the heap then grows by half a kilobyte an object,
 * up to four times of what is in use, as V8 11 (Node 20) does with `{ ...one, name }`, and with several `...{}` in one.
 */
export function haveOneHiddenClass(a: object, b: object): boolean {
  if (!hasSameMap()(a, b)) return false;
  return Object.entries(a).every(([name, value]) => {
    const other = (b as Record<string, unknown>)[name];
    const areObjects = isPlain(value) && isPlain(other);
    return !areObjects || haveOneHiddenClass(value, other);
  });
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);
}

let sameMap: ((a: object, b: object) => boolean) | undefined;

function hasSameMap(): (a: object, b: object) => boolean {
  setFlagsFromString('--allow-natives-syntax');
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- V8's own function has no other name
  sameMap ??= new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean;
  return sameMap;
}
