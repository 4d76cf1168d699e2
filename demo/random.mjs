import { createHash } from 'node:crypto';

/** Random numbers that are the same in every run for the same name (sfc32, seeded by SHA-256). */
export class Random {
  #a;
  #b;
  #c;
  #counter = 1;

  /** @param {string} name */
  constructor(name) {
    const seed = createHash('sha256').update(name).digest();
    this.#a = seed.readInt32LE(0);
    this.#b = seed.readInt32LE(4);
    this.#c = seed.readInt32LE(8);
  }

  /** From 0 to below 1. */
  next() {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  /**
   * A whole number, both ends included.
   * @param {number} from
   * @param {number} to
   */
  integer(from, to) {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** @param {number} probability */
  happens(probability) {
    return this.next() < probability;
  }

  /**
   * @template T
   * @param {readonly T[]} list
   * @returns {T}
   */
  pick(list) {
    return /** @type {T} */ (list[this.integer(0, list.length - 1)]);
  }

  /** How long until something happens that happens every `mean` on average. @param {number} mean */
  wait(mean) {
    return -Math.log(1 - this.next()) * mean;
  }

  /** Of mean 0 and deviation 1. */
  normal() {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }
}
