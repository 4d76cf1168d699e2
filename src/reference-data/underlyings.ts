import { isIsin } from '../identifiers/isin.js';

/** An underlying of a derivative, as the column of an instrument tells it. */
export type StatedUnderlying =
  | { is: 'instrument'; isin: string }
  | {
      is: 'index';
      isin?: string;
      /** a code of four letters, or a name */
      name?: string;
      term?: { value: string; unit: string };
    };

const INDEX = /^index:([A-Za-z0-9_.&-]{1,25})(?:@([1-9][0-9]{0,2})(DAYS|WEEK|MNTH|YEAR))?$/;

/**
 * ISINs and indices with blanks between them: `DE0007164600 index:EURI@6MNTH index:DE0008469008`. In the name of an index
 * `_` stands for a blank. Undefined for what is none of these.
 */
export function parseUnderlyings(text: string): readonly StatedUnderlying[] | undefined {
  const parts = text.split(' ').map((part): StatedUnderlying | undefined => {
    if (isIsin(part)) return { is: 'instrument', isin: part };
    const [, name, value, unit] = INDEX.exec(part) ?? [];
    if (name === undefined) return undefined;
    const term = value === undefined || unit === undefined ? {} : { term: { value, unit } };
    return { is: 'index', ...(isIsin(name) ? { isin: name } : { name: name.replaceAll('_', ' ') }), ...term };
  });
  return parts.every((part) => part !== undefined) ? parts : undefined;
}
