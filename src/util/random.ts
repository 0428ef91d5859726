// SPDX-License-Identifier: Apache-2.0
// Random numbers: a small generator of its own (mulberry32), so that a seed means the same order of accesses, gaps and
// mutations on every machine and in every version of the language's library.

const STEP = 0x6d2b79f5;

/** A stream of numbers that its seed determines. */
export class Random {
  private state: number;

  /** `seed` is taken modulo 2^32. */
  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** A whole number from 0 to `count` - 1; `count` is small against 2^32. */
  below(count: number): number {
    return this.next() % count;
  }

  /** Puts the items in a random order, in place. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const other = this.below(i + 1);
      const item = items[i]!;
      items[i] = items[other]!;
      items[other] = item;
    }
    return items;
  }

  /** A u32. */
  next(): number {
    this.state = (this.state + STEP) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
