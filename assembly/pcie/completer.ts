// SPDX-License-Identifier: Apache-2.0
// The card as completer: requests of the host come down the link when the card has room for them (credits), are taken up
// one after the other, decoded, and, unless posted, answered by a completion that goes up behind all that was sent before.
import { CREDIT_UP_CPL } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as TRACE from '../abi/trace_kind.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';
import { isTracing } from '../sim/trace.ts';
import { creditTime, takeCredits } from './credits.ts';
import { sendDown, sendUp } from './link.ts';
import { traceWord } from './link_trace.ts';

/** Data credits of a register access. */
const DATA_UNITS = 1;

/**
 * Sends a request of the host down: `bytes` on the wire, `pool` its credits, `sub` its kind for the trace, with `size` bytes
 * `data` at `address`. Returns the cycle in which it is decoded.
 */
export function receiveRequest(
  pool: usize,
  bytes: u32,
  sub: u32,
  f: usize,
  address: u64,
  size: u32,
  data: u32,
  units: u32,
): u64 {
  const arrival = sendDown(1, bytes, bytes, max(load<u64>(CTL.NOW) + param(P.HOST_MMIO), creditTime(pool, units)));
  const taken = max(arrival, load<u64>(CTL.COMPLETER_FREE));
  store<u64>(CTL.COMPLETER_FREE, taken + param(P.COMPLETER_INTERVAL));
  takeCredits(pool, units, taken);
  if (isTracing(TRACE.MASK_TLP)) traceWord(sub, f, address, size, data, bytes, arrival);
  return taken + param(P.COMPLETER);
}

/** Cycle from which on the card may send a completion; until then it waits, and posted writes pass it. */
export function completionReady(): u64 {
  return creditTime(CREDIT_UP_CPL, DATA_UNITS);
}

/** Sends the completion of a host's request now, with a dword of data or without; when the host's core has it. */
export function sendCompletion(f: usize, address: u64, size: u32, data: u32): u64 {
  const bytes = param(P.TLP_3DW) + (size != 0 ? 4 : 0);
  const arrival = sendUp(bytes, load<u64>(CTL.NOW));
  takeCredits(CREDIT_UP_CPL, size != 0 ? DATA_UNITS : 0, arrival);
  if (isTracing(TRACE.MASK_TLP))
    traceWord(size != 0 ? TRACE.TLP_CPLD : TRACE.TLP_CPL, f, address, size, data, bytes, arrival);
  return arrival + param(P.HOST_MMIO);
}
