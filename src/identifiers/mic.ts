/** ISO 10383 by its shape alone: which codes there are, and when, only the list says (reference data of kind venue). */
export function isMicShaped(text: string): boolean {
  return /^[A-Z0-9]{4}$/.test(text);
}
