const LENGTHS = { event: 25, version: 3, leg: 4 } as const;

/**
 * Field 2: event_id (128 bits), the version of its content from 1, and which of its reports, in base 36 and upper case: 32
 * characters. The same event, version and leg give the same number always, and no others do.
 */
export function transactionReference(eventId: string, version: number, leg: number): string {
  const part = (value: bigint, length: number): string => value.toString(36).toUpperCase().padStart(length, '0');
  return [
    part(BigInt(`0x${eventId.replaceAll('-', '')}`), LENGTHS.event),
    part(BigInt(version), LENGTHS.version),
    part(BigInt(leg), LENGTHS.leg),
  ].join('');
}

/** The version and the leg that a number of this kind was made of. */
export function partsOfReference(reference: string): { version: number; leg: number } {
  const version = reference.slice(LENGTHS.event, LENGTHS.event + LENGTHS.version);
  return { version: parseInt(version, 36), leg: parseInt(reference.slice(LENGTHS.event + LENGTHS.version), 36) };
}
