// SPDX-License-Identifier: Apache-2.0
// The one clock: u64 core cycles since creation. Link occupancy is kept in 1/65536 of a cycle.
import { CTL_NOW } from '../abi/state_map.ts';
import { P_FUNCTIONAL } from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';

export function now(): u64 {
  return load<u64>(CTL_NOW);
}

export function isFunctional(): bool {
  return param(P_FUNCTIONAL) != 0;
}
