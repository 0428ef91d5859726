// SPDX-License-Identifier: Apache-2.0
// The two modes. The clock itself is CTL.NOW: u64 core cycles since creation.
import * as CTL from '../abi/control.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';

export function isFunctional(): bool {
  return param(P.FUNCTIONAL) != 0;
}

/**
 * When to ask again for what others have to give back: `cycles` from now; in functional mode at once, unless they may be
 * waiting for memory, whose answer moves time on by a cycle.
 */
export function retryDelay(cycles: u32): u32 {
  if (!isFunctional()) return cycles;
  return load<u32>(CTL.LATE_READS) != 0 ? 1 : 0;
}
