import { hash } from 'node:crypto';

const MODULUS_MASK = (1n << 256n) - 1n;

/**
 * A hash of a set of texts that does not depend on their order: the sum of their SHA-256, modulo 2^256. It tells whether
 * two listings of things that are fixed already, in different orders, list the same. (Whoever may choose the texts
 * freely can make two sets of one sum; here they are columns of events whose own hashes are known.)
 */
export class MultisetHash {
  private sum = 0n;

  add(text: string): void {
    this.sum = (this.sum + BigInt(`0x${hash('sha256', text, 'hex')}`)) & MODULUS_MASK;
  }

  /** Puts in what another hash of this kind, in hex, was made of. */
  addSet(hex: string): void {
    this.sum = (this.sum + BigInt(`0x${hex}`)) & MODULUS_MASK;
  }

  /** 64 hex digits. */
  hex(): string {
    return this.sum.toString(16).padStart(64, '0');
  }
}
