// SPDX-License-Identifier: Apache-2.0
// On which side of the card's pins the computer around it is: inside, with address spaces, memory and timing of this folder,
// or outside, where requests of the card are outputs.
import * as CFG from '../abi/nic_config.ts';
import { config } from '../mem/arena.ts';

export function isOutside(): bool {
  return config(CFG.MEMORY_OUTSIDE) != 0;
}
