// SPDX-License-Identifier: Apache-2.0
// The two modes. The clock itself is CTL_NOW: u64 core cycles since creation.
import { P_FUNCTIONAL } from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';

export function isFunctional(): bool {
  return param(P_FUNCTIONAL) != 0;
}
