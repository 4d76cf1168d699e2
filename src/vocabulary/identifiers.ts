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

/** ISO 6166: country or XS and the like, nine letters and digits, a check digit by Luhn over letters as two digits. */
export function isIsin(text: string): boolean {
  if (!/^[A-Z]{2}[A-Z0-9]{9}[0-9]$/.test(text)) return false;
  const digits = [...text].map((character) => String(parseInt(character, 36))).join('');
  const sum = [...digits].reverse().reduce((total, digit, place) => {
    const value = Number(digit) * (place % 2 === 0 ? 1 : 2);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** ISO 10383 by its shape alone. */
export function isMicShaped(text: string): boolean {
  return /^[A-Z0-9]{4}$/.test(text);
}

/** ISO 10962 by its shape and categories alone. */
export function isCfiShaped(text: string): boolean {
  return /^[ECDROFSHIJKLTM][A-Z]{5}$/.test(text);
}

/** ISO 4217 by its shape alone. */
export function isCurrencyShaped(text: string): boolean {
  return /^[A-Z]{3}$/.test(text);
}

/**
 * The id of a natural person by Delegated Regulation (EU) 2017/590, Article 6, by its shape alone: country, then a
 * national id, or date of birth and five characters each of first name and surname (CONCAT).
 */
export function isNationalIdShaped(text: string): boolean {
  return /^[A-Z]{2}(?:[A-Z0-9+-]{1,33}|[0-9]{8}[A-Z][A-Z#]{4}[A-Z][A-Z#]{4})$/.test(text);
}

/** The id of an algorithm by Article 8(3) of the same: up to 50 upper-case letters and digits. */
export function isAlgorithmIdShaped(text: string): boolean {
  return /^[A-Z0-9]{1,50}$/.test(text);
}
