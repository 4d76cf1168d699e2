const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The id of a run as it is stored; undefined for a text that is no UUID, and so nobody's. */
export function runIdOf(text: string): string | undefined {
  return UUID.test(text) ? text.toLowerCase() : undefined;
}
