// SPDX-License-Identifier: Apache-2.0
// The PCIe link as latency and bandwidth: each direction is a wire that is busy until a fixed-point time, then the TLP
// travels for a constant number of cycles. Order within a direction is kept, so a completion never passes an earlier
// posted write. This file is the room of the exact link (generation, lanes, credits): callers see sendUp and sendDown.
import {
  CTL_DOWN_BYTES,
  CTL_DOWN_FREE,
  CTL_DOWN_TLPS,
  CTL_NOW,
  CTL_UP_BYTES,
  CTL_UP_FREE,
  CTL_UP_TLPS,
} from '../abi/state_map.ts';
import {
  P_LINK_DOWN_BYTE_COST,
  P_LINK_DOWN_LATENCY,
  P_LINK_UP_BYTE_COST,
  P_LINK_UP_LATENCY,
} from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';

function occupy(freeAt: usize, bytes: u32, byteCost: u32, after: u32): u64 {
  const free = load<u64>(freeAt);
  const start = (load<u64>(CTL_NOW) + after) << 16;
  const end = (free > start ? free : start) + <u64>bytes * byteCost;
  store<u64>(freeAt, end);
  return (end + 0xffff) >> 16;
}

/**
 * Sends `tlps` TLPs of together `bytes` on the wire to the root complex, ready `after` cycles from now; returns the cycle
 * of arrival of the last.
 */
export function sendUp(tlps: u32, bytes: u32, after: u32 = 0): u64 {
  store<u64>(CTL_UP_TLPS, load<u64>(CTL_UP_TLPS) + tlps);
  store<u64>(CTL_UP_BYTES, load<u64>(CTL_UP_BYTES) + bytes);
  return occupy(CTL_UP_FREE, bytes, param(P_LINK_UP_BYTE_COST), after) + param(P_LINK_UP_LATENCY);
}

/** The same from the root complex to the device. */
export function sendDown(tlps: u32, bytes: u32): u64 {
  store<u64>(CTL_DOWN_TLPS, load<u64>(CTL_DOWN_TLPS) + tlps);
  store<u64>(CTL_DOWN_BYTES, load<u64>(CTL_DOWN_BYTES) + bytes);
  return occupy(CTL_DOWN_FREE, bytes, param(P_LINK_DOWN_BYTE_COST), 0) + param(P_LINK_DOWN_LATENCY);
}
