// SPDX-License-Identifier: Apache-2.0
// Exports of the instrumented core beside those of the card: reset by what changed, and what was reached.
import * as CTL from '../abi/control.ts';
import { PRISTINE, POINTS_MAX, SEEN } from '../abi/fuzz_memory.ts';
import { collectNew } from './coverage.ts';
import { dirtiedRange, forgetDirty, putBack } from './dirty.ts';

/** Takes the present state of the card as the one that reset() goes back to. */
export function keep(): void {
  forgetDirty();
  memory.copy(PRISTINE, 0, load<u32>(CTL.MEMORY_BYTES));
}

/** Puts the card back; pages that had changed. */
export function reset(): u32 {
  return putBack();
}

/** To be called before the host itself writes `bytes` of the card's memory. */
export function willWrite(at: u32, bytes: u32): void {
  dirtiedRange(at, bytes);
}

/** Points of the code reached for the first time since forgetSeen(), of those passed since the last call. */
export function collect(): u32 {
  return collectNew();
}

export function forgetSeen(): void {
  memory.fill(SEEN, 0xff, POINTS_MAX);
}
