/** A pattern that is none, or whose result is none. */
export class MessageIdError extends Error {
  override readonly name = 'MessageIdError';
}

/** What the id of a message is made of, which is the name of its file, too. Authorities differ in the pattern, not in these. */
export interface MessageIdParts {
  sender: string;
  receiver: string;
  /** of the file, from 1 */
  sequence: number;
  /** from 0: how often the file was sent again */
  version: number;
  /** of the file before it; 0 for the first */
  previous: number;
  /** of its making, `YYYY-MM-DD` */
  day: string;
}

/** As three public implementations have it. */
export const DEFAULT_PATTERN = '{sender}_DATTRA_{receiver}_{sequence:6}-{version}-{previous:6}_{yy}';

/** What a pattern looks like, as far as a regular expression says it. */
export const PATTERN_FORM = /^[A-Za-z0-9._{}:-]{0,100}\{sequence(?::[1-9][0-9]?)?\}[A-Za-z0-9._{}:-]{0,100}$/;
/** What senders and receivers are called: an LEI, or a code that an authority gave. */
export const PARTY_FORM = /^[A-Za-z0-9]{1,20}$/;

/** `BizMsgIdr` takes no more. */
export const MAX_MESSAGE_ID = 35;

/** Why the first file could not be named so; undefined where it could. An LEI as the sender leaves little room for the rest. */
export function mistakeOfNames(pattern: string, sender: string, receiver: string): string | undefined {
  const first = { sender, receiver, sequence: 1, version: 0, previous: 0, day: '2026-01-01' };
  try {
    messageIdOf(pattern, first, MAX_MESSAGE_ID);
    return undefined;
  } catch (error) {
    if (!(error instanceof MessageIdError)) throw error;
    return error.message;
  }
}

/**
 * A name by a pattern: text, and in braces `sender`, `receiver`, `sequence`, `version`, `previous`, `yyyy`, `yy`, `mm`,
 * `dd`; a number after a colon fills numbers up with zeros. The result has letters, digits, `.`, `_` and `-` alone, so that
 * it is a file name everywhere.
 *
 * Throws MessageIdError.
 */
export function messageIdOf(pattern: string, parts: MessageIdParts, maxCharacters = 255): string {
  const [year = '', month = '', day = ''] = parts.day.split('-');
  const values: Readonly<Record<string, string | number>> = {
    sender: parts.sender,
    receiver: parts.receiver,
    sequence: parts.sequence,
    version: parts.version,
    previous: parts.previous,
    yyyy: year,
    yy: year.slice(2),
    mm: month,
    dd: day,
  };
  const name = pattern.replace(/\{([^{}]*)\}/g, (whole, inside: string) => {
    const match = /^([a-z]+)(?::([1-9][0-9]?))?$/.exec(inside);
    const [, key = '', width] = match ?? [];
    if (!Object.hasOwn(values, key)) throw new MessageIdError(`the pattern has ${whole}, which stands for nothing`);
    const value = values[key]!;
    if (width === undefined) return String(value);
    if (typeof value !== 'number') throw new MessageIdError(`the pattern has ${whole}: only numbers have a width`);
    const digits = String(value).padStart(Number(width), '0');
    if (digits.length > Number(width)) throw new MessageIdError(`${key} ${value} has more digits than ${whole} takes`);
    return digits;
  });
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name)) {
    throw new MessageIdError(`the name ${name} must have letters, digits, dots, underscores and hyphens alone`);
  }
  if (name.length > maxCharacters) {
    throw new MessageIdError(`the name ${name} has ${name.length} characters, and may have ${maxCharacters}`);
  }
  return name;
}
