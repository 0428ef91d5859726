// SPDX-License-Identifier: Apache-2.0
// Access to the arena's scalars: parameters, configuration, counters, and block copies between arena and window.
import { CONFIG, COUNTER, FUNCTIONS, PARAM } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';

/** True in the debug build: `if (DEBUG) assert(...)` is not there in the release build, the loads of its condition neither. */
export const DEBUG: bool = !ASC_NO_ASSERT;

/** A timing parameter by index (timing_param.ts). */
export function param(index: i32): u32 {
  return load<u32>(PARAM + (index << 2));
}

/** A configuration value by index (nic_config.ts). */
export function config(index: i32): u32 {
  return load<u32>(CONFIG + (index << 2));
}

/** Address of a function's block; `fn` is 0 for the PF. */
export function functionAt(fn: u32): usize {
  return FUNCTIONS + fn * FN.STRIDE;
}

export function functionCount(): u32 {
  return load<u32>(CTL.FUNCTIONS);
}

/** Adds to a counter of the card. */
export function count(index: i32, amount: u64 = 1): void {
  const at: usize = COUNTER + (index << 3);
  store<u64>(at, load<u64>(at) + amount);
}

/** Adds to a counter of a function. */
export function countFn(f: usize, index: i32, amount: u64 = 1): void {
  const at = f + FN.COUNTER + (index << 3);
  store<u64>(at, load<u64>(at) + amount);
}

/** memory.copy with a short path: most copies are of 64 bytes or fewer, where vector moves beat the bulk instruction. */
export function copyBytes(to: usize, from: usize, bytes: u32): void {
  if (bytes > 128) {
    memory.copy(to, from, bytes);
    return;
  }
  let left = bytes;
  while (left >= 16) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
    left -= 16;
  }
  if (left & 8) {
    store<u64>(to, load<u64>(from));
    to += 8;
    from += 8;
  }
  if (left & 4) {
    store<u32>(to, load<u32>(from));
    to += 4;
    from += 4;
  }
  if (left & 2) {
    store<u16>(to, load<u16>(from));
    to += 2;
    from += 2;
  }
  if (left & 1) store<u8>(to, load<u8>(from));
}

/** Little-endian load of 1, 2 or 4 bytes: always four, then masked, because a branch on the size is mispredicted. */
export function loadSized(at: usize, size: u32): u32 {
  return load<u32>(at) & (0xffffffff >> (32 - (size << 3)));
}
