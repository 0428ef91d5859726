// SPDX-License-Identifier: Apache-2.0
// Simulated time of a timed card that is served to programs outside: it follows the clock on the wall. It may be ahead of
// that by what a register access took. A functional card has no time that passes.
import type { Nic } from './nic.ts';

/** Longest that the card goes without a look at the clock. */
const IDLE_MS = 200;
const PS_PER_MS = 1e9;

export class WallClock {
  private readonly nic: Nic;
  private readonly cyclesPerMs: number;
  private readonly startMs = performance.now();
  private readonly startCycles: number;

  constructor(nic: Nic) {
    this.nic = nic;
    this.cyclesPerMs = PS_PER_MS / nic.profile.clockPs;
    this.startCycles = nic.now();
  }

  /** Lets the card's time come up with the wall's; milliseconds until it has something to do again, IDLE_MS at most. */
  keep(): number {
    const { nic, cyclesPerMs } = this;
    if (nic.config.mode === 'functional') return IDLE_MS;
    const due = this.startCycles + Math.floor((performance.now() - this.startMs) * cyclesPerMs);
    if (due > nic.now()) nic.advance(due);
    const waitMs = (nic.nextEventTime() - due) / cyclesPerMs;
    return Math.max(0, Math.min(IDLE_MS, Math.floor(waitMs)));
  }
}
