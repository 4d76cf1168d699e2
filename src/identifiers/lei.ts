/** ISO 17442: 18 letters and digits, then two check digits by ISO 7064 MOD 97-10. */
export function isLei(text: string): boolean {
  if (!/^[A-Z0-9]{18}[0-9]{2}$/.test(text)) return false;
  let remainder = 0;
  for (const character of text) {
    const value = parseInt(character, 36); // A is 10, Z is 35
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}
