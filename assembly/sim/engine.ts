// SPDX-License-Identifier: Apache-2.0
// Engines: units of one kind that take one piece of work at a time. Work goes to the unit that is free first, in the
// order in which it is asked for; that is all there is to know, so a unit is the cycle from which it is free.
import { ENGINES_MAX, ENGINE_FREE } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import { param } from '../mem/arena.ts';

/**
 * Takes a unit of `engine` (ENGINE_*) for `cycles`; returns the cycle in which it begins. `countParam`: index of the
 * parameter that tells how many units there are.
 */
export function occupyEngine(engine: i32, countParam: i32, cycles: u32): u64 {
  const units: usize = ENGINE_FREE + engine * (ENGINES_MAX << 3);
  let unit = units;
  let free = load<u64>(unit);
  const wanted = load<u64>(CTL.NOW);
  if (free > wanted) {
    const end = units + ((<usize>param(countParam)) << 3);
    for (let other = units + 8; other < end; other += 8) {
      const otherFree = load<u64>(other);
      if (otherFree < free) {
        free = otherFree;
        unit = other;
      }
    }
  }
  const start = max(free, wanted);
  store<u64>(unit, start + cycles);
  return start;
}
