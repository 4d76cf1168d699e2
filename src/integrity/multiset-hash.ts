import { hash } from 'node:crypto';

const MODULUS_MASK = (1n << 256n) - 1n;

/**
 * A hash of a set of texts that does not depend on their order: the sum of their SHA-256, modulo 2^256. It tells whether
 * two listings of things, in different orders, list the same, but only with a key: whoever may choose the texts of a long
 * listing can make two of one sum in minutes (Wagner's generalised birthday; test/vectors/entities-collision.txt is one).
 */
export class MultisetHash {
  private sum = 0n;

  /**
   * `key`: 64 characters of ASCII, a block of SHA-256, that nobody knows who chose the texts; it begins what is hashed. Its
   * sums must stay a secret as well. Without it, the sum that an archive's manifests have, which compares nothing.
   */
  constructor(private readonly key = '') {}

  add(text: string): void {
    this.sum = (this.sum + BigInt(`0x${hash('sha256', this.key + text, 'hex')}`)) & MODULUS_MASK;
  }

  /** Puts in what another hash of this kind and of the same key, in hex, was made of. */
  addSet(hex: string): void {
    this.sum = (this.sum + BigInt(`0x${hex}`)) & MODULUS_MASK;
  }

  /** 64 hex digits. */
  hex(): string {
    return this.sum.toString(16).padStart(64, '0');
  }
}
