// SPDX-License-Identifier: Apache-2.0
// Simulated time as drivers wait for it.
import type { Nic } from './nic.ts';

/** Time of one card, in cycles. */
export class NicClock {
  private readonly nic: Nic;

  constructor(nic: Nic) {
    this.nic = nic;
  }

  /** Cycles since the card was made. */
  now(): number {
    return this.nic.now();
  }

  /** Lets the card work until its next output; false if it went idle without one. */
  waitForEvent(): boolean {
    return this.nic.runToOutput();
  }

  /** Lets the card work for so many cycles. */
  advance(cycles: number): void {
    this.nic.advance(this.nic.now() + cycles);
  }
}
