/** Edition of ISO 10962 whose groups the table below has, as manifests name it. */
export const CFI_VERSION = '2021';

/** Of the categories of ISO 10962 the groups that each has. */
const GROUPS: Readonly<Record<string, string>> = {
  E: 'SPCFLDYM', // equities
  C: 'IHBESFPM', // collective investment vehicles
  D: 'BCWTSEGANDYM', // debt instruments
  R: 'ASPWFDM', // entitlements
  O: 'CPM', // listed options
  F: 'FC', // futures
  S: 'RTECFM', // swaps
  H: 'RTECFM', // options that are not listed, or complex
  I: 'FT', // spot
  J: 'RTECF', // forwards
  K: 'RTECFYM', // strategies
  L: 'LRS', // financing
  T: 'CTRIBDM', // referential instruments
  M: 'CM', // others
};

/**
 * ISO 10962: a letter for the category, one for a group that the category has, four for attributes (X where one does not
 * apply). Which letters an attribute takes depends on the group and on the edition that was in force when the code was
 * assigned: `SRCCSP`, in use for swaps, ends with a letter that the edition of 2021 does not list there. They are not
 * looked at, since a code that is refused here holds a report back that authorities take.
 */
export function isCfi(text: string): boolean {
  if (!/^[A-Z]{6}$/.test(text)) return false;
  const [category, group] = text as unknown as [string, string];
  return Object.hasOwn(GROUPS, category) && GROUPS[category]!.includes(group);
}
