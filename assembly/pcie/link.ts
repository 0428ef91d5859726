// SPDX-License-Identifier: Apache-2.0
// The PCIe link: two directions, each a wire that is busy until some time, kept in whole cycles and a fraction with the
// denominator P.BYTE_DEN, so that nothing is ever rounded on the wire. A TLP takes the wire in the order of sendUp() or
// sendDown(), travels for a constant latency, and never passes another.
//
// ACK and flow-control DLLPs and ordered sets fall due in proportion to the bytes of TLPs sent. An idle wire sends them
// for nothing; on a busy one each takes 8 bytes before the next TLP. That makes the rate of a busy wire the closed formula
// (docs/timing_model.md) and leaves the latency of a lone TLP alone.
import { LINK_DOWN, LINK_UP } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as LINK from '../abi/link.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';

const DLLP_BYTES = 8;
/** A wire that was idle for so many bytes has sent all that was due. */
const IDLE_BYTES = 16;

/**
 * Takes the wire for a block of TLPs that follow each other, `bytes` together, `last` the last of them, ready in cycle
 * `ready`; returns the cycle in which the last symbol is out. One block or TLP by TLP: the result is the same.
 */
function occupy(link: usize, tlps: u32, bytes: u32, last: u32, ready: u64): u64 {
  store<u64>(link, load<u64>(link, LINK.TLPS) + tlps, LINK.TLPS);
  store<u64>(link, load<u64>(link, LINK.BYTES) + bytes, LINK.BYTES);
  const num = <u64>param(P.BYTE_NUM);
  const den = <u64>param(P.BYTE_DEN);
  let free = load<u64>(link, LINK.FREE);
  let fraction = load<u64>(link, LINK.FRACTION);
  let debt = load<u64>(link, LINK.DEBT);
  if (ready > free) {
    // cycles of idleness beyond 2^16 are not counted out
    const idle = min<u64>(ready - free, 0x10000) * den - fraction;
    if (idle >= IDLE_BYTES * num) debt = 0;
    free = ready;
    fraction = 0;
  }
  const each = <u64>param(P.DLLP_DEBT);
  debt += <u64>(bytes - last) * each;
  let wire = <u64>bytes;
  const due = <u64>param(P.DLLP_BYTE) * DLLP_BYTES;
  if (debt >= due) {
    const dllps = quotient(debt, due);
    debt -= dllps * due;
    wire += dllps * DLLP_BYTES;
  }
  fraction += wire * num;
  if (fraction >= den) {
    const cycles = quotient(fraction, den);
    free += cycles;
    fraction -= cycles * den;
  }
  store<u64>(link, free, LINK.FREE);
  store<u64>(link, fraction, LINK.FRACTION);
  store<u64>(link, debt + <u64>last * each, LINK.DEBT);
  return fraction == 0 ? free : free + 1;
}

/** a / b, which is mostly 1, 2 or 3: a division takes longer than to look. */
function quotient(a: u64, b: u64): u64 {
  if (a < b << 1) return 1;
  if (a < b * 3) return 2;
  return a < b << 2 ? 3 : a / b;
}

/** First cycle in which a TLP that comes now could go on the wire. */
export function wireFree(link: usize): u64 {
  return max(load<u64>(link, LINK.FREE), load<u64>(CTL.NOW));
}

/** Cycle in which all that was sent up by now has arrived. */
export function lastArrivalUp(): u64 {
  return load<u64>(LINK_UP, LINK.FREE) + (load<u64>(LINK_UP, LINK.FRACTION) == 0 ? 0 : 1) + param(P.UP_LATENCY);
}

/** Cycles that `bytes` are on the wire, if nothing else is. */
export function wireCycles(bytes: u32): u32 {
  return <u32>((<u64>bytes * param(P.BYTE_NUM) + param(P.BYTE_DEN) - 1) / param(P.BYTE_DEN));
}

/** Sends one TLP of `bytes` to the root complex, ready in cycle `ready`; returns the cycle of its arrival. */
export function sendUp(bytes: u32, ready: u64): u64 {
  return occupy(LINK_UP, 1, bytes, bytes, ready) + param(P.UP_LATENCY);
}

/** Sends `tlps` TLPs of together `bytes` to the card, the last of them `last` long; the arrival of that one. */
export function sendDown(tlps: u32, bytes: u32, last: u32, ready: u64): u64 {
  return occupy(LINK_DOWN, tlps, bytes, last, ready) + param(P.DOWN_LATENCY);
}
