/** The id of an algorithm by Delegated Regulation (EU) 2017/590, Article 8(3): up to 50 upper-case letters and digits. */
export function isAlgorithmIdShaped(text: string): boolean {
  return /^[A-Z0-9]{1,50}$/.test(text);
}
