// SPDX-License-Identifier: Apache-2.0
// Registers of which some bits may be unknown: where the specification lets a device choose, the model says so instead of
// guessing, and learns the choice from the first read.

/** Unsigned words, and which bits of each are known. */
export class Bits {
  readonly value: Uint32Array;
  readonly known: Uint32Array;

  constructor(words: number) {
    this.value = new Uint32Array(words);
    this.known = new Uint32Array(words).fill(0xffffffff);
  }

  /** The word has this value. */
  set(word: number, value: number): void {
    this.value[word] = value;
    this.known[word] = 0xffffffff;
  }

  /** The word has this value, or kept the one it had: bits that are the same in both stay known. */
  maybe(word: number, value: number): void {
    this.forget(word, this.value[word]! ^ value);
  }

  /** These bits may be anything. */
  forget(word: number, bits: number): void {
    this.known[word] = this.known[word]! & ~bits;
  }

  /** What a read showed settles the bits that were open. */
  learn(word: number, value: number, bits: number): void {
    const open = ~this.known[word]! & bits;
    this.value[word] = (this.value[word]! & ~open) | (value & open);
    this.known[word] = this.known[word]! | open;
  }

  /** Are all these bits known to be set? */
  isSet(word: number, bits: number): boolean {
    return (this.value[word]! & this.known[word]! & bits) >>> 0 === bits >>> 0;
  }

  /** Is one of these bits known to be clear? */
  isClear(word: number, bits: number): boolean {
    return (~this.value[word]! & this.known[word]! & bits) !== 0;
  }

  isKnown(word: number, bits: number): boolean {
    return (~this.known[word]! & bits) === 0;
  }
}

/** `size` bytes as a mask. */
export function bytesMask(size: number): number {
  return size === 4 ? 0xffffffff : (1 << (8 * size)) - 1;
}
