/** A setting of the environment: how its text is read, what it is when absent, and why one would set it. */
export interface Setting<T> {
  /** Returns the value, or throws an Error whose message completes "NAME must be ..."; it never repeats the value. */
  parse(text: string): T;
  fallback: T;
  /** How the documents show the fallback, where its value alone would not say it. */
  fallbackText?: string;
  /** What it accepts, for the documents and for messages. */
  accepts: string;
  why: string;
  secret?: boolean;
  /** The value as one would write it; String(value) when absent. */
  write?(value: T): string;
}

class Unacceptable extends Error {}

export function integer(options: { min: number; max: number; fallback: number; why: string }): Setting<number> {
  const accepts = `a whole number from ${options.min} to ${options.max}`;
  return {
    accepts,
    why: options.why,
    fallback: options.fallback,
    parse(text) {
      const value = Number(text);
      if (!/^[0-9]+$/.test(text) || value < options.min || value > options.max) throw new Unacceptable(accepts);
      return value;
    },
  };
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds, written as `500ms`, `2s`, `5m` or `1h`. */
export function duration(options: { minMs: number; maxMs: number; fallback: string; why: string }): Setting<number> {
  const accepts = `a duration such as 500ms, 2s, 5m or 1h, from ${options.minMs} ms to ${options.maxMs} ms`;
  const parse = (text: string): number => {
    const match = /^([0-9]{1,9})(ms|s|m|h)$/.exec(text);
    const value = match ? Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? NaN) : NaN;
    if (!(value >= options.minMs && value <= options.maxMs)) throw new Unacceptable(accepts);
    return value;
  };
  const write = (ms: number): string => {
    const [unit, size] = Object.entries(UNIT_MS).findLast(([, unitMs]) => ms % unitMs === 0)!;
    return `${ms / size}${unit}`;
  };
  return { accepts, why: options.why, fallback: parse(options.fallback), fallbackText: options.fallback, parse, write };
}

export function text(options: {
  pattern?: RegExp;
  accepts: string;
  fallback?: string;
  fallbackText?: string;
  why: string;
  secret?: boolean;
}): Setting<string | undefined> {
  return {
    accepts: options.accepts,
    why: options.why,
    fallback: options.fallback,
    ...(options.fallbackText === undefined ? {} : { fallbackText: options.fallbackText }),
    ...(options.secret ? { secret: true } : {}),
    parse(value) {
      if (options.pattern && !options.pattern.test(value)) throw new Unacceptable(options.accepts);
      return value;
    },
  };
}

/** A time zone of the IANA list that this build of Node knows. */
export function timeZone(options: { fallbackText: string; why: string }): Setting<string | undefined> {
  const accepts = 'a time zone of the IANA list, as Europe/Paris or UTC';
  return {
    ...{ accepts, why: options.why, fallback: undefined, fallbackText: options.fallbackText },
    parse(value) {
      if (!isTimeZone(value)) throw new Unacceptable(accepts);
      return value;
    },
  };
}

/** Not an offset: that would not know of summer time. */
export function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}

/** Absolute URLs with blanks between; undefined for none. */
export function urls(options: {
  protocols: readonly string[];
  and: string;
  holds: (url: URL) => boolean;
  why: string;
}): Setting<readonly string[] | undefined> {
  const { protocols, and, holds, why } = options;
  const accepts = `URLs with blanks between, each of which begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}, ${and}`;
  return {
    accepts,
    why,
    fallback: undefined,
    write: (value) => (value ?? []).join(' '),
    parse(value) {
      const found = value.split(/\s+/).filter((each) => each !== '');
      const isGood = (each: string): boolean => {
        const parsed = URL.canParse(each) ? new URL(each) : undefined;
        return parsed !== undefined && protocols.includes(parsed.protocol) && holds(parsed);
      };
      if (found.length === 0 || !found.every(isGood) || new Set(found).size < found.length)
        throw new Unacceptable(accepts);
      return found;
    },
  };
}

export function oneOf<const T extends string>(options: { values: readonly T[]; fallback: T; why: string }): Setting<T> {
  const accepts = `one of ${options.values.join(', ')}`;
  return {
    accepts,
    why: options.why,
    fallback: options.fallback,
    parse(value) {
      const found = options.values.find((candidate) => candidate === value);
      if (found === undefined) throw new Unacceptable(accepts);
      return found;
    },
  };
}

export function url(options: {
  protocols: readonly string[];
  /** Says what `holds` asks beyond the protocol, after "a URL that begins with ... ". */
  and?: string;
  holds?: (url: URL) => boolean;
  fallbackText?: string;
  why: string;
  secret?: boolean;
}): Setting<string | undefined> {
  const { protocols, and, holds = () => true, fallbackText, why, secret } = options;
  const beginnings = protocols.map((protocol) => `${protocol}//`).join(' or ');
  const accepts = `a URL that begins with ${beginnings}${and === undefined ? '' : `, ${and}`}`;
  return {
    accepts,
    why,
    fallback: undefined,
    ...(fallbackText === undefined ? {} : { fallbackText }),
    ...(secret ? { secret: true } : {}),
    parse(value) {
      const parsed = URL.canParse(value) ? new URL(value) : undefined;
      if (!parsed || !protocols.includes(parsed.protocol) || !holds(parsed)) throw new Unacceptable(accepts);
      return value;
    },
  };
}
